"""What the code asked for and nobody answered yet; an event of the history has to answer just that."""

from __future__ import annotations

from typing import Any

from romancy.calls import WorkflowDefinition
from romancy.errors import NondeterminismError
from romancy.history import Event
from romancy.kernel.pending import Pending, PendingActivity, PendingChild, PendingTimer, line_of, name_of
from romancy.workflow import Context


class Asked:
    """What is pending, by step.

    Args:
        definition: whose code it is, for messages.
        context: the instance, likewise.
        strict: whether other arguments than the recorded ones are an error and not only a warning.

    Attributes:
        dropped: what nobody waits for any more, since whoever reads this last emptied it.
        warnings: what differs and does no harm, likewise.
    """

    __slots__ = ("_context", "_definition", "_strict", "dropped", "pending", "warnings")

    def __init__(self, definition: WorkflowDefinition, context: Context, *, strict: bool) -> None:
        self.pending: dict[str, Pending] = {}
        self.dropped: list[Pending] = []
        self.warnings: list[str] = []
        self._definition = definition
        self._context = context
        self._strict = strict

    def drop(self, pending: Pending) -> None:
        """Nobody waits for it any more; what is under way elsewhere may still report."""
        pending.dropped = True
        self.dropped.append(pending)
        if type(pending) is PendingTimer:
            del self.pending[pending.step]

    def expected(self, event: Any, kind: type[Any]) -> Any:
        """What an event is about.

        Raises:
            NondeterminismError: the code asks for something else at that step.
        """
        pending = self.pending.get(event.step)
        if pending is None:
            raise self.mismatch(event, self._told())
        if type(pending) is not kind or getattr(event, "name", None) != name_of(pending):
            raise self.mismatch(event, f"the code asks for {pending}, yielded at {line_of(pending.sink)}")
        return pending

    def answered(self, event: Any, kind: type[Any]) -> Any:
        """What an event is the answer to: it is pending no more.

        Raises:
            NondeterminismError: the code asks for something else at that step.
        """
        pending = self.expected(event, kind)
        del self.pending[event.step]
        return pending

    def compare(self, event: Any, pending: PendingActivity | PendingChild) -> None:
        """Look whether an answer was given to the arguments of now.

        Raises:
            NondeterminismError: it was not, and this is strict.
        """
        if event.fingerprint is not None and event.fingerprint != pending.fingerprint:
            differs = f"step {event.step}: {pending} was recorded with other arguments than the code gives it now"
            if self._strict:
                raise NondeterminismError(f"{self._who()}: {differs}: {pending.arguments[:200]}")
            self.warnings.append(differs)

    def mismatch(self, event: Event, code: str) -> NondeterminismError:
        """The error of an event that does not fit.

        Args:
            event: what the history says.
            code: what the code does instead.
        """
        step = getattr(event, "step", None)
        name = getattr(event, "name", None)
        kind = event.kind.replace("_", " ")
        recorded = kind + (f" {name[:80]!r}" if name else "") + (f" at step {step}" if step else "")
        return NondeterminismError(f"{self._who()}: the history says {recorded}, but {code}")

    def _who(self) -> str:
        return f"instance {self._context.instance_id!r} of workflow {self._definition.place}"

    def _told(self) -> str:
        waits = [f"step {each.step}, {each}, at {line_of(each.sink)}" for each in self.pending.values()]
        return f"the code waits for {'; '.join(waits[:3])}" if waits else "the code waits for nothing"
