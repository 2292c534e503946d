"""Invariants that an engine of today has to bring a file to life for: what replays, what wakes, what writes."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from romancy import Romancy
from romancy.errors import RomancyError
from romancy.history import Terminal
from romancy.kernel import Blocked, Execution, PendingActivity, PendingChild, PendingTimer, Returned
from romancy.store.sqlite import SqliteStore
from romancy.testing import VirtualClock
from romancy.workflow import Context
from tests.crash.evidence import Evidence, refuse
from tests.crash.interpreter import perform
from tests.crash.records import TERMINAL, Records, Stored, read


def who_waits_is_woken(given: Evidence) -> None:
    """An instance that nobody owns wakes by its first timer or attempt, for its letters, and by the end of a child that
    goes on still."""
    store = SqliteStore(str(given.path), read_only=True)
    try:
        for each in given.records.unfinished:
            if each.owner is None:
                refuse(who_waits_is_woken, _sleeps_on(given.records, each, store, given.now))
    finally:
        store.close()


def _sleeps_on(records: Records, stored: Stored, store: SqliteStore, now: float) -> str | None:
    wakes = math.inf if stored.wake_at is None else stored.wake_at
    events = store.history(stored.number, stored.run)
    if not events or records.letters.get(stored.number, 0):
        return f"{stored} has something to do and no alarm" if stored.wake_at is None else None
    try:
        execution = _replayed(stored, events)
    except RomancyError as error:
        return f"{stored}: {error}"
    has_source = stored.wake_at is not None
    for pending in execution.pending.values():
        match pending:
            case PendingTimer(due=due) if wakes > due:
                return f"{stored} wakes later than {pending} of step {pending.step}, due at {due}"
            case PendingActivity(dropped=False, due=due) if wakes > (now if due is None else due) or wakes == math.inf:
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


def _replayed(stored: Stored, events: Sequence[Any]) -> Execution:
    context = Context(stored.id, "perform", seed=stored.seed, run=stored.run)
    execution = Execution(perform.definition, context, getattr(events[0], "input", None) or stored.input, strict=True)
    for event in events:
        if not isinstance(event, Terminal):
            execution.feed(event, replaying=True)
    return execution


def replay_ends_as_recorded(given: Evidence) -> None:
    """Every run of every instance, replayed from its events, asks for nothing new and ends as it is recorded to."""
    store = SqliteStore(str(given.path), read_only=True)
    try:
        for each in given.records.instances.values():
            for run in range(1, each.run + 1):
                events = store.history(each.number, run)
                if events:
                    refuse(replay_ends_as_recorded, _replays_otherwise(attrs.evolve(each, run=run), events))
    finally:
        store.close()


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
