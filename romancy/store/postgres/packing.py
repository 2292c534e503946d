"""Rows on their way to the server: one JSON text for any number of them, which a statement reads as a table.

It is the fastest way by far to hand over many rows in one statement, and one row costs no more than its columns would.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from romancy.history import ActivityCompleted, Event
from romancy.store.protocol import NewInstance, State
from romancy.store.rows import COLUMNS, to_row

_TYPES = {"attempt": "bigint", "fingerprint": "bigint", **dict.fromkeys(("started", "due", "at"), "double precision")}

HISTORY = ", ".join(("instance", "run", "seq", *COLUMNS))
"""The columns of a history, in their order."""
EVENT_ROWS = "json_to_recordset(%(events)s::json) as event(instance bigint, run bigint, seq bigint, {})".format(
    ", ".join(f"{column} {_TYPES.get(column, 'text')}" for column in COLUMNS)
)
STATE_ROWS = """json_to_recordset(%(states)s::json) as state(
    number bigint, status text, run bigint, position bigint, keep boolean, error text, retries boolean,
    can_wake boolean, wake_at double precision)"""
NEW_ROWS = """json_to_recordset(%(new)s::json) as new(
    place bigint, id text, workflow text, version text, input text, seed text, at double precision,
    parent bigint, parent_run bigint, parent_step text)"""
TOLD_ROWS = "json_to_recordset(%(told)s::json) as told(place bigint, instance bigint, kind text, data text, child text)"


def packed(rows: Iterable[Any]) -> str:
    """Rows as one JSON text."""
    return orjson.dumps(list(rows)).decode()


def packed_events(events: Sequence[tuple[int, int, int, Event]]) -> str:
    """Events, each with its place."""
    return packed(_event(*each) for each in events)


def _event(number: int, run: int, seq: int, event: Event) -> dict[str, Any]:
    if type(event) is ActivityCompleted:
        return {
            "instance": number,
            "run": run,
            "seq": seq,
            "kind": "activity_completed",
            "step": event.step,
            "name": event.name,
            "attempt": event.attempt,
            "fingerprint": event.fingerprint,
            "data": event.result,
            "detail": event.compensation,
            "started": event.started,
            "at": event.at,
        }
    return {"instance": number, "run": run, "seq": seq, **dict(zip(COLUMNS, to_row(event), strict=True))}


def packed_states(states: Iterable[State], can_wake: Sequence[str]) -> str:
    """States; `can_wake` are the statuses in which a letter wakes."""
    return packed(
        {
            "number": state.number,
            "status": state.status,
            "run": state.run,
            "position": state.position,
            "keep": state.keep,
            "error": None if state.error is None else carried(state.error),
            "retries": state.retries,
            "can_wake": not state.keep and state.status in can_wake,
            "wake_at": state.wake_at,
        }
        for state in states
    )


def packed_instances(new: Iterable[NewInstance]) -> str:
    """Instances to be created, each with its place among them."""
    return packed(
        {
            "place": place,
            "id": each.id,
            "workflow": each.workflow,
            "version": each.version,
            "input": each.input,
            "seed": each.seed,
            "at": each.at,
            "parent": each.parent and each.parent.number,
            "parent_run": each.parent and each.parent.run,
            "parent_step": each.parent and each.parent.step,
        }
        for place, each in enumerate(new)
    )


def carried(text: str) -> str:
    """A text for people, with what PostgreSQL cannot hold replaced."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
