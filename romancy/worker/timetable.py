"""When a worker renews its lease, looks at what others wrote, and looks for those that died; pure, as time is given."""

from __future__ import annotations

import attrs

POLL = 0.05
"""Seconds between two looks at what other processes did."""
_LOOK_AROUND = 0.25
"""Seconds between two looks for workers that died."""
_NOTHING = 3600.0
"""Seconds that a worker sleeps at most which is told of everything."""


@attrs.define
class Timetable:
    """The instants at which a worker has something to do that nobody asks for.

    `lease` is in seconds, and renewed when a third of it has passed; one that `polls` is not alone on its database.
    """

    lease: float
    polls: bool
    _renew_at: float = 0.0
    _polled_at: float = 0.0
    _look_at: float = 0.0

    def registered(self, now: float) -> None:
        """The lease begins, and others may have died meanwhile."""
        self.renewed(now)
        self._look_at = 0.0

    def must_renew(self, now: float) -> bool:
        """Whether it is time to renew the lease."""
        return now >= self._renew_at

    def renewed(self, now: float) -> None:
        """The lease was renewed."""
        self._renew_at = now + self.lease / 3

    def must_poll(self, now: float, *, is_pressed: bool) -> bool:
        """Whether to look at what others wrote: always, and now and then where one is pressed for time."""
        return self.polls and not (is_pressed and self._polled_at <= now < self._polled_at + POLL)

    def polled(self, now: float) -> None:
        """One looks at what others wrote."""
        self._polled_at = now

    def must_look_around(self, now: float) -> bool:
        """Whether it is time to look for workers that died."""
        return self.polls and now >= self._look_at

    def looked_around(self, now: float) -> None:
        """One looks for workers that died."""
        self._look_at = now + _LOOK_AROUND

    def patience(self, now: float, until: float) -> float:
        """Seconds that a worker may sleep which has nothing else to do before an instant."""
        until = min(until, self._renew_at, self._look_at if self.polls else self._renew_at)
        return min(max(until - now, 0.0), POLL if self.polls else _NOTHING)
