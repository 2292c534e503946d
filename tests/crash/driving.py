"""Runs a scenario to its end on an app that has no worker of its own: time passes only when nothing else is left."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from romancy import Handle, Romancy
from romancy.errors import InstanceCancelledError, InstanceFailedError
from romancy.testing import VirtualClock
from tests.crash.evidence import Broken
from tests.crash.interpreter import perform, told
from tests.crash.programs import Scenario, to_json
from tests.crash.records import compensation_errors, reading

ROOT = "root"
"""The id of the instance that a scenario starts."""


@attrs.frozen
class Outcome:
    """How an instance ended, as a client sees it: `completed` with a value, or `failed` with the error told."""

    status: str
    value: Any
    compensation_errors: list[Any]


def begin(app: Romancy, scenario: Scenario) -> Handle[list[Any]]:
    """Start the instance of a scenario, or find it again."""
    return app.start(perform(to_json(scenario.body)), id=ROOT)


def finish(
    apps: Sequence[Romancy],
    clock: VirtualClock,
    path: str | Path,
    *,
    cancel_after: int | None = None,
    cancel: Callable[[], object] | None = None,
    at_rest: Callable[[], object] | None = None,
    limit: int = 2000,
) -> int:
    """Turn the loops in turn until no instance of the file has anything left to do; returns how many turns it took.

    Args:
        apps: the workers, which share the file and the clock.
        clock: is moved to the next instant at which something is due.
        path: the file.
        cancel_after: after so many turns the instance of the scenario is cancelled.
        cancel: how a client does that.
        at_rest: called whenever no worker has anything to do, before time passes.
        limit: how many turns it may take.
    """
    for turn in range(limit):
        if turn == cancel_after:
            (cancel or apps[0].get(ROOT).cancel)()
        happened = [app.pump() for app in apps]
        if any(happened):
            continue
        with reading(path) as connection:
            check_nobody_holds_what_rests(apps, connection)
            if at_rest is not None:
                at_rest()
            due = next_due(connection)
        if due is None and (cancel_after is None or cancel_after < turn):
            return turn
        if due is not None and due > clock():
            clock.advance(due - clock())
        elif due is not None:
            clock.advance(1.0)  # a suspect waits for its trial, or a dead worker's lease for its end
    raise Broken("everything_comes_to_an_end", f"after {limit} turns the instances of {path} go on still")


def check_nobody_holds_what_rests(apps: Sequence[Romancy], connection: sqlite3.Connection) -> None:
    """While no worker has anything to do, none of them owns an instance; those that died may."""
    tokens = {app._loop.token for app in apps if app._loop is not None}
    owned = connection.execute("select id, status, owner, wake_at from instance where owner is not null")
    held = [row for row in owned if row[2] in tokens]
    if held:
        raise Broken("who_rests_is_not_held", f"nothing is in flight, and these are held still: {held}")


def next_due(connection: sqlite3.Connection) -> float | None:
    """When the next of the instances that have not ended is due; the lease's end for one that somebody holds."""
    due: float | None = connection.execute(
        "select min(coalesce(case when owner is null then wake_at else until end, 0))"
        " from instance left join worker on token = owner"
        " where status not in ('completed', 'failed', 'cancelled', 'stuck')"
    ).fetchone()[0]
    return due


def outcome(handle: Handle[Any], path: str | Path) -> Outcome:
    """How an instance ended.

    Raises:
        InstanceStuckError: it is parked.
        TimeoutError: it has not ended.
    """
    try:
        return Outcome("completed", handle.result(0), [])
    except InstanceFailedError as error:
        assert error.__cause__ is not None
        return Outcome("failed", told(error.__cause__), [told(each) for each in error.compensation_errors])
    except InstanceCancelledError as error:
        assert [told(each) for each in error.compensation_errors] == compensation_errors(path, handle.id)
        return Outcome("cancelled", None, compensation_errors(path, handle.id))
