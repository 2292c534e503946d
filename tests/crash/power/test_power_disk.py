"""The disk keeps what was synced and may lose the rest, and its connections are as good as the standard library's."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from romancy.store import SqliteStore
from romancy.testing.contract import StoreContract
from tests.crash.power.adapter import Connection, connecting
from tests.crash.power.cuts import SECTOR, draw, lose
from tests.crash.power.disk import Disk, Note, Operation, State, Sync, SyncFolder, Truncate, Unlink, Write, states
from tests.crash.power.vfs import RecordedFiles


def state_after(*operations: Operation) -> State:
    state = State({"a": b"old"})
    for operation in operations:
        state.apply(operation)
    return state


def outcomes(state: State, name: str) -> set[bytes | None]:
    return {draw(state, random.Random(seed)).files.get(name) for seed in range(300)}


def test_what_was_synced_is_kept_by_every_cut() -> None:
    state = state_after(Write(0, 0, b"new"), Sync(0))
    assert outcomes(state, "a") == {b"new"}
    assert lose(state).files == {"a": b"new"}


def test_what_was_not_synced_may_be_kept_or_lost_write_by_write() -> None:
    state = state_after(Write(0, 0, b"N"), Write(0, 2, b"W"))
    assert outcomes(state, "a") == {b"old", b"Nld", b"olW", b"NlW"}
    assert lose(state).files == {"a": b"old"}


def test_a_write_is_torn_between_sectors_and_not_inside_of_them() -> None:
    state = State({"a": bytes(2 * SECTOR)})
    state.apply(Write(0, 0, b"x" * (2 * SECTOR)))
    old, new = bytes(SECTOR), b"x" * SECTOR
    assert outcomes(state, "a") == {old + old, old + new, new + old, new + new}


def test_a_truncation_may_be_undone_until_it_is_synced() -> None:
    assert outcomes(state_after(Truncate(0, 1)), "a") == {b"old", b"o"}
    assert outcomes(state_after(Truncate(0, 1), Sync(0)), "a") == {b"o"}


def test_a_name_is_there_for_sure_only_once_its_folder_was_synced(folder: Path) -> None:
    disk = Disk(folder)
    disk.number("new")
    disk.add(SyncFolder())
    disk.unlink("new", synced=False)
    kept = [outcomes(state, "new") for _, _, state in states(disk)]
    assert kept == [{None, b""}, {b""}, {None, b""}]


def test_a_file_that_is_made_again_is_another_one(folder: Path) -> None:
    disk = Disk(folder)
    first = disk.number("log")
    disk.add(Write(first, 0, b"first"))
    disk.unlink("log", synced=False)
    assert disk.number("log") != first
    *_, (_, _, state) = states(disk)
    assert state.whole() == {"log": b""}
    assert Unlink("log") in disk.entries


def test_the_journal_ends_in_what_sqlite_has_really_written(folder: Path) -> None:
    disk = Disk(folder)
    files = RecordedFiles(disk)
    connection = Connection(str(folder / "a.db"), files.name)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table t (x)")
    connection.execute("begin")
    connection.executemany("insert into t values (?)", [(number,) for number in range(5000)])
    connection.execute("commit")
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.execute("delete from t where x % 3 = 0")
    *_, (_, _, state) = states(disk)
    real = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}
    assert state.whole() == real
    assert not any(isinstance(entry, Note) for entry in disk.entries)
    connection.close()


class TestStoreOnARecordedDisk(StoreContract):
    def open(self, tmp_path: Path) -> SqliteStore:
        self.files = RecordedFiles(Disk(tmp_path))
        return SqliteStore(str(tmp_path / "store.db"), connect=connecting(self.files.name))


@pytest.mark.parametrize("make", ["apsw", "sqlite3"])
def test_both_kinds_of_connection_answer_alike(folder: Path, make: str) -> None:
    files = RecordedFiles(Disk(folder))
    path = str(folder / "a.db")
    connection = connecting(files.name)(path) if make == "apsw" else sqlite3.connect(path, isolation_level=None)
    connection.execute("create table t (x integer primary key, y text unique)")
    inserted = connection.execute("insert into t (y) values (:y)", {"y": "one"})
    assert (inserted.rowcount, inserted.lastrowid, inserted.fetchone()) == (1, 1, None)
    assert connection.executemany("insert into t (y) values (?)", [("two",), ("three",)]).rowcount == 2
    assert connection.execute("update t set y = y || '!' where x > 1").rowcount == 2
    found = connection.execute("select x, y from t order by x")
    assert (found.rowcount, [column[0] for column in found.description]) == (-1, ["x", "y"])
    assert (found.fetchone(), list(found), found.fetchone()) == ((1, "one"), [(2, "two!"), (3, "three!")], None)
    assert connection.execute("select x from t where x > 9").description is not None
    with pytest.raises(sqlite3.IntegrityError) as caught:
        connection.execute("insert into t (y) values ('one')")
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    assert caught.value.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE"
    with pytest.raises(sqlite3.OperationalError, match="no such table: u"):
        connection.execute("select * from u")
    assert not connection.in_transaction
    connection.execute("begin immediate")
    assert connection.in_transaction
    connection.rollback()
    connection.close()
