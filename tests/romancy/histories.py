"""Histories by hand: events in, for kernel tests."""

import json
from collections.abc import Iterable
from typing import Any

from romancy.codec import encode_error, workflow_codec
from romancy.history import (
    ActivityCompleted,
    ActivityFailed,
    AttemptFailed,
    CancelRequested,
    ChildCompleted,
    CompensationStarted,
    Event,
    TimerFired,
    WorkflowStarted,
)
from romancy.kernel import Blocked, Execution
from romancy.workflow import Context, Workflow

started = WorkflowStarted(at=100.0)
cancel = CancelRequested(at=150.0)
compensating = CompensationStarted(at=160.0)


def execution(workflow: Workflow[Any, Any], *args: Any, strict: bool = False) -> Execution:
    definition = workflow.definition
    context = Context("i-1", definition.name, seed="5eed")
    return Execution(definition, context, workflow_codec(definition).encode_arguments(args, {}), strict=strict)


def fed(workflow: Workflow[Any, Any], *events: Event, args: Iterable[Any] = ()) -> Execution:
    """An execution to which these events were delivered, the start before them."""
    driven = execution(workflow, *args)
    for event in (started, *events):
        driven.feed(event)
    return driven


def completed(
    step: str, name: str, result: Any = None, *, at: float = 110.0, undo: str | None = None
) -> ActivityCompleted:
    return ActivityCompleted(at=at, step=step, name=name, attempt=1, result=json.dumps(result), compensation=undo)


def failed(step: str, name: str, error: BaseException, *, at: float = 110.0) -> ActivityFailed:
    return ActivityFailed(at=at, step=step, name=name, attempt=1, error=encode_error(error))


def attempt_failed(step: str, name: str, error: BaseException, *, due: float, attempt: int = 1) -> AttemptFailed:
    return AttemptFailed(at=110.0, step=step, name=name, attempt=attempt, error=encode_error(error), due=due)


def fired(step: str, *, at: float = 110.0) -> TimerFired:
    return TimerFired(at=at, step=step)


def child_completed(step: str, name: str, result: Any = None) -> ChildCompleted:
    return ChildCompleted(at=110.0, step=step, name=name, child=f"i-1/{step}", result=json.dumps(result))


def asks(driven: Execution) -> dict[str, str]:
    """What the code waits for: step to what is asked for there."""
    return {step: str(pending).split(" (")[0] for step, pending in driven.pending.items() if not pending.dropped}


def newly(driven: Execution) -> list[str]:
    """The steps that the last event brought about."""
    assert isinstance(driven.outcome, Blocked), driven.outcome
    return [pending.step for pending in driven.outcome.ready]
