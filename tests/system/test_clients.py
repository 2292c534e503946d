"""Processes without a worker start instances that other processes run, and get their results."""

from __future__ import annotations

import asyncio
import json

import pytest

from romancy import Romancy
from romancy.errors import InstanceFailedError, TerminalError
from romancy.history import CancelRequested
from tests.system.programs import squares, total, trip
from tests.system.stage import Program, Stage


def test_a_client_gets_the_result_of_an_instance_that_another_process_runs(stage: Stage) -> None:
    worker = stage.work()
    assert stage.client.run(total(["", ""]), timeout=30) == 3
    assert {body.pid for body in stage.bodies()} == {worker.pid}


def test_a_client_awaits_instances_that_another_process_runs(stage: Stage) -> None:
    stage.work()

    async def both() -> tuple[int, list[int]]:
        first = stage.client.start(total([""] * 4))
        second = stage.client.start(squares([""] * 3))
        async with asyncio.timeout(30):
            return await first, await second

    assert asyncio.run(both()) == (10, [0, 1, 4])


def test_a_client_sees_the_failure_of_an_instance_that_another_process_ran(stage: Stage) -> None:
    stage.work()
    handle = stage.client.start(trip(["boat"], [""]))
    with pytest.raises(InstanceFailedError) as caught:
        handle.result(30)
    assert isinstance(caught.value.__cause__, TerminalError)
    assert str(caught.value.__cause__) == "no money"


def test_a_process_with_a_worker_gets_the_result_of_an_instance_that_another_process_runs(stage: Stage) -> None:
    handle = stage.client.start(total(["held"]), id="theirs")
    theirs = stage.work()
    stage.begun("add 1")
    with Romancy(stage.database, workflows=[squares]) as app:
        stage.open_gate("held")
        assert app.start(total(["held"]), id="theirs").result(30) == 1
    assert handle.result(30) == 1
    assert {body.pid for body in stage.bodies()} == {theirs.pid}


def test_a_cancellation_by_a_client_reaches_the_process_that_runs_the_instance(stage: Stage) -> None:
    handle = stage.client.start(squares(["never"] * 2))
    stage.work()
    stage.begun("square 0", "square 1")
    handle.cancel()
    stage.wait_for("its delivery", lambda: any(isinstance(event, CancelRequested) for event in handle.history()))
    stage.open_gate("never")
    stage.wait_for_status(handle, "cancelled")


@pytest.mark.parametrize("worker", [[], ["--worker"]])
def test_an_id_that_two_processes_start_at_once_with_one_input_is_one_instance(stage: Stage, worker: list[str]) -> None:
    stage.work()
    racers = [_racer(stage, worker, ["", ""]) for _ in range(2)]
    stage.open_gate("go")
    assert [_answer(each) for each in racers] == [{"result": 3}] * 2
    assert len(stage.client.instances()) == 1
    assert len(stage.bodies()) == 2


@pytest.mark.parametrize("worker", [[], ["--worker"]])
def test_an_id_that_two_processes_start_at_once_with_other_input_is_refused_to_one(
    stage: Stage, worker: list[str]
) -> None:
    stage.work()
    racers = [_racer(stage, worker, gates) for gates in (["", ""], ["", "", ""])]
    stage.open_gate("go")
    answers = [_answer(each) for each in racers]
    assert {"error": "InstanceExistsError"} in answers
    won = answers.index({"error": "InstanceExistsError"}) ^ 1
    assert answers[won] == {"result": (3, 6)[won]}
    assert len(stage.client.instances()) == 1
    assert len(stage.bodies()) == (2, 3)[won]


def test_what_a_client_started_before_it_was_killed_is_run(stage: Stage) -> None:
    client = stage.run("start", "total", '[["", ""]]', "--id", "left")
    stage.wait_for("the start", lambda: stage.client.instances())
    stage.kill(client)
    stage.work()
    assert stage.client.get("left").result(30) == 3


def _racer(stage: Stage, flags: list[str], gates: list[str]) -> Program:
    return stage.run("start", "total", json.dumps([gates]), "--id", "one", "--gate", "go", *flags)


def _answer(racer: Program) -> dict[str, object]:
    assert racer.exit_code() == 0, racer.complained()
    answer: dict[str, object] = json.loads(racer.printed())
    return answer
