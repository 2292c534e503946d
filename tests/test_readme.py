"""What the README shows is run, as its reader would run it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [
    command.strip()
    for language, code in BLOCKS
    if language == "sh"
    for line in code.splitlines()
    for command in line.split(" && ")
]
SET_UP = ("python3 -m venv .venv", ".venv/bin/pip install -q .", ".venv/bin/pip install -q -e '.[test]'")
THESE_TESTS = ".venv/bin/pytest -q"


def file_of(code: str, number: int) -> str:
    """The name that a block gives its file in a comment of its first line."""
    named = re.match(r"# (\w+\.py)$", code.splitlines()[0])
    return named[1] if named else f"block_{number}.py"


def run(command: list[str], folder: Path) -> str:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds the blocks of the README under their names."""
    for number, code in enumerate(PYTHON):
        (tmp_path / file_of(code, number)).write_text(code, "utf-8")
    return tmp_path


def test_the_readme_has_blocks_of_both_kinds() -> None:
    assert len(PYTHON) >= 3 and len(COMMANDS) >= 8
    assert {language for language, _ in BLOCKS} == {"python", "sh", "toml"}


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_a_python_block_runs(number: int, folder: Path) -> None:
    name = file_of(PYTHON[number], number)
    if name.startswith("test_"):
        tests = PYTHON[number].count("def test_")
        assert f"{tests} passed" in run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name], folder)
    else:
        run([sys.executable, name], folder)


def test_the_first_block_prints_its_result_once_and_again(folder: Path) -> None:
    for _ in range(2):
        assert run([sys.executable, "shop.py"], folder) == "receipt for 40\n"


def test_the_first_block_has_about_twenty_lines() -> None:
    lines = [line for line in PYTHON[0].splitlines() if line and not line.startswith("#")]
    assert 10 <= len(lines) <= 22


def test_the_shell_commands_run(folder: Path) -> None:
    told = {command: shell(command, folder) for command in COMMANDS if command not in (*SET_UP, THESE_TESTS)}
    assert "completed: ['weigh by" in told[".venv/bin/python examples/crash_and_resume.py"]
    assert '"receipt for 40"' in next(told[command] for command in told if command.startswith("romancy run"))
    assert "o-7" in next(told[command] for command in told if command.startswith("romancy list"))
    assert "charge" in next(told[command] for command in told if command.startswith("romancy show"))


def shell(command: str, folder: Path) -> str:
    program, *arguments = shlex.split(command, comments=True)
    match program:
        case "romancy":
            return run([sys.executable, "-c", "from romancy.cli import main; main()", *arguments], folder)
        case "romancy-lint":
            return run([sys.executable, "-m", "romancy_lint", *arguments], folder)
        case ".venv/bin/python":
            return run([sys.executable, str(ROOT / arguments[0]), *arguments[1:]], folder)
        case _:
            raise AssertionError(f"nothing here runs {command!r}")


def test_the_settings_of_the_linter_are_taken(folder: Path) -> None:
    (settings,) = [code for language, code in BLOCKS if language == "toml"]
    (folder / "pyproject.toml").write_text(settings, "utf-8")
    told = run([sys.executable, "-m", "romancy_lint", "config"], folder)
    assert "acme.rates.latest" in told and "shop.money.rounded" in told and "ROM206" in told


def test_each_of_the_two_set_ups_is_one_line_and_what_it_installs_exists() -> None:
    lines = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
    set_ups = [line for line in lines if line.startswith(SET_UP[0])]
    assert len(set_ups) == 2 and set_ups[1].endswith(THESE_TESTS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "test" in project["optional-dependencies"]


def test_every_link_leads_somewhere() -> None:
    headings = {re.sub(r"\W+", "-", line.lstrip("# ").lower()) for line in TEXT.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert target.lstrip("#") in headings if target.startswith("#") else (ROOT / target).exists(), target


def test_exactly_once_is_said_of_sql_through_the_session_alone() -> None:
    said = [line for line in TEXT.splitlines() if "exactly once" in line.lower()]
    assert said and all("session()" in line and "SQL" in line for line in said)


def test_every_example_is_shown() -> None:
    shown = set(re.findall(r"examples/(\w+)\.py", TEXT))
    assert shown == {path.stem for path in (ROOT / "examples").glob("*.py")}
