"""Who waits for the end of which instance."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager

from romancy.errors import StoreError
from romancy.worker.turn import Ended

SLICE = 0.5
"""Seconds that are waited at a stretch: a Ctrl-C that comes just before a wait begins is only seen after it."""


class Waiters:
    """Who waits for the end of which instance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[str, list[Future[Ended]]] = {}

    @contextmanager
    def waiting(self, id: str) -> Generator[Future[Ended], None, None]:
        future: Future[Ended] = Future()
        with self._lock:
            self._futures.setdefault(id, []).append(future)
        try:
            yield future
        finally:
            with self._lock:
                left = [each for each in self._futures.get(id, ()) if each is not future]
                if left:
                    self._futures[id] = left
                else:
                    self._futures.pop(id, None)

    def ids(self) -> list[str]:
        with self._lock:
            return list(self._futures)

    def announce(self, ended: Ended) -> None:
        if ended.id in self._futures:
            for future in self._taken(ended.id):
                future.set_result(ended)

    def fail(self, error: StoreError) -> None:
        for id in self.ids():
            for future in self._taken(id):
                future.set_exception(error)

    def _taken(self, id: str) -> list[Future[Ended]]:
        with self._lock:
            return [
                each for each in self._futures.pop(id, ()) if not each.done() and each.set_running_or_notify_cancel()
            ]


def outcome(future: Future[Ended], timeout: float | None) -> Ended:
    """What a future holds, waited for in slices.

    Raises:
        TimeoutError: it holds nothing when so many seconds have passed.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = SLICE if until is None else min(SLICE, max(0.0, until - time.monotonic()))
        try:
            return future.result(left)
        except TimeoutError:
            if until is not None and time.monotonic() >= until:
                raise
