"""The words of the model: recorded facts, how statements end, and what is right for an instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

import attrs


@attrs.frozen(kw_only=True)
class Fact:
    """One recorded event; `value` is what its JSON says, errors as `told` in the interpreter tells them."""

    seq: int
    kind: str
    step: str | None
    name: str | None
    attempt: int | None
    value: Any
    detail: str | None
    at: float


@attrs.frozen
class Value:
    """A statement ended with a value."""

    value: Any


@attrs.frozen
class Error:
    """A statement failed."""

    told: list[Any]


@attrs.frozen
class Cancelled:
    """A statement was cancelled."""


@attrs.frozen
class Recurred:
    """The next run begins."""


@attrs.frozen
class Never:
    """A statement waits still."""


End = Union[Value, Error, Cancelled, Recurred, Never]
Place = float
"""An index in the history; `math.inf` where there is none yet."""
CHILD_ENDS = ("child_completed", "child_failed", "child_cancelled")
SETTLING = ("activity_completed", "activity_failed", "timer_fired", "child_started", *CHILD_ENDS)
ANY = object()


@attrs.frozen(kw_only=True)
class Claim:
    """What the record of a step has to say: the settling event, its value, the failed attempts before it."""

    kind: str
    end: End
    name: str | None = None
    failed_attempts: int = 0
    undo: str | None = None
    begins: Place = 0
    seconds: float = 0
    value: Any = ANY


@attrs.define
class Verdict:
    """What is right for one instance.

    `must` are the steps of the last run that were waited for, `may` those that were dropped; `undone` those that are
    compensated, in this order, and `compensation_errors` the errors of it; `problems` are places where the record says
    something else.
    """

    end: End
    run: int
    must: dict[str, Claim]
    may: dict[str, Claim]
    undone: list[str] = attrs.field(factory=list)
    compensation_errors: list[Any] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)

    @property
    def status(self) -> str:
        """How the instance has to end."""
        return {Value: "completed", Error: "failed", Cancelled: "cancelled"}.get(type(self.end), "unfinished")


Histories = Mapping[str, Sequence[Sequence[Fact]]]
"""Of each instance by id: its runs, each the events in their order."""
