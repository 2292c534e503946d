"""What type checkers know of the public names: each `assert_type` holds, and each ignored line is an error."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Callable, Coroutine, Generator
from datetime import datetime, timedelta
from typing import Any, assert_type

from romancy import (
    Activity,
    Call,
    Context,
    Flow,
    Handle,
    RetryPolicy,
    Romancy,
    Winner,
    Workflow,
    activity,
    gather,
    race,
    recur,
    sleep,
    sleep_until,
    start,
    workflow,
)


@activity
def quote(item: str, *, express: bool = False) -> int:
    return len(item)


@activity
async def fetch(url: str) -> bytes:
    return url.encode()


@activity(retry=RetryPolicy(max_attempts=3), timeout=timedelta(seconds=5), raises=ValueError)
def ship(parcel: int) -> str:
    return str(parcel)


@activity(at_most_once=True)
async def charge(amount: float) -> bool:
    return amount > 0


def branch(item: str) -> Flow[float]:
    price = yield from quote(item)
    return price / 2


@workflow
def child(ctx: Context, name: str) -> Flow[list[str]]:
    yield sleep(minutes=1)
    return [name]


@workflow(name="orders", version=2)
def order(ctx: Context, order_id: str, count: int = 1) -> Flow[str]:
    price = yield from quote(order_id)
    assert_type(price, int)
    body = yield from fetch("http://localhost")
    assert_type(body, bytes)
    assert_type((yield from ship(price)), str)
    assert_type((yield from charge(1.5)), bool)
    assert_type((yield from child("a")), list[str])
    assert_type((yield from start(child("b"))), str)

    pair = yield from gather(quote("a"), fetch("b"))
    assert_type(pair, tuple[int, bytes])
    five = yield from gather(quote("a"), fetch("b"), ship(1), branch("c"), child("d"))
    assert_type(five, tuple[int, bytes, str, float, list[str]])
    many = yield from gather(*(quote(item) for item in "abc"))
    assert_type(many, list[int])
    tolerant = yield from gather(quote("a"), quote("b"), return_exceptions=True)
    assert_type(tolerant, list[int | BaseException])

    winner = yield from race(quote("a"), quote("b"))
    assert_type(winner, Winner[int])
    assert_type(winner.index, int)
    assert_type(winner.value, int)

    assert_type(ctx.now(), datetime)
    assert_type(ctx.instance_id, str)
    assert_type(ctx.patched("change"), bool)
    yield quote("plain")
    yield sleep_until(ctx.now())
    yield recur(order_id, count + 1)
    return "done"


def made_by_calling() -> None:
    assert_type(quote("a", express=True), Call[int])
    assert_type(fetch("a"), Call[bytes])
    assert_type(quote("a").options(timeout=5), Call[int])
    assert_type(sleep(5), Call[None])
    flow: Generator[Call[Any], Any, float] = branch("a")
    assert flow


def plain_functions(ctx: Context) -> None:
    assert_type(quote.fn("a", express=True), int)
    asynchronous: list[Callable[[str], Coroutine[Any, Any, bytes]]] = [fetch.fn]
    assert asynchronous
    bound: Activity[[int], str] = ship
    assert_type(bound.fn(1), str)
    assert_type(child.fn(ctx, "a"), Flow[list[str]])
    known: Workflow[[str], list[str]] = child
    assert known


def from_outside(app: Romancy) -> None:
    assert_type(app.run(order("o-1")), str)
    handle = app.start(order("o-1", 2), id="o-1")
    assert_type(handle, Handle[str])
    assert_type(handle.result(timeout=5), str)
    assert_type(handle.id, str)
    assert_type(app.start_many([child("a"), child("b")]), list[Handle[list[str]]])
    assert_type(app.get("o-1").result(), Any)


async def awaited(app: Romancy) -> None:
    assert_type(await app.start(child("a")), list[str])


def refused(app: Romancy, ctx: Context) -> None:
    quote(5)  # type: ignore[arg-type]
    quote()  # type: ignore[call-arg]
    quote("a", slow=True)  # type: ignore[call-arg]
    fetch(b"bytes")  # type: ignore[arg-type]
    order(7)  # type: ignore[arg-type]
    order("o-1", count="many")  # type: ignore[arg-type]
    order(ctx, "o-1")  # type: ignore[arg-type]
    quote.fn(5)  # type: ignore[arg-type]
    app.run("no call")  # type: ignore[arg-type]
    app.start(order)  # type: ignore[arg-type]
    gather(5)  # type: ignore[call-overload]
    race(5)  # type: ignore[arg-type]
    sleep("5")  # type: ignore[arg-type]
    sleep_until(5)  # type: ignore[arg-type]
    RetryPolicy("three")  # type: ignore[arg-type]
    activity(retries=3)  # type: ignore[call-overload]
    Romancy(":memory:", workers=3)  # type: ignore[call-arg]
    number: int = app.run(order("o-1"))  # type: ignore[assignment]
    assert number
