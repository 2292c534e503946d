"""Engines that are broken on purpose, each by an edit of one or two functions, and the check that has to notice."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import reduce
from types import FunctionType
from typing import Any

import attrs

from tests.crash.workers.examples import (
    A_LEASE_RENEWED_WHILE_ANOTHER_WORKER_WAITS_TO_TAKE_IT,
    A_LETTER_THAT_COMES_DURING_A_TURN,
    A_START_THAT_A_ZOMBIE_TAKES,
    A_ZOMBIE_THAT_COMES_BACK_IN_ITS_TURN,
    TWO_SESSIONS_AND_A_CLOCK_SET_BACK_BETWEEN_THEM,
)
from tests.crash.workers.moves import Plan


@attrs.frozen
class Edit:
    """One place in a function, as `module:function`, and what stands there instead."""

    function: str
    before: str
    after: str


@attrs.frozen
class Break:
    """A broken engine, and the checks of which one sees it first: in the plans of seeds, or in one that shows it."""

    name: str
    edits: tuple[Edit, ...]
    checks: tuple[str, ...]
    shown_by: Plan | None = None


_STORE = "romancy.store.sqlite.store:SqliteStore"
_LOOP = "romancy.worker.loop:Loop"

BREAKS = (
    Break(
        "a turn is written without looking at the lease",
        (Edit(f"{_STORE}.commit", "self._fence(token)", "pass"),),
        ("fence",),
        A_ZOMBIE_THAT_COMES_BACK_IN_ITS_TURN,
    ),
    Break(
        "instances are claimed without looking at the lease",
        (Edit(f"{_STORE}.claim", "self._fence(token)", "pass"),),
        ("fence", "owner"),
    ),
    Break(
        "instances are created without looking at the lease",
        (Edit(f"{_STORE}.create", "self._fence(owner)", "pass"),),
        ("fence", "owner"),
        A_START_THAT_A_ZOMBIE_TAKES,
    ),
    Break(
        "an activity's SQL is written without looking at the lease",
        (
            Edit(f"{_STORE}.recording", "self._fence(token)", "pass"),
            Edit(f"{_STORE}.recording", "if owner != (token,):", "if False:"),
        ),
        ("fence", "completion", "final", "error"),
    ),
    Break(
        "instances that somebody owns are claimed",
        (
            Edit(
                f"{_STORE}.claim",
                "owner is null and wake_at <= :now",
                "(owner is null or owner <> :token) and coalesce(wake_at, 0) <= :now and status not like '%ed'",
            ),
        ),
        ("fence", "final", "duplicates", "liveness"),
    ),
    Break(
        "the lease is never renewed",
        (Edit("romancy.worker.timetable:Timetable.chores", "if now >= self._renew_at", "if False"),),
        ("renewed",),
    ),
    Break(
        "workers that live are taken for dead",
        (Edit("romancy.worker.leases:is_gone", "if lease.until < now:", "if lease.until < now + 600:"),),
        ("take-over",),
    ),
    Break(
        "a lease that was renewed meanwhile is taken over",
        (Edit(f"{_STORE}.take_over", "if until is not None and found != (until,):", "if False:"),),
        ("take-over",),
        A_LEASE_RENEWED_WHILE_ANOTHER_WORKER_WAITS_TO_TAKE_IT,
    ),
    Break(
        "calls are handed out before the commit",
        (
            Edit(f"{_LOOP}._turn", "tick = conclude(turn)", "tick = conclude(turn); self._hand_out(turn)"),
            Edit(f"{_LOOP}.turn", "self._hand_out(turn)", "pass"),
        ),
        ("handed out",),
    ),
    Break(
        "who lost a lease goes on with what it holds",
        (Edit(f"{_LOOP}.turn", "self._forget(abandon=True)\n        refuse_namesake", "refuse_namesake"),),
        ("fence", "final", "error", "liveness", "result"),
    ),
    Break(
        "what could not be written is believed nevertheless",
        (Edit(f"{_LOOP}.turn", "self._forget(abandon=False)\n        self._must_reload = True", "pass"),),
        ("error", "result", "liveness", "history", "handed out", "wake-up", "parked"),
    ),
    Break(
        "what is in flight begins again when the file fails",
        (Edit(f"{_LOOP}._turn", "self._intake.reload(turn, self.flights.out)", "self._intake.reload(turn, ())"),),
        ("duplicates", "at most once"),
    ),
    Break(
        "tokens are given again",
        (
            Edit(f"{_STORE}.register", "insert into worker (", "insert into worker (token, "),
            Edit(f"{_STORE}.register", "values (?,", "values ((select coalesce(max(token), 0) + 1 from worker), ?,"),
        ),
        ("tokens",),
    ),
    Break(
        "a letter wakes nobody",
        (Edit(f"{_STORE}._tell", "set wake_at = min(coalesce(wake_at, :now), :now)", "set wake_at = wake_at"),),
        ("wake-up", "liveness"),
    ),
    Break(
        "a letter that came while a turn was under way wakes nobody",
        (
            Edit(
                f"{_STORE}.commit",
                "exists (select 1 from inbox where inbox.instance = instance.number)",
                "exists (select 1 from inbox where false)",
            ),
        ),
        ("wake-up",),
        A_LETTER_THAT_COMES_DURING_A_TURN,
    ),
    Break(
        "the start of an at-most-once activity is not recorded",
        (Edit("romancy.worker.turn:Turn._launch", "if pending.activity.at_most_once and self.stays:", "if False:"),),
        ("handed out",),
    ),
    Break(
        "an interrupted at-most-once activity is run again",
        (
            Edit(
                "romancy.worker.turn:Turn.began",
                "isinstance(pending, PendingActivity) and pending.interrupted",
                "False",
            ),
        ),
        ("at most once",),
    ),
    Break(
        "a cancellation is read and not delivered",
        (Edit("romancy.worker.turn:Turn.read", "if not (has_ended or", "if not (True or"),),
        ("acknowledged",),
    ),
    Break(
        "an activity's SQL is committed apart from its result",
        (
            Edit(
                "romancy.store.sqlite.transaction:SqliteRecording.record",
                "self._append([",
                "self._connection.execute('commit'), self._connection.execute('begin immediate'), self._append([",
            ),
        ),
        ("transactional",),
    ),
    Break(
        "the time of what an activity records itself may go back",
        (Edit("romancy.worker.activities:Attempt.returned", "flight.workflow.at = flight.completed.at", "pass"),),
        ("history",),
        TWO_SESSIONS_AND_A_CLOCK_SET_BACK_BETWEEN_THEM,
    ),
    Break(
        "a finished instance keeps its worker",
        (
            Edit(
                f"{_STORE}.commit",
                "token if state.keep else None",
                "token if state.keep or state.status in TERMINAL else None",
            ),
        ),
        ("holds",),
    ),
    Break(
        "a timer takes half of its time",
        (
            Edit(
                "romancy.kernel.calling:_sleep",
                "context.at + max(0.0, call.seconds)",
                "context.at + max(0.0, call.seconds) / 2",
            ),
        ),
        ("timer",),
    ),
)


@contextmanager
def broken(what: Break) -> Iterator[None]:
    """Run with a broken engine."""
    with ExitStack() as stack:
        for function in dict.fromkeys(each.function for each in what.edits):
            edits = [each for each in what.edits if each.function == function]
            stack.enter_context(_edited(function, edits))
        yield


@contextmanager
def _edited(name: str, edits: list[Edit]) -> Iterator[None]:
    """Give a function other code; everybody who has it already has it edited."""
    module, _, path = name.partition(":")
    found: Any = reduce(getattr, path.split("."), importlib.import_module(module))
    function: FunctionType = inspect.unwrap(found)
    source = textwrap.dedent(inspect.getsource(function))
    for edit in edits:
        if source.count(edit.before) != 1:
            raise LookupError(f"{edit.before!r} stands {source.count(edit.before)} times in {name}")
        source = source.replace(edit.before, edit.after)
    space: dict[str, Any] = {}
    exec(
        compile("from __future__ import annotations\n" + source, f"<broken {name}>", "exec"),
        function.__globals__,
        space,
    )
    original, other = function.__code__, inspect.unwrap(space[function.__name__]).__code__
    function.__code__ = other
    try:
        yield
    finally:
        function.__code__ = original
