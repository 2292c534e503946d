"""What a workflow waits for, and who gets the answer."""

from __future__ import annotations

from collections.abc import Generator
from types import GeneratorType
from typing import Any, Union

import attrs

from romancy.calls import ActivityDefinition, Call, WorkflowDefinition
from romancy.codec import CallCodec
from romancy.retry import RetryPolicy


@attrs.define(eq=False)
class PendingActivity:
    """A call of an activity that waits for its completion; `attempt` is the next one, not before `due`."""

    step: str
    activity: ActivityDefinition
    codec: CallCodec
    retry: RetryPolicy
    timeout: float | None
    arguments: str
    fingerprint: int
    sink: Sink
    attempt: int = 1
    due: float | None = None
    first_started: float | None = None
    interrupted: bool = False
    dropped: bool = False

    def __str__(self) -> str:
        return f"activity {self.activity.name!r} ({self.activity.place})"


@attrs.define(eq=False)
class PendingTimer:
    """A sleep that waits for its instant."""

    step: str
    due: float
    sink: Sink
    dropped: bool = False

    def __str__(self) -> str:
        return "a sleep"


@attrs.define(eq=False)
class PendingChild:
    """Another instance to be started, under an id that every replay derives again; detached ones are not waited for."""

    step: str
    workflow: WorkflowDefinition
    child: str
    arguments: str
    fingerprint: int
    detached: bool
    sink: Sink
    dropped: bool = False

    def __str__(self) -> str:
        return f"{'start of' if self.detached else 'child'} workflow {self.workflow.name!r} ({self.workflow.place})"


Pending = Union[PendingActivity, PendingTimer, PendingChild]


@attrs.define(eq=False)
class Branch:
    """A generator that is being driven; `sink` is the place among others that it reports to, None for the workflow."""

    generator: Generator[Any, Any, Any]
    prefix: str
    sink: Sink | None
    issued: int = 0
    waiting: Pending | Join | None = None
    cancelled: bool = False


@attrs.define(eq=False)
class Join:
    """A gather or race under way; `running` holds its members that have not ended, by index."""

    sink: Sink
    is_race: bool
    return_exceptions: bool
    results: list[Any]
    running: dict[int, Pending | Branch | Join]
    decided: bool = False
    value: Any = None
    error: BaseException | None = None


Sink = Union[Branch, tuple[Join, int]]
"""Who gets a result: a branch at its `yield`, or a member's place in a gather or race."""


def name_of(pending: Pending) -> str | None:
    """The name that an event about it bears."""
    match pending:
        case PendingActivity():
            return pending.activity.name
        case PendingChild():
            return pending.workflow.name
        case PendingTimer():
            return None


def line_of(sink: Sink | None) -> str:
    """Where the code stands that waits: file and line of the innermost generator that is not a call's own."""
    while sink is not None and not isinstance(sink, Branch):
        sink = sink[0].sink
    if sink is None:
        return "a branch that has ended"
    generator: Any = sink.generator
    while isinstance(inner := generator.gi_yieldfrom, GeneratorType) and inner.gi_code is not Call.__iter__.__code__:
        generator = inner
    frame = generator.gi_frame
    code = generator.gi_code
    return f"{code.co_filename}:{frame.f_lineno if frame else code.co_firstlineno} in {code.co_name}()"
