"""What activities did while a test drove them: every body that ran, and for which call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs

from romancy.activity import definitions
from romancy.testing.fakes import told_unknown


@attrs.frozen(kw_only=True)
class Effect:
    """One run of an activity's body.

    Attributes:
        name: the activity's.
        instance_id: the instance that asked for it.
        run: the number of the instance's run, from 1.
        step: the place of the call in the instance.
        attempt: the number of the attempt, from 1.
        at_most_once: whether the activity is never repeated when it was interrupted.
        args: the arguments that the body got.
        kwargs: those by name.
    """

    name: str
    instance_id: str
    run: int
    step: str
    attempt: int
    at_most_once: bool = False
    args: tuple[Any, ...] = attrs.field(default=(), eq=False, repr=False)
    kwargs: dict[str, Any] = attrs.field(factory=dict, eq=False, repr=False)

    def __str__(self) -> str:
        run = f", run {self.run}" if self.run > 1 else ""
        return f"{self.name} (instance {self.instance_id!r}{run}, step {self.step}, attempt {self.attempt})"


class Effects(Counter[str]):
    """How often each activity's body ran, by the activity's name; one that never ran counts 0.

    A name that no activity of this process has is a `KeyError`: what is asserted of it could not fail.

    Attributes:
        log: the runs, in the order in which they began.
    """

    def __init__(self, log: Iterable[Effect] = ()) -> None:
        self.log: list[Effect] = list(log)
        super().__init__(each.name for each in self.log)

    def add(self, effect: Effect) -> None:
        """A body begins."""
        self.log.append(effect)
        self[effect.name] = self.get(effect.name, 0) + 1

    def __missing__(self, name: str) -> int:
        if name in definitions:
            return 0
        __tracebackhide__ = True
        raise KeyError(told_unknown(name))

    def __eq__(self, other: object) -> bool:
        """As counters are equal: a name that only one of them has counts 0 in the other."""
        return Counter(dict(self)) == (Counter(dict(other)) if isinstance(other, Counter) else other)

    @property
    def duplicates(self) -> dict[Effect, int]:
        """The attempts whose body ran more than once, and how often."""
        return {effect: count for effect, count in Counter(self.log).items() if count > 1}
