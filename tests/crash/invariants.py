"""What must hold in every file, whatever happened to the workers: checked from outside, each with a name of its own.

Most are read off the file alone, at any moment, also in the image of a crash. Those that compare want an effects log,
an earlier image, or what clients were told. A broken one says what it found.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.crash.evidence import Acknowledged, Broken, Evidence, Invariant, completed, refuse, settled
from tests.crash.interpreter import Effect
from tests.crash.records import TERMINAL, Records, read, reading
from tests.crash.revival import a_fresh_engine_writes_nothing, replay_ends_as_recorded, who_waits_is_woken
from tests.crash.verdicts import CHILD_ENDS, SETTLING, Fact

__all__ = [
    "FINAL",
    "IMAGE",
    "Acknowledged",
    "Broken",
    "Evidence",
    "Invariant",
    "a_fresh_engine_writes_nothing",
    "an_effect_is_behind_each_completion",
    "an_owner_has_a_lease",
    "at_most_once_is_started_first",
    "check",
    "compensation_reverses_completion",
    "each_call_settles_once",
    "history_has_no_gap",
    "history_only_grows",
    "keys_are_stable",
    "nobody_is_stuck",
    "repeats_fit_the_crashes",
    "replay_ends_as_recorded",
    "sql_commits_with_its_completion",
    "storage_stays_out_of_results",
    "the_file_is_whole",
    "what_is_recorded_never_runs_again",
    "what_was_acknowledged_is_there",
    "who_ended_holds_nothing",
    "who_waits_is_woken",
]

TRANSACTIONAL = frozenset({"transactional"})
AT_MOST_ONCE = frozenset({"once"})
STORAGE_WORDS = re.compile(
    r"sqlite3|OperationalError|IntegrityError|DatabaseError|database is locked|disk I/O|disk image|StoreError"
    r"|LeaseLostError|SimulatedCrash|UNIQUE constraint",
    re.IGNORECASE,
)


# -- of the file alone


def the_file_is_whole(given: Evidence) -> None:
    """SQLite finds nothing wrong, and no row belongs to an instance that is not there."""
    orphans = """
        select 'event', instance, run from history where instance not in (select number from instance)
        union all select 'letter', instance, number from inbox where instance not in (select number from instance)
        union all select 'child', number, parent from instance where parent not in (select number from instance)
        union all select 'run', instance, history.run from history join instance on number = instance
                   where history.run > instance.run or history.run < 1
    """
    with reading(given.path) as connection:
        wrong = [row for row in connection.execute("pragma integrity_check") if row != ("ok",)]
        wrong += connection.execute("pragma foreign_key_check").fetchall()
        wrong += connection.execute(orphans).fetchall()
    refuse(the_file_is_whole, wrong)


def each_call_settles_once(given: Evidence) -> None:
    """No call has two completions."""
    counts = Counter(call for call, _ in settled(given.records))
    refuse(each_call_settles_once, {call: count for call, count in counts.items() if count > 1})


def history_has_no_gap(given: Evidence) -> None:
    """Events of a run are numbered 0, 1, 2, …, begin with its start, and only its last is an end; time does not go
    back."""
    for id, runs in given.records.histories.items():
        for run, facts in enumerate(runs, 1):
            numbers = [fact.seq for fact in facts]
            ends = [fact.seq for fact in facts[:-1] if fact.kind in _ENDINGS]
            backwards = [after for before, after in itertools.pairwise(facts) if after.at < before.at]
            wrong: object = numbers != list(range(len(facts))) or ends or backwards
            wrong = wrong or (facts and facts[0].kind != "workflow_started")
            wrong = wrong or (run < len(runs) and (not facts or facts[-1].kind != "workflow_recurred"))
            refuse(history_has_no_gap, wrong and (id, run, numbers, ends, backwards))


_ENDINGS = ("workflow_completed", "workflow_failed", "workflow_cancelled", "workflow_recurred")


def sql_commits_with_its_completion(given: Evidence) -> None:
    """Each completed transactional call left its row once, and no other call left any."""
    rows = Counter(given.records.rows)
    right = Counter(call for call, fact in completed(given.records).items() if fact.name in TRANSACTIONAL)
    refuse(
        sql_commits_with_its_completion,
        {call: (rows[call], right[call]) for call in rows | right if rows[call] != right[call]},
    )


def compensation_reverses_completion(given: Evidence) -> None:
    """What is undone was completed, each once, the last first; nothing completes forward once it has begun."""
    for id, runs in given.records.histories.items():
        for run, facts in enumerate(runs, 1):
            refuse(compensation_reverses_completion, _undone_otherwise(facts) and (id, run, _undone_otherwise(facts)))


def _undone_otherwise(facts: Sequence[Fact]) -> object:
    """What completed and can be undone, last first; what was; whether it began rightly and whether it is complete."""
    right = [(each.detail, each.value[1]) for each in facts if each.kind == "activity_completed" and each.detail][::-1]
    undone = [each for each in facts if each.kind in SETTLING and _is_compensation(each)]
    names = [
        (each.name, right[n][1] if each.kind == "activity_failed" and n < len(right) else each.value)
        for n, each in enumerate(undone)
    ]
    steps = [each.step for each in undone]
    begun = [each.seq for each in facts if each.kind == "compensation_started"]
    late = [each for each in facts if begun and each.seq > begun[0] and each.step and not _is_compensation(each)]
    is_over = bool(facts) and facts[-1].kind in ("workflow_failed", "workflow_cancelled")
    is_right = names == right[: len(names)] and steps == [f"c{n}" for n in range(1, len(steps) + 1)] and not late
    is_right = is_right and (len(begun) == 1 or not (begun or undone)) and (not is_over or len(names) == len(right))
    return None if is_right else (right, names, steps, begun, late)


def _is_compensation(fact: Fact) -> bool:
    return fact.step is not None and fact.step.startswith("c")


def who_ended_holds_nothing(given: Evidence) -> None:
    """An instance that ended has no owner, no alarm and no letters, and its last event says how it ended."""
    for each in given.records.instances.values():
        if each.status in TERMINAL:
            last = given.records.histories[each.id][-1][-1:]
            holds = (each.owner, each.wake_at, given.records.letters.get(each.number, 0))
            wrong = holds != (None, None, 0) or [fact.kind for fact in last] != [f"workflow_{each.status}"]
            refuse(who_ended_holds_nothing, wrong and (each, holds, last))


def an_owner_has_a_lease(given: Evidence) -> None:
    """Whoever owns an instance holds a lease."""
    held = [each for each in given.records.instances.values() if each.owner is not None]
    refuse(an_owner_has_a_lease, [each for each in held if each.owner not in given.records.tokens])


def storage_stays_out_of_results(given: Evidence) -> None:
    """No result and no error of a workflow speaks of the database."""
    texts = {(id, run, fact.seq): str(fact.value) for id, run, fact in given.records.facts if fact.value is not None}
    told = {place: text for place, text in texts.items() if STORAGE_WORDS.search(text)}
    refuse(storage_stays_out_of_results, told)
    refuse(
        storage_stays_out_of_results,
        [each.error for each in given.records.instances.values() if each.error and STORAGE_WORDS.search(each.error)],
    )


def nobody_is_stuck(given: Evidence) -> None:
    """No instance is parked: nothing that a crash leaves behind needs mending."""
    refuse(nobody_is_stuck, [each for each in given.records.instances.values() if each.status == "stuck"])


# -- of the file and the world


def an_effect_is_behind_each_completion(given: Evidence) -> None:
    """Every activity that is recorded as completed did end, in its own body."""
    ended = Counter(each.call for each in given.effects if each.phase == "end")
    refuse(an_effect_is_behind_each_completion, [call for call in completed(given.records) if not ended[call]])


def at_most_once_is_started_first(given: Evidence) -> None:
    """Each attempt of an at-most-once activity is recorded as started, and its body entered once at most."""
    started = {
        (id, run, fact.step, fact.attempt) for id, run, fact in given.records.facts if fact.kind == "activity_started"
    }
    begun = Counter(
        (*each.call, each.attempt) for each in given.effects if each.phase == "begin" and each.name in AT_MOST_ONCE
    )
    refuse(at_most_once_is_started_first, {a: n for a, n in begun.items() if n > 1 or a not in started})


def repeats_fit_the_crashes(given: Evidence) -> None:
    """No attempt is made twice but for a crash, and a crash repeats no more than was in flight."""
    begun = Counter((*each.call, each.attempt) for each in given.effects if each.phase == "begin")
    again = {attempt: count - 1 for attempt, count in begun.items() if count > 1}
    refuse(repeats_fit_the_crashes, sum(again.values()) > given.crashes * given.in_flight and again)


def keys_are_stable(given: Evidence) -> None:
    """A call has one idempotency key, over attempts and crashes, and no two calls have the same."""
    by_call = {each.call: each.key for each in given.effects}
    unstable = [each for each in given.effects if by_call[each.call] != each.key]
    refuse(keys_are_stable, unstable or (len(set(by_call.values())) < len(by_call) and by_call))


def what_was_acknowledged_is_there(given: Evidence) -> None:
    """A start, a cancellation or an end that a client was told of is in the file."""
    instances, letters = given.records.instances, given.records.letters
    for each in given.acknowledged:
        stored = instances.get(each.id)
        if stored is None:
            raise Broken("what_was_acknowledged_is_there", each)
        kinds = [fact.kind for run in given.records.histories[each.id] for fact in run]
        ends = [fact for fact in given.records.histories[each.id][-1] if fact.kind == f"workflow_{stored.status}"]
        values = [None if fact.kind == "workflow_cancelled" else fact.value for fact in ends]
        is_there = {
            "start": True,
            "cancel": bool("cancel_requested" in kinds or letters.get(stored.number) or stored.status in TERMINAL),
            "end": stored.status in TERMINAL and values == [each.value],
        }[each.what]
        refuse(what_was_acknowledged_is_there, not is_there and (each, stored, kinds))


def history_only_grows(given: Evidence) -> None:
    """What the file held before, it holds still, in the same place: instances keep number and input, runs their
    events."""
    earlier = given.earlier
    for id, before in (earlier.instances if earlier else {}).items():
        now = given.records.instances.get(id)
        same = now is not None and (now.number, now.input, now.seed) == (before.number, before.input, before.seed)
        refuse(history_only_grows, (not same) and (before, now))
        assert earlier is not None
        for run, facts in enumerate(earlier.histories[id]):
            kept = given.records.histories[id][run][: len(facts)] if run < len(given.records.histories[id]) else ()
            refuse(history_only_grows, kept != facts and (id, run + 1, facts, kept))


def what_is_recorded_never_runs_again(given: Evidence, since: Sequence[Effect]) -> None:
    """No body is entered, after a crash, of a call that the image of the crash holds as settled.

    Args:
        given: `earlier` is the image.
        since: what the bodies told in the lives after it.
    """
    assert given.earlier is not None
    recorded = {call for call, fact in settled(given.earlier) if fact.kind not in CHILD_ENDS}
    again = [each for each in since if each.phase == "begin" and each.call in recorded]
    refuse(what_is_recorded_never_runs_again, again)


IMAGE: tuple[Invariant, ...] = (
    the_file_is_whole,
    each_call_settles_once,
    history_has_no_gap,
    sql_commits_with_its_completion,
    compensation_reverses_completion,
    who_ended_holds_nothing,
    an_owner_has_a_lease,
    who_waits_is_woken,
    storage_stays_out_of_results,
    nobody_is_stuck,
    an_effect_is_behind_each_completion,
    at_most_once_is_started_first,
    repeats_fit_the_crashes,
    keys_are_stable,
    what_was_acknowledged_is_there,
    history_only_grows,
)
"""What holds in the image of a crash as well."""
FINAL: tuple[Invariant, ...] = (*IMAGE, replay_ends_as_recorded, a_fresh_engine_writes_nothing)
"""What holds once nothing is left to do."""


def check(path: str | Path, *, invariants: Sequence[Invariant] = IMAGE, **given: Any) -> Records:
    """Check a file, and return what it holds, as the `earlier` of a later check.

    Raises:
        Broken: an invariant does not hold.
    """
    evidence = Evidence(path=Path(path), records=read(path), **given)
    for invariant in invariants:
        invariant(evidence)
    return evidence.records
