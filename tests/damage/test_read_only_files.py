"""Files that may be read and not written: commands that look work, and those that write say why they do not.

For root no file is read-only, so the commands are run as somebody who owns nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from romancy import Romancy
from tests.damage import processes
from tests.damage.conftest import MODULE
from tests.damage.workflows import once

LOOKS = ("list", "show w", "export w", "export w --rows", "doctor", "check")
WRITES = (f"start {MODULE}:once [1]", f"worker {MODULE} --until-idle", "cancel w", "retry w")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can reach, with a database."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    with Romancy(folder / "app.db", worker=False) as app:
        app.start(once(1), id="w")
    (folder / "app.db").chmod(0o444)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize(("mode", "told"), [(0o777, "app.db is read-only"), (0o555, "app.db is read-only")])
def test_a_read_only_file_can_be_looked_at_and_not_worked_on(folder: Path, mode: int, told: str) -> None:
    before = files(folder)
    folder.chmod(mode)
    ended = processes.run("commands_of_a_guest", folder, *LOOKS, *WRITES)
    for line in LOOKS:
        assert ended[line]["status"] == 0, ended[line]
    assert "w" in ended["list"]["out"] and "nothing is wrong" in ended["check"]["out"]
    for line in WRITES:
        assert ended[line]["status"] == 2 and ended[line]["out"] == ""
        assert told in ended[line]["err"] and ended[line]["err"].count("\n") == 1
    assert files(folder) == before, "nothing was left beside it either"


def test_a_writable_file_in_a_read_only_folder_can_be_looked_at(folder: Path) -> None:
    before = files(folder)
    (folder / "app.db").chmod(0o666)
    folder.chmod(0o555)
    ended = processes.run("commands_of_a_guest", folder, *LOOKS, *WRITES)
    assert {ended[line]["status"] for line in LOOKS if line != "doctor"} == {0}
    for line in WRITES:
        assert f"the folder {folder} is read-only, and the log of {folder}/app.db belongs there" in ended[line]["err"]
    assert files(folder) == before


def test_a_file_that_may_not_be_read_is_one_line_for_every_command(folder: Path) -> None:
    (folder / "app.db").chmod(0o000)
    ended = processes.run("commands_of_a_guest", folder, *LOOKS, *WRITES)
    for line in LOOKS + WRITES:
        assert ended[line]["status"] in (1, 2)
        assert "Permission denied" in ended[line]["err"] + ended[line]["out"], ended[line]
        if line not in ("doctor", "check"):
            assert ended[line]["err"].count("\n") == 1


def test_a_guest_may_look_at_a_database_while_its_owner_works_on_it(folder: Path) -> None:
    (folder / "app.db").chmod(0o644)
    with Romancy(folder / "app.db", worker=False) as app:
        app.start(once(2), id="new")
        for file in folder.iterdir():
            file.chmod(0o644)
        ended = processes.run("commands_of_a_guest", folder, "list", "show new", "check")
        assert {each["status"] for each in ended.values()} == {0}
        assert "new" in ended["list"]["out"], "it sees what is in the log"
        app.run_until_idle()
        assert app.get("new").result(0) == 2


def test_what_a_crash_left_in_a_read_only_folder_is_looked_at_or_refused_in_one_line(folder: Path) -> None:
    (folder / "app.db").chmod(0o644)
    other = folder / "crashed"
    other.mkdir()
    with Romancy(folder / "app.db", worker=False) as app:
        app.start(once(2), id="new")
        for name in ("app.db", "app.db-wal"):
            shutil.copy(folder / name, other / name)
            (other / name).chmod(0o444)
    before = files(other)
    other.chmod(0o555)
    ended = processes.run("commands_of_a_guest", other, "list", f"start {MODULE}:once [1]")
    assert ended["list"]["status"] == 2 and ended["list"]["err"].count("\n") == 1
    assert "unable to open database file" in ended["list"]["err"]
    assert "is read-only" in ended[f"start {MODULE}:once [1]"]["err"]
    assert files(other) == before
