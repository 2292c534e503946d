"""Waiting for messages."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from romancy.worker.mailbox import Mailbox

TIMEOUT = 0.01
"""Seconds that the waiting thread is ready to wait."""


@pytest.fixture
def one_thread_at_a_time() -> Iterator[None]:
    """A thread that computes is not interrupted for another one, as on a machine that is busy."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(10.0)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("one_thread_at_a_time")
def test_a_wait_ends_in_time_though_another_thread_takes_the_message_that_woke_it() -> None:
    for _ in range(5):
        box: Mailbox[str] = Mailbox()
        is_waiting = threading.Event()

        def wait(box: Mailbox[str] = box, is_waiting: threading.Event = is_waiting) -> None:
            is_waiting.set()
            box.wait(TIMEOUT)

        waiter = threading.Thread(target=wait, daemon=True)
        waiter.start()
        is_waiting.wait()
        box.put("first")
        assert box.take() == "first"
        over = time.monotonic() + 2 * TIMEOUT
        while time.monotonic() < over:
            pass
        waiter.join(10.0)
        assert not waiter.is_alive()


def test_a_ring_before_the_wait_is_not_lost() -> None:
    box: Mailbox[str] = Mailbox()
    box.ring()
    box.ring()
    waiter = threading.Thread(target=box.wait, args=[3600.0], daemon=True)
    waiter.start()
    waiter.join(10.0)
    assert not waiter.is_alive()


def test_messages_come_in_the_order_in_which_they_were_put() -> None:
    box: Mailbox[int] = Mailbox()
    for number in range(3):
        box.put(number)
    assert [box.take() for _ in range(3)] == [0, 1, 2]
    assert box.empty()
