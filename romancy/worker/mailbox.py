"""Where messages for the loop lie, from whichever thread or signal handler they come."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

M = TypeVar("M")


class Mailbox(Generic[M]):
    """Messages in the order in which they came. One thread waits for them; another may take them meanwhile.

    `queue.SimpleQueue` would not do: its `get` with a timeout waits for ever, up to Python 3.12, where another thread
    took the message that woke it and the timeout was over before it saw that.
    """

    def __init__(self) -> None:
        self._messages: deque[M] = deque()
        self._bell = threading.Lock()
        self._bell.acquire()

    def put(self, message: M) -> None:
        """Leave a message, and wake who waits."""
        self._messages.append(message)
        self.ring()

    def ring(self) -> None:
        """Wake who waits, or who will next."""
        if self._bell.locked():
            with suppress(RuntimeError):  # another thread rang since
                self._bell.release()

    def wait(self, timeout: float) -> None:
        """Wait for a message, or a ring; it may end early.

        Args:
            timeout: seconds, after which it ends at the latest.
        """
        if not self._messages:
            self._bell.acquire(timeout=timeout)

    def take(self) -> M:
        """The first message; one thread at a time may ask, and only where there is one."""
        return self._messages.popleft()

    def empty(self) -> bool:
        """Whether there is no message."""
        return not self._messages
