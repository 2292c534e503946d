"""What runs short beside the disk: files, memory, patience with readers; and what must not grow."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from romancy import Context, Flow, Romancy, recur, sleep, workflow
from tests.damage import processes
from tests.damage.conftest import Shell, Stage
from tests.damage.workflows import long, step, walk
from tests.romancy.shapes import CORPUS


def test_an_engine_goes_on_without_files_to_open_and_a_new_one_says_so(tmp_path: Path) -> None:
    told = processes.run("run_out_of_files", tmp_path / "app.db")
    assert (told["works"], told["works still"], told["instances"]) == (2, 3, 3)
    assert "app.db: unable to open database file" in told["opens"]


def test_an_engine_without_memory_stops_loudly_and_loses_nothing(tmp_path: Path) -> None:
    told = processes.run("run_out_of_memory", tmp_path / "app.db")
    assert told["error"] == f"{tmp_path}/app.db: out of memory"
    assert Shell(tmp_path / "app.db").findings() == []
    with Romancy(tmp_path / "app.db") as app:
        assert app.get("large").result(60) == 6_000_000
        assert {handle.status for handle in app.instances()} == {"completed"}


def test_files_memory_and_log_stay_as_they_are_over_many_instances(tmp_path: Path) -> None:
    told = processes.run("soak", tmp_path / "app.db")
    assert max(told["files"][2:]) <= told["files"][1] + 2
    assert told["memory"][-1] < told["memory"][1] + 30_000, "kilobytes, after 1,000 instances"
    assert told["log"] < 8_500_000


def test_ten_thousand_instances_wait_and_are_all_woken(stage: Stage) -> None:
    app = stage.open(max_resident=500)
    app.start_many([walk(number).options(id=str(number)) for number in range(10_000)])
    app.run_until_idle()
    assert stage.sql("select status, count(*) from instance group by 1") == [("waiting", 10_000)]
    assert stage.sql("select count(*) from history") == [(40_000,)]
    assert len(app._loop._residents) <= 500  # type: ignore[union-attr]
    assert Path(stage.database).stat().st_size < 30_000_000
    stage.clock.advance(100)
    app.run_until_idle()
    assert stage.sql("select status, count(*) from instance group by 1") == [("completed", 10_000)]
    assert [app.get(str(number)).result(0) for number in (0, 9_999)] == [3, 10_002]


@workflow
def steps(ctx: Context, numbers: int) -> Flow[int]:
    total = 0
    for number in range(numbers):
        total += yield from step(number)
    yield sleep(10)
    return total


def test_a_history_of_fifty_thousand_events_is_replayed_and_gone_on_with(stage: Stage) -> None:
    app = stage.open()
    app.start(steps(10), id="long")
    app.run_until_idle()
    stage.kill(app)
    with closing(sqlite3.connect(stage.database)) as connection:
        (fingerprint,) = connection.execute("select max(fingerprint) from history").fetchone()
        connection.execute("update instance set input = '{\"numbers\":50000}', position = 50001")
        connection.execute(
            """
            with recursive n(i) as (select 11 union all select i + 1 from n where i < 50000)
            insert into history (instance, run, seq, kind, step, name, attempt, fingerprint, data, started, at)
            select 1, 1, i, 'activity_completed', i, 'step', 1, ?, i - 1, 1e9, 1e9 from n
            """,
            [fingerprint],
        )
        connection.commit()
    app = stage.open()
    app.run_until_idle()
    assert app.get("long").status == "waiting"
    stage.clock.advance(10)
    app.run_until_idle()
    assert app.get("long").result(0) == sum(range(50_000))
    assert len(app.get("long").history()) == 50_003
    assert Shell(Path(stage.database)).findings() == []


def test_a_log_that_a_reader_kept_long_is_short_again_when_it_is_gone(stage: Stage, tmp_path: Path) -> None:
    log = tmp_path / "app.db-wal"
    app = stage.open()
    app.run_until_idle()
    with closing(sqlite3.connect(stage.database, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from instance").fetchone()
        for number in range(3):
            app.start(long(4, 1_000_000), id=f"i{number}")
            app.run_until_idle()
        assert log.stat().st_size > 11_000_000, "what a reader looks at stays"
        assert reader.execute("select count(*) from instance").fetchone() == (0,)
        reader.execute("commit")
    for number in range(3, 9):
        app.start(long(4, 1_000_000), id=f"i{number}")
        app.run_until_idle()
    assert log.stat().st_size < 9_000_000
    assert Path(stage.database).stat().st_size > 20_000_000, "it was brought into the main file"


@workflow
def recurring_on(ctx: Context, number: int) -> Flow[int]:
    yield sleep(10)
    if number < 3:
        yield recur(number + 1)
    return number


class Failing(sqlite3.Connection):
    """Fails at its next reads of a history."""

    left = 0

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if Failing.left and "from history where instance = ?" in sql:
            Failing.left -= 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return super().execute(sql, *rest)


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_history_that_could_not_be_read_for_a_moment_parks_nobody(stage: Stage, failures: int) -> None:
    app = stage.open()
    app.start(recurring_on(1), id="r")
    app.start(walk(1), id="w")
    app.run_until_idle()
    stage.clock.advance(10)
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(100)
    with Romancy(
        stage.database,
        worker=False,
        worker_id="w",
        clock=stage.clock,
        connect=lambda path: sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Failing),
    ) as again:
        Failing.left = failures
        again.run_until_idle()
        assert Failing.left == 0
        for _ in range(5):
            stage.clock.advance(10)
            again.run_until_idle()
        assert (again.get("r").result(0), again.get("w").result(0)) == (3, 4)


@pytest.mark.parametrize(("shape", "ends"), CORPUS.values(), ids=CORPUS)
def test_a_sound_database_is_found_to_be_one_whatever_ran_on_it(stage: Stage, shape: Any, ends: Any) -> None:
    app = stage.open()
    stage.sql("create table ledger (name text, amount integer)")
    app.start(shape(), id="x")
    shell = Shell(Path(stage.database))
    for _ in range(100):
        app.run_until_idle()
        assert shell.findings() == []
        if app.get("x").status in ("completed", "failed"):
            break
        stage.clock.advance(1)
    assert app.get("x").status == ("failed" if isinstance(ends, Exception) else "completed")
