"""Small workflows, of which each kind of promise has one; what they do to the outside is witnessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from romancy import Context, Flow, RetryPolicy, activity, activity_context, gather, recur, session, sleep, workflow
from romancy.errors import ActivityInterrupted

PROMPT = RetryPolicy(max_attempts=4, initial_delay=10.0, jitter=False)


@attrs.frozen
class Effect:
    """An activity's body did something outside of the database."""

    instance: str
    run: int
    step: str
    name: str
    attempt: int


_witnesses: list[Callable[[Effect], None]] = []


@contextmanager
def witnessed(by: Callable[[Effect], None]) -> Iterator[None]:
    """Tell somebody of each effect while this lasts."""
    _witnesses.append(by)
    try:
        yield
    finally:
        _witnesses.remove(by)


def leave_a_mark(name: str) -> None:
    context = activity_context()
    for witness in _witnesses:
        witness(Effect(context.instance_id, context.run, context.step, name, context.attempt))


@activity
def fetch(item: str) -> str:
    leave_a_mark("fetch")
    return item.upper()


@activity
def load(kilobytes: int) -> str:
    leave_a_mark("load")
    return "".join(f"{line:1023x}\n" for line in range(kilobytes))


@activity
def enter(amount: int) -> int:
    """One row, in the transaction that records the result."""
    leave_a_mark("enter")
    context = activity_context()
    session().execute("create table if not exists ledger (instance text, step text, amount integer)")
    session()["ledger"].insert({"instance": context.instance_id, "step": context.step, "amount": amount})
    return amount


@activity(at_most_once=True)
def charge(amount: int) -> int:
    leave_a_mark("charge")
    return amount


@activity(retry=PROMPT)
def knock(times: int) -> int:
    leave_a_mark("knock")
    if activity_context().attempt < times:
        raise OSError("nobody is in")
    return times


def release(item: str, *, result: str) -> None:
    leave_a_mark(f"release {result}")


@activity(compensate=release)
def reserve(item: str) -> str:
    leave_a_mark("reserve")
    return f"a {item}"


@activity(retry=RetryPolicy(max_attempts=1))
def refuse() -> None:
    leave_a_mark("refuse")
    raise ValueError("sold out")


@activity
def count_down(left: int) -> int:
    leave_a_mark("count_down")
    return left - 1


@workflow(name="power cut: order")
def order(ctx: Context, item: str, amount: int) -> Flow[str]:
    first = yield from fetch(item)
    entered = yield from enter(amount)
    others = yield from gather(fetch("ink"), enter(1), fetch("paper"))
    return f"{first} {entered} {others}"


@workflow(name="power cut: careful")
def careful(ctx: Context, amount: int) -> Flow[str]:
    try:
        paid = yield from charge(amount)
    except ActivityInterrupted:
        return "perhaps paid"
    yield sleep(60)
    entered = yield from enter(paid)
    return f"paid {entered}"


@workflow(name="power cut: persistent")
def persistent(ctx: Context) -> Flow[int]:
    yield sleep(5)
    times = yield from knock(3)
    return times


@workflow(name="power cut: family")
def family(ctx: Context) -> Flow[str]:
    one, two = yield from gather(child(1), child(2))
    three = yield from child(3)
    return f"{one} {two} {three}"


@workflow(name="power cut: child")
def child(ctx: Context, number: int) -> Flow[int]:
    yield sleep(number)
    entered = yield from enter(number)
    return entered


@workflow(name="power cut: trip")
def trip(ctx: Context) -> Flow[None]:
    yield reserve("car")
    yield from gather(reserve("bed"), reserve("seat"))
    yield enter(7)
    yield refuse()


@workflow(name="power cut: long wait")
def long_wait(ctx: Context) -> Flow[str]:
    yield reserve("table")
    yield sleep(days=30)
    return "nobody came"


@workflow(name="power cut: rounds")
def rounds(ctx: Context, left: int) -> Flow[str]:
    left = yield from count_down(left)
    yield enter(left)
    if left:
        yield recur(left)
    return "zero"


@workflow(name="power cut: heavy")
def heavy(ctx: Context, kilobytes: int) -> Flow[int]:
    text = yield from load(kilobytes)
    yield from gather(load(kilobytes), enter(kilobytes), load(3))
    return len(text)


WORKFLOWS = (order, careful, persistent, family, child, trip, long_wait, rounds, heavy)
