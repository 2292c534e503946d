"""What invariants look at, and how one says that it is broken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.crash.interpreter import Effect
from tests.crash.records import Records
from tests.crash.verdicts import SETTLING, Fact


class Broken(AssertionError):
    """A promise that does not hold: the invariant's name and what shows it."""

    def __init__(self, invariant: str, evidence: object) -> None:
        super().__init__(f"{invariant}: {evidence}")
        self.invariant = invariant
        self.evidence = evidence


@attrs.frozen
class Acknowledged:
    """What a client was told: `start`, `cancel` or `end` of an instance; the result or the error told of an end."""

    what: str
    id: str
    value: Any = None


@attrs.frozen(kw_only=True)
class Evidence:
    """What an invariant looks at.

    Args:
        path: of the file, where it may be opened.
        records: what it holds.
        effects: what the bodies of activities told, from the first life on.
        acknowledged: what clients were told.
        crashes: how many workers died.
        in_flight: how many activities were under way when one died, at most.
        earlier: what the file held before.
        now: what the clock shows; what should go on at once is to be woken by then.
    """

    path: Path
    records: Records
    effects: Sequence[Effect] = ()
    acknowledged: Sequence[Acknowledged] = ()
    crashes: int = 0
    in_flight: int = 1
    earlier: Records | None = None
    now: float = math.inf


Invariant = Callable[[Evidence], object]
Call = tuple[str, int, str]


def refuse(check: Callable[..., object], evidence: object) -> None:
    """Raise `Broken` where there is any evidence."""
    if evidence:
        raise Broken(check.__name__, evidence)


def settled(records: Records) -> Iterable[tuple[Call, Fact]]:
    for id, run, fact in records.facts:
        if fact.kind in SETTLING and fact.step is not None:
            yield (id, run, fact.step), fact


def completed(records: Records) -> dict[Call, Fact]:
    return {call: fact for call, fact in settled(records) if fact.kind == "activity_completed"}
