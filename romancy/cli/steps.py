"""A history as steps: every attempt of an activity stands in one row with its completion. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import attrs

from romancy import history
from romancy.cli.shown import iso, length, local, one_line, stored, until, visible
from romancy.codec import describe_error
from romancy.history import Event

HEADERS = ("step", "what", "status", "attempts", "started", "duration", "result or error")
_WIDTH = 70


@attrs.define
class Step:
    """One row: `failures` are the errors of its attempts as recorded, `due` is when the next attempt may begin."""

    step: str
    what: str
    status: str = "started"
    attempts: int | None = None
    started: float | None = None
    ended: float | None = None
    due: float | None = None
    child: str | None = None
    result: str | None = None
    failures: list[str] = attrs.field(factory=list)

    def cells(self, now: float) -> list[str]:
        """The row for people."""
        return [
            *(visible(self.step), one_line(self.what, 50), self.status),
            "" if self.attempts is None else str(self.attempts),
            local(self.started if self.started is not None else self.ended),
            "" if self.started is None or self.ended is None else length(self.ended - self.started),
            self._told(now),
        ]

    def _told(self, now: float) -> str:
        told = []
        if self.child is not None:
            told.append(f"instance {visible(self.child)}")
        if self.result is not None:
            told.append(one_line(self.result.strip(), _WIDTH))
        if self.failures:
            before = "before: " if self.status == "completed" else ""
            told.append(before + one_line(error_line(self.failures[-1]), _WIDTH))
        if self.status == "retrying" and self.due is not None:
            told.append(f"next attempt {until(self.due, now)}" if self.due > now else "next attempt is due")
        return ", ".join(told)

    def fields(self) -> dict[str, Any]:
        """The row for programs."""
        return {
            "step": self.step,
            "what": self.what,
            "status": self.status,
            "attempts": self.attempts,
            "started": iso(self.started),
            "ended": iso(self.ended),
            "seconds": None if self.started is None or self.ended is None else self.ended - self.started,
            "next_attempt": iso(self.due) if self.status == "retrying" else None,
            "child": self.child,
            "result": None if self.result is None else stored(self.result),
            "errors": [error_fields(each) for each in self.failures],
        }


def error_line(text: str) -> str:
    """A recorded error in one line."""
    type_name, message, _ = describe_error(text)
    return f"{type_name}: {message}" if message else type_name


def error_fields(text: str) -> dict[str, str]:
    """A recorded error for programs."""
    return dict(zip(("type", "message", "traceback"), describe_error(text), strict=True))


def steps(events: Iterable[Event]) -> list[Step]:
    """The rows of a history, in the order in which each was first heard of."""
    rows: dict[str, Step] = {}
    for place, event in enumerate(events):
        match event:
            case history.ActivityStarted() | history.ActivityCompleted() | history.ActivityFailed():
                _activity(rows, event)
            case history.AttemptFailed():
                _attempt_failed(rows, event)
            case _:
                row = _other(event)
                rows[f"{row.step} {place}"] = row
    return list(rows.values())


def _row(rows: dict[str, Step], step: str, name: str) -> Step:
    what = f"{name} (compensation)" if step.startswith("c") else name
    return rows.setdefault(step, Step(step, what))


def _activity(
    rows: dict[str, Step], event: history.ActivityStarted | history.ActivityCompleted | history.ActivityFailed
) -> None:
    row = _row(rows, event.step, event.name)
    row.attempts = event.attempt
    if isinstance(event, history.ActivityStarted):
        row.status = "started"
        row.started = event.at if row.started is None else row.started
        return
    row.started = event.started if row.started is None else row.started
    row.ended = event.at
    if isinstance(event, history.ActivityCompleted):
        row.status, row.result = "completed", event.result
    else:
        row.status = "failed"
        row.failures.append(event.error)


def _attempt_failed(rows: dict[str, Step], event: history.AttemptFailed) -> None:
    row = _row(rows, event.step, event.name)
    row.status, row.attempts, row.due = "retrying", event.attempt, event.due
    row.started = event.started if row.started is None else row.started
    row.failures.append(event.error)


def _other(event: Event) -> Step:
    step: str = getattr(event, "step", "")
    # That something was cancelled says its status already.
    is_told = isinstance(event, history.WorkflowCancelled | history.ChildCancelled)
    error: str | None = None if is_told else getattr(event, "error", None)
    what, status = _named(event)
    return Step(
        step,
        what,
        status,
        ended=event.at,
        child=getattr(event, "child", None),
        result=getattr(event, "result", None),
        failures=[] if error is None else [error],
    )


def _named(event: Event) -> tuple[str, str]:
    """What a row without attempts is of, and what became of it."""
    match event:
        case history.TimerFired():
            return "timer", "fired"
        case history.CancelRequested():
            return "cancellation", "requested"
        case history.Patched(change=change):
            return f"patch {change}", "taken"
        case history.CompensationStarted():
            return "compensation", "started"
        case _:
            _, _, status = event.kind.partition("_")
            name: str | None = getattr(event, "name", None)
            return ("run" if name is None else f"workflow {name}"), status


def ending(event: Event | None) -> tuple[str | None, str | None]:
    """The result and the error in the last event of a run, as texts."""
    match event:
        case history.WorkflowCompleted(result=result):
            return result, None
        case history.WorkflowFailed(error=error) | history.WorkflowCancelled(error=error):
            return None, error
        case _:
            return None, None


def error_lines(text: str) -> list[str]:
    """How an instance failed, and what went wrong in its compensations, a line each."""
    members = stored(text)
    undone = members.get("compensation_errors", []) if isinstance(members, dict) else []
    return [one_line(error_line(each)) for each in (text, *map(json.dumps, undone))]
