"""What the file holds at one moment, read beside the engine with plain SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import attrs

TERMINAL = ("completed", "failed", "cancelled")
SETTLING = (
    *("activity_completed", "activity_failed", "timer_fired"),
    *("child_started", "child_completed", "child_failed", "child_cancelled", "child_refused"),
)
"""The events that answer a call."""


@attrs.frozen
class Held:
    """A lease."""

    token: int
    worker: str
    until: float


@attrs.frozen
class Row:
    """An instance."""

    number: int
    id: str
    workflow: str
    status: str
    run: int
    position: int
    owner: int | None
    wake_at: float | None
    parent: int | None
    parent_run: int | None
    error: str | None

    @property
    def has_ended(self) -> bool:
        return self.status in TERMINAL


@attrs.frozen
class Recorded:
    """An event."""

    seq: int
    kind: str
    step: str | None
    name: str | None
    attempt: int | None
    data: str | None
    due: float | None
    at: float


@attrs.frozen
class Letter:
    """Something that waits for delivery."""

    number: int
    instance: int
    kind: str
    at: float


Histories = Mapping[tuple[int, int], tuple[Recorded, ...]]
"""The events by instance and run."""


@attrs.frozen
class Snapshot:
    """Everything, in the words of the judge."""

    leases: Mapping[int, Held]
    rows: Mapping[int, Row]
    histories: Histories
    letters: tuple[Letter, ...]
    paid: tuple[tuple[str, int, str], ...]

    def find(self, id: str) -> Row | None:
        """The instance of that id."""
        return next((row for row in self.rows.values() if row.id == id), None)

    def history(self, id: str, run: int) -> tuple[Recorded, ...]:
        """The events of one run."""
        row = self.find(id)
        return () if row is None else self.histories.get((row.number, run), ())


def snapshot(connection: sqlite3.Connection) -> Snapshot:
    """Read the file, in one transaction."""
    connection.execute("begin")
    try:
        leases = [Held(*row) for row in connection.execute("select token, id, until from worker")]
        rows = [
            Row(*row)
            for row in connection.execute(
                "select number, id, workflow, status, run, position, owner, wake_at, parent, parent_run, error"
                " from instance order by number"
            )
        ]
        histories: dict[tuple[int, int], list[Recorded]] = {}
        for instance, run, *event in connection.execute(
            "select instance, run, seq, kind, step, name, attempt, data, due, at from history order by 1, 2, 3"
        ):
            histories.setdefault((instance, run), []).append(Recorded(*event))
        letters = [
            Letter(*row) for row in connection.execute("select number, instance, kind, at from inbox order by number")
        ]
        paid = connection.execute("select instance, run, step from paid order by 1, 2, 3").fetchall()
    finally:
        connection.execute("commit")
    return Snapshot(
        {each.token: each for each in leases},
        {each.number: each for each in rows},
        {place: tuple(events) for place, events in histories.items()},
        tuple(letters),
        tuple(paid),
    )
