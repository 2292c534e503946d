"""How the end of an instance is raised: at a parent's `yield`, or by a handle."""

from __future__ import annotations

from romancy.activity import declared_errors
from romancy.codec import decode_failure
from romancy.errors import InstanceCancelledError, InstanceFailedError


def instance_failed(instance_id: str, failure: str) -> InstanceFailedError:
    """The error of an instance that failed, with the workflow's exception as its cause."""
    cause, compensation_errors = decode_failure(failure, tuple(declared_errors))
    error = InstanceFailedError(instance_id, compensation_errors)
    error.__cause__ = cause
    return error


def instance_cancelled(instance_id: str, failure: str) -> InstanceCancelledError:
    """The error of an instance that was cancelled."""
    return InstanceCancelledError(instance_id, decode_failure(failure, tuple(declared_errors))[1])
