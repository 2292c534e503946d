"""What a call that was yielded makes the workflow wait for; and what to say of a value that is no call."""

from __future__ import annotations

from collections.abc import Callable
from types import GeneratorType
from typing import Any

from romancy.activity import Activity
from romancy.calls import CallActivity, CallWorkflow, Sleep, SleepUntil, Start, check_id, describe
from romancy.codec import activity_codec, fingerprint, workflow_codec
from romancy.kernel.pending import Pending, PendingActivity, PendingChild, PendingTimer, Sink, line_of
from romancy.workflow import Context


def _activity(step: str, call: CallActivity[Any], sink: Sink, _: Context) -> PendingActivity:
    activity = call.activity
    codec = activity_codec(activity)
    arguments = codec.encode_arguments(call.args, call.kwargs)
    return PendingActivity(
        step,
        activity,
        codec,
        call.retry or activity.retry,
        call.timeout or activity.timeout,
        arguments,
        fingerprint(arguments),
        sink,
    )


def _child(step: str, call: CallWorkflow[Any], sink: Sink, context: Context, *, detached: bool = False) -> PendingChild:
    arguments = workflow_codec(call.workflow).encode_arguments(call.args, call.kwargs)
    child = call.id if call.id is not None else check_id(_child_id(step, context))
    return PendingChild(step, call.workflow, child, arguments, fingerprint(arguments), detached, sink)


def _start(step: str, call: Start, sink: Sink, context: Context) -> PendingChild:
    return _child(step, call.call, sink, context, detached=True)


def _child_id(step: str, context: Context) -> str:
    run = "" if context.run == 1 else f"~{context.run}"
    return f"{context.instance_id}{run}/{step}"


def _sleep(step: str, call: Sleep, sink: Sink, context: Context) -> PendingTimer:
    return PendingTimer(step, context.at + max(0.0, call.seconds), sink)


def _sleep_until(step: str, call: SleepUntil, sink: Sink, _: Context) -> PendingTimer:
    return PendingTimer(step, call.due, sink)


PENDING: dict[type, Callable[[str, Any, Sink, Context], Pending]] = {
    CallActivity: _activity,
    CallWorkflow: _child,
    Start: _start,
    Sleep: _sleep,
    SleepUntil: _sleep_until,
}
"""By the type of the call: makes what is pending of its step, the call, who gets the answer, and the context."""


def foreign(value: Any, sink: Sink) -> str:
    """What to say of a value that is no call."""
    text = f"{line_of(sink)}: a workflow yields calls, and this is {describe(value)}"
    if isinstance(value, GeneratorType):
        return f"{text}: write `yield from {value.__name__}(…)`"
    if isinstance(value, Activity):
        return f"{text}: call it, `yield {value.definition.name}(…)`"
    if type(value).__name__ == "Workflow":
        return f"{text}: call it, `yield {value.__name__}(…)`"
    return f"{text}: compute it without yield, or in an @activity"
