"""How much of what is due a worker takes, and when: among others no more than can run, and then they have a turn.

Pure, as time and all counts are given.
"""

from __future__ import annotations

import attrs

from romancy.worker.timetable import POLL

_BATCH = 500
"""How many due instances are claimed at once."""
_TURN = 0.01
"""Seconds between two claims of a worker among others, where they need not wait for each other to claim."""
_TRIAL = 1.0
"""Seconds between two instances that are suspected of killing their workers."""


@attrs.define
class Claims:
    """What a worker knows of its share; `slots` is how many activities it runs at once, `others` counts workers.

    In what follows `free` is how many instances there is room for in memory, and `out` how many activities are in
    flight.
    """

    slots: int
    others: int = 0
    next_due: float | None = None
    _claim_at: float = 0.0
    _next_trial: float = 0.0

    def room(self, free: int, out: int) -> int:
        """How many more instances may begin here: with other workers about, no more than can run at once."""
        return min(free, max(0, self.slots - out)) if self.others else free

    def share(self, free: int, out: int) -> int:
        """How many due instances to claim at once: with other workers about, a part of what can run."""
        room = max(1, free)
        if not self.others:
            return min(_BATCH, room)
        return min(room, max(1, (self.slots - out) // (2 * (self.others + 1))))

    def next(self, out: int) -> float:
        """When to claim next, if ever."""
        if self.next_due is None:
            return float("inf")
        return max(self.next_due, self._claim_at) if out else self.next_due

    def claimed(self, now: float, share: int, *, is_serial: bool) -> None:
        """A share was claimed: others, if there are any, have a turn, a long one where claims wait for each other."""
        if self.others:
            self._claim_at = now + (POLL if is_serial or share == 1 else _TURN)

    def sooner(self, due: float | None) -> None:
        """Something else is due, too, and perhaps before."""
        self.next_due = earlier(due, self.next_due)

    # One that may have killed its worker begins alone, so that it is known for it and the others are not.

    def may_try(self, now: float) -> bool:
        """Whether a suspect may begin."""
        return self._next_trial <= now

    def tried(self, now: float) -> None:
        """A suspect was looked for, and may have begun."""
        self._next_trial = now + _TRIAL

    def trial(self, due: float | None) -> float | None:
        """When a suspect may begin that is due at an instant."""
        return None if due is None else max(due, self._next_trial)


def earlier(one: float | None, other: float | None) -> float | None:
    """The first of two instants, either of which may never come."""
    return one if other is None or (one is not None and one <= other) else other
