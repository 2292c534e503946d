"""Invariants that an engine of today has to bring a file to life for: what replays, what wakes, what writes."""

from __future__ import annotations

import math
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from romancy import Romancy
from romancy.errors import RomancyError
from romancy.history import Event, Terminal
from romancy.kernel import Blocked, Execution, PendingActivity, PendingChild, PendingTimer, Returned
from romancy.store.rows import COLUMNS, from_rows
from romancy.testing import VirtualClock
from romancy.workflow import Context
from tests.crash.evidence import Evidence, refuse
from tests.crash.interpreter import perform
from tests.crash.records import TERMINAL, Records, Stored, read, reading


def who_waits_is_woken(given: Evidence) -> None:
    """An instance that nobody owns wakes by its first timer or attempt, for its letters, and by the end of a child that
    goes on still."""
    with reading(given.path) as connection:
        for each in given.records.unfinished:
            if each.owner is None:
                refuse(who_waits_is_woken, _sleeps_on(given.records, each, _events(connection, each), given.now))


def _events(connection: sqlite3.Connection, stored: Stored) -> list[Event]:
    """The events of a run, as the engine reads them; opening an engine for each look would take most of the time."""
    select = f"select seq, {', '.join(COLUMNS)} from history where instance = ? and run = ? order by seq"
    return from_rows(connection.execute(select, [stored.number, stored.run]))


def _sleeps_on(records: Records, stored: Stored, events: Sequence[Event], now: float) -> str | None:
    wakes = math.inf if stored.wake_at is None else stored.wake_at
    if not events or records.letters.get(stored.number, 0):
        return f"{stored} has something to do and no alarm" if stored.wake_at is None else None
    try:
        execution = _replayed(stored, events)
    except RomancyError as error:
        return f"{stored}: {error}"
    has_source = stored.wake_at is not None
    for pending in execution.pending.values():
        match pending:
            case PendingTimer(due=due) if wakes > _latest(due, now):
                return f"{stored} wakes later than {pending} of step {pending.step}, due at {due}"
            case PendingActivity(dropped=False, due=due) if wakes > _latest(due, now) or wakes == math.inf:
                return f"{stored} wakes later than {pending} of step {pending.step}, due at {due}"
            case PendingChild(dropped=False, child=child):
                at_work = records.instances.get(child)
                has_source = has_source or (at_work is not None and at_work.status not in TERMINAL)
                if stored.wake_at is None and (at_work is None or at_work.status in TERMINAL):
                    return f"{stored} waits for {child!r}, which is {at_work and at_work.status}"
            case _:
                pass
    has_source = has_source or any(each.dropped for each in execution.pending.values())
    return None if has_source else f"{stored} waits for nothing that could wake it"


def _latest(due: float | None, now: float) -> float:
    """When something that is due has to go on: at once, where it is overdue already."""
    if due is None:
        return now
    return due if now == math.inf else max(due, now)


def _replayed(stored: Stored, events: Sequence[Any]) -> Execution:
    context = Context(stored.id, "perform", seed=stored.seed, run=stored.run)
    execution = Execution(perform.definition, context, getattr(events[0], "input", None) or stored.input, strict=True)
    for event in events:
        if not isinstance(event, Terminal):
            execution.feed(event, replaying=True)
    return execution


def replay_ends_as_recorded(given: Evidence) -> None:
    """Every run of every instance, replayed from its events, asks for nothing new and ends as it is recorded to."""
    with reading(given.path) as connection:
        for each in given.records.instances.values():
            for run in range(1, each.run + 1):
                stored = attrs.evolve(each, run=run)
                events = _events(connection, stored)
                if events:
                    refuse(replay_ends_as_recorded, _replays_otherwise(stored, events))


def _replays_otherwise(stored: Stored, events: Sequence[Any]) -> str | None:
    try:
        execution = _replayed(stored, events)
    except RomancyError as error:
        return f"{stored.id} run {stored.run}: {error}"
    outcome, last = execution.outcome, events[-1]
    execution.close()
    if isinstance(last, Terminal) == isinstance(outcome, Blocked):
        return f"{stored.id} run {stored.run}: {last} is recorded, and the replay comes to {outcome}"
    if isinstance(outcome, Returned) and outcome.result != getattr(last, "result", None):
        return f"{stored.id} run {stored.run}: {last} is recorded, and the replay comes to {outcome}"
    return None


def a_fresh_engine_writes_nothing(given: Evidence) -> None:
    """An engine that opens a finished file finds nothing to do there, and changes no instance, event or letter."""
    if given.records.unfinished:
        return
    with tempfile.TemporaryDirectory(dir=given.path.parent) as folder:
        copy = Path(folder) / "copy.db"
        for suffix in ("", "-wal"):
            if Path(f"{given.path}{suffix}").exists():
                shutil.copyfile(f"{given.path}{suffix}", f"{copy}{suffix}")
        with Romancy(copy, worker=False, clock=VirtualClock(4_000_000_000), verify=1.0) as app:
            app.run_until_idle()
        after = attrs.evolve(read(copy), tokens=given.records.tokens)
    refuse(a_fresh_engine_writes_nothing, after != given.records and "the file holds something else afterwards")
