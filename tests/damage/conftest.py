"""A stage for each test, and the command line on its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from romancy.cli import main
from romancy.workflow import definitions
from tests.damage import workflows
from tests.romancy.conftest import Stage, own_workflows, stage

__all__ = ["Shell", "Stage", "own_workflows", "shell", "stage", "the_workflows"]

MODULE = "tests.damage.workflows"


@pytest.fixture(autouse=True)
def the_workflows(own_workflows: None) -> None:
    """Every test knows those of this package and its own."""
    definitions.extend(each.definition for each in workflows.EVERY)


class Shell:
    """Runs commands on one database; none may show a traceback."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def __call__(self, *words: str, status: int | None = 0) -> Result:
        result = CliRunner().invoke(main, [*words[:1], "--db", str(self.database), *words[1:]], prog_name="romancy")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert status in (None, result.exit_code), (words, result.stdout, result.stderr)
        return result

    def refused(self, *words: str, status: int = 2) -> str:
        """The one line with which a command ends."""
        result = self(*words, status=status)
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1 and result.stderr.startswith("romancy: "), result.stderr
        return result.stderr

    def findings(self) -> list[dict[str, Any]]:
        """What `romancy check` finds."""
        result = self("check", "--json", status=None)
        told = json.loads(result.stdout)
        assert told["healthy"] is (result.exit_code == 0) is not bool(told["findings"])
        return list(told["findings"])

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self(*words, status=status).stdout)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("ROMANCY_DB", raising=False)
    return Shell(tmp_path / "app.db")


@pytest.fixture
def digest(tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Every file of the test's folder, with its content."""
    return lambda: {file.name: file.read_bytes() for file in sorted(tmp_path.iterdir()) if file.is_file()}
