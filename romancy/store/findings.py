"""What can be wrong with an instance, whatever database holds it: its rows against each other, and its history.

Each finding says where, what, and what to do about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import attrs

from romancy import history
from romancy.errors import SerializationError
from romancy.history import Event
from romancy.store.protocol import TERMINAL, Instance

_ANSWERS = (
    history.ActivityCompleted,
    history.ActivityFailed,
    history.TimerFired,
    history.ChildStarted,
    history.ChildCompleted,
    history.ChildFailed,
    history.ChildCancelled,
    history.ChildRefused,
)
_END: dict[str, type[Event]] = {
    "completed": history.WorkflowCompleted,
    "failed": history.WorkflowFailed,
    "cancelled": history.WorkflowCancelled,
}
_JSON = ("input", "result", "error")


@attrs.frozen
class Finding:
    """Something that is wrong: where it is, what it is, and what to do about it."""

    where: str
    what: str
    remedy: str


def problems(
    instance: Instance, events_of: Callable[[int], list[Event]], garbled: Callable[[], str] = str
) -> Iterator[str]:
    """What is wrong with an instance and its histories.

    Args:
        instance: as it is stored.
        events_of: reads the history of one run, or raises `SerializationError`.
        garbled: says whether what was read since it was last asked held a text that could not be read.
    """
    if not is_json(instance.input):
        yield "its input is no JSON"
    last: Event | None = None
    for run in range(1, instance.run + 1 if isinstance(instance.run, int) else 1):
        try:
            events = events_of(run)
        except SerializationError as damage:
            yield f"run {run}: {damage}"
            return
        yield from (f"run {run}: {what}" for what in odd(events))
        if told := garbled():
            yield f"run {run}: {told}"
        last = events[-1] if events else None
        if run < instance.run and not isinstance(last, history.WorkflowRecurred):
            yield f"run {run}: a later run began, and this one did not end"
    yield from contradictions(instance, last)


def odd(events: list[Event]) -> Iterator[str]:
    answered: dict[str, int] = {}
    for seq, event in enumerate(events):
        if isinstance(event, history.WorkflowStarted) is not (seq == 0):
            yield f"history[{seq}]: {event.kind} {'stands at the start' if seq == 0 else 'stands amid the run'}"
        for name in _JSON:
            text = getattr(event, name, None)
            if text is not None and not is_json(text):
                yield f"history[{seq}].{name}: it is no JSON"
        if isinstance(event, _ANSWERS):
            if event.step in answered:
                yield f"history[{seq}]: step {event.step[:80]} was answered before, by history[{answered[event.step]}]"
            answered[event.step] = seq


def contradictions(instance: Instance, last: Event | None) -> Iterator[str]:
    """Where the status says one thing and the history another."""
    end = _END.get(instance.status)
    if end is not None and not isinstance(last, end):
        yield f"it is {instance.status}, and its history does not end so"
    if last is not None and instance.status not in (*TERMINAL, "stuck") and type(last) in _END.values():
        yield f"it is {instance.status}, and its history says {last.kind}"
    if last is None and instance.position:
        yield f"its history is empty, and {instance.position} events were recorded"


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, TypeError):
        return False
    except RecursionError:
        return True  # it is nested deeply, which is no damage
    return True


def place_of(id: object) -> str:
    """How an instance is named as a place."""
    return f"instance {str(id)[:80]!r}"
