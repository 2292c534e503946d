"""How instances come to a worker: started by a client or a parent, claimed when they are due, or brought back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

import attrs

from romancy.errors import InstanceExistsError, NondeterminismError, RomancyError, SerializationError, StoreError
from romancy.history import Terminal, WorkflowStarted
from romancy.kernel import Execution, PendingChild, replay
from romancy.registry import Registry
from romancy.store.protocol import Created, Database, Instance, NewInstance, Parent
from romancy.worker.activities import Flight
from romancy.worker.residents import Resident, Residents
from romancy.worker.turn import Turn
from romancy.workflow import Context


@attrs.define(eq=False)
class Beginning:
    """A start that somebody waits for: `created` gets the stored instance or the reason why there is none."""

    new: NewInstance
    created: Future[Created]

    def settle(self, created: Created) -> None:
        """It is there; whoever asked may have given up meanwhile."""
        with suppress(InvalidStateError):
            self.created.set_result(created)

    def refuse(self, error: RomancyError) -> None:
        """It is not to be, unless it is there already."""
        with suppress(InvalidStateError):
            self.created.set_exception(error)


class Intake:
    """Creates, claims and loads instances, and enters them as residents.

    Args:
        store: where they are.
        registry: the workflows that this worker knows.
        residents: where they go.
        seed: draws the seed of a child.

    Attributes:
        token: the lease under which this is done.
    """

    def __init__(self, store: Database, registry: Registry, residents: Residents, seed: Callable[[], str]) -> None:
        self.token = 0
        self._store = store
        self._registry = registry
        self._residents = residents
        self._seed = seed

    def begin(self, turn: Turn, beginnings: Iterable[Beginning], room: int) -> bool:
        """Create what clients asked for.

        Args:
            turn: the first event of those that begin here is written with them, and delivered to it.
            beginnings: what was asked for; whoever asked is told.
            room: how many this worker takes on.

        Returns:
            Whether some were left for whoever claims them.
        """
        mine: list[Beginning] = []
        others: list[Beginning] = []
        for beginning in beginnings:
            if beginning.created.done():
                continue  # whoever asked gave up while the database was away
            known = self._registry.find(beginning.new.workflow) is not None
            (mine if known and len(mine) < room else others).append(beginning)
        self._create(turn, mine, self.token)
        self._create(turn, others, None)
        return bool(others)

    def _create(self, turn: Turn, beginnings: list[Beginning], owner: int | None) -> None:
        if not beginnings:
            return
        created = self._store.create([each.new for each in beginnings], owner=owner, now=turn.now)
        for beginning, each in zip(beginnings, created, strict=True):
            beginning.settle(each)
        for each in created:
            if not each.existed and owner is not None:
                self._enter(turn, each.instance)

    def begin_children(self, turn: Turn, starts: list[tuple[Resident, PendingChild]], room: int) -> bool:
        """Create the instances that workflows asked for; whoever asked is told in the same turn.

        Args:
            turn: the turn.
            starts: the calls, each with its caller.
            room: how many this worker takes on; all of them are left to others where there are more.

        Returns:
            Whether they were left for whoever claims them.
        """
        for resident, pending in starts:
            if pending.dropped and self._residents.get(resident.number) is resident:
                self._look_for_dropped(turn, resident, pending)
        starts = [(resident, pending) for resident, pending in starts if self._is_wanted(turn, resident, pending)]
        if not starts:
            return False
        for _, pending in starts:
            self._registry.learn(pending.workflow)
        new = [self._child(resident, pending, turn.now) for resident, pending in starts]
        known = all(self._registry.find(each.workflow) is not None for each in new)
        owner = self.token if known and len(new) <= room else None
        created = self._store.create(new, owner=owner, now=turn.now)
        for (resident, pending), wanted, child in zip(starts, new, created, strict=True):
            if child.existed and not _is_same(child.instance, wanted):
                turn.refused(resident, pending, _exists(child.instance, wanted))
                continue
            if not child.existed and owner is not None:
                self._enter(turn, child.instance)
            turn.created(resident, pending, child.instance.number)
        return owner is None

    def _look_for_dropped(self, turn: Turn, resident: Resident, pending: PendingChild) -> None:
        """A child that nobody wants any more may have been created before a restart: then its end is waited for."""
        resident.starting.discard(pending.step)
        turn.touch(resident)
        child = None if pending.detached else self._store.instance(pending.child)
        wanted = Parent(number=resident.number, run=resident.run, step=pending.step)
        if child is not None and child.parent == wanted and pending.step in resident.execution.pending:
            turn.created(resident, pending, child.number)

    def _is_wanted(self, turn: Turn, resident: Resident, pending: PendingChild) -> bool:
        """A call that was dropped, or answered by a letter, before its instance was created creates none."""
        is_here = self._residents.get(resident.number) is resident
        if pending.dropped or resident.execution.pending.get(pending.step) is not pending:
            resident.starting.discard(pending.step)
            if is_here and resident.is_owned:
                turn.touch(resident)  # it may rest now
            return False
        return is_here

    def _child(self, resident: Resident, pending: PendingChild, now: float) -> NewInstance:
        parent = None if pending.detached else Parent(number=resident.number, run=resident.run, step=pending.step)
        return NewInstance(
            id=pending.child,
            workflow=pending.workflow.name,
            version=pending.workflow.version,
            input=pending.arguments,
            seed=self._seed(),
            at=now,
            parent=parent,
        )

    def claim(self, turn: Turn, limit: int, *, suspects: bool = False) -> None:
        """Take on instances that are due.

        Args:
            turn: the turn.
            limit: how many at most.
            suspects: take on one of those whose workers died, and none of the others.
        """
        names = self._registry.names()
        for instance in self._store.claim(self.token, names, turn.now, limit, suspects=suspects):
            self._resume(turn, instance, ())

    def reload(self, turn: Turn, out: Iterable[Flight]) -> None:
        """Bring back what this worker owns.

        Args:
            turn: the turn.
            out: the activities that are still in flight, which are not begun again.
        """
        flights: dict[tuple[int, int], list[Flight]] = {}
        for flight in out:
            flights.setdefault((flight.number, flight.run), []).append(flight)
        for instance in self._store.owned(self.token):
            self._resume(turn, instance, flights.get((instance.number, instance.run), ()))

    def _resume(self, turn: Turn, instance: Instance, flights: Iterable[Flight]) -> None:
        """Go on with an instance that is owned now: as it is in memory, or from its history."""
        resident = self._residents.awaken(instance)
        if resident is not None:
            turn.began(resident)
            return
        resident = self._resident(turn, instance)
        if resident is None:
            return
        try:
            events = self._store.load(instance.number, instance.run)
            if not events and instance.position:
                raise SerializationError("history", f"it is empty, and {instance.position} events were recorded")
            if not events:
                turn.deliver(resident, WorkflowStarted(at=max(turn.now, instance.created)))
                return
            if isinstance(events[-1], Terminal):
                where = f"history[{len(events) - 1}]"
                raise SerializationError(where, f"{events[-1].kind} ends the run, and it is {instance.status}")
            resident.position = len(events)
            replay(resident.execution, events, ran=instance.position > 0)
        except (NondeterminismError, SerializationError) as error:
            turn.park(resident, str(error))
            return
        for flight in flights:
            if flight.pending.step in resident.execution.pending:
                resident.flights[flight.pending.step] = flight
                flight.workflow = resident.execution.context
        turn.began(resident)

    def _enter(self, turn: Turn, instance: Instance) -> None:
        """An instance was created under this lease, with its first event."""
        resident = self._resident(turn, instance)
        if resident is not None:
            turn.deliver(resident, WorkflowStarted(at=instance.created), is_stored=True)

    def _resident(self, turn: Turn, instance: Instance) -> Resident | None:
        definition = self._registry.find(instance.workflow)
        assert definition is not None, "only known workflows are taken on"
        context = Context(instance.id, instance.workflow, seed=instance.seed, run=instance.run)
        try:
            execution = Execution(definition, context, self._input(instance))
        except StoreError:
            raise
        except RomancyError as error:
            turn.refuse(instance, str(error))
            return None
        resident = Resident(
            number=instance.number,
            id=instance.id,
            workflow=instance.workflow,
            run=instance.run,
            seed=instance.seed,
            parent=instance.parent,
            definition=definition,
            execution=execution,
            position=instance.position,
            stored=instance.status,
        )
        self._residents.add(resident)
        return resident

    def _input(self, instance: Instance) -> str:
        if instance.run == 1:
            return instance.input
        first = self._store.load(instance.number, instance.run)[:1]
        if not first or not isinstance(first[0], WorkflowStarted) or first[0].input is None:
            raise SerializationError("history[0]", f"run {instance.run} does not say what it began with")
        return first[0].input


def _is_same(stored: Instance, wanted: NewInstance) -> bool:
    """Whether a call met what it created itself before a crash, or an instance that it may share."""
    if wanted.parent is not None:
        return stored.parent == wanted.parent
    return (stored.workflow, stored.input) == (wanted.workflow, wanted.input)


def _exists(stored: Instance, wanted: NewInstance) -> InstanceExistsError:
    if stored.workflow != wanted.workflow:
        return InstanceExistsError(stored.id, f"it is one of workflow {stored.workflow!r}")
    if wanted.parent is not None:
        return InstanceExistsError(stored.id, "another caller started it")
    return InstanceExistsError(stored.id)
