"""An event is a row: which of its fields stands in which column, the same for every database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from romancy import history
from romancy.errors import SerializationError
from romancy.history import Event

COLUMNS = ("kind", "step", "name", "attempt", "fingerprint", "data", "detail", "started", "due", "at")

_ELSEWHERE: dict[type, dict[str, str]] = {
    history.WorkflowStarted: {"data": "input"},
    history.ActivityCompleted: {"data": "result", "detail": "compensation"},
    history.AttemptFailed: {"data": "error"},
    history.ActivityFailed: {"data": "error"},
    history.ChildStarted: {"detail": "child"},
    history.ChildCompleted: {"data": "result", "detail": "child"},
    history.ChildFailed: {"data": "error", "detail": "child"},
    history.ChildCancelled: {"data": "error", "detail": "child"},
    history.ChildRefused: {"data": "error", "detail": "child"},
    history.Patched: {"detail": "change"},
    history.WorkflowCompleted: {"data": "result"},
    history.WorkflowFailed: {"data": "error"},
    history.WorkflowCancelled: {"data": "error"},
    history.WorkflowRecurred: {"data": "input"},
}


def _fields(cls: Any) -> tuple[str | None, ...]:
    own = {attribute.name for attribute in cls.__attrs_attrs__}
    elsewhere = _ELSEWHERE.get(cls, {})
    return tuple(elsewhere.get(column, column if column in own else None) for column in COLUMNS[1:])


def _types(annotation: str) -> tuple[type, ...]:
    names = {"str": str, "int": int, "float": float, "None": type(None)}
    return tuple(names[name.strip()] for name in annotation.split("|"))


_FIELDS = {cls: _fields(cls) for cls in get_args(Event)}
_BY_KIND: dict[str, tuple[Any, list[tuple[str, int]]]] = {
    cls.kind: (cls, [(field, place) for place, field in enumerate(fields, 1) if field])
    for cls, fields in _FIELDS.items()
}
_WANTED: dict[type, list[tuple[str, tuple[type, ...]]]] = {
    cls: [(attribute.name, _types(str(attribute.type))) for attribute in cls.__attrs_attrs__] for cls in _FIELDS
}


def to_row(event: Event) -> tuple[Any, ...]:
    """The columns of an event, in the order of `COLUMNS`."""
    if type(event) is history.ActivityCompleted:
        return (
            "activity_completed",
            event.step,
            event.name,
            event.attempt,
            event.fingerprint,
            event.result,
            event.compensation,
            event.started,
            None,
            event.at,
        )
    return (event.kind, *(field and getattr(event, field) for field in _FIELDS[type(event)]))


def from_rows(rows: Iterable[Sequence[Any]]) -> list[Event]:
    """The events of one run, from rows of `seq` and `COLUMNS`, in order.

    Raises:
        SerializationError: a row is missing, stands twice or is not what an event can be; the path is `history[seq]`.
    """
    events: list[Event] = []
    for row in rows:
        if row[0] != len(events):
            raise SerializationError(f"history[{len(events)}]", f"the next row that is stored is number {row[0]}")
        events.append(_from_row(row))
        if len(events) > 1 and isinstance(events[-2], history.Terminal):
            raise SerializationError(f"history[{row[0]}]", f"{row[1]} stands behind the end of the run")
    return events


def _from_row(row: Sequence[Any]) -> Event:
    known = _BY_KIND.get(row[1])
    if known is None:
        raise SerializationError(f"history[{row[0]}]", f"{str(row[1])[:80]!r} is no kind of event that is known here")
    cls, fields = known
    values = {field: row[place + 1] for field, place in fields}
    for field, types in _WANTED[cls]:
        if type(value := values[field]) not in types:
            raise SerializationError(
                f"history[{row[0]}].{field}", f"{str(value)[:80]!r} is not what {row[1]} holds there"
            )
    event: Event = cls(**values)
    return event
