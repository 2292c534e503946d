"""Threads of which one at a time runs, from one boundary to the next: whoever conducts them says who goes on."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds of real time after which a thread that gives nothing back is reported as one that hangs."""


class Killed(BaseException):
    """In the place of SIGKILL: from here on, the thread does nothing more."""


class Strand:
    """A thread that runs only while it was told to.

    Args:
        name: says what it is, for messages.
        body: what it does.
        passed: called at each boundary, with its place.

    Attributes:
        place: the boundary at which it stands.
        is_waiting: whether it waits for a lock that another one holds.
        is_idle: whether it found nothing to do.
        has_ended: whether nothing is left of it.
        error: what it raised, if it was not killed.
    """

    def __init__(self, name: str, body: Callable[[], None], passed: Callable[[str], None] = lambda _: None) -> None:
        self.name = name
        self.place = "its beginning"
        self.is_waiting = self.is_idle = self.has_ended = False
        self.error: BaseException | None = None
        self._body = body
        self._passed = passed
        self._left = 0
        self._until: str | None = None
        self._is_killed = False
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<{self.name} at {self.place}>"

    # -- for whoever conducts

    def go(self, boundaries: int, until: str | None = None) -> bool:
        """Let it run through so many boundaries, or until it waits, idles or ends.

        Args:
            boundaries: how many.
            until: stop where this is part of the boundary's place.

        Returns:
            Whether it stands at such a place.
        """
        if self.has_ended:
            return False
        self._left, self._until = boundaries, until
        self.is_waiting = self.is_idle = False
        self._go.release()
        if not self._back.acquire(timeout=PATIENCE):
            frame = sys._current_frames().get(self._thread.ident or 0)
            raise AssertionError(f"{self!r} hangs\n{''.join(traceback.format_stack(frame))}")
        return until is not None and not self.has_ended and until in self.place

    def kill(self) -> None:
        """Let it end where it stands."""
        self._is_killed = True
        while not self.has_ended:
            self.go(1)

    # -- for itself

    def boundary(self, place: str) -> None:
        """A place where another one may go on.

        Raises:
            Killed: it ends here.
        """
        if self._is_killed:
            raise Killed
        self.place = place
        self._passed(place)
        self._left -= 1
        if self._left <= 0 or (self._until is not None and self._until in place):
            self._pause()

    def wait(self, place: str) -> None:
        """Let others go on, since one of them holds what this one needs."""
        if self._is_killed:
            raise Killed
        self.place, self.is_waiting = place, True
        self._passed(place)
        self._pause()

    def idle(self) -> None:
        """Let others go on, since there is nothing to do."""
        self.place, self.is_idle = "nothing to do", True
        self._pause()

    def _pause(self) -> None:
        self._back.release()
        self._go.acquire()
        if self._is_killed:
            raise Killed

    def _run(self) -> None:
        self._go.acquire()
        _here.strand = self
        try:
            if not self._is_killed:
                self._body()
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.has_ended = True
            self._back.release()


class _Here(threading.local):
    strand: Strand | None = None


_here = _Here()


def boundary(place: str) -> None:
    """A place where another thread may go on, if this one is conducted."""
    if _here.strand is not None:
        _here.strand.boundary(place)


def wait(place: str) -> bool:
    """Let others go on, if this thread is conducted; returns whether it is."""
    if _here.strand is not None:
        _here.strand.wait(place)
    return _here.strand is not None


def idle() -> None:
    """Let others go on until there is something to do."""
    if _here.strand is not None:
        _here.strand.idle()


class Lock:
    """A lock whose waiters let others go on.

    Args:
        name: says what it guards, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        while self._is_held:
            if not blocking:
                return False
            if not wait(f"waits for {self._name}"):
                raise RuntimeError(f"{self._name} is held, and nobody can let go of it")
            if timeout >= 0:
                blocking = False
        self._is_held = True
        return True

    def release(self) -> None:
        self._is_held = False

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
