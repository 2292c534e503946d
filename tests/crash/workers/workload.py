"""What the simulated workers work on: small workflows of every kind, each with the only results that are right."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import attrs

from romancy import (
    Context,
    Flow,
    RetryPolicy,
    activity,
    activity_context,
    gather,
    race,
    recur,
    session,
    sleep,
    start,
    workflow,
)
from romancy.calls import CallWorkflow
from romancy.errors import ActivityInterrupted

_ONCE = RetryPolicy(max_attempts=1)


@activity
def add(a: int, b: int) -> int:
    return a + b


@activity
def pay(amount: int) -> int:
    context = activity_context()
    session().execute(
        "insert into paid (instance, run, step, amount) values (?, ?, ?, ?)",
        [context.instance_id, context.run, context.step, amount],
    )
    return amount


@activity(at_most_once=True)
def charge(amount: int) -> int:
    return amount


@activity(retry=RetryPolicy(max_attempts=4, initial_delay=2, jitter=False, max_duration=10**7))
def stumble(until: int) -> int:
    if activity_context().attempt < until:
        raise OSError("not yet")
    return until


@activity(retry=_ONCE)
def refuse(why: str) -> None:
    raise ValueError(why)


@activity(timeout=20, retry=RetryPolicy(max_attempts=50, initial_delay=1, jitter=False, max_duration=10**7))
def hurry(n: int) -> int:
    return n


def unbook(what: str, *, result: str) -> str:
    return what


@activity(compensate=unbook)
def book(what: str) -> str:
    return f"booked {what}"


@workflow
def sums(ctx: Context, n: int) -> Flow[int]:
    total = 0
    for each in range(n):
        total = yield add(total, each)
    return total


def _later(seconds: float, value: int) -> Generator[Any, Any, int]:
    yield sleep(seconds)
    added: int = yield add(value, 1)
    return added


@workflow
def fans(ctx: Context, n: int) -> Flow[list[int]]:
    results: list[int] = yield gather(add(n, 1), pay(n), _later(3, n), pay(n + 1))
    return results


@workflow
def races(ctx: Context, n: int) -> Flow[list[int]]:
    winner = yield race(_later(90, n), _later(4, n))
    return [winner.index, winner.value, (yield add(n, n))]


@workflow
def pays(ctx: Context, n: int) -> Flow[int]:
    total = 0
    for each in range(n):
        total += yield pay(each)
    return total


@workflow
def charges(ctx: Context, n: int) -> Flow[int]:
    charged = 0
    for each in (n, n + 1):
        try:
            charged += yield charge(each)
        except ActivityInterrupted:
            charged += each
    return charged


@workflow
def stumbles(ctx: Context, n: int) -> Flow[list[int]]:
    return [(yield stumble(3)), (yield add(n, 1))]


@workflow
def undoes(ctx: Context, n: int) -> Flow[None]:
    yield book(f"hotel {n}")
    yield gather(book(f"car {n}"), book(f"train {n}"))
    yield refuse("full")


@workflow
def naps(ctx: Context, n: int) -> Flow[int]:
    first = yield add(n, 1)
    yield sleep(45)
    total: int = yield add(first, 1)
    return total


@workflow
def recurs(ctx: Context, n: int, run: int = 1) -> Flow[list[int]]:
    total = yield add(n, run)
    yield sleep(2)
    if run < 3:
        yield recur(total, run + 1)
    return [total, run]


@workflow
def parents(ctx: Context, n: int) -> Flow[list[int]]:
    results: list[int] = yield gather(sums(n), naps(n), pays(2))
    return results


@workflow
def hurries(ctx: Context, n: int) -> Flow[list[int]]:
    results: list[int] = yield gather(hurry(n), hurry(n + 1))
    return results


@workflow
def chooses(ctx: Context, n: int) -> Flow[list[int]]:
    """The children that lose are cancelled, wherever they run."""
    winner = yield race(naps(n), sums(n), parents(n))
    return [winner.index, (yield add(n, 1))]


@workflow
def leaves(ctx: Context, n: int) -> Flow[int]:
    """A child that it does not wait for."""
    yield start(naps(n).options(id=f"{ctx.instance_id}/left"))
    total: int = yield add(n, 2)
    return total


@attrs.frozen
class Kind:
    """A workflow, and what an argument may make it come to: results, or the `ValueError` that it fails with."""

    call: Callable[[int], CallWorkflow[Any]]
    ends: Callable[[int], list[Any]]


KINDS: dict[str, Kind] = {
    "sums": Kind(sums, lambda n: [sum(range(n))]),
    "fans": Kind(fans, lambda n: [[n + 1, n, n + 1, n + 1]]),
    "races": Kind(races, lambda n: [[1, n + 1, 2 * n], [0, n + 1, 2 * n]]),  # the slow one wins where both were missed
    "pays": Kind(pays, lambda n: [sum(range(n))]),
    "charges": Kind(charges, lambda n: [2 * n + 1]),
    "stumbles": Kind(stumbles, lambda n: [[3, n + 1]]),
    "undoes": Kind(undoes, lambda n: [ValueError("full")]),
    "naps": Kind(naps, lambda n: [n + 2]),
    "recurs": Kind(recurs, lambda n: [[n + 6, 3]]),
    "parents": Kind(parents, lambda n: [[sum(range(n)), n + 2, 1]]),
    "hurries": Kind(hurries, lambda n: [[n, n + 1]]),
    "chooses": Kind(chooses, lambda n: [[1, n + 1], [0, n + 1], [2, n + 1]]),
    "leaves": Kind(leaves, lambda n: [n + 2]),
}
WORKFLOWS = (sums, fans, races, pays, charges, stumbles, undoes, naps, recurs, parents, hurries, chooses, leaves)
NAPS = {"naps": 45, "recurs": 2}
"""How long the timers of workflows that do one thing at a time take, in seconds."""
