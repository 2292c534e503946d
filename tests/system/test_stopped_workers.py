"""A worker that stands still past its lease has lost it: it writes nothing under it and goes on under a new one."""

from __future__ import annotations

import signal

from romancy.history import ActivityCompleted
from tests.system.effects import counted
from tests.system.programs import total, transfers
from tests.system.stage import Program, Stage, completions


def test_a_worker_that_was_stopped_past_its_lease_writes_nothing_under_it(stage: Stage) -> None:
    handle = stage.client.start(total(["", "held", "", ""]))
    stopped = stage.work(lease=1.0)
    stage.begun("add 2")
    old = stage.owner(handle)
    stage.stop(stopped)
    heir = stage.work(lease=1.0)
    stage.wait_for("the take-over", lambda: len(stage.bodies("add 2")) == 2)
    new = stage.owner(handle)
    assert new != old
    stage.open_gate("held")
    assert handle.result(30) == 10
    history = handle.history()
    stopped.signal(signal.SIGCONT)
    stage.wait_for("the stopped activity to end", lambda: all(body.ended for body in stage.bodies()))
    stage.wait_for_leases(2)
    assert stage.query("select token from worker where token = ?", old) == []
    assert handle.history() == history
    assert counted(stage.bodies()) == {"add 1": 1, "add 2": 2, "add 3": 1, "add 4": 1}
    assert [body.pid for body in stage.bodies() if body.name in ("add 3", "add 4")] == [heir.pid] * 2
    assert "taken over by another worker" in stopped.complained()


def test_a_worker_that_was_stopped_past_its_lease_works_on_under_a_new_one(stage: Stage) -> None:
    stopped, heir = _stop_past_the_lease(stage)
    stopped.signal(signal.SIGCONT)
    stage.wait_for_leases(2)
    stage.kill(heir)
    handle = stage.client.start(total([""] * 5))
    assert handle.result(30) == 5 * 6 // 2
    assert {body.pid for body in stage.bodies() if body.instance == handle.id} == {stopped.pid}
    stopped.signal(signal.SIGTERM)
    assert stopped.exit_code() == 0


def test_sql_of_an_activity_that_comes_back_after_its_lease_is_not_applied_twice(stage: Stage) -> None:
    stage.open_bank(accounts=2)
    handle = stage.client.start(transfers(1, 2, "held"))
    stopped = stage.work(lease=1.0)
    stage.begun("transfer")
    stage.stop(stopped)
    stage.work(lease=1.0)
    stage.wait_for("the take-over", lambda: len(stage.bodies("transfer")) == 2)
    stage.open_gate("held")
    amount = handle.result(30)
    stopped.signal(signal.SIGCONT)
    stage.wait_for("the stopped activity to end", lambda: all(body.ended for body in stage.bodies()))
    stage.wait_for_leases(2)
    assert stage.query("select instance, step, amount from transfer") == [(handle.id, "1", amount)]
    assert [isinstance(event, ActivityCompleted) for event in handle.history()].count(True) == 1
    refused = [body.raised for body in stage.bodies("transfer")]
    assert sorted(refused) == [False, True], "session() refused the stopped one"


def test_a_worker_whose_lease_ran_out_and_whom_nobody_replaced_keeps_its_work(stage: Stage) -> None:
    handle = stage.client.start(total(["", "held", ""]))
    stopped = stage.work(lease=0.5)
    stage.begun("add 2")
    stage.stop(stopped)
    (until,) = stage.query("select until from worker")[0]
    stage.wait_for_clock(until)
    stopped.signal(signal.SIGCONT)
    stage.open_gate("held")
    assert handle.result(30) == 6
    assert counted(stage.bodies()) == {"add 1": 1, "add 2": 1, "add 3": 1}
    assert len(completions(handle)) == 3


def _stop_past_the_lease(stage: Stage) -> tuple[Program, Program]:
    """A stopped worker, and another one that took over from it."""
    stopped = stage.work(lease=1.0)
    stage.wait_for_leases(1)
    ((old,),) = stage.query("select token from worker")
    stage.stop(stopped)
    heir = stage.work(lease=1.0)
    stage.wait_for("the take-over", lambda: not stage.query("select 1 from worker where token = ?", old))
    return stopped, heir
