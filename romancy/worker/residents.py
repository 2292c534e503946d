"""The executions that a worker holds in memory."""

from __future__ import annotations

from collections import OrderedDict

import attrs

from romancy.calls import WorkflowDefinition
from romancy.kernel import Execution, Pending, PendingActivity, PendingTimer
from romancy.store.protocol import Instance, Parent
from romancy.worker.activities import Flight
from romancy.workflow import Context


@attrs.define(eq=False)
class Resident:
    """An instance whose generator is alive in this process.

    `position` counts the events of its run, `stored` is the status that the database has, `flights` are its activities
    under way by step, `starting` its calls that are about to create instances, `children` the numbers of those it
    awaits.
    """

    number: int
    id: str
    workflow: str
    run: int
    seed: str
    parent: Parent | None
    definition: WorkflowDefinition
    execution: Execution
    position: int
    stored: str
    is_owned: bool = True
    flights: dict[str, Flight] = attrs.field(factory=dict)
    starting: set[str] = attrs.field(factory=set)
    children: dict[str, int] = attrs.field(factory=dict)

    @property
    def is_busy(self) -> bool:
        """Whether something of it is under way in this worker."""
        return bool(self.flights or self.starting)

    def recur(self, input: str) -> None:
        """Begin the next run, which numbers its steps anew; what the last one had under way is not awaited."""
        self.execution.close()
        self.run += 1
        self.position = 0
        self.children.clear()
        self.starting.clear()
        self.stored = "running"
        context = Context(self.id, self.workflow, seed=self.seed, run=self.run)
        self.execution = Execution(self.definition, context, input)

    def next_due(self) -> float | None:
        """When the first of its timers and back-offs is over."""
        dues = [due for each in self.execution.pending.values() if (due := due_of(each)) is not None]
        return min(dues, default=None)

    def waits_only_for_retries(self) -> bool:
        """Whether nothing is pending but activities between two attempts."""
        return all(isinstance(each, PendingActivity) for each in self.execution.pending.values() if not each.dropped)


def due_of(pending: Pending) -> float | None:
    """When a pending call is due by the clock, if it is."""
    match pending:
        case PendingTimer():
            return pending.due
        case PendingActivity():
            return None if pending.dropped else pending.due
        case _:
            return None


class Residents:
    """Residents by number; those without an owner are let go of, least recently used first, when there are too many.

    Args:
        limit: how many to hold.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_number: dict[int, Resident] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_number)

    def room(self) -> int:
        """How many more this worker may own."""
        return self._limit - len(self._by_number) + len(self._idle)

    def get(self, number: int) -> Resident | None:
        """The resident of that number."""
        return self._by_number.get(number)

    def add(self, resident: Resident) -> None:
        """Hold a resident that is owned."""
        self.drop(resident.number)
        self._by_number[resident.number] = resident

    def awaken(self, instance: Instance) -> Resident | None:
        """The resident of an instance that was claimed, if its history has not moved meanwhile."""
        resident = self._by_number.get(instance.number)
        if resident is None or (resident.run, resident.position) != (instance.run, instance.position):
            return None
        self._idle.pop(instance.number, None)
        resident.is_owned = True
        resident.stored = instance.status
        return resident

    def rest(self, resident: Resident) -> None:
        """Hold a resident that is owned no more, as long as there is room."""
        resident.is_owned = False
        self._idle[resident.number] = None
        while self._idle and len(self._by_number) > self._limit:
            self.drop(next(iter(self._idle)))

    def drop(self, number: int) -> None:
        """Let go of a resident."""
        self._idle.pop(number, None)
        resident = self._by_number.pop(number, None)
        if resident is not None:
            resident.is_owned = False
            resident.execution.close()

    def clear(self) -> None:
        """Let go of all of them."""
        for number in list(self._by_number):
            self.drop(number)
