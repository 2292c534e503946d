"""The time of the database server, by which leases and timers go on every machine, whatever its own clock shows."""

from __future__ import annotations

import time
from collections.abc import Callable


class ServerClock:
    """Seconds since the epoch as the server counts them, told without asking it each time.

    Between two observations time passes as this machine's monotonic clock runs, so that setting its wall clock
    changes nothing.

    Args:
        ticks: seconds that only grow, from any beginning.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self.ticks = ticks
        self._ahead: float | None = None

    def __call__(self) -> float:
        return self.ticks() + (self._ahead or 0.0)

    def observe(self, told: float, before: float, after: float) -> None:
        """Take note of what the server's clock showed at some moment between two ticks.

        Args:
            told: seconds since the epoch, by the server.
            before: this machine's ticks when the server was asked.
            after: its ticks when the answer was there.
        """
        least, most = told - after, told - before
        ahead = self._ahead
        self._ahead = (least + most) / 2 if ahead is None else min(max(ahead, least), most)
