"""What must be there once everything has come to its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from tests.crash.workers.moves import Cancel, Command, Start
from tests.crash.workers.snapshots import Recorded, Row, Snapshot
from tests.crash.workers.workload import KINDS, NAPS


def problems(now: Snapshot, acknowledged: Iterable[Command], asked: Iterable[Command]) -> Iterator[tuple[str, str]]:
    """What is wrong at the end, each with the name of the check that says so.

    Args:
        now: what the file holds.
        acknowledged: what clients were told was done.
        asked: what clients asked for, acknowledged or not.
    """
    may_be_cancelled = {each.id for each in asked if isinstance(each, Cancel)}
    for command in acknowledged:
        if isinstance(command, Start) and now.find(command.id) is None:
            yield "acknowledged", f"{command.id} was started and is not there"
    for command in asked:
        row = now.find(command.id) if isinstance(command, Start) else None
        if row is not None and isinstance(command, Start):
            yield from _end(now, row, command, row.id in may_be_cancelled)
    for row in now.rows.values():
        yield from _instance(now, row)
    if now.letters:
        yield "holds", f"{now.letters} wait at the end"


def _end(now: Snapshot, row: Row, start: Start, may_be_cancelled: bool) -> Iterator[tuple[str, str]]:
    last = now.histories[row.number, row.run][-1]
    told = json.loads(last.data or "null")
    wanted = KINDS[start.kind].ends(start.n)
    if row.status == "cancelled" and may_be_cancelled:
        return
    if not any(_is(row, told, each) for each in wanted):
        yield "result", f"{row.id} is {row.status} with {told}, and right is one of {wanted}"


def _is(row: Row, told: Any, wanted: Any) -> bool:
    if isinstance(wanted, ValueError):
        return row.status == "failed" and bool(told["message"] == str(wanted))
    return row.status == "completed" and bool(told == wanted)


def _instance(now: Snapshot, row: Row) -> Iterator[tuple[str, str]]:
    events = now.histories.get((row.number, row.run), ())
    if not row.has_ended:
        yield "result", f"{row} has not ended"
    if any(event.kind == "cancel_requested" for event in events) and row.status != "cancelled":
        yield "acknowledged", f"{row.id} was cancelled, and is {row.status}"
    if row.status != "completed":
        done = [event.data for event in events if _completed(event, "book")]
        undone = [event.data for event in events if _completed(event, "unbook")]
        if undone != [text.replace("booked ", "") for text in reversed([str(each) for each in done])]:
            yield "compensation", f"{row.id} did {done} and undid {undone}"
    for before, event in pairwise(events):
        if event.kind == "timer_fired" and event.at < before.at + NAPS.get(row.workflow, 0):
            yield "timer", f"{row.id}: {event} after {before} is too early"


def _completed(event: Recorded, name: str) -> bool:
    return event.kind == "activity_completed" and event.name == name
