"""Tests of a workflow: fakes for what costs money, days that pass at once, and a crash at every point.

    pytest examples/test_order.py

The fixture `romancy` is there wherever Romancy is installed.
"""

import sys

import pytest

from romancy import Context, Flow, activity, activity_context, sleep, workflow
from romancy.testing import Sandbox, crash_points


@activity
def charge(order_id: str, amount: int) -> str:
    raise NotImplementedError("asks the bank")


@activity
def remind(order_id: str) -> None:
    raise NotImplementedError("writes a letter")


@workflow
def order(ctx: Context, order_id: str, amount: int) -> Flow[str]:
    receipt = yield from charge(order_id, amount)
    yield sleep(days=30)
    yield remind(order_id)
    return receipt


def test_a_letter_comes_after_thirty_days(romancy: Sandbox) -> None:
    letters: list[str] = []
    romancy.replace(charge, lambda order_id, amount: f"receipt for {amount}")
    romancy.replace(remind, letters.append)
    handle = romancy.start(order("o-1", 40))  # runs until it waits
    romancy.advance(days=29)
    assert (handle.status, letters) == ("waiting", [])
    assert handle.result() == "receipt for 40"  # waiting lets the last day pass
    assert letters == ["o-1"] and romancy.effects["charge"] == 1


def test_nobody_pays_twice_wherever_it_crashes(romancy: Sandbox) -> None:
    paid: dict[str, int] = {}
    romancy.replace(charge, lambda order_id, amount: f"{paid.setdefault(activity_context().idempotency_key, amount)}")
    romancy.replace(remind, lambda order_id: None)
    for crash in crash_points(order("o-1", 40), prepare=lambda app: paid.clear()):  # a new world for each crash
        assert crash.result == "40" and sum(paid.values()) == 40
        assert crash.effects["charge"] <= 2  # asked again where the crash came before the record


def main() -> None:
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", __file__]))


if __name__ == "__main__":
    main()
