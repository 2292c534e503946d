"""A disk that is full, at each write: nothing acknowledged is lost, no workflow fails for it, and all goes on later."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from romancy import Context, Flow, Romancy, activity, session, sleep, workflow
from romancy.errors import StoreError, TerminalError
from romancy.store.sqlite import connect
from tests.damage import processes
from tests.damage.conftest import Shell, Stage
from tests.damage.workflows import long, note, notes, once, walk


class Disk:
    """Makes connections for which there is only so much room."""

    def __init__(self) -> None:
        self.connections: list[sqlite3.Connection] = []

    def connect(self, path: str) -> sqlite3.Connection:
        self.connections.append(connect(path))
        return self.connections[-1]

    def leave(self, pages: int) -> None:
        """From now on, there is room for so many pages more."""
        for each in self.connections:
            (count,) = each.execute("pragma page_count").fetchone()
            each.execute(f"pragma max_page_count = {count + pages}")

    def free(self) -> None:
        for each in self.connections:
            each.execute("pragma max_page_count = 1000000")


@pytest.fixture
def disk() -> Disk:
    return Disk()


def pump_until_trouble(app: Romancy, limit: int = 60) -> str:
    """What an engine says at last; it may also have been done before."""
    try:
        for _ in range(limit):
            if not app.pump():
                return ""
    except StoreError as trouble:
        return str(trouble)
    return ""


def assert_no_trouble_is_recorded(stage: Stage) -> None:
    for table, column in (("instance", "error"), ("history", "data"), ("history", "detail")):
        assert stage.sql(f"select {column} from {table} where {column} like '%disk is full%'") == []


@pytest.mark.parametrize("pages", [0, 1, 2, 3, 5, 8, 13])
def test_what_was_acknowledged_on_a_full_disk_ends_as_if_there_had_been_room(stage: Stage, disk, pages) -> None:
    app = Romancy(stage.database, worker=False, clock=stage.clock, connect=disk.connect)
    app.open()
    app.start_many([walk(number).options(id=f"w{number}") for number in range(3)])
    app.run_until_idle()
    started = [f"w{number}" for number in range(3)]
    disk.leave(pages)
    stage.clock.advance(100)
    told = ""
    for number in range(40):
        try:
            started.append(app.start(long(3, 1500), id=f"l{number}").id)
        except StoreError as trouble:
            told = str(trouble)
            break
        told = told or pump_until_trouble(app)
    assert told == f"{stage.database}: database or disk is full"
    assert {handle.status for handle in app.instances()} <= {"pending", "running", "waiting", "completed"}
    disk.free()
    app.run_until_idle()
    assert [app.get(id).status for id in started] == ["completed"] * len(started)
    assert [app.get(id).result(0) for id in started[:3]] == [3, 4, 5]
    app.close()
    assert_no_trouble_is_recorded(stage)
    assert Shell(Path(stage.database)).findings() == []


def test_a_worker_waits_for_room_and_goes_on(stage: Stage, disk) -> None:
    tries = 0

    def boundary(tag: str) -> None:
        nonlocal tries
        if tag == "before commit":
            tries += 1
            if tries == 4:
                disk.free()

    with Romancy(stage.database, connect=disk.connect, boundary=boundary) as app:
        assert app.run(once(1), timeout=60) == 1
        disk.leave(0)
        tries = 0
        assert app.run(long(2, 50_000), timeout=60) == 100_000
    assert tries >= 4
    assert_no_trouble_is_recorded(stage)


def test_a_worker_without_room_stops_loudly_and_goes_on_after_opening_again(stage: Stage, disk) -> None:
    """Its lease is its own still, and does not keep its instances from it."""
    app = Romancy(stage.database, connect=disk.connect, lease=3600)
    app.open()
    disk.leave(3)
    with pytest.raises(StoreError, match="database or disk is full"):
        app.run(long(2, 50_000), id="large", timeout=60)
    with pytest.raises(StoreError, match="database or disk is full"):
        app.start(once(2))
    app.close()
    disk.connections.clear()
    app.open()
    assert app.get("large").result(60) == 100_000
    app.close()
    assert_no_trouble_is_recorded(stage)


@pytest.mark.parametrize("pages", range(4))
def test_sql_of_an_activity_that_meets_a_full_disk_is_not_the_activity_s_failure(stage: Stage, disk, pages) -> None:
    app = Romancy(stage.database, worker=False, clock=stage.clock, connect=disk.connect)
    app.open()
    stage.sql("create table note (number, content)")
    handle = app.start(notes(30))
    disk.leave(pages)
    pump_until_trouble(app)
    assert handle.status != "failed"
    disk.free()
    app.run_until_idle()
    assert handle.result(0) == sum(range(30))
    assert [kind for (kind,) in stage.sql("select distinct kind from history where kind like '%failed'")] == []
    assert stage.sql("select count(*), count(distinct number) from note") == [(30, 30)]
    app.close()


def test_trouble_with_the_disk_that_an_activity_puts_in_words_of_its_own_is_not_its_failure(stage: Stage, disk) -> None:
    @activity
    def rewords() -> int:
        try:
            return sum(note.fn(number) for number in range(4))
        except sqlite3.Error as error:
            raise TerminalError("cannot note it") from error

    @workflow
    def careful(ctx: Context) -> Flow[int]:
        yield sleep(1)
        return (yield from rewords())

    app = Romancy(stage.database, worker=False, clock=stage.clock, connect=disk.connect)
    app.open()
    stage.sql("create table note (number, content)")
    handle = app.start(careful())
    app.run_until_idle()
    disk.leave(0)
    stage.clock.advance(1)
    pump_until_trouble(app)
    assert handle.status == "running"
    disk.free()
    app.run_until_idle()
    assert handle.result(0) == 6
    app.close()


def test_other_errors_of_an_activity_s_sql_stay_its_own(stage: Stage) -> None:
    @activity
    def mistaken() -> None:
        session().execute("insert into nowhere values (1)")

    @workflow
    def catches(ctx: Context) -> Flow[str]:
        try:
            yield mistaken()
        except Exception as error:
            return str(error)
        return ""

    app = stage.open()
    assert "no such table: nowhere" in stage.finish(app, app.start(catches())).result(0)


@pytest.mark.parametrize("room", [0, 700, 5000, 60_000])
def test_files_that_may_not_grow_lose_nothing_that_was_acknowledged(tmp_path: Path, room) -> None:
    told = processes.run("fill_the_disk", tmp_path / "app.db", room)
    assert len(told["errors"]) == 1 and "app.db: " in told["errors"][0]
    assert told["results"] == ([6000] if told["started"] else [])
    assert Shell(tmp_path / "app.db").findings() == []


@pytest.mark.parametrize("source", ["new", "closed", "crashed"])
def test_opening_on_a_full_disk_is_refused_and_spoils_nothing(stage: Stage, tmp_path: Path, source) -> None:
    app = stage.open()
    app.start_many([walk(number) for number in range(5)])
    app.run_until_idle()
    copy = tmp_path / "copy"
    copy.mkdir()
    if source == "closed":
        app.close()
    for file in tmp_path.glob("app.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, copy / file.name)
    (tmp_path / "tries").mkdir()
    told = processes.run("open_on_a_full_disk", tmp_path / "tries", source if source == "new" else copy)
    assert told["wrong"] == []
    assert told["refused"] >= 5 and told["opened"] >= 5


class Brimming(sqlite3.Connection):
    """A disk that has room for one more number, and not for the next."""

    is_full = False
    refused = 0

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if self.is_full and "set confirmed = opened" in sql:
            Brimming.refused += 1
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return super().execute(sql, *rest)


def brimming(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Brimming)


@pytest.mark.parametrize("when", ["opening", "working"])
def test_a_disk_that_is_full_between_the_two_numbers_does_not_make_the_log_look_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    stage.open().close()
    monkeypatch.setattr(Brimming, "is_full", when == "opening")
    monkeypatch.setattr(Brimming, "refused", 0)
    app = Romancy(stage.database, worker=False, clock=stage.clock, connect=brimming)
    if when == "opening":
        with pytest.raises(StoreError, match="disk is full"):
            app.open()
    else:
        app.open()
        app.start(long(6, 1_000_000), id="long")
        Brimming.is_full = True
        app.run_until_idle()
        app.close()
    assert Brimming.refused > 0
    Brimming.is_full = False
    with Romancy(stage.database, worker=False, clock=stage.clock) as again:
        assert [handle.id for handle in again.instances()] == ([] if when == "opening" else ["long"])
        again.run_until_idle()
        assert {handle.result(0) for handle in again.instances()} <= {6_000_000}
