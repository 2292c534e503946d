"""The events of an instance, past tense: what happened, in the order in which it was delivered."""

from __future__ import annotations

from typing import ClassVar, Union

import attrs


@attrs.frozen(kw_only=True)
class WorkflowStarted:
    """A run began; `input` is set where it is not the input of the instance (after `recur`)."""

    kind: ClassVar[str] = "workflow_started"
    at: float
    input: str | None = None


@attrs.frozen(kw_only=True)
class ActivityStarted:
    """An attempt of an at-most-once activity was about to begin."""

    kind: ClassVar[str] = "activity_started"
    at: float
    step: str
    name: str
    attempt: int


@attrs.frozen(kw_only=True)
class ActivityCompleted:
    """An activity returned; `started` and `at` are in seconds since the epoch, `result` is JSON."""

    kind: ClassVar[str] = "activity_completed"
    at: float
    step: str
    name: str
    attempt: int
    result: str
    started: float | None = None
    fingerprint: int | None = None
    compensation: str | None = None


@attrs.frozen(kw_only=True)
class AttemptFailed:
    """An attempt of an activity failed, and the next begins not before `due`."""

    kind: ClassVar[str] = "attempt_failed"
    at: float
    step: str
    name: str
    attempt: int
    error: str
    due: float
    started: float | None = None


@attrs.frozen(kw_only=True)
class ActivityFailed:
    """An activity failed for good."""

    kind: ClassVar[str] = "activity_failed"
    at: float
    step: str
    name: str
    attempt: int
    error: str
    started: float | None = None
    fingerprint: int | None = None


@attrs.frozen(kw_only=True)
class TimerFired:
    """A timer reached its instant."""

    kind: ClassVar[str] = "timer_fired"
    at: float
    step: str


@attrs.frozen(kw_only=True)
class ChildStarted:
    """A detached workflow was started; `name` is the workflow's."""

    kind: ClassVar[str] = "child_started"
    at: float
    step: str
    name: str
    child: str
    fingerprint: int | None = None


@attrs.frozen(kw_only=True)
class ChildCompleted:
    """A child workflow returned."""

    kind: ClassVar[str] = "child_completed"
    at: float
    step: str
    name: str
    child: str
    result: str
    fingerprint: int | None = None


@attrs.frozen(kw_only=True)
class ChildFailed:
    """A child workflow failed; `error` is its failure."""

    kind: ClassVar[str] = "child_failed"
    at: float
    step: str
    name: str
    child: str
    error: str
    fingerprint: int | None = None


@attrs.frozen(kw_only=True)
class ChildCancelled:
    """A child workflow was cancelled."""

    kind: ClassVar[str] = "child_cancelled"
    at: float
    step: str
    name: str
    child: str
    error: str
    fingerprint: int | None = None


@attrs.frozen(kw_only=True)
class ChildRefused:
    """A workflow could not be started under its id."""

    kind: ClassVar[str] = "child_refused"
    at: float
    step: str
    name: str
    child: str
    error: str
    fingerprint: int | None = None


@attrs.frozen(kw_only=True)
class CancelRequested:
    """Somebody asked for the instance to be cancelled."""

    kind: ClassVar[str] = "cancel_requested"
    at: float


@attrs.frozen(kw_only=True)
class Patched:
    """`ctx.patched(change)` answered yes for the first time."""

    kind: ClassVar[str] = "patched"
    at: float
    change: str


@attrs.frozen(kw_only=True)
class CompensationStarted:
    """Nothing of the failed workflow was in flight any more, and compensation began."""

    kind: ClassVar[str] = "compensation_started"
    at: float


@attrs.frozen(kw_only=True)
class WorkflowCompleted:
    """The workflow returned."""

    kind: ClassVar[str] = "workflow_completed"
    at: float
    result: str


@attrs.frozen(kw_only=True)
class WorkflowFailed:
    """The workflow raised, and what could be compensated was; `error` holds the errors of compensations too."""

    kind: ClassVar[str] = "workflow_failed"
    at: float
    error: str


@attrs.frozen(kw_only=True)
class WorkflowCancelled:
    """The workflow gave way to its cancellation, and what could be compensated was."""

    kind: ClassVar[str] = "workflow_cancelled"
    at: float
    error: str


@attrs.frozen(kw_only=True)
class WorkflowRecurred:
    """The run ended by beginning the next one, with `input`."""

    kind: ClassVar[str] = "workflow_recurred"
    at: float
    input: str


Event = Union[
    WorkflowStarted,
    ActivityStarted,
    ActivityCompleted,
    AttemptFailed,
    ActivityFailed,
    TimerFired,
    ChildStarted,
    ChildCompleted,
    ChildFailed,
    ChildCancelled,
    ChildRefused,
    CancelRequested,
    Patched,
    CompensationStarted,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowCancelled,
    WorkflowRecurred,
]

Terminal = (WorkflowCompleted, WorkflowFailed, WorkflowCancelled, WorkflowRecurred)
"""The events after which a run has no further ones."""
