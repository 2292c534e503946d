"""A file that is no database of ours is refused in one line, by every way in, and not a byte of it changes."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from romancy import Romancy
from romancy.errors import SchemaError, StoreError
from romancy.store import SqliteStore
from tests.damage.conftest import MODULE, Shell

COMMANDS = (
    ("list",),
    ("show", "x"),
    ("export", "x"),
    ("export", "x", "--rows"),
    ("cancel", "x"),
    ("retry", "x"),
    ("start", f"{MODULE}:once", "[1]"),
    ("run", f"{MODULE}:once", "[1]"),
    ("worker", MODULE, "--until-idle"),
)


def _marked(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table thing (x)")
        connection.execute("pragma application_id = 252006675")


def _unmarked(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table thing (x)")


def _newer(path: Path) -> None:
    SqliteStore(str(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma user_version = 99")


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "random bytes": (lambda path: path.write_bytes(random.Random(1).randbytes(9000)), "is no SQLite database"),
    "one byte": (lambda path: path.write_bytes(b"S"), "is no SQLite database"),
    "a text": (lambda path: path.write_text("order,item\n" * 500), "is no SQLite database"),
    "a short header": (lambda path: path.write_bytes(b"SQLite format 3"), "is no SQLite database"),
    "a header and nothing else": (lambda path: path.write_bytes(b"SQLite format 3\0"), "is no SQLite database"),
    "another program's database": (_marked, "is the database of another program"),
    "a database without a mark": (_unmarked, "is the database of another program"),
    "a newer schema": (_newer, "has schema 99, and this Romancy knows 1: upgrade Romancy to open it"),
}


@pytest.fixture(params=FOREIGN)
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    make, told = FOREIGN[request.param]
    make(tmp_path / "app.db")
    return told


@pytest.mark.parametrize("worker", [True, False], ids=["a worker", "a client"])
def test_the_api_refuses_a_foreign_file_and_leaves_it(tmp_path: Path, foreign, digest, worker) -> None:
    before = digest()
    with pytest.raises(SchemaError, match=foreign):
        Romancy(tmp_path / "app.db", worker=worker).open()
    with pytest.raises(SchemaError, match=foreign):
        SqliteStore(str(tmp_path / "app.db"), read_only=True)
    assert digest() == before


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:1]))
def test_every_command_refuses_a_foreign_file_in_one_line(shell: Shell, foreign, digest, words) -> None:
    before = digest()
    assert foreign in shell.refused(*words)
    assert digest() == before


@pytest.mark.parametrize("command", ["doctor", "check"])
def test_what_examines_a_file_tells_of_a_foreign_one_and_ends_with_1(shell: Shell, foreign, digest, command) -> None:
    before = digest()
    assert foreign.partition(":")[0] in shell(command, status=1).stdout
    assert digest() == before


def test_an_empty_file_is_a_new_database_for_a_writer_and_nothing_for_a_reader(shell: Shell, tmp_path, digest) -> None:
    (tmp_path / "app.db").touch()
    assert "is of an older Romancy, or of none" in shell.refused("list")
    assert digest() == {"app.db": b""}
    assert shell("run", f"{MODULE}:once", "[7]").stdout == "7\n"


def test_an_empty_file_beside_a_log_is_refused(tmp_path: Path, digest) -> None:
    (tmp_path / "app.db").touch()
    (tmp_path / "app.db-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(5000))
    before = digest()
    with pytest.raises(SchemaError, match="is empty and its write-ahead log is not"):
        Romancy(tmp_path / "app.db").open()
    assert digest() == before


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:1]))
def test_a_folder_is_refused_in_one_line(tmp_path: Path, words) -> None:
    assert "is a folder: name a file in it" in Shell(tmp_path).refused(*words)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_refused_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "app.db")
    with pytest.raises(StoreError, match="is no file"):
        Romancy(tmp_path / "app.db").open()
    assert "is no file" in Shell(tmp_path / "app.db").refused("list")


def test_a_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the folder .*nowhere is missing: create it"):
        Romancy(tmp_path / "nowhere" / "app.db").open()
    assert "is missing" in Shell(tmp_path / "nowhere" / "app.db").refused("start", f"{MODULE}:once", "[1]")
    assert list(tmp_path.iterdir()) == []
