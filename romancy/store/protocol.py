"""What the engine asks of a database: coarse verbs over batches, in the words of workflows.

Whoever advances an instance holds a lease. A lease is a worker's row; its token is the fence, and every write that
needs it names it. A token is never given twice, so a write under a lease that was taken over finds no row and does
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import attrs

from romancy.history import Event

SUSPECT = 3
"""From so many recoveries without progress on, an instance is under suspicion of killing its workers."""

TERMINAL = ("completed", "failed", "cancelled")
ACTIVE = ("pending", "running", "compensating")
STATUSES = (*ACTIVE, "waiting", *TERMINAL, "stuck")


@attrs.frozen(kw_only=True)
class WorkerIdentity:
    """Who a worker is: `host` names the machine (and its process namespace), `born` tells reused process ids apart."""

    id: str
    host: str
    pid: int
    born: str


@attrs.frozen(kw_only=True)
class Lease:
    """What a worker holds until an instant, in seconds since the epoch."""

    token: int
    worker: WorkerIdentity
    started: float
    until: float


@attrs.frozen(kw_only=True)
class Parent:
    """The call of another instance that asked for this one."""

    number: int
    run: int
    step: str


@attrs.frozen(kw_only=True)
class NewInstance:
    """An instance to be created, unless there is one of its id."""

    id: str
    workflow: str
    version: str
    input: str
    seed: str
    at: float
    parent: Parent | None = None


@attrs.frozen(kw_only=True)
class Instance:
    """A stored instance; `position` is the number of events of its run when it was last let go."""

    number: int
    id: str
    workflow: str
    version: str
    input: str
    seed: str
    status: str
    run: int
    position: int
    owner: int | None
    wake_at: float | None
    parent: Parent | None
    error: str | None
    recoveries: int
    created: float
    changed: float


@attrs.frozen
class Created:
    """What became of a `NewInstance`: the stored one, and whether it was there before."""

    instance: Instance
    existed: bool


@attrs.frozen
class Letter:
    """Something from outside that waits for delivery to an instance."""

    number: int
    instance: int
    kind: str
    data: str
    at: float


@attrs.frozen
class Told:
    """A letter to be written to an instance, by its number; where `child` is set, to its child of that id."""

    instance: int
    kind: str
    data: str
    child: str | None = None


@attrs.frozen(kw_only=True)
class State:
    """Where an instance stands after a tick; `keep` says whether its worker goes on with it, `retries` whether it waits
    for nothing but the next attempts of activities."""

    number: int
    status: str
    run: int
    position: int
    keep: bool
    retries: bool = False
    wake_at: float | None = None
    error: str | None = None


@attrs.define
class Tick:
    """All that one turn of the loop writes, in one transaction."""

    at: float
    events: list[tuple[int, int, int, Event]] = attrs.field(factory=list)
    states: list[State] = attrs.field(factory=list)
    delivered: list[int] = attrs.field(factory=list)
    told: list[Told] = attrs.field(factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.states or self.delivered or self.told)


class Recording(Protocol):
    """The transaction of one activity."""

    @property
    def handle(self) -> Any:
        """What `session()` returns."""

    def record(self, event: Event) -> int:
        """Add the activity's event, so that it commits together with its SQL; returns its place in the history.

        A transaction that ends without it is rolled back.
        """


class Store(Protocol):
    """What a worker asks for. Every verb is one transaction; those with a token raise `LeaseLostError` where it is
    gone.

    Attributes:
        serial: whether the database has one writer at a time, so that a session keeps all others out from its
            beginning, and not only while its result is recorded.
    """

    serial: bool

    def register(self, worker: WorkerIdentity, now: float, until: float) -> int:
        """A fresh lease; one that this worker id holds already is taken over."""

    def renew(self, token: int, until: float) -> None:
        """Hold the lease until another instant."""

    def retire(self, token: int, now: float) -> None:
        """Give the lease back, and with it every instance it still holds."""

    def leases(self) -> list[Lease]:
        """All leases that are held."""

    def take_over(self, token: int, now: float, limit: int, *, until: float | None = None) -> int | None:
        """End a lease whose worker is gone and free its instances; park those that were recovered `limit` times without
        progress. Returns how many were freed; None, and nothing is done, where the lease lasts no more until that
        instant: its worker renewed it meanwhile."""

    def create(self, new: Sequence[NewInstance], *, owner: int | None, now: float) -> list[Created]:
        """Create instances, each unless there is one of its id; those of an owner begin at once, with their first
        event."""

    def claim(
        self, token: int, workflows: Collection[str], now: float, limit: int, *, suspects: bool = False
    ) -> list[Instance]:
        """Make those that are due mine: those beyond suspicion, or suspects, the least recovered first."""

    def owned(self, token: int) -> list[Instance]:
        """The instances that the lease holds."""

    def load(self, number: int, run: int) -> list[Event]:
        """The history of one run."""

    def letters(self, token: int) -> list[Letter]:
        """What waits for delivery to the instances that the lease holds, oldest first."""

    def commit(self, token: int, tick: Tick) -> None:
        """Write one tick."""

    def tell(self, instance_id: str, kind: str, data: str, now: float) -> str:
        """Leave a letter for an instance and wake it; returns its status, and leaves none where that is terminal."""

    def revive(self, instance_id: str, now: float) -> str:
        """Make a stuck instance due again; returns the status it had."""

    def recording(self, token: int, number: int, run: int) -> AbstractContextManager[Recording]:
        """The transaction of an activity, begun; where the database has one writer, no other of this process writes
        until it ends."""

    def exclusive(self, meanwhile: Callable[[], None] | None = None) -> AbstractContextManager[object]:
        """Keep every other write of this process out for a while; `meanwhile` is called now and then while others keep
        this one out."""

    def next_due(self, workflows: Collection[str], *, suspects: bool = False) -> float | None:
        """When the next instance without an owner is due, of those beyond suspicion or of the suspects."""

    def is_idle(self, workflows: Collection[str], now: float) -> bool:
        """Whether none of these workflows has an instance that could go on now."""

    def changed(self) -> bool:
        """Whether another process committed, or may have, since the last time this was asked."""

    def alert(self, wake: Callable[[], None]) -> None:
        """Call this whenever `changed()` turns true, where the database tells of it by itself."""

    @property
    def clock(self) -> Callable[[], float]:
        """The time that all who share the database go by, in seconds since the epoch."""

    def close(self) -> None:
        """Let go of the database."""


class Reader(Protocol):
    """What handles, the command line and dashboards ask for; it never writes."""

    def instance(self, instance_id: str) -> Instance | None:
        """One instance."""

    def instances(
        self, *, status: str | None, workflow: str | None, limit: int | None, after: str | None
    ) -> list[Instance]:
        """Instances in the order of their creation."""

    def numbered(self, number: int) -> Instance | None:
        """One instance, by its number."""

    def children(self, number: int, run: int) -> list[Instance]:
        """The instances that a run asked for, waits for, and that have not ended."""

    def unread(self, number: int) -> list[Letter]:
        """What waits for delivery to one instance, oldest first."""

    def counts(self) -> dict[str, int]:
        """How many instances there are of each status."""

    def history(self, number: int, run: int) -> list[Event]:
        """The events of one run."""

    def rows(self, instance_id: str) -> dict[str, list[dict[str, Any]]]:
        """All rows of an instance by table, as they are stored, damaged or not; none where there is no instance of that
        id."""

    def since(self, number: int, run: int, seq: int) -> list[Event]:
        """The events of one run from a place on, counted from 0."""

    def ending(self, number: int, run: int) -> Event | None:
        """The last event of a run."""

    def ended(self, ids: Collection[str]) -> list[Instance]:
        """Those of them that are terminal or stuck."""

    def leases(self) -> list[Lease]:
        """All leases that are held."""

    def lag(self, now: float) -> tuple[int, float]:
        """How many instances are due and taken up by nobody, and for how many seconds the first of them."""

    def health(self) -> dict[str, Any]:
        """What `romancy doctor` shows of the database itself."""


class Database(Store, Reader, Protocol):
    """What an app holds: the store, and the reader beside it."""
