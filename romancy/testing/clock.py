"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from romancy.calls import seconds as length_of


class VirtualClock:
    """Seconds since the epoch, as `Romancy(…, clock=…)` wants them; nothing passes but what `advance` lets pass.

    Args:
        start: the instant it shows at first, in seconds since the epoch or as a `datetime` with a time zone.
    """

    def __init__(self, start: float | datetime = 1_000_000_000.0) -> None:
        self._now = start.timestamp() if isinstance(start, datetime) else float(start)

    def __call__(self) -> float:
        return self._now

    def advance(
        self,
        length: float | timedelta = 0.0,
        /,
        *,
        seconds: float = 0.0,
        minutes: float = 0.0,
        hours: float = 0.0,
        days: float = 0.0,
    ) -> None:
        """Let time pass; a negative length turns the clock back, as people and NTP do.

        Args:
            length: seconds, or a `timedelta`.
            seconds: added to it, as are `minutes`, `hours` and `days`.

        Raises:
            DefinitionError: it is no finite length of time.
        """
        self._now += length_of(length) + total(seconds=seconds, minutes=minutes, hours=hours, days=days)

    def advance_to(self, instant: float | datetime) -> None:
        """Let it be that instant; an earlier one turns the clock back.

        Args:
            instant: seconds since the epoch, or a `datetime` with a time zone.
        """
        self._now = instant.timestamp() if isinstance(instant, datetime) else float(instant)

    def now(self) -> datetime:
        """The instant that it shows, in UTC."""
        return datetime.fromtimestamp(self._now, UTC)


def total(*, seconds: float, minutes: float, hours: float, days: float) -> float:
    """Lengths of time as one number of seconds.

    Raises:
        DefinitionError: one of them is no finite number.
    """
    return length_of(length_of(seconds) + 60 * length_of(minutes) + 3600 * length_of(hours) + 86400 * length_of(days))
