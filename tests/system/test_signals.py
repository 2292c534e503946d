"""A worker that is asked to end finishes what is in flight, hands the rest back and exits with 0."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.system.effects import counted
from tests.system.programs import total
from tests.system.stage import Program, Stage, completions


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_flight_finish_and_hands_the_rest_back(stage: Stage, number: signal.Signals) -> None:
    handle = stage.client.start(total(["held", *[""] * 299]))
    worker = stage.work()
    stage.begun("add 1")
    _await_handlers(stage, worker)
    worker.signal(number)
    stage.open_gate("held")
    assert worker.exit_code() == 0
    assert "Traceback" not in worker.complained()
    done = completions(handle)
    assert 1 <= len(done) < 300
    assert len(done) == len(stage.bodies()), "all that began is recorded"
    assert stage.query("select owner from instance where owner is not null") == []
    assert stage.query("select * from worker") == []
    stage.work()
    assert handle.result(30) == 300 * 301 // 2
    assert len(stage.bodies()) == 300


def test_a_second_interrupt_ends_the_worker_now(stage: Stage) -> None:
    handle = stage.client.start(total(["never"]))
    worker = stage.work()
    stage.begun("add 1")
    _await_handlers(stage, worker)
    worker.signal(signal.SIGINT)
    later = stage.client.start(total([""]))
    while worker.process.poll() is None:  # two that come at once are one to the interpreter
        worker.signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(3.0)
    assert worker.exit_code() == 0
    assert "Traceback" not in worker.complained()
    assert stage.query("select * from worker") == []
    assert (handle.status, later.status) == ("running", "pending")
    assert stage.bodies("add 1")[0].ended is None
    stage.open_gate("never")
    stage.work()
    assert handle.result(30) == 1


def test_an_interrupt_while_an_app_closes_hands_everything_back_at_once(stage: Stage) -> None:
    program = stage.run("interrupt", "total", '[["", "never"]]')
    stage.begun("add 2")
    program.signal(signal.SIGINT)
    assert program.exit_code() == -signal.SIGINT
    assert program.complained().endswith("KeyboardInterrupt\n")
    assert "closed database" not in program.complained() and "given back" not in program.complained()
    assert stage.query("select * from worker") == [], "the lease was given back"
    assert stage.query("select status, owner from instance") == [("running", None)]
    assert not stage.is_damaged()
    stage.open_gate("never")
    stage.work()
    assert stage.client.get("i").result(30) == 3
    assert counted(stage.bodies()) == {"add 1": 1, "add 2": 2}


def test_an_interrupt_while_an_app_closes_does_not_wait_for_code_that_never_yields(stage: Stage) -> None:
    sign = stage.folder / "spins"
    program = stage.run("interrupt", "spinning", json.dumps([str(sign)]))
    stage.wait_for("it to spin", sign.exists)
    program.signal(signal.SIGINT)
    assert program.exit_code() == -signal.SIGINT
    assert program.complained().endswith("KeyboardInterrupt\n")
    assert "closed database" not in program.complained()
    assert stage.query("select count(*) from worker") == [(1,)], "nobody could give it back"
    assert not stage.is_damaged()


def test_an_interrupt_of_an_idle_worker_ends_it(stage: Stage) -> None:
    worker = stage.work()
    stage.wait_for_leases(1)
    _await_handlers(stage, worker)
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    assert stage.query("select * from worker") == []


def test_a_closed_stdout_and_stderr_do_not_disturb_a_worker(stage: Stage) -> None:
    handle = stage.client.start(total(["", "held"]))
    victim = stage.work()
    stage.begun("add 2")
    reading, writing = os.pipe()
    worker = stage.run("work", output=writing)
    os.close(writing)
    os.close(reading)
    stage.wait_for_leases(2)
    stage.kill(victim)  # the other one has something to warn of
    stage.open_gate("held")
    assert handle.result(30) == 3
    _await_handlers(stage, worker)
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    assert stage.query("select * from worker") == []


def _await_handlers(stage: Stage, worker: Program) -> None:
    """Wait until the worker itself has to do with SIGTERM."""
    stage.wait_for("signal handlers", lambda: _caught(worker.pid) & 1 << signal.SIGTERM - 1)


def _caught(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("SigCgt")).split()[1], 16)
