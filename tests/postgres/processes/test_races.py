"""Eight processes want the same instances, or make the same tables: each is had once, and made once."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from romancy.store.postgres import PostgresStore
from romancy.testing.contract import new
from tests.postgres.processes.stage import Stage
from tests.postgres.server import query
from tests.system.programs import asleep
from tests.system.stage import ROOT

PROCESSES = 8


def claimers(url: str, gate: Path) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.postgres.processes.claimer", url]
    return [
        subprocess.Popen([*command, f"w-{number}", str(gate)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]


def test_eight_processes_that_claim_at_once_get_each_instance_once(url: str, tmp_path: Path) -> None:
    with closing(PostgresStore(url)) as store:
        store.create([new(f"i-{number}", at=1.0) for number in range(600)], owner=None, now=1.0)
    processes = claimers(url, tmp_path / "gate")
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "gate").touch()
    claimed = [process.communicate(timeout=30)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert sorted(id for each in claimed for id in each) == sorted(f"i-{number}" for number in range(600))
    assert sum(bool(each) for each in claimed) > 1, "nobody had them all"
    owners = query(url, "select owner, count(*) from romancy.instance group by owner")
    assert sorted(count for _, count in owners) == sorted(len(each) for each in claimed if each)


def test_processes_that_start_together_on_an_empty_database_make_its_tables_once(url: str, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    processes = claimers(url, tmp_path / "gate")
    assert {process.communicate(timeout=30)[0] for process in processes} == {"ready\n"}
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert query(url, "select version from romancy.migration") == [(1,)]


def test_workers_with_clocks_that_differ_by_minutes_keep_their_leases_and_fire_no_timer_early(stage: Stage) -> None:
    for skew in (-300, 0, 300):
        stage.settings["ROMANCY_SKEW"] = str(skew)
        stage.work(lease=1.0, activities=2, id=f"skewed-by-{skew}")
    stage.wait_for_leases(3)
    tokens = stage.query("select token, id from worker order by token")
    began = server_time(stage)
    handles = stage.client.start_many([asleep(0.4) for _ in range(12)])
    assert [handle.result(30) for handle in handles] == [None] * 12
    stage.wait_for("renewals past the first leases", lambda: server_time(stage) > began + 1.5)
    assert stage.query("select token, id from worker order by token") == tokens, "nobody took over from a living one"
    ended = server_time(stage)
    times = stage.query("select seq, at from history order by instance, seq")
    assert all(began - 0.5 <= at <= ended + 0.5 for _, at in times)
    for started, fired in zip(*(stage.query(_AT, kind) for kind in ("workflow_started", "timer_fired")), strict=True):
        assert fired[0] - started[0] >= 0.4


_AT = "select at from history where kind = ? order by instance"


def server_time(stage: Stage) -> float:
    return float(stage.query("select extract(epoch from clock_timestamp())::float8")[0][0])
