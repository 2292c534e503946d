"""What must be true of a database after a power cut, whatever the disk kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import attrs

from romancy.history import ActivityCompleted, ActivityFailed, ActivityStarted, AttemptFailed, Event
from tests.crash.power.client import CancelAccepted, Ended, Fact, Passed, Seen, Started
from tests.crash.power.scripts import Script
from tests.crash.power.workflows import Effect

Histories = dict[tuple[str, int], tuple[Event, ...]]


@attrs.define
class Known:
    """What was known outside when the power went: facts in the order in which they came."""

    started: set[str] = attrs.field(factory=set)
    cancelled: set[str] = attrs.field(factory=set)
    histories: Histories = attrs.field(factory=dict)
    ends: dict[str, Ended] = attrs.field(factory=dict)
    effects: list[Effect] = attrs.field(factory=list)
    now: float = 0.0

    def learn(self, fact: Fact) -> None:
        match fact:
            case Started(id):
                self.started.add(id)
            case CancelAccepted(id):
                self.cancelled.add(id)
            case Seen(id, run, events):
                self.histories[id, run] = events
            case Ended(id):
                self.ends[id] = fact
            case Effect():
                self.effects.append(fact)
            case Passed(now):
                self.now = now

    def copy(self) -> Known:
        return Known(
            set(self.started), set(self.cancelled), dict(self.histories), dict(self.ends), list(self.effects), self.now
        )


@attrs.define
class Recovered:
    """What a fresh engine found, and what became of it.

    Attributes:
        found: what could be read before the engine did anything.
        rows: the rows that sessions wrote, then.
        later: what could be read at the end, and what was done outside until then.
        rows_later: the rows at the end.
        problems: what SQLite says of the file, and what the engine raised.
    """

    found: Known = attrs.field(factory=Known)
    rows: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    later: Known = attrs.field(factory=Known)
    rows_later: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    problems: list[str] = attrs.field(factory=list)


def faults(script: Script, known: Known, recovered: Recovered, *, cuts: int = 1) -> list[str]:
    """Each promise that was broken, in words; none where all is well."""
    if recovered.problems:
        return recovered.problems
    return [
        *_lost(known, recovered.found),
        *_shortened(recovered.found, recovered.later),
        *_rows("found", recovered.rows, recovered.found.histories),
        *_rows("at the end", recovered.rows_later, recovered.later.histories),
        *_wrongly_ended(script, known, recovered.later),
        *_repeated(known, recovered, cuts),
        *_wrongly_undone(known, recovered),
    ]


def _lost(known: Known, found: Known) -> Iterator[str]:
    """What was acknowledged or read is there."""
    ids = {id for id, _ in found.histories} | found.started
    for id in sorted(known.started - ids):
        yield f"the start of {id} was acknowledged and is lost"
    yield from _shortened(known, found)
    for id, end in known.ends.items():
        if id in ids and found.ends.get(id) != end:
            yield f"{end} was read, and now it is {found.ends.get(id)}"


def _shortened(before: Known, after: Known) -> Iterator[str]:
    for (id, run), events in before.histories.items():
        now = after.histories.get((id, run), ())
        if now[: len(events)] != events:
            yield f"run {run} of {id} had {len(events)} events that were read, and now it has {now}"


def _rows(when: str, rows: Counter[tuple[str, str]], histories: Histories) -> Iterator[str]:
    """A row is there exactly if the completion of its activity is."""
    completed = Counter(
        (id, event.step)
        for (id, _), events in histories.items()
        for event in events
        if isinstance(event, ActivityCompleted) and event.name == "enter"
    )
    if rows != completed:
        yield f"{when}: rows without a completion {rows - completed}, completions without a row {completed - rows}"


def _wrongly_ended(script: Script, known: Known, later: Known) -> Iterator[str]:
    for id, allowed in script.endings.items():
        end = later.ends.get(id)
        if id in known.cancelled:
            allowed = allowed[:1]
        if end is None or (end.status, end.value) not in allowed:
            yield f"{id} should end as one of {allowed}, and the end is {end}"
    for id in sorted(later.ends.keys() - script.endings.keys()):
        yield f"nobody started {id}"


def _repeated(known: Known, recovered: Recovered, cuts: int) -> Iterator[str]:
    """What was recorded as done is not done again, and what is done at most once is not done twice."""
    done = {
        (id, run, event.step, event.attempt)
        for (id, run), events in recovered.found.histories.items()
        for event in events
        if isinstance(event, (ActivityCompleted, ActivityFailed, AttemptFailed, ActivityStarted))
    }
    for effect in recovered.later.effects:
        if (effect.instance, effect.run, effect.step, effect.attempt) in done:
            yield f"{effect} was recorded, and done again"
    for effect, times in Counter(known.effects + recovered.later.effects).items():
        allowed = 1 if effect.name == "charge" else 1 + cuts
        if times > allowed:
            yield f"{effect} was done {times} times"


def _wrongly_undone(known: Known, recovered: Recovered) -> Iterator[str]:
    """What completed in a workflow that failed or was cancelled was undone, each once, the last first."""
    names = {(effect.instance, effect.step): effect.name for effect in known.effects + recovered.later.effects}
    for id, end in recovered.later.ends.items():
        completed = [e for e in recovered.later.histories[id, 1] if isinstance(e, ActivityCompleted)]
        undone = [names[id, event.step] for event in completed if event.name == "release"]
        wanted = [f"release {json.loads(event.result)}" for event in completed if event.name == "reserve"][::-1]
        if undone != (wanted if end.status in ("failed", "cancelled") else []):
            yield f"{id} has undone {undone}, and should have undone {wanted}"
