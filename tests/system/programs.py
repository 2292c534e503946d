"""The workflows that the system tests run, and the processes around them: `python -m tests.system.programs COMMAND …`.

All processes of a test share one folder, named by `ROMANCY_STAGE`: the database, the effects and the gates are in it.
A gate is a file; an activity that waits for one goes on once it is there.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

if "ROMANCY_SKEW" in os.environ:  # a machine whose clock is wrong: nothing in the process knows the right time
    _right, _wrong = time.time, float(os.environ["ROMANCY_SKEW"])
    time.time = lambda: _right() + _wrong

from romancy import Context, Flow, RetryPolicy, Romancy, activity, activity_context, gather, session, sleep, workflow
from romancy.errors import ActivityInterrupted, RomancyError, TerminalError
from tests.system.effects import effect

STAGE = Path(os.environ.get("ROMANCY_STAGE", "."))
DATABASE = os.environ.get("ROMANCY_DB", str(STAGE / "app.db"))
EFFECTS = STAGE / "effects.jsonl"
AT_ONCE = RetryPolicy(max_attempts=10, initial_delay=0.0, jitter=False)


def wait_for_gate(name: str, seconds: float = 60.0) -> None:
    """Wait until the gate is open; `""` is no gate."""
    until = time.monotonic() + seconds
    while name and not (STAGE / f"gate-{name}").exists():
        if time.monotonic() > until:
            raise TerminalError(f"gate {name!r} was never opened")
        time.sleep(0.005)


# -- in order


@activity
def add(total: int, number: int, gate: str) -> int:
    with effect(EFFECTS, f"add {number}"):
        wait_for_gate(gate)
        return total + number


@workflow
def total(ctx: Context, gates: list[str]) -> Flow[int]:
    so_far = 0
    for number, gate in enumerate(gates, 1):
        so_far = yield from add(so_far, number, gate)
    return so_far


@workflow
def slow_total(ctx: Context, numbers: int, pause: float) -> Flow[int]:
    so_far = 0
    for number in range(1, numbers + 1):
        so_far = yield from add(so_far, number, "")
        yield sleep(pause)
    return so_far


@activity
async def add_async(total: int, number: int) -> int:
    with effect(EFFECTS, f"add {number}"):
        return total + number


@workflow
def many(ctx: Context, numbers: int) -> Flow[int]:
    so_far = 0
    for number in range(1, numbers + 1):
        so_far = yield from (add_async(so_far, number) if number % 5 == 0 else add(so_far, number, ""))
    return so_far


@workflow
def asleep(ctx: Context, seconds: float) -> Flow[None]:
    yield sleep(seconds)


# -- side by side


@activity
def square(number: int, gate: str) -> int:
    with effect(EFFECTS, f"square {number}"):
        wait_for_gate(gate)
        return number * number


@workflow
def squares(ctx: Context, gates: list[str]) -> Flow[list[int]]:
    return (yield from gather(*(square(number, gate) for number, gate in enumerate(gates))))


@workflow
def parent(ctx: Context, gates: list[str]) -> Flow[int]:
    first = yield from total([])
    second = yield from total(gates)
    return first + second


# -- trouble


@activity(retry=RetryPolicy(max_attempts=5, initial_delay=1.5, backoff=1.0, jitter=False))
def falter(until: int) -> int:
    with effect(EFFECTS, "falter"):
        if activity_context().attempt < until:
            raise ConnectionError("not yet")
        return activity_context().attempt


@workflow
def faltering(ctx: Context, until: int) -> Flow[int]:
    return (yield from falter(until))


@activity
def die() -> None:
    with effect(EFFECTS, "die"):
        os.kill(os.getpid(), signal.SIGKILL)


@workflow
def poison(ctx: Context) -> Flow[None]:
    yield die()


@activity(at_most_once=True)
def launch(gate: str) -> str:
    with effect(EFFECTS, "launch"):
        wait_for_gate(gate)
        return "launched"


@workflow
def launching(ctx: Context, gate: str) -> Flow[str]:
    try:
        return (yield from launch(gate))
    except ActivityInterrupted as unknown:
        return f"interrupted {unknown.type_name}"


def cancel_booking(item: str, gate: str, *, result: str) -> None:
    with effect(EFFECTS, f"cancel {result}"):
        wait_for_gate(gate)


@activity(compensate=cancel_booking)
def book(item: str, gate: str) -> str:
    with effect(EFFECTS, f"book {item}"):
        return f"ticket for {item}"


@activity
def pay() -> None:
    with effect(EFFECTS, "pay"):
        raise TerminalError("no money")


@workflow
def trip(ctx: Context, items: list[str], gates: list[str]) -> Flow[None]:
    for item, gate in zip(items, gates, strict=True):
        yield book(item, gate)
    yield pay()


# -- money


@activity(retry=AT_ONCE)
def transfer(source: int, target: int, amount: int, gate: str) -> int:
    with effect(EFFECTS, "transfer"):
        wait_for_gate(gate)
        bank, context = session(), activity_context()
        mark = "%s" if DATABASE.startswith("postgresql:") else "?"
        bank.execute(f"update account set balance = balance - {mark} where id = {mark}", [amount, source])
        bank.execute(
            f"insert into transfer values ({mark}, {mark}, {mark})", [context.instance_id, context.step, amount]
        )
        bank.execute(f"update account set balance = balance + {mark} where id = {mark}", [amount, target])
        return amount


@workflow
def transfers(ctx: Context, count: int, accounts: int, gate: str = "") -> Flow[int]:
    moved = 0
    for _ in range(count):
        source, target = ctx.random.sample(range(accounts), 2)
        moved += yield from transfer(source, target, ctx.random.randint(1, 100), gate)
    return moved


# -- the end of a process


@activity
def tidy_up() -> None:
    with effect(EFFECTS, "tidy up"):
        pass


@workflow
def untidy(ctx: Context) -> Flow[None]:
    try:
        yield add(0, 1, "")
        yield sleep(hours=1)
    finally:
        yield tidy_up()
        raise ValueError("this must not show")


@workflow
def spinning(ctx: Context, sign: str) -> Flow[None]:
    Path(sign).touch()  # romancy: ignore[ROM201] it says that the code runs
    while True:
        pass
    yield sleep(0)


# -- commands


def work(arguments: argparse.Namespace) -> None:
    """Serve until told to end."""
    app = Romancy(DATABASE, worker_id=arguments.id, lease=arguments.lease, max_activities=arguments.activities)
    try:
        app.serve(until_idle=arguments.until_idle)
    finally:
        app.close()


def start(arguments: argparse.Namespace) -> None:
    """Start an instance, wait for its result, and print it; or the name of the error."""
    call = globals()[arguments.workflow](*json.loads(arguments.input))
    with Romancy(DATABASE, worker=arguments.worker) as app:
        wait_for_gate(arguments.gate)
        try:
            answer: dict[str, Any] = {"result": app.start(call, id=arguments.id).result(30)}
        except RomancyError as error:
            answer = {"error": type(error).__name__}
    print(json.dumps(answer), flush=True)


def interrupt(arguments: argparse.Namespace) -> None:
    """Run an instance until an interrupt comes, and interrupt the closing of the app as well."""
    with Romancy(DATABASE, boundary=_slow_to_give_back) as app:
        try:
            app.run(globals()[arguments.workflow](*json.loads(arguments.input)), id="i")
        except KeyboardInterrupt:
            threading.Thread(target=_interrupt_in, args=["stop", threading.get_ident()], daemon=True).start()
            raise


def _slow_to_give_back(place: str) -> None:
    """A disk that takes its time with the last transaction of a worker."""
    if place == "before retire":
        time.sleep(0.3)


def _interrupt_in(function: str, thread: int) -> None:
    """Interrupt this process once that thread is in that function."""
    while function not in {each.name for each in traceback.extract_stack(sys._current_frames()[thread])}:
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGINT)


def leave(arguments: argparse.Namespace) -> None:
    """End the process with an open app and a workflow in the middle."""
    app = Romancy(DATABASE)
    app.open()
    handle = app.start(untidy(), id="untidy")
    while handle.status != "waiting":
        time.sleep(0.005)
    if arguments.how == "error":
        raise LookupError("the program's own trouble")
    if arguments.how == "exit":
        sys.exit(3)


def main() -> None:
    faulthandler.register(signal.SIGUSR1)  # whoever waits in vain asks what everybody does
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    worker = commands.add_parser("work")
    worker.add_argument("--id")
    worker.add_argument("--lease", type=float, default=30.0)
    worker.add_argument("--activities", type=int, default=64)
    worker.add_argument("--until-idle", action="store_true")
    worker.set_defaults(run=work)
    client = commands.add_parser("start")
    client.add_argument("workflow")
    client.add_argument("input")
    client.add_argument("--id")
    client.add_argument("--gate", default="")
    client.add_argument("--worker", action="store_true")
    client.set_defaults(run=start)
    interrupted = commands.add_parser("interrupt")
    interrupted.add_argument("workflow")
    interrupted.add_argument("input")
    interrupted.set_defaults(run=interrupt)
    leaver = commands.add_parser("leave")
    leaver.add_argument("how", choices=["end", "error", "exit"])
    leaver.set_defaults(run=leave)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
