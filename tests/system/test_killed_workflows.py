"""A worker is killed in the middle of a workflow and started again: what was recorded is not done a second time."""

from __future__ import annotations

import pytest

from romancy.errors import InstanceFailedError, TerminalError
from romancy.history import AttemptFailed, CompensationStarted
from tests.system.effects import counted
from tests.system.programs import faltering, launching, parent, slow_total, squares, total, trip
from tests.system.stage import Stage, completions


def test_a_kill_inside_an_activity_repeats_that_activity_alone(stage: Stage) -> None:
    handle = stage.client.start(total(["", "", "held", "", ""]))
    worker = stage.work()
    stage.begun("add 3")
    before = handle.history()
    stage.kill(worker)
    stage.open_gate("held")
    stage.work()
    assert handle.result(30) == 15
    assert counted(stage.bodies()) == {"add 1": 1, "add 2": 1, "add 3": 2, "add 4": 1, "add 5": 1}
    first, second = stage.bodies("add 3")
    assert first.ended is None and second.ended is not None and first.attempt == second.attempt
    assert handle.history()[: len(before)] == before, "what is recorded stays as it is"


def test_a_kill_between_two_activities_repeats_none(stage: Stage) -> None:
    handle = stage.client.start(slow_total(2, 1.0))
    worker = stage.work()
    for pause in range(2):
        stage.wait_for_completions(handle, pause + 1)
        stage.wait_for_status(handle, "waiting")
        stage.kill(worker)
        worker = stage.work()
    assert handle.result(30) == 3
    assert counted(stage.bodies()) == {"add 1": 1, "add 2": 1}


def test_a_timer_that_became_due_while_no_worker_ran_fires_at_the_next_start(stage: Stage) -> None:
    handle = stage.client.start(slow_total(1, 1.0))
    worker = stage.work()
    stage.wait_for_status(handle, "waiting")
    stage.kill(worker)
    due = completions(handle)["1"].at + 1.0
    stage.wait_for_clock(due)
    assert handle.status == "waiting"
    stage.work()
    assert handle.result(30) == 1
    assert handle.history()[-1].at >= due


def test_a_kill_during_back_off_keeps_the_count_of_attempts_and_the_instant_of_the_next(stage: Stage) -> None:
    handle = stage.client.start(faltering(2))
    worker = stage.work()
    stage.wait_for("the failed attempt", lambda: any(isinstance(each, AttemptFailed) for each in handle.history()))
    stage.kill(worker)
    (failed,) = (each for each in handle.history() if isinstance(each, AttemptFailed))
    stage.work()
    assert handle.result(30) == 2, "the second attempt is the one that succeeds"
    assert [each for each in handle.history() if isinstance(each, AttemptFailed)] == [failed]
    first, second = stage.bodies("falter")
    assert (first.attempt, second.attempt) == (1, 2)
    assert second.begun_at >= failed.due


def test_a_kill_in_a_gather_repeats_only_the_members_that_were_not_recorded(stage: Stage) -> None:
    handle = stage.client.start(squares(["early", "late", "early", "late", "early", "late"]))
    worker = stage.work()
    stage.begun(*(f"square {number}" for number in range(6)))
    stage.open_gate("early")
    stage.wait_for_completions(handle, 3)
    stage.kill(worker)
    stage.open_gate("late")
    stage.work()
    assert handle.result(30) == [0, 1, 4, 9, 16, 25]
    done = {f"square {number}": 1 if number % 2 == 0 else 2 for number in range(6)}
    assert counted(stage.bodies()) == done


def test_a_kill_inside_a_compensation_repeats_that_one_and_keeps_the_order(stage: Stage) -> None:
    handle = stage.client.start(trip(["train", "hotel", "car"], ["", "held", ""]))
    worker = stage.work()
    stage.begun("cancel ticket for hotel")
    assert handle.status == "compensating"
    stage.kill(worker)
    assert handle.status == "compensating"
    stage.open_gate("held")
    stage.work()
    with pytest.raises(InstanceFailedError) as caught:
        handle.result(30)
    assert isinstance(caught.value.__cause__, TerminalError)
    assert not caught.value.compensation_errors
    names = [each.name for each in stage.bodies() if each.name.startswith("cancel")]
    car, hotel, train = (f"cancel ticket for {item}" for item in ("car", "hotel", "train"))
    assert names == [car, hotel, hotel, train]
    assert counted(stage.bodies())["pay"] == 1
    events = handle.history()
    assert len([each for each in events if isinstance(each, CompensationStarted)]) == 1
    assert len(completions(handle)) == 6


def test_a_kill_while_a_child_runs_starts_no_second_child(stage: Stage) -> None:
    handle = stage.client.start(parent(["", "held", ""]))
    worker = stage.work()
    stage.begun("add 2")
    stage.kill(worker)
    stage.open_gate("held")
    stage.work()
    assert handle.result(30) == 6
    assert len(stage.client.instances(workflow="total")) == 2
    assert counted(stage.bodies()) == {"add 1": 1, "add 2": 2, "add 3": 1}


def test_an_at_most_once_activity_that_was_killed_is_never_run_again(stage: Stage) -> None:
    handle = stage.client.start(launching("held"))
    worker = stage.work()
    stage.begun("launch")
    stage.kill(worker)
    stage.open_gate("held")
    stage.work()
    assert handle.result(30) == "interrupted launch"
    (body,) = stage.bodies("launch")
    assert body.ended is None


def test_kills_right_after_each_activity_repeat_at_most_that_activity(stage: Stage) -> None:
    handle = stage.client.start(total([str(number) for number in range(5)]))
    for number in range(5):
        worker = stage.work()
        stage.begun(f"add {number + 1}")
        stage.open_gate(str(number))
        stage.ended(f"add {number + 1}")
        recorded = completions(handle)
        stage.kill(worker)
        assert recorded.items() <= completions(handle).items()
    stage.work()
    assert handle.result(30) == 15
    done = counted(stage.bodies())
    assert set(done) == {f"add {number}" for number in range(1, 6)}
    assert sum(done.values()) <= 5 + 5
