"""What holds for every example."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.conftest import EXAMPLES

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
ARGUMENTS = {"folder_index": ["."]}
LEFT = {"research_agent": ["research"], "test_order": []}
ENDLESS = {"web_service"}
ENDING = [name for name in NAMES if name not in ENDLESS]

WATCHED = """
import functools, runpy, sys
import romancy
romancy.Romancy = functools.partial(romancy.Romancy, verify=1.0, guard=True)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short_says_what_it_shows_and_has_a_main(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    module = ast.parse(text)
    assert f"examples/{name}.py" in (ast.get_docstring(module) or "")
    assert any(isinstance(each, ast.FunctionDef) and each.name == "main" for each in module.body)
    assert len(text.splitlines()) <= 80


@pytest.mark.parametrize("name", ENDING)
def test_a_run_prints_something_and_leaves_nothing_but_its_database(
    name: str, run: Callable[..., list[str]], tmp_path: Path
) -> None:
    assert run(name, *ARGUMENTS.get(name, []))
    assert [path.name for path in tmp_path.iterdir()] == LEFT.get(name, [f"{name}.db"])


@pytest.mark.parametrize("name", ENDING)
def test_a_second_run_on_the_same_database_works_too(name: str, run: Callable[..., list[str]]) -> None:
    first = run(name, *ARGUMENTS.get(name, []))
    assert run(name, *ARGUMENTS.get(name, []))[-1].split()[0] == first[-1].split()[0]


@pytest.mark.parametrize("name", ENDING)
def test_every_finished_instance_replays_to_the_same_under_guard(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WATCHED, str(EXAMPLES / f"{name}.py"), *ARGUMENTS.get(name, [])]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, "stuck" in ended.stdout + ended.stderr) == (0, False), ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("target", "arguments", "result"),
    [
        ("order_saga.py:order", '["o-3", ["pen"], 40]', "receipt for 40"),
        ("crash_and_resume.py:bread", "[]", "weigh by"),
        ("folder_index.py:index", '["."]', '"files": 1'),
        ("children.py:report", '[["north"]]', "mean 3.5"),
        ("recur.py:watch", "[20]", "done at poll 25"),
    ],
)
def test_the_command_line_runs_the_workflow_of_an_example(
    target: str, arguments: str, result: str, tmp_path: Path
) -> None:
    folder = tmp_path / "folder with a file"
    folder.mkdir()
    (folder / "file").touch()
    program = [sys.executable, "-c", "from romancy.cli import main; main()"]
    command = [*program, "run", str(EXAMPLES / target), arguments, "--db", str(tmp_path / "e.db")]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0 and result in ended.stdout, ended.stdout + ended.stderr
