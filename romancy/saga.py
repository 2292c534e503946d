"""Compensation, as a generator over calls: what completed is undone, in reverse order of completion."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Sequence
from typing import Any

import attrs

from romancy.calls import ActivityDefinition, CallActivity, Compensation
from romancy.codec import activity_codec


@attrs.frozen
class Undoable:
    """An activity that completed and knows its compensation; arguments and result are the recorded texts."""

    activity: ActivityDefinition
    compensation: Compensation
    arguments: str
    result: str


def compensate(completed: Sequence[Undoable]) -> Generator[CallActivity[Any], Any, list[BaseException]]:
    """Undo what completed, last first; the errors of those compensations that failed for good are returned."""
    errors: list[BaseException] = []
    for done in reversed(completed):
        try:
            yield _undo(done)
        except Exception as error:
            errors.append(error)
    return errors


def _undo(done: Undoable) -> CallActivity[Any]:
    codec = activity_codec(done.activity)
    args, kwargs = codec.decode_arguments(done.arguments)
    if done.compensation.by_name:
        args, kwargs = (), inspect.signature(done.activity.fn).bind(*args, **kwargs).arguments
    if done.compensation.takes_result:
        kwargs = {**kwargs, "result": codec.decode_result(done.result)}
    return CallActivity(done.compensation.activity, args, kwargs)
