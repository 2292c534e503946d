"""A loop that turns by itself: on a thread of its own, or on that of the only activity in flight; one at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import attrs

from romancy.errors import StoreError
from romancy.worker.activities import Flight
from romancy.worker.loop import Loop, Stop
from romancy.worker.waiters import SLICE
from romancy.worker.watchdog import Watchdog, told

_LOG = logging.getLogger("romancy")

MOMENT = 2.0
"""Seconds that are left to it to end after somebody insisted."""


@attrs.frozen
class _Insistence:
    """It was asked again, or to end `now`; `driven` is what ran at that time."""

    at: float
    now: bool
    driven: tuple[str, int] | None


class Background:
    """A worker in the background, with a watchdog that looks at it.

    Args:
        loop: what turns; it is open, with an executor that reports to `landed`, before this starts.
        failed: is told why the loop gave up, once it has.

    Attributes:
        failure: why the loop gave up.
    """

    def __init__(self, loop: Loop, failed: Callable[[StoreError], None]) -> None:
        self.loop = loop
        self.failure: StoreError | None = None
        self._failed = failed
        self._baton = threading.Lock()
        self._planned = 0.0
        self._watchdog = Watchdog(loop.driven)
        self._is_asked = False
        self._insistences: list[_Insistence] = []
        # A thread that an interrupted join() waited for passes for dead up to Python 3.12, so this says when it is.
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="romancy-loop", daemon=True)

    def start(self) -> None:
        """Turn until stopped, or until the database fails for good; `failure` says which."""
        try:
            self._watchdog.start()
            self._thread.start()
        except Exception:  # there is no thread that could; after an interrupt there is one
            self._end()
            raise

    def is_alive(self) -> bool:
        """Whether it works."""
        return not self._over.is_set()

    def join(self, seconds: float) -> None:
        """Wait for it to end, but no longer than that."""
        self._over.wait(seconds)

    def ask(self, now: bool) -> None:
        """Ask it to finish what is in flight and end, or to end `now`; asking again is insisting."""
        if now or self._is_asked:
            self._insistences.append(_Insistence(time.monotonic(), now, self.loop.driven()))
        self._is_asked = True
        self.loop.messages.put(Stop(now=now))

    def stop(self, *, now: bool) -> bool:
        """Ask it to end, and wait until it has or is overdue; returns whether it has."""
        self.ask(now)
        while self.is_alive() and not self.is_overdue():
            self.join(SLICE)
        return not self.is_alive()

    def is_overdue(self) -> bool:
        """Whether somebody insisted a moment ago, and it was to end now or the code that ran then has not yielded."""
        if not self.is_alive():
            return False
        until, driven = time.monotonic() - MOMENT, self.loop.driven()
        insistences = [each for each in self._insistences if each.at <= until]
        return any(each.now or (driven is not None and each.driven is driven) for each in insistences)

    def obstacle(self) -> str:
        """What keeps it from ending."""
        driven = self.loop.driven()
        return "the worker does not end" if driven is None else told(*driven)

    def landed(self, flight: Flight) -> Flight | None:
        """An activity has ended, on the thread that calls this.

        Where it was the only one in flight, this thread turns the loop itself and runs the next one: a sequence of
        activities then costs no change of threads, which takes longer than the rest of a turn. The thread of the
        `async def` ones does not: it has others to attend to, and could not run a plain one.

        Returns:
            A flight for this thread to run next, if there is one.
        """
        loop = self.loop
        flights = loop.flights
        if flight.pending.activity.is_async or len(flights.out) != 1 or not self._baton.acquire(blocking=False):
            loop.messages.put(flight)
            return None
        kept = None
        try:
            if loop.token and self.failure is None:
                flights.lead(flight)
                loop.turn()
                if loop.patience() < self._planned - loop.clock():
                    loop.messages.ring()
                kept = flights.follow()
        except BaseException as error:
            flights.follow()
            self._give_up(error)
            loop.messages.put(Stop(now=True))
        finally:
            self._baton.release()
        return kept

    def _work(self) -> None:
        try:
            self._turn_until_done()
        except StoreError as error:
            self._give_up(error)
        except BaseException as error:
            self._give_up(error)
            raise
        finally:
            self._end()

    def _end(self) -> None:
        try:
            self._close()
        finally:
            try:
                if self.failure is not None:
                    self._failed(self.failure)
            finally:
                self._watchdog.stop()
                self._over.set()

    def _turn_until_done(self) -> None:
        loop = self.loop
        loop.listen()
        while not loop.is_done():
            patience = loop.patience()
            self._planned = loop.clock() + patience
            loop.messages.wait(patience)
            with self._baton:
                loop.turn()

    def _close(self) -> None:
        with self._baton:
            self.loop.close(self.failure)

    def _give_up(self, error: BaseException) -> None:
        if isinstance(error, StoreError):
            self.failure = error
            _LOG.critical("the worker stops: %s", error)
        else:
            self.failure = StoreError(f"the worker ended by an error of its own: {error!r}")
            _LOG.critical("the worker stops", exc_info=error)
