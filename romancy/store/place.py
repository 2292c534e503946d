"""The place of the one that writes: one thread of a process holds it at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

_MOMENT = 0.05
"""Seconds between two calls of what goes on while the place is waited for."""


class Place:
    """What one thread holds at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: int | None = None

    def is_mine(self) -> bool:
        """Whether this thread holds the place."""
        return self.thread == threading.get_ident()

    def exclusive(self, meanwhile: Callable[[], None] | None = None) -> Exclusive:
        """Hold the place over several transactions of this thread."""
        return Exclusive(self, meanwhile)


class Exclusive:
    """A place, which one thread of this process holds at a time, over as many verbs as it likes."""

    __slots__ = ("_holds", "_meanwhile", "_place")

    def __init__(self, place: Place, meanwhile: Callable[[], None] | None = None) -> None:
        self._place = place
        self._meanwhile = meanwhile
        self._holds = False

    def __enter__(self) -> None:
        place, me = self._place, threading.get_ident()
        if place.thread != me:
            if self._meanwhile is None:
                place.lock.acquire()
            else:
                while not place.lock.acquire(timeout=_MOMENT):
                    self._meanwhile()
            place.thread = me
            self._holds = True

    def __exit__(self, *_: object) -> None:
        if self._holds:
            self._place.thread = None
            self._place.lock.release()
