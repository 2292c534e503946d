"""The workflows that run on damaged files, full disks and forked processes."""

from __future__ import annotations

from romancy import Context, Flow, activity, gather, session, sleep, workflow


@activity
def step(number: int) -> int:
    return number


@activity
def fill(size: int) -> str:
    return "x" * size


@activity
def note(number: int) -> int:
    """Writes a row of its own, together with its result."""
    session().execute("insert into note values (?, zeroblob(2000))", [number])
    return number


@workflow
def walk(ctx: Context, number: int) -> Flow[int]:
    total = 0
    for place in range(3):
        total += yield from step(place)
    yield sleep(100)
    return total + number


@workflow
def once(ctx: Context, number: int) -> Flow[int]:
    return (yield from step(number))


@workflow
def long(ctx: Context, steps: int, size: int) -> Flow[int]:
    """Writes about `steps` times `size` bytes."""
    total = 0
    for _ in range(steps):
        total += len((yield from fill(size)))
    return total


@workflow
def broad(ctx: Context, branches: int) -> Flow[int]:
    return sum((yield from gather(*(step(number) for number in range(branches)))))


@workflow
def notes(ctx: Context, numbers: int) -> Flow[int]:
    total = 0
    for number in range(numbers):
        total += yield from note(number)
    return total


EVERY = (walk, once, long, broad, notes)
