"""What type checkers know of `romancy.testing`: each `assert_type` holds, and each ignored line is an error."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, assert_type
from unittest.mock import Mock

from romancy import Context, Flow, Handle, activity, workflow
from romancy.history import Event
from romancy.testing import Crash, Sandbox, VirtualClock, crash_points, replays, run_with_crashes
from romancy.testing.strategies import completion_orders, crash_schedules


@activity
def charge(order_id: str, amount: int, *, express: bool = False) -> float:
    return amount


@activity
def remind(order_id: str) -> None: ...


@activity
def add(one: int, other: int) -> int:
    return one + other


@activity
async def fetch(url: str) -> bytes:
    return url.encode()


@workflow
def order(ctx: Context, order_id: str) -> Flow[float]:
    return (yield from charge(order_id, 5))


def charged(order_id: str, amount: int, *, express: bool = False) -> float:
    return 1.5


def charged_nothing(order_id: str, amount: int, *, express: bool = False) -> int:
    return 0


async def charged_later(order_id: str, amount: int, *, express: bool = False) -> float:
    return 1.5


def reminded(somebody: str) -> None: ...


async def fetched(url: str) -> bytes:
    return b""


def test_it(romancy: Sandbox) -> None:
    romancy.replace(charge, charged)
    romancy.replace(charge, charged_nothing)
    romancy.replace(charge, charged_later)
    romancy.replace(charge, lambda order_id, amount, *, express=False: 2.5)
    romancy.replace(remind, reminded)
    romancy.replace(remind, lambda order_id: None)
    letters: list[str] = []
    romancy.replace(remind, letters.append)
    romancy.replace(add, lambda one, other: one * other)
    romancy.replace(fetch, fetched)
    romancy.replace(fetch, lambda url: b"")
    romancy.replace(fetch, Mock(return_value=b""))
    romancy.replace("charge", lambda *args: 5)

    handle = romancy.start(order("o-1"))
    assert_type(handle, Handle[float])
    assert_type(romancy.run(order("o-1")), float)
    assert_type(romancy.start_many([order("o-1")]), list[Handle[float]])
    romancy.advance(5)
    romancy.advance(timedelta(days=1), hours=1)
    assert_type(romancy.effects["charge"], int)
    assert_type(romancy.clock, VirtualClock)
    assert_type(romancy.clock.now(), datetime)
    assert_type(romancy.sql("select 1"), list[Any])


def test_crashes(romancy: Sandbox) -> None:
    crashes = crash_points(order("o-1"), depth=2, orders=3, prepare=lambda app: app.sql("create table t (x)"))
    assert_type(crashes, Iterator[Crash[float]])
    for crash in crashes:
        assert_type(crash.result, float)
        assert_type(crash.history, list[Event])
        assert_type(crash.at, str)
    assert_type(run_with_crashes(order("o-1"), [1, 2]).result, float)
    assert_type(replays(order, "tests/*.json", Path("one.json"), strict=True), int)
    assert_type(crash_schedules().example(), list[int])
    assert_type(completion_orders().example(), list[int])


def test_refused(romancy: Sandbox) -> None:
    romancy.replace(charge, lambda order_id: 2.5)  # type: ignore[arg-type, misc]
    romancy.replace(remind, fetched)  # type: ignore[misc]
    romancy.replace(add, charged)  # type: ignore[misc]
    romancy.replace(add, lambda one, other: "text")  # type: ignore[arg-type, return-value]
    romancy.replace(order, lambda order_id: 2.5)  # type: ignore[call-overload]
    romancy.advance("5")  # type: ignore[arg-type]
    crash_points(order)  # type: ignore[arg-type]
    crash_points(charge("o-1", 5))  # type: ignore[arg-type]
    replays(order("o-1"), "*.json")  # type: ignore[arg-type]
    Sandbox(patience="much")  # type: ignore[arg-type]
    number: str = run_with_crashes(order("o-1"), []).result  # type: ignore[assignment]
    assert number
