"""Whether the image of a crash, and what became of it, are as they have to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.crash import invariants
from tests.crash.driving import ROOT, Outcome
from tests.crash.images import Happened, Image, Lived
from tests.crash.invariants import Acknowledged, Broken
from tests.crash.model import Error, Value, judge
from tests.crash.programs import Scenario
from tests.crash.records import Records, has_records, reading

RECORDED = ("activity_completed", "attempt_failed", "activity_failed")
OFTEN = (*invariants.IMAGE, invariants.replay_ends_as_recorded)
"""What is checked of every end; the rest of what holds in the end costs another engine, and is checked of some."""


def examine(image: Image, copied: Path) -> Records | None:
    """Check an image before anybody opens it; returns what it holds, unless the crash came before there was anything.

    Args:
        image: of the crash.
        copied: a copy of its file, since reading leaves traces.

    Raises:
        Broken: an invariant does not hold.
    """
    with reading(copied) as connection:
        is_ready = has_records(connection)
    if not is_ready:
        if image.happened.started:
            raise Broken("what_was_acknowledged_is_there", "a start was acknowledged, and there is no table")
        return None
    told, happened = list(_told(image.happened)), image.happened
    return invariants.check(
        copied, effects=happened.effects, acknowledged=told, crashes=1, in_flight=happened.allowance, now=image.at
    )


def check_end(scenario: Scenario, lived: Lived, *, image: Image | None, before: Records | None, fresh: bool) -> None:
    """Check what a run came to, from the start or from an image.

    Args:
        scenario: the program.
        lived: the run.
        image: that the run began with.
        before: what the image held.
        fresh: whether to see that another engine finds nothing left to do.

    Raises:
        Broken: an invariant does not hold, or the end is not as the model says.
    """
    effects = lived.happened.effects
    evidence = invariants.Evidence(
        path=lived.path,
        records=lived.records,
        effects=effects,
        acknowledged=list(_told(lived.happened)),
        crashes=1,
        in_flight=lived.happened.allowance,
        earlier=before,
    )
    for invariant in (*OFTEN, invariants.a_fresh_engine_writes_nothing) if fresh else OFTEN:
        invariant(evidence)
    if image is not None and before is not None:
        invariants.what_is_recorded_never_runs_again(evidence, effects[len(image.happened.effects) :])
    crashed, cancelled = lived.happened.crashes > 0, lived.happened.cancelled
    compare_with_the_model(scenario, lived.records, lived.outcome, crashed=crashed, cancelled=cancelled)


def compare_with_the_model(
    scenario: Scenario, records: Records, outcome: Outcome, *, crashed: bool, cancelled: bool
) -> None:
    """Check an end against what the model says.

    Args:
        scenario: the program.
        records: what is recorded of it.
        outcome: what its client was told.
        crashed: whether a worker died.
        cancelled: whether it was cancelled.

    Raises:
        Broken: the model says something else.
    """
    verdicts = judge(scenario.body, ROOT, records.histories, crashed=crashed, cancelled=cancelled)
    _refuse([f"{id}: {problem}" for id, verdict in verdicts.items() for problem in verdict.problems])
    statuses = {id: each.status for id, each in records.instances.items()}
    right = {id: each.status for id, each in verdicts.items()}
    _refuse(statuses != right and [statuses, right])
    verdict = verdicts[ROOT]
    _refuse(outcome.status != verdict.status and [outcome, verdict])
    _refuse(outcome.compensation_errors != verdict.compensation_errors and [outcome, verdict])
    match verdict.end:
        case Value(value) | Error(value):
            _refuse(outcome.value != value and [outcome, value])


def _refuse(evidence: object) -> None:
    if evidence:
        raise Broken("it_ends_as_the_model_says", evidence)


def _told(happened: Happened) -> Iterator[Acknowledged]:
    if happened.started:
        yield Acknowledged("start", ROOT)
    if happened.cancelled:
        yield Acknowledged("cancel", ROOT)
    if happened.outcome is not None:
        yield Acknowledged("end", ROOT, happened.outcome.value)


def allow_repeats(image: Image, held: Records | None) -> Image:
    """The image, with the attempts that had begun and were not recorded added to what may be made twice."""
    facts = [] if held is None else held.facts
    recorded = {(id, run, fact.step, fact.attempt) for id, run, fact in facts if fact.kind in RECORDED}
    happened = image.happened
    begun = {(*each.call, each.attempt) for each in happened.effects if each.phase == "begin"}
    allowance = happened.allowance + len(begun - recorded)
    return attrs.evolve(image, happened=attrs.evolve(happened, allowance=allowance))


def described(scenario: Scenario, image: Image, mode: str) -> str:
    """Where a crash came, for whoever has to repeat it."""
    return f"{mode}, crash {image.happened.crashes}: {image.boundary}\n{attrs.asdict(scenario)}"
