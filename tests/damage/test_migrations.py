"""Making and bringing up a schema: cut at every statement, raced by processes, refused backwards."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from romancy import Romancy
from romancy.errors import SchemaError
from romancy.store import SqliteStore
from tests.damage.conftest import Shell, Stage
from tests.damage.processes import ROOT
from tests.damage.workflows import once


class Cut(BaseException):
    """The process ended here."""


class Cutting(sqlite3.Connection):
    """Ends at one statement, before it or after it; from then on it does nothing any more, as the dead do."""

    left = 0
    after = False
    images: Path | None = None

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if Cutting.left < 0:
            raise Cut(sql)
        Cutting.left -= 1
        if Cutting.left >= 0:
            return super().execute(sql, *rest)
        if Cutting.after:
            super().execute(sql, *rest)
        if Cutting.images is not None:
            copy_of(Cutting.images)
        raise Cut(sql)


def copy_of(folder: Path) -> None:
    """What the disk holds now: the file, its log and its journal."""
    (folder / "image").mkdir()
    for name in ("app.db", "app.db-wal", "app.db-journal"):
        if (folder / name).exists():
            shutil.copy(folder / name, folder / "image" / name)


def cutting(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Cutting)


def cut_at(folder: Path, statement: int, *, after: bool) -> bool:
    """Open a database and end at a statement; whether there was one so late."""
    Cutting.left, Cutting.after, Cutting.images = statement, after, folder
    try:
        SqliteStore(str(folder / "app.db"), connect=cutting).close()
    except Cut:
        return True
    finally:
        Cutting.left, Cutting.images = 10**9, None
    return False


def _new(folder: Path) -> None:
    folder.mkdir()


def _closed(folder: Path) -> None:
    folder.mkdir()
    with Romancy(folder / "app.db", worker=False) as app:
        app.start(once(1), id="kept")


@pytest.mark.parametrize("prepare", [_new, _closed], ids=["a new file", "a file that was closed"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_opening_that_ends_at_any_statement_is_taken_up_by_the_next(
    tmp_path: Path, prepare: Callable[[Path], None], after: bool
) -> None:
    statement = 0
    while True:
        folder = tmp_path / str(statement)
        prepare(folder)
        kept = len(Shell(folder / "app.db").json("list", "--json")) if (folder / "app.db").exists() else 0
        if not cut_at(folder, statement, after=after):
            break
        image = folder / "image" / "app.db"
        if image.exists() and image.stat().st_size and not Path(f"{image}-journal").exists():
            Shell(image)("list", status=None)  # looking at it spoils nothing
        with Romancy(image, worker=False) as app:
            assert len(app.instances()) == kept, f"statement {statement}"
            app.start(once(2), id="new")
            app.run_until_idle()
            assert {handle.result(0) for handle in app.instances()} <= {1, 2}
        assert Shell(image).findings() == [], f"statement {statement}"
        statement += 1
    assert statement > (30 if prepare is _new else 10)


def test_processes_that_open_one_new_file_together_make_one_schema(tmp_path: Path) -> None:
    program = (
        "import sys; from romancy import Romancy; from tests.damage.workflows import once\n"
        "sys.stdin.readline()\n"
        "with Romancy(sys.argv[1], worker=False) as app:\n"
        "    app.start(once(int(sys.argv[2])), id=sys.argv[2])\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "app.db"), str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        for number in range(4)
    ]
    for each in racers:
        assert each.stdin is not None
        each.stdin.write(b"go\n")
        each.stdin.flush()
    for each in racers:
        _, complaints = each.communicate(timeout=60)
        assert each.returncode == 0, complaints.decode()
    shell = Shell(tmp_path / "app.db")
    assert {each["id"] for each in shell.json("list", "--json")} == {"0", "1", "2", "3"}
    assert shell.findings() == []


def test_a_schema_of_the_future_is_refused_and_left(stage: Stage, digest) -> None:
    stage.open().close()
    stage.sql("pragma user_version = 2")
    before = digest()
    for worker in (True, False):
        with pytest.raises(SchemaError, match="has schema 2, and this Romancy knows 1: upgrade Romancy to open it"):
            Romancy(stage.database, worker=worker).open()
    assert digest() == before


def test_two_databases_begin_their_numbers_apart(tmp_path: Path) -> None:
    """That is how the log of one is told from that of another."""
    numbers = []
    for name in ("a.db", "b.db"):
        SqliteStore(str(tmp_path / name)).close()
        connection = sqlite3.connect(tmp_path / name)
        numbers.append(connection.execute("select opened, confirmed from opening").fetchone())
        connection.close()
    assert all(opened == confirmed for opened, confirmed in numbers)
    assert abs(numbers[0][0] - numbers[1][0]) > 1_000_000
