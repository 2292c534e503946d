"""`pytest --romancy-lint`: findings are tests that fail, a clean project is one that passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import romancy_lint.plugin

SHOP = """\
import time

from romancy import Context, activity, workflow


@activity
def charge(amount: float) -> None: ...


@workflow
def order(ctx: Context):
    yield charge({amount})
"""

TEST = "def test_nothing(): pass\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.romancy-lint]\n")
    (tmp_path / "test_it.py").write_text(TEST)
    return tmp_path


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, with this plugin alone, named whether or not its entry point is installed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "romancy_lint.plugin"]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run([*command, *options], cwd=project, env=env, capture_output=True, text=True, timeout=60)


def test_each_finding_is_a_test_that_fails_with_its_text(project: Path):
    (project / "shop.py").write_text(SHOP.format(amount="time.time()"))
    (project / "other.py").write_text(SHOP.format(amount="hash('x')"))
    done = run(project, "--romancy-lint", "-v")
    assert done.returncode == 1
    assert "2 failed, 1 passed" in done.stdout
    assert "shop.py:12:18: ROM101 FAILED" in done.stdout
    assert "other.py:12:18: ROM114 FAILED" in done.stdout
    assert "    yield charge(time.time())\n   |                  ^^^^^^^^^^^" in done.stdout
    assert "help: Read the time of the workflow (`--fix`)" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_clean_project_is_one_test_that_passes(project: Path):
    (project / "shop.py").write_text(SHOP.format(amount="7.5"))
    done = run(project, "--romancy-lint", "-v")
    assert done.returncode == 0
    assert "romancy-lint::clean PASSED" in done.stdout
    assert "2 passed" in done.stdout


def test_without_the_option_nothing_is_linted(project: Path):
    (project / "shop.py").write_text(SHOP.format(amount="time.time()"))
    done = run(project)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True)


def test_the_settings_of_the_project_hold(project: Path):
    (project / "shop.py").write_text(SHOP.format(amount="time.time()"))
    (project / "pyproject.toml").write_text('[tool.romancy-lint]\nignore = ["ROM101"]\n')
    assert run(project, "--romancy-lint").returncode == 0


def test_settings_that_cannot_be_followed_are_a_usage_error(project: Path):
    (project / "pyproject.toml").write_text("[tool.romancy-lint]\nselekt = []\n")
    done = run(project, "--romancy-lint")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--romancy-lint" in done.stderr and "did you mean `select`?" in done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr


def test_findings_are_chosen_by_k_and_shared_out_by_xdist(project: Path):
    (project / "shop.py").write_text(SHOP.format(amount="time.time()"))
    assert "1 failed, 1 deselected" in run(project, "--romancy-lint", "-k", "ROM101").stdout
    assert "1 failed, 1 passed" in run(project, "--romancy-lint", "-p", "xdist", "-n", "2").stdout


def test_a_run_without_the_option_loads_neither_the_engine_nor_the_analysis():
    code = "import sys, json, pytest, romancy_lint.plugin; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    unwanted = {"romancy", "libcst", "click", "romancy_lint.runner", "romancy_lint.rules", "romancy_lint.report"}
    assert not set(json.loads(done.stdout)) & unwanted


def test_the_entry_point_names_the_plugin():
    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert settings["project"]["entry-points"]["pytest11"]["romancy"] == romancy_lint.plugin.__name__
