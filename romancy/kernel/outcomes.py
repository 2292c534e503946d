"""What became of an execution when an event was delivered."""

from __future__ import annotations

from typing import Union

import attrs

from romancy.kernel.pending import Pending


@attrs.frozen
class Blocked:
    """The workflow waits; `ready` are the pending calls that this event brought about."""

    ready: tuple[Pending, ...] = ()


@attrs.frozen
class Returned:
    """The workflow returned; the result is JSON."""

    result: str


@attrs.frozen
class Raised:
    """The workflow raised, and what had to be compensated was."""

    error: BaseException
    compensation_errors: tuple[BaseException, ...] = ()


@attrs.frozen
class Recurred:
    """The run is over and the next begins with this input, which is JSON."""

    input: str


Outcome = Union[Blocked, Returned, Raised, Recurred]


def told(outcome: Outcome) -> str:
    """An outcome in words."""
    match outcome:
        case Returned(result):
            return f"it returned {result[:80]}"
        case Raised(error):
            return f"it raised {error!r}"
        case Recurred():
            return "it recurred"
        case Blocked():
            return "it waits"
