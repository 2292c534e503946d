"""The workflows of the kept histories. They stay as they are: what they did once, they do for ever."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from romancy import (
    Context,
    Flow,
    RetryPolicy,
    Winner,
    activity,
    gather,
    race,
    recur,
    session,
    sleep,
    sleep_until,
    start,
    workflow,
)
from romancy.errors import ActivityInterrupted, InstanceCancelledError, InstanceExistsError, InstanceFailedError

ONCE_MORE = RetryPolicy(max_attempts=2, initial_delay=10, jitter=False)


@dataclass(frozen=True)
class Receipt:
    number: uuid.UUID
    amount: Decimal
    lines: tuple[str, ...] = ()


class Declined(Exception):
    """The card."""


@activity(name="kept_give_back")
def give_back(item: str, *, result: str) -> None: ...


@activity(name="kept_reserve", compensate=give_back)
def reserve(item: str) -> str:
    return f"shelf of {item}"


@activity(name="kept_charge", raises=Declined, retry=RetryPolicy(max_attempts=2, initial_delay=1, jitter=False))
def charge(number: uuid.UUID, amount: Decimal) -> Receipt:
    if amount > 100:
        raise Declined(f"{amount} is too much")
    return Receipt(number, amount, ("naïve ☃", ""))


@activity(name="kept_flaky", retry=ONCE_MORE)
def flaky(instant: datetime) -> bytes:
    raise ConnectionError("the line is down")


@activity(name="kept_fire", at_most_once=True)
def fire(count: int) -> int:
    return count


@activity(name="kept_count")
def count() -> int:
    session().execute("create table if not exists kept (number integer)")
    session().execute("insert into kept values (1)")
    return int(session().execute("select count(*) from kept").fetchone()[0])


@workflow(name="kept_order", version=3)
def order(ctx: Context, items: list[str], amount: Decimal) -> Flow[Receipt]:
    if ctx.patched("gift wrap"):
        yield count()
    yield gather(*(reserve(item) for item in items))
    receipt = yield from charge(ctx.uuid4(), amount)
    yield sleep(days=ctx.random.randint(2, 5))
    return receipt


@workflow(name="kept_patience")
def patience(ctx: Context, instant: datetime) -> Flow[int]:
    yield sleep_until(instant)
    winner: Winner[bytes | None] = yield from race(sleep(30), flaky(ctx.now()))
    try:
        fired = yield from fire(winner.index)
    except ActivityInterrupted:
        fired = -1
    try:
        yield flaky(ctx.now())
    except ConnectionError:
        return fired
    return 99


@workflow(name="kept_rounds")
def rounds(ctx: Context, number: int, sum: int = 0) -> Flow[int]:
    sum += yield from fire(number)
    if number:
        yield recur(number - 1, sum)
    return sum


@workflow(name="kept_parent")
def parent(ctx: Context, name: str) -> Flow[list[str]]:
    told = [f"{(yield from rounds(1))}"]
    told.append((yield from start(sleeper(1.0).options(id=f"{name}-detached"))))
    try:
        yield order(["one"], Decimal(1000))
    except InstanceFailedError as failed:
        told.append(type(failed.__cause__).__name__)
    try:
        yield sleeper(86400.0).options(id=f"{name}-cancelled")
    except InstanceCancelledError:
        told.append("cancelled")
    try:
        yield sleeper(2.0).options(id=f"{name}-detached")
    except InstanceExistsError:
        told.append("refused")
    return told


@workflow(name="kept_sleeper")
def sleeper(ctx: Context, length: float) -> Flow[None]:
    yield reserve("bed")
    yield sleep(length)


WORKFLOWS = (order, patience, rounds, parent, sleeper)
