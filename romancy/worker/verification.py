"""A finished run is replayed from its history, and has to end alike: so nondeterminism shows before a crash does."""

from __future__ import annotations

from collections.abc import Iterable

from romancy.errors import NondeterminismError
from romancy.history import Event
from romancy.kernel import Blocked, Execution, Outcome, Raised, Recurred, Returned, replay
from romancy.worker.residents import Resident
from romancy.workflow import Context


def difference(resident: Resident, outcome: Outcome, events: Iterable[Event]) -> str | None:
    """What is not the same when a run is replayed, in words.

    Args:
        resident: whose run it is.
        outcome: how it ended.
        events: its history.
    """
    context = Context(resident.id, resident.workflow, seed=resident.seed, run=resident.run)
    try:
        execution = Execution(resident.definition, context, resident.execution.input, strict=True)
        again = replay(execution, events)
        execution.close()
    except NondeterminismError as error:
        return f"verification: {error}"
    if _shown(again) != _shown(outcome):
        return (
            f"verification: workflow {resident.definition.place} ended with {_shown(outcome)} and, replayed from "
            f"its history, with {_shown(again)}: something in it is not the same twice"
        )
    return None


def _shown(outcome: Outcome) -> str:
    match outcome:
        case Returned(result):
            return result
        case Raised(error):
            return f"{type(error).__name__}: {error}"
        case Recurred(input):
            return f"recur with {input}"
        case Blocked():
            return "no end: it waits"
