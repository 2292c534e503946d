"""A corpus of workflow shapes, which every mode of running must bring to the same end."""

from collections import Counter
from typing import Any

from sqlite_utils import Database

from romancy import (
    Context,
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
from romancy.errors import ActivityInterrupted, InstanceFailedError

runs: Counter[tuple[str, int, str]] = Counter()
"""How often the body of an activity was entered, by instance, run and step."""


def _entered() -> None:
    context = activity_context()
    runs[context.instance_id, context.run, context.step] += 1


@activity
def add(a: int, b: int) -> int:
    _entered()
    return a + b


@activity(retry=RetryPolicy(max_attempts=4, initial_delay=7, jitter=False))
def flaky(until: int) -> int:
    _entered()
    if activity_context().attempt < until:
        raise OSError("not yet")
    return until


@activity(retry=RetryPolicy(max_attempts=1))
def refuse(why: str) -> None:
    _entered()
    raise ValueError(why)


@activity(at_most_once=True)
def charge(amount: int) -> str:
    _entered()
    return "charged"


@activity
def credit(name: str, amount: int) -> None:
    _entered()
    marks = "?, ?" if isinstance(session(), Database) else "%s, %s"
    session().execute(f"insert into ledger (name, amount) values ({marks})", [name, amount])


def unbook(what: str, *, result: str) -> None:
    _entered()


@activity(compensate=unbook)
def book(what: str) -> str:
    _entered()
    return f"booked {what}"


def _branch(n: int) -> Any:
    first = yield add(n, n)
    yield sleep(n)
    return (yield add(first, 1))


@workflow
def in_order(ctx: Context):
    total = 0
    for n in range(4):
        total = yield add(total, n)
    return total


@workflow
def with_timers(ctx: Context):
    first = yield add(1, 2)
    yield sleep(30)
    yield sleep(0)
    return (yield from add(first, 10))


@workflow
def fanned_out(ctx: Context):
    return (yield gather(_branch(3), add(1, 1), _branch(1), gather(add(2, 2), sleep(2))))


@workflow
def raced(ctx: Context):
    winner = yield race(_branch(50), _branch(5), sleep(500))
    return [winner.index, winner.value, (yield add(1, 1))]


@workflow
def retried(ctx: Context):
    return [(yield flaky(3)), (yield flaky(1))]


@workflow
def caught(ctx: Context):
    try:
        yield refuse("as asked")
    except ValueError as error:
        return [str(error), (yield add(1, 1))]


@workflow
def compensated(ctx: Context):
    yield book("hotel")
    yield gather(book("car"), book("train"))
    yield sleep(3)
    yield refuse("full")


@workflow
def transactional(ctx: Context):
    for n in range(3):
        yield credit(ctx.instance_id, n)
    return "paid"


@workflow
def child_of_it(ctx: Context, n: int):
    yield sleep(n)
    if n == 2:
        yield refuse("two")
    return (yield add(n, 100))


@workflow
def with_children(ctx: Context):
    results = yield gather(child_of_it(1), child_of_it(2), child_of_it(3), return_exceptions=True)
    detached = yield start(in_order().options(id=f"{ctx.instance_id}-free"))
    kinds = [type(each.__cause__).__name__ if isinstance(each, InstanceFailedError) else each for each in results]
    return [kinds, detached == f"{ctx.instance_id}-free"]


@workflow
def recurring(ctx: Context, n: int = 1, total: int = 0):
    total = yield add(total, n)
    yield sleep(5)
    if n < 3:
        yield recur(n + 1, total)
    return [n, total, ctx.run]


@workflow
def paid_once(ctx: Context):
    try:
        return (yield charge(5))
    except ActivityInterrupted:
        return "charged, or unknown"


@workflow
def drawn(ctx: Context):
    first = [ctx.random.random(), str(ctx.uuid4())]
    yield sleep(5)
    yield add(1, 1)
    again = Context.current()
    return [len(first), again.instance_id == ctx.instance_id, again is ctx]


@workflow
def changed(ctx: Context):
    changes = [ctx.patched("first")]
    yield sleep(5)
    changes.append(ctx.patched("second"))
    yield add(1, 1)
    return [*changes, ctx.patched("first"), ctx.patched("last")]


@workflow
def with_a_changed_child(ctx: Context):
    return (yield changed())


CORPUS = {
    "activities in order": (in_order, 6),
    "timers": (with_timers, 13),
    "branches": (fanned_out, [7, 2, 3, [4, None]]),
    "a race": (raced, [1, 11, 2]),
    "retries": (retried, [3, 1]),
    "a caught failure": (caught, ["as asked", 2]),
    "compensation": (compensated, ValueError("full")),
    "sessions": (transactional, "paid"),
    "children": (with_children, [[101, "ValueError", 103], True]),
    "recurring": (recurring, [3, 6, 3]),
    "random numbers": (drawn, [2, True, True]),
    "changes": (with_a_changed_child, [True, True, True, True]),
}
"""Shapes, and what each ends with: a result, or the exception that it fails with."""
