"""What an instance waits for, as the database knows it and, where its module is imported, as a replay says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from romancy import history
from romancy.calls import WorkflowDefinition
from romancy.cli.shown import local, until, visible
from romancy.cli.steps import Step
from romancy.history import Event
from romancy.store.protocol import TERMINAL, Instance, Lease, Reader
from romancy.worker.leases import is_gone, this_worker


@attrs.frozen
class Wait:
    """Something that has to happen, and when it is due, if that is known."""

    what: str
    due: float | None = None

    def line(self, now: float) -> str:
        """For people."""
        what = visible(self.what)
        return what if self.due is None else f"{what}, due {local(self.due)} ({until(self.due, now)})"


def waits(store: Reader, instance: Instance, rows: Sequence[Step], now: float) -> list[Wait]:
    """What the database knows of it: nobody's code is run."""
    if instance.status in TERMINAL:
        return []
    found = [Wait(f"{each.kind}, unread since {local(each.at)}") for each in store.unread(instance.number)]
    if instance.status == "stuck":
        return [Wait("somebody to mend it, then: romancy retry"), *found]
    found += [Wait(f"child {each.id} ({each.status})") for each in store.children(instance.number, instance.run)]
    found += [Wait(f"step {each.step}, {each.what}: its next attempt", each.due) for each in _retrying(rows)]
    if instance.owner is not None:
        return [_worker(store.leases(), instance, now), *found]
    if instance.wake_at is not None and instance.wake_at <= now:
        return [Wait(f"a worker that knows workflow {instance.workflow!r}", instance.wake_at), *found]
    if instance.wake_at is not None and instance.wake_at not in [each.due for each in found]:
        found.insert(0, Wait("a timer", instance.wake_at))
    return found


def _retrying(rows: Iterable[Step]) -> list[Step]:
    return [each for each in rows if each.status == "retrying"]


def _worker(leases: Iterable[Lease], instance: Instance, now: float) -> Wait:
    lease = next((each for each in leases if each.token == instance.owner), None)
    if lease is None or is_gone(lease, this_worker(None), now):
        return Wait("another worker, since the one that held it is gone")
    return Wait(f"worker {lease.worker.id}, which runs it (process {lease.worker.pid})")


def pending(definition: WorkflowDefinition, instance: Instance, events: Sequence[Event]) -> list[Wait]:
    """The calls that the code waits for, by replaying the history; nothing is run but workflow code.

    Raises:
        RomancyError: the code and the history do not fit.
    """
    from romancy.kernel import Execution, replay
    from romancy.worker.residents import due_of
    from romancy.workflow import Context

    if instance.status in TERMINAL or not events:
        return []
    first = events[0]
    again = first.input if isinstance(first, history.WorkflowStarted) else None
    context = Context(instance.id, instance.workflow, seed=instance.seed, run=instance.run)
    execution = Execution(definition, context, instance.input if again is None else again)
    try:
        replay(execution, events, ran=True)
        return [Wait(f"step {each.step}, {each}", due_of(each)) for each in execution.pending.values()]
    finally:
        execution.close()
