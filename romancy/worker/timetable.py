"""When a worker renews its lease, looks at what others wrote, and looks for those that died; pure, as time is given."""

from __future__ import annotations

import enum

import attrs

POLL = 0.05
"""Seconds between two looks at what other processes did."""
_LOOK_AROUND = 0.25
"""Seconds between two looks for workers that died."""
_NOTHING = 3600.0
"""Seconds that a worker sleeps at most which is told of everything."""


class Chore(enum.Enum):
    """What a worker does that nobody asks for."""

    RENEW = "renew the lease"
    POLL = "look at what others wrote"
    LOOK_AROUND = "look for workers that died"


@attrs.define
class Timetable:
    """The instants of a worker's chores.

    `lease` is in seconds, and renewed when a third of it has passed; one that `polls` is not alone on its database.
    """

    lease: float
    polls: bool
    _renew_at: float = 0.0
    _polled_at: float = 0.0
    _look_at: float = 0.0

    def registered(self, now: float) -> None:
        """The lease begins, and others may have died meanwhile."""
        self.noted(Chore.RENEW, now)
        self._look_at = 0.0

    def chores(self, now: float, *, is_pressed: bool) -> list[Chore]:
        """What is to be done now, in this order; who is pressed for time does not look every time for what is new."""
        due = [Chore.RENEW] if now >= self._renew_at else []
        if self.polls:
            if not (is_pressed and self._polled_at <= now < self._polled_at + POLL):
                due.append(Chore.POLL)
            if now >= self._look_at:
                due.append(Chore.LOOK_AROUND)
        return due

    def noted(self, chore: Chore, now: float) -> None:
        """A chore is seen to, until its next time."""
        match chore:
            case Chore.RENEW:
                self._renew_at = now + self.lease / 3
            case Chore.POLL:
                self._polled_at = now
            case Chore.LOOK_AROUND:
                self._look_at = now + _LOOK_AROUND

    def patience(self, now: float, until: float) -> float:
        """Seconds that a worker may sleep which has nothing else to do before an instant."""
        until = min(until, self._renew_at, self._look_at if self.polls else self._renew_at)
        return min(max(until - now, 0.0), POLL if self.polls else _NOTHING)
