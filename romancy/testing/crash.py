"""Crash: how an instance ended whose process was killed on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs

from romancy.history import Event
from romancy.testing.cuts import Boundary
from romancy.testing.effects import Effects

T = TypeVar("T")

NO_TABLE = "no such table"
REPEATED = "to repeat it alone: crash_points(…"
TABLES = "each run of a crash point has a database of its own: make tables in it with prepare=lambda app: app.sql(…)"
"""What to do where SQL found no table."""


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
    _beside: Mapping[str, tuple[Sequence[Event], Sequence[Event]]] = attrs.field(factory=dict)

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
        except sqlite3.OperationalError as problem:
            if NO_TABLE in str(problem):
                problem.add_note(TABLES)
            raise
        finally:
            connection.close()

    def __repr__(self) -> str:
        return f"<crash at={self.at!r}: {self._where(', then ')}>"

    def __str__(self) -> str:
        return "\n".join(
            [
                self._where(),
                f"it ended {self.status}: {self._told_outcome()}",
                f"bodies that ran: {', '.join(f'{name} {count}' for name, count in self.effects.items()) or 'none'}",
                *(f"  {count} times: {effect}" for effect, count in self.effects.duplicates.items()),
                *_halves("", self.recorded, self.history),
                *(line for name, halves in self._beside.items() for line in _halves(f" of {name}", *halves)),
                *([f"{REPEATED}, at={self.at!r})"] if self.at else []),
            ]
        )

    def _told_outcome(self) -> str:
        if isinstance(self._outcome, BaseException):
            hints = [TABLES] if TABLES in getattr(self._outcome, "__notes__", ()) else []
            return "\n".join([str(self._outcome), *hints])
        return repr(self._outcome)

    def _where(self, between: str = "\n") -> str:
        return between.join(map(str, self.boundaries)) or "no crash"


def _halves(whose: str, before: Sequence[Event], all: Sequence[Event]) -> list[str]:
    after = all[len(before) :]
    return [f"recorded{whose} when the crash came:", *lines_of(before), f"recorded{whose} after it:", *lines_of(after)]


def lines_of(events: Sequence[Event]) -> list[str]:
    """Events in few words, one a line."""
    shown = []
    for event in events:
        told = attrs.asdict(event)
        place = f" {told['step']} {told.get('name', '')}" if "step" in told else ""
        shown.append(f"  {event.kind}{place.rstrip()}")
    return shown or ["  nothing"]
