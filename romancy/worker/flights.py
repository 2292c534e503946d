"""What a worker has in flight, from when it is handed out until the loop has taken note of its end."""

from __future__ import annotations

from romancy.worker.activities import Executor, Flight


class Flights:
    """The flights of a worker; nobody else tells the executor of them.

    Args:
        executor: where activities run.

    Attributes:
        out: those of which the loop still expects something.
        landed: those that have ended, and of which the loop has not taken note.
    """

    def __init__(self, executor: Executor) -> None:
        self.out: dict[Flight, None] = {}
        self.landed: list[Flight] = []
        self._executor = executor
        self._is_led = False
        self._kept: Flight | None = None

    def launch(self, flight: Flight) -> None:
        """Begin a flight soon: on the thread that leads, if it has nothing to run next."""
        self.out[flight] = None
        if self._is_led and self._kept is None and not flight.pending.activity.is_async:
            self._kept = flight
            self._executor.keep(flight)
        else:
            self._executor.submit(flight)

    def lead(self, flight: Flight) -> None:
        """The thread on which this one ended is about to turn the loop itself, and can run the next one."""
        self.landed.append(flight)
        self._is_led = True

    def follow(self) -> Flight | None:
        """The thread leads no more; returns what it shall run next."""
        kept, self._kept = self._kept, None
        self._is_led = False
        return kept

    def noted(self) -> None:
        """The loop has taken note of those that have landed."""
        for flight in self.landed:
            self.out.pop(flight, None)
            self._executor.landed(flight)
        self.landed.clear()

    def lose_troubled(self) -> None:
        """The database failed under the sessions of those that landed: nothing was written, as if they had not run.

        All of them are lost at once, as it is one failure of the database.
        """
        for flight in [each for each in self.landed if each.trouble is not None and not each.abandoned]:
            self.landed.remove(flight)
            self.out.pop(flight, None)
            self._executor.landed(flight)

    def tell_overdue(self, now: float) -> None:
        """Tell those whose time is over."""
        for flight in list(self.out):
            timeout, started = flight.pending.timeout, flight.started
            if timeout is not None and started is not None and now > started + timeout:
                flight.is_overdue = True
                flight.tell()

    def abandon(self, flight: Flight) -> None:
        """Nobody waits for an activity any more: what it still does is its own affair."""
        flight.abandoned = True
        del self.out[flight]
        self._executor.abandon(flight)

    def abandon_all(self) -> None:
        """Nobody waits for any of them."""
        self.noted()
        for flight in list(self.out):
            self.abandon(flight)

    def close(self) -> None:
        """Begin no further flight, and expect nothing of those that are out."""
        for flight in self.out:
            flight.abandoned = True
            flight.tell()
        self.out.clear()
        self._executor.close()
