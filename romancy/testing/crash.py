"""Crash: how an instance ended whose process was killed on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs

from romancy.history import Event
from romancy.testing.cuts import Boundary
from romancy.testing.effects import Effects

T = TypeVar("T")


@attrs.define(kw_only=True, repr=False, eq=False)
class Crash(Generic[T]):
    """How an instance ended whose process was killed on the way, once or several times.

    Attributes:
        boundaries: where it was killed, one for each crash; none where it ended before the first one came.
        status: that it ended with.
        effects: how often the body of each activity ran, in all lives together; `effects.duplicates` names attempts
            whose body ran more than once.
        history: what was recorded in the end.
        recorded: what was recorded of it when the last crash came.
        at: names this crash: `crash_points(call, at=…)` repeats it alone.
    """

    boundaries: tuple[Boundary, ...]
    status: str
    effects: Effects
    history: list[Event]
    recorded: list[Event]
    at: str
    _outcome: T | BaseException
    _database: Path

    @property
    def result(self) -> T:
        """What the workflow returned.

        Raises:
            InstanceFailedError: it raised; the other errors of `Handle.result` likewise, and `TimeoutError` where it
                waits for something that never comes.
        """
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """The rows that a query finds in the database as it was in the end, such as those written by `session()`."""
        connection = sqlite3.connect(self._database)
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

    def __repr__(self) -> str:
        return f"<crash at={self.at!r}: {self._where()}>"

    def __str__(self) -> str:
        outcome = self._outcome if isinstance(self._outcome, BaseException) else repr(self._outcome)
        return "\n".join(
            [
                self._where(),
                f"it ended {self.status}: {outcome}",
                f"bodies that ran: {', '.join(f'{name} {count}' for name, count in self.effects.items()) or 'none'}",
                *(f"  {count} times: {effect}" for effect, count in self.effects.duplicates.items()),
                "recorded when the crash came:",
                *lines_of(self.recorded),
                "recorded after it:",
                *lines_of(self.history[len(self.recorded) :]),
                f"to repeat it alone: crash_points(…, at={self.at!r})",
            ]
        )

    def _where(self) -> str:
        return "\n".join(map(str, self.boundaries)) or "no crash"


def lines_of(events: Sequence[Event]) -> list[str]:
    """Events in few words, one a line."""
    shown = []
    for event in events:
        told = attrs.asdict(event)
        place = f" {told['step']} {told.get('name', '')}" if "step" in told else ""
        shown.append(f"  {event.kind}{place.rstrip()}")
    return shown or ["  nothing"]
