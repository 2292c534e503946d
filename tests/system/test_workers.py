"""Several worker processes share one file: the work is done once, and goes on when one of them is killed."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from romancy import Handle
from tests.system.effects import counted, overlapping
from tests.system.programs import many, poison, squares, total
from tests.system.stage import Program, Stage, completions


@pytest.mark.parametrize("count", [2, 4])
def test_workers_that_share_a_file_run_each_activity_once(stage: Stage, count: int) -> None:
    handles = stage.client.start_many(
        [many(10).options(id=f"many-{number}") for number in range(30)]
        + [squares([""] * 5).options(id=f"squares-{number}") for number in range(10)]
    )
    for _ in range(count):
        stage.work(activities=4)
    results = Counter(str(handle.result(60)) for handle in handles)
    assert results == {"55": 30, "[0, 1, 4, 9, 16]": 10}
    bodies = stage.bodies()
    assert len(bodies) == len({body.call for body in bodies}) == 350
    assert not overlapping(bodies, {})


def test_a_lone_instance_of_plain_and_async_activities_runs_to_its_end(stage: Stage) -> None:
    handle = stage.client.start(many(30))
    stage.work()
    assert handle.result(30) == 30 * 31 // 2
    assert set(counted(stage.bodies()).values()) == {1}


def test_workers_that_start_together_share_the_instances(stage: Stage) -> None:
    handles = stage.client.start_many([total(["held"]).options(id=str(number)) for number in range(8)])
    workers = [stage.work(activities=1) for _ in range(2)]
    more: list[Handle[int]] = []

    def both_work() -> bool:
        more.append(stage.client.start(total(["held"])))
        return {body.pid for body in stage.bodies()} == {worker.pid for worker in workers}

    stage.wait_for("both workers to work", both_work)
    stage.open_gate("held")
    assert {handle.result(30) for handle in (*handles, *more)} == {1}
    assert set(Counter(body.call for body in stage.bodies()).values()) == {1}


def test_the_instances_of_a_killed_worker_go_on_in_another_one(stage: Stage) -> None:
    handles = stage.client.start_many([total(["", "held", ""]).options(id=str(number)) for number in range(5)])
    victim = stage.work()
    stage.wait_for("all to be held", lambda: len(stage.bodies("add 2")) == 5)
    heir = stage.work()
    stage.wait_for_leases(2)
    killed = time.monotonic_ns()
    stage.kill(victim)
    stage.wait_for("the heir to begin", lambda: any(body.pid == heir.pid for body in stage.bodies()))
    first = min(body.begun for body in stage.bodies() if body.pid == heir.pid)
    print(f"taken over {(first - killed) / 1e6:.0f} ms after the kill")
    assert first - killed < 10e9, "long before the lease of 30 s is over"
    stage.open_gate("held")
    assert [handle.result(30) for handle in handles] == [6] * 5
    assert counted(stage.bodies()) == {"add 1": 5, "add 2": 10, "add 3": 5}
    assert not overlapping(stage.bodies(), stage.deaths)


def test_a_killed_worker_that_is_started_again_goes_on_long_before_its_lease_is_over(stage: Stage) -> None:
    handle = stage.client.start(total(["", "held"]))
    worker = stage.work()
    stage.begun("add 2")
    stage.kill(worker)
    restarted = time.monotonic_ns()
    again = stage.work()
    stage.wait_for("the second run", lambda: len(stage.bodies("add 2")) == 2)
    body = stage.bodies("add 2")[-1]
    print(f"resumed {(body.begun - restarted) / 1e6:.0f} ms after the restart, start of the interpreter included")
    assert body.pid == again.pid
    assert body.begun - restarted < 10e9
    stage.open_gate("held")
    assert handle.result(30) == 3


def test_a_killed_process_that_nobody_reaped_counts_as_gone(stage: Stage) -> None:
    handle = stage.client.start(total(["held"]))
    victim = stage.work()
    stage.begun("add 1")
    os.kill(victim.pid, signal.SIGKILL)
    stage.wait_for("the zombie", lambda: _state(victim) == "Z")
    heir = stage.work()
    stage.wait_for("the heir to begin", lambda: any(body.pid == heir.pid for body in stage.bodies()))
    assert _state(victim) == "Z", "it was there all the time"
    stage.open_gate("held")
    assert handle.result(30) == 1


def test_a_healthy_worker_keeps_its_instances_when_another_one_starts(stage: Stage) -> None:
    handle = stage.client.start(total(["held"]))
    first = stage.work(lease=1.0)
    stage.begun("add 1")
    owner = stage.owner(handle)
    second = stage.work(lease=1.0)
    stage.wait_for_leases(2)
    until = "select until from worker where token = ?"
    begun = stage.query(until, owner)[0][0]
    stage.wait_for("renewals past the first lease", lambda: stage.query(until, owner)[0][0] > begun + 1.0)
    assert stage.owner(handle) == owner
    stage.open_gate("held")
    assert handle.result(30) == 1
    (body,) = stage.bodies()
    assert body.pid == first.pid
    assert second.process.poll() is None


def test_a_worker_id_can_be_used_again_after_a_kill(stage: Stage) -> None:
    handle = stage.client.start(total(["", "held"]))
    worker = stage.work(id="one")
    stage.begun("add 2")
    token = stage.owner(handle)
    stage.kill(worker)
    stage.work(id="one")
    stage.wait_for("the second run", lambda: len(stage.bodies("add 2")) == 2)
    stage.open_gate("held")
    assert handle.result(30) == 3
    ((name, lease),) = stage.query("select id, token from worker")
    assert name == "one"
    assert lease > token, "the lease is a new one"


def test_a_worker_whose_name_a_living_one_took_ends_loudly_and_the_other_one_goes_on(stage: Stage) -> None:
    handle = stage.client.start(total(["", "held"]))
    older = stage.work(id="one", lease=1.0)
    stage.begun("add 2")
    newer = stage.work(id="one", lease=1.0)
    assert older.exit_code() != 0
    assert f"another worker took the name 'one' (process {newer.pid} on " in older.complained()
    stage.open_gate("held")
    assert handle.result(30) == 3
    assert newer.process.poll() is None


def test_an_instance_that_kills_its_worker_every_time_is_parked_and_others_finish(stage: Stage) -> None:
    stage.client.start_many([total([""] * 3).options(id=f"good-{number}") for number in range(5)])
    bad = stage.client.start(poison())
    deaths = 0
    while bad.status != "stuck":
        worker = stage.work("--until-idle")
        assert worker.exit_code() in (0, -9)
        deaths += worker.exit_code() == -9
        assert deaths <= 11
    assert counted(stage.bodies())["die"] == deaths
    assert deaths == 10
    late = stage.client.start(total(["", ""]))
    worker = stage.work("--until-idle")
    assert worker.exit_code() == 0
    assert late.result(1) == 3
    assert [stage.client.get(f"good-{number}").result(1) for number in range(5)] == [6] * 5
    assert bad.status == "stuck"
    assert not completions(bad)


def _state(program: Program) -> str:
    return Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_workers_that_start_together_make_one_new_database(stage: Stage) -> None:
    stage.client.close()
    for path in stage.database.parent.glob(f"{stage.database.name}*"):
        path.unlink()
    for _ in range(4):
        stage.work()
    stage.client.open()
    stage.wait_for_leases(4)
    assert stage.client.run(total(["", ""]), timeout=30) == 3
