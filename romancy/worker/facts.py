"""What happened to a call or to an instance, as the event that is written of it."""

from __future__ import annotations

from romancy import history
from romancy.activity import declared_errors
from romancy.codec import encode_error, encode_failure
from romancy.errors import RomancyError, WorkflowCancelled
from romancy.history import Event
from romancy.kernel import PendingActivity, PendingChild, Raised, Returned
from romancy.worker.letters import Report


def activity_started(pending: PendingActivity, attempt: int, at: float) -> history.ActivityStarted:
    """An attempt is about to begin that must not be repeated."""
    return history.ActivityStarted(at=at, step=pending.step, name=pending.activity.name, attempt=attempt)


def attempt_failed(
    pending: PendingActivity, attempt: int, at: float, error: BaseException, started: float | None, due: float
) -> history.AttemptFailed:
    """An attempt failed, and another one follows when it is `due`."""
    return history.AttemptFailed(
        at=at,
        step=pending.step,
        name=pending.activity.name,
        attempt=attempt,
        error=encode_error(error, pending.activity.raises),
        due=due,
        started=started,
    )


def activity_failed(
    pending: PendingActivity, attempt: int, at: float, error: BaseException, started: float | None
) -> history.ActivityFailed:
    """The last attempt failed."""
    return history.ActivityFailed(
        at=at,
        step=pending.step,
        name=pending.activity.name,
        attempt=attempt,
        error=encode_error(error, pending.activity.raises),
        started=started,
        fingerprint=pending.fingerprint,
    )


def child_started(pending: PendingChild, at: float) -> history.ChildStarted:
    """An instance that nobody waits for is there."""
    name, child, fingerprint = pending.workflow.name, pending.child, pending.fingerprint
    return history.ChildStarted(at=at, step=pending.step, name=name, child=child, fingerprint=fingerprint)


def child_refused(pending: PendingChild, at: float, error: RomancyError) -> history.ChildRefused:
    """An instance could not be created."""
    name, child, fingerprint = pending.workflow.name, pending.child, pending.fingerprint
    return history.ChildRefused(
        at=at, step=pending.step, name=name, child=child, error=encode_error(error), fingerprint=fingerprint
    )


def child_ended(pending: PendingChild, at: float, report: Report) -> Event:
    """A child has reported its end."""
    step, name, child, fingerprint = pending.step, pending.workflow.name, pending.child, pending.fingerprint
    if report.status == "completed":
        return history.ChildCompleted(
            at=at, step=step, name=name, child=child, result=report.data, fingerprint=fingerprint
        )
    kind = history.ChildFailed if report.status == "failed" else history.ChildCancelled
    return kind(at=at, step=step, name=name, child=child, error=report.data, fingerprint=fingerprint)


def workflow_ended(outcome: Returned | Raised, at: float) -> tuple[str, str, Event]:
    """A run has ended for good: as what, with which result or failure, and the event that says so."""
    if isinstance(outcome, Returned):
        return "completed", outcome.result, history.WorkflowCompleted(at=at, result=outcome.result)
    raises = tuple(declared_errors)
    others = [encode_error(each, raises) for each in outcome.compensation_errors]
    failure = encode_failure(outcome.error, raises, others)
    if isinstance(outcome.error, WorkflowCancelled):
        return "cancelled", failure, history.WorkflowCancelled(at=at, error=failure)
    return "failed", failure, history.WorkflowFailed(at=at, error=failure)
