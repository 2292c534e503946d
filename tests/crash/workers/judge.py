"""What must hold after every commit, whoever made it, and whenever the body of an activity begins."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol

import attrs

from romancy.worker.activities import Flight
from tests.crash.workers.snapshots import SETTLING, Held, Row, Snapshot, snapshot

PARKED_AFTER = 10
"""So many recoveries without progress park an instance."""


class Violation(AssertionError):
    """A promise is broken; `check` names the one that saw it."""

    def __init__(self, check: str, told: str) -> None:
        super().__init__(f"{check}: {told}")
        self.check = check


class Suspect(Protocol):
    """A process, as the judge sees it."""

    name: str
    host: str
    is_dead: bool

    @property
    def looked_at(self) -> float:
        """What its clock showed when its last turn began."""

    def clock(self) -> float:
        """What its clock shows."""


@attrs.define
class Figures:
    """What happened, in numbers."""

    commits: int = 0
    taken_over: int = 0
    lost: int = 0
    bodies: int = 0
    repeated: int = 0
    interrupted: int = 0


class Judge:
    """Compares each state of the file with the one before.

    Args:
        path: the file.

    Attributes:
        now: the state after the last commit.
        violations: what was broken; an exception inside of the engine might be taken for trouble of its own.
        figures: counts.
    """

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.now = snapshot(self._connection)
        self.violations: list[Violation] = []
        self.figures = Figures()
        self.holders: dict[int, Suspect] = {}
        self._latest = 0.0
        self._recovered: Counter[int] = Counter()
        self._executions: dict[tuple[str, int, str, int], list[int]] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def broken(self, check: str, told: str) -> None:
        """Take note of a violation."""
        self.violations.append(Violation(check, told))

    # -- after a commit

    def committed(self, process: Suspect) -> None:
        """A process committed something."""
        before, self.now = self.now, snapshot(self._connection)
        self.figures.commits += 1
        self._latest = max(self._latest, process.clock(), process.looked_at)
        self._leases(process, before, self.now)
        for row in self.now.rows.values():
            self._row(process, before, self.now, row)
            self._rests(self.now, row)
        self._nothing_vanished(before, self.now)
        self._letters(before, self.now)
        self._paid(self.now)

    def _leases(self, process: Suspect, before: Snapshot, now: Snapshot) -> None:
        for token in now.leases.keys() - before.leases.keys():
            if token <= max(self.holders, default=0):
                self.broken("tokens", f"{process.name} got token {token}, and {max(self.holders)} was given before")
            self.holders[token] = process
        new_names = {now.leases[token].worker for token in now.leases.keys() - before.leases.keys()}
        for token in before.leases.keys() - now.leases.keys():
            self._ended(process, before.leases[token], new_names)
        for token in before.leases.keys() & now.leases.keys():
            if before.leases[token] != now.leases[token] and self.holders[token] is not process:
                self.broken("fence", f"{process.name} renewed token {token} of {self.holders[token].name}")

    def _ended(self, process: Suspect, lease: Held, new_names: set[str]) -> None:
        holder = self.holders[lease.token]
        if holder is process:
            return
        self.figures.taken_over += 1
        self.figures.lost += not holder.is_dead
        is_gone = holder.is_dead and (holder.host == process.host or lease.worker in new_names)
        if not is_gone and not lease.until < process.looked_at:
            self.broken(
                "take-over",
                f"{process.name} took token {lease.token} from {holder.name}, which holds it for "
                f"{lease.until - process.looked_at:.3f} s",
            )

    def _row(self, process: Suspect, before: Snapshot, now: Snapshot, row: Row) -> None:
        old = before.rows.get(row.number)
        events = _appended(before, now, row)
        is_mine = self._holds(process, before, old) if old else self._holds(process, now, row)
        if events and not is_mine:
            self.broken("fence", f"{process.name} wrote {events} of {row.id}, owned by {_owner(old or row, self)}")
        if old is not None and old != row:
            self._changed(process, now, old, row, is_mine)
        if old is not None and old.owner is not None and old.owner not in now.leases:
            self._recovered[row.number] += 1
        if events:
            self._recovered[row.number] = 0

    def _holds(self, process: Suspect, state: Snapshot, row: Row) -> bool:
        return row.owner is not None and row.owner in state.leases and self.holders[row.owner] is process

    def _changed(self, process: Suspect, now: Snapshot, old: Row, row: Row, is_mine: bool) -> None:
        if old.has_ended:
            self.broken("final", f"{process.name} changed {old}, which has ended, to {row}")
        if row.status == "stuck" and old.status != "stuck" and self._recovered[row.number] + 1 < PARKED_AFTER:
            self.broken("parked", f"{row.id}: {row.error}")
        is_claimed = old.owner is None and self._holds(process, now, row) and old.status != "stuck"
        is_freed = old.owner is not None and old.owner not in now.leases and row.owner is None
        is_told = attrs.evolve(old, wake_at=row.wake_at) == row and old.owner is None
        is_revived = old.status == "stuck" and row.owner is None
        if not (is_mine or is_claimed or is_freed or is_told or is_revived):
            self.broken("fence", f"{process.name} changed {old}, owned by {_owner(old, self)}, to {row}")

    def _rests(self, now: Snapshot, row: Row) -> None:
        """Whoever owns it lives, whoever waits will be woken, and whoever has ended holds nothing."""
        letters = [each for each in now.letters if each.instance == row.number]
        if row.owner is not None and row.owner not in now.leases:
            self.broken("owner", f"{row} belongs to a lease that has ended")
        if row.has_ended and (row.owner is not None or row.wake_at is not None or letters):
            self.broken("holds", f"{row} has ended and holds {letters}")
        if row.owner is not None or row.has_ended or row.status == "stuck":
            return
        if row.wake_at is None and (letters or not any(_is_child(each, row) for each in now.rows.values())):
            self.broken("wake-up", f"{row} waits with {letters}, and nothing will wake it")
        if row.wake_at is not None and letters and row.wake_at > max(letters[-1].at, self._latest):
            self.broken("wake-up", f"{row} waits with {letters} until {row.wake_at}")

    def _nothing_vanished(self, before: Snapshot, now: Snapshot) -> None:
        for number in before.rows.keys() - now.rows.keys():
            self.broken("acknowledged", f"{before.rows[number]} is gone")
        for place, events in before.histories.items():
            if now.histories.get(place, ())[: len(events)] != events:
                self.broken("history", f"what was recorded of {place} is not what it was")
        for place, events in now.histories.items():
            if events is not before.histories.get(place) and events != before.histories.get(place):
                self._history(place, events)

    def _history(self, place: tuple[int, int], events: tuple[object, ...]) -> None:
        recorded = self.now.histories[place]
        if [each.seq for each in recorded] != list(range(len(recorded))):
            self.broken("history", f"{place} has the places {[each.seq for each in recorded]}")
        if any(one.at > other.at for one, other in pairwise(recorded)):
            self.broken("history", f"the time of {place} goes back")
        settled = Counter(each.step for each in recorded if each.kind in SETTLING)
        if any(count > 1 for count in settled.values()):
            self.broken("completion", f"{place} has steps that completed twice: {settled}")

    def _letters(self, before: Snapshot, now: Snapshot) -> None:
        left = {each.number for each in now.letters}
        for letter in before.letters:
            row = now.rows[letter.instance]
            if letter.number in left or letter.kind != "cancel" or row.has_ended:
                continue
            kinds = {event.kind for run in range(1, row.run + 1) for event in now.histories.get((row.number, run), ())}
            if not kinds & {"cancel_requested", "compensation_started"} and row.workflow != "undoes":
                self.broken("acknowledged", f"the cancellation of {row.id} was dropped")

    def _paid(self, now: Snapshot) -> None:
        completed = sorted(
            (now.rows[number].id, run, event.step)
            for (number, run), events in now.histories.items()
            for event in events
            if event.kind == "activity_completed" and event.name == "pay"
        )
        if completed != list(now.paid):
            self.broken("transactional", f"completed {completed}, and the rows are {now.paid}")

    # -- when a body begins

    def began(self, flight: Flight) -> None:
        """The body of an activity begins."""
        context = flight.context
        call = (context.instance_id, context.run, context.step, context.attempt)
        others = self._executions.setdefault(call, [])
        self.figures.bodies += 1
        self.figures.repeated += bool(others)
        is_live = flight.token in self.now.leases
        row, history = self.now.find(context.instance_id), self.now.history(context.instance_id, context.run)
        told = f"{flight.pending.activity.name} of {call} under token {flight.token}"
        if is_live and any(token in self.now.leases for token in others):
            self.broken("duplicates", f"{told} began, and {others} began it before and hold their leases")
        if flight.pending.activity.at_most_once:
            if others:
                self.broken("at most once", f"{told} began twice")
            if not any(event.kind == "activity_started" and event.step == context.step for event in history):
                self.broken("handed out", f"{told} began before its start was recorded")
        if is_live and row is not None and row.owner == flight.token:
            settled = [event for event in history if event.kind in SETTLING and event.step == context.step]
            if settled:
                self.broken("completed", f"{told} began, and {settled} was recorded")
        missing = _missing(context.step, history)
        if missing:
            self.broken("handed out", f"{told} began before {missing} was recorded")
        others.append(flight.token)

    def forgive(self, flight: Flight) -> None:
        """The file failed under an activity: as nothing of it was written, it may begin again."""
        context = flight.context
        self._executions[context.instance_id, context.run, context.step, context.attempt].remove(flight.token)

    def turned(self, process: Suspect, token: int, least: float) -> None:
        """A worker turned its loop: the lease that it has lasts until an instant at least."""
        lease = self.now.leases.get(token)
        if lease is not None and lease.until < least:
            self.broken("renewed", f"{process.name} turned, and its lease ends {least - lease.until:.1f} s too early")


def _appended(before: Snapshot, now: Snapshot, row: Row) -> list[str]:
    return [
        event.kind
        for run in range(1, row.run + 1)
        for event in now.histories.get((row.number, run), ())[len(before.histories.get((row.number, run), ())) :]
    ]


def _is_child(child: Row, parent: Row) -> bool:
    return (child.parent, child.parent_run) == (parent.number, parent.run) and not child.has_ended


def _owner(row: Row, judge: Judge) -> str:
    return "nobody" if row.owner is None else f"{judge.holders[row.owner].name} (token {row.owner})"


def _missing(step: str, history: Iterable[object]) -> str | None:
    """What a call comes after, and what is not recorded: the calls of a workflow follow each other."""
    kinds = {getattr(event, "kind", "") for event in history}
    first = step.partition(".")[0]
    if not first.isdigit():
        return None if "compensation_started" in kinds else "compensation_started"
    settled = {str(getattr(event, "step", "")).partition(".")[0] for event in history if _settles(event)}
    return next((f"step {each}" for each in range(1, int(first)) if str(each) not in settled), None)


def _settles(event: object) -> bool:
    return getattr(event, "kind", "") in SETTLING
