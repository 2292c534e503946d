"""Romancy: the app, which holds a database and a worker, and is the door to both.

It is long because all that an app can be asked for is explained here; what happens then is decided below it. How it
waits stays with it as well: an app for tests waits in another time.
"""

from __future__ import annotations

import atexit
import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from romancy.activity import running
from romancy.calls import CallWorkflow, WorkflowDefinition, check_id
from romancy.errors import DefinitionError, InstanceStateError, StoreError, UnknownInstanceError
from romancy.handle import Handle
from romancy.history import Event
from romancy.registry import Registry
from romancy.starts import ExistedError, checked, cut_short, drawn, ended, refuse_other, settled
from romancy.store.address import is_url
from romancy.store.holding import Holding
from romancy.store.opening import open_store
from romancy.store.protocol import STATUSES, TERMINAL, Created, Database, Instance, NewInstance, WorkerIdentity
from romancy.store.sqlite import Connect, connect
from romancy.worker import guard as guarding
from romancy.worker.activities import Attempt, Flight, Inline, Pool, Run
from romancy.worker.background import Background
from romancy.worker.intake import Beginning
from romancy.worker.leases import this_worker
from romancy.worker.loop import Look, Loop, Options
from romancy.worker.signals import Interrupted, asking_to_stop
from romancy.worker.turn import Ended
from romancy.worker.waiters import Waiters, outcome
from romancy.workflow import current

T = TypeVar("T")

_POLL = 0.02
"""Seconds between two looks of a client at what it waits for."""


class Romancy:
    """A database of instances, and a worker on it that runs while the app is open.

    Args:
        database: the path of a SQLite file, `":memory:"`, or a `postgresql://` URL; there `?schema=` names the schema
            of the tables, `romancy` by default.
        worker_id: a name for this worker that no two living workers share, unique by default; one whose name another
            worker takes while it lives ends with a `LeaseLostError`.
        worker: whether entering starts a worker in the background. Without one the app is a client of workers
            elsewhere, or is driven by `pump()` and `run_until_idle()`.
        lease: seconds after which other workers take over from one that gives no sign of life.
        max_activities: how many activities run at once, plain and `async def` ones counted apart.
        max_resident: how many executions are held in memory.
        verify: the share of finished instances, from 0 to 1, that are replayed and compared; one that differs is
            parked.
        guard: whether workflow code that opens a file, a socket or a process is parked at that place.
        workflows: the workflows that the worker runs; every one that was defined in this process by default.
        clock: seconds since the epoch; for tests. By default that of this machine, or of the PostgreSQL server.
        connect: makes the connections of the database; for tests.
        chance: where ids, seeds and jitter come from; for tests.
        boundary: called before and after each transaction, with a tag; for tests.
        executor: runs activities while the app is pumped; for tests.

    A process that is forked from one with an open app gets no worker with it and must not use its connections: every
    call raises `StoreError` there, until `open()` opens the database for the child. The parent notices nothing.

    Raises:
        DefinitionError: an option does not fit.
    """

    def __init__(
        self,
        database: str | os.PathLike[str],
        *,
        worker_id: str | None = None,
        worker: bool = True,
        lease: float = 30.0,
        max_activities: int = 64,
        max_resident: int = 10_000,
        verify: float = 0.0,
        guard: bool = False,
        workflows: Iterable[object] | None = None,
        clock: Callable[[], float] = time.time,
        connect: Connect | Callable[..., Any] = connect,
        chance: random.Random | None = None,
        boundary: Callable[[str], None] | None = None,
        executor: Callable[[Run, Callable[[Flight], None]], Inline] = Inline,
    ) -> None:
        for name, number, least in (("lease", lease, 0.1), ("max_activities", max_activities, 1)):
            if not number >= least:
                raise DefinitionError(f"Romancy({name}={number!r}): write {least} or more")
        if max_resident < 1 or not 0 <= verify <= 1:
            raise DefinitionError("Romancy(…): max_resident is 1 or more, and verify a share from 0 to 1")
        self.database = os.fspath(database)
        is_url(self.database)
        if worker_id is not None:
            check_id(worker_id)
        self._worker_id = worker_id
        self._has_worker = worker
        self._max_activities = max_activities
        self._registry = Registry(workflows)
        self._chance = chance or random.SystemRandom()
        self._clock = clock
        self._has_no_clock = clock is time.time
        self._holding = Holding(self.database, lambda: open_store(self.database, connect=connect, boundary=boundary))
        self._new_executor = executor
        self._waiters = Waiters()
        self._ended: dict[str, int] = {}
        self._worker: WorkerIdentity | None = None
        self._loop: Loop | None = None
        self._inline: Inline | None = None
        self._background: Background | None = None
        self._options = Options(
            lease=lease,
            max_resident=max_resident,
            slots=max_activities,
            verify=verify,
            watch=guarding.watch if guard else None,
            clock=clock,
            chance=self._chance.random,
            seed=lambda: f"{self._chance.getrandbits(128):032x}",
            polls=self.database != ":memory:" or clock is not time.time,
            announce=self._announce,
            look_for=self._look_for_waiters,
        )

    # -- life

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Open the database, and start the worker if this app has one; `with` does it too.

        Raises:
            StoreError: the database cannot be opened.
        """
        if self._holding.is_inherited():
            self._part()
        store = self._holding.open()
        if store is not None:
            if self._has_no_clock:
                self._clock = self._options.clock = store.clock
            atexit.register(self.close)
        if self._has_worker and self._background is None:
            try:
                self._start_worker()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Let activities in flight finish, record them, hand everything back and close the database.

        An interrupt while it waits ends it at once, without what is in flight. Where workflow code does not yield,
        nobody can hand anything back: then the database stays open for it after a moment, and the lease runs out.
        """
        atexit.unregister(self.close)
        if self._holding.is_inherited():
            self._part()
            return
        try:
            self._stop_worker(now=False)
        except KeyboardInterrupt:
            self._stop_worker(now=True)
            raise
        finally:
            if self._background is None:
                self._end_pumping()
                self._holding.close()

    def _part(self) -> None:
        """Forget what belongs to the parent process: its worker is not here, and its connections must not be used."""
        self._loop = self._inline = self._background = None
        self._waiters, self._ended = Waiters(), {}
        self._holding.close()

    def _end_pumping(self) -> None:
        if self._inline is not None and self._loop is not None:
            self._loop.close()
        self._loop = self._inline = None

    def serve(self, *, until_idle: bool = False) -> dict[str, int]:
        """Work until SIGTERM or SIGINT: what is in flight is finished, the rest handed back. A second SIGINT means now.

        Args:
            until_idle: return as soon as nothing is left to do now; instances that sleep or wait stay as they are.

        Returns:
            How many instances this worker brought to an end, by status.

        Raises:
            StoreError: the database failed.
            KeyboardInterrupt: another signal came, and workflow code does not yield.
        """
        self.open()
        if self._background is None:
            self._end_pumping()
            self._start_worker()
        worker = self._background
        assert worker is not None
        is_idle = False
        with asking_to_stop(worker.ask) as asked:
            while worker.is_alive() and not (is_idle or worker.is_overdue()):
                worker.join(_POLL if until_idle else 0.5)
                is_idle = until_idle and worker.loop.is_idle()
        if is_idle and self._has_worker:
            return dict(self._ended)  # the app stays open, and its worker goes on in the background
        if not self._stop_worker(now=False):
            raise Interrupted(asked[-1] if asked else signal.SIGINT, worker.obstacle())
        self._loop = None
        if worker.failure is not None:
            raise worker.failure
        return dict(self._ended)

    def pump(self) -> bool:
        """Run what is ready on this thread and turn the loop once; returns whether anything happened.

        Raises:
            RuntimeError: a worker in the background does that already.
        """
        if self._background is not None or self._has_worker:
            raise RuntimeError("pump() is for an app without a worker: Romancy(…, worker=False)")
        self.open()
        if self._loop is None:
            loop = self._new_loop()
            inline = self._new_executor(self._attempts(), loop.messages.put)
            loop.open(inline)
            self._loop, self._inline = loop, inline
        assert self._inline is not None
        self._inline.run_waiting()
        return self._loop.turn()

    def run_until_idle(self) -> None:
        """Work until nothing is left to do now: on this thread, or by waiting for the worker in the background."""
        self.open()
        worker = self._background
        if worker is None:
            while self.pump():
                pass
            return
        while worker.is_alive() and not worker.loop.is_idle():
            worker.join(0.005)
        self._alive()

    def _new_loop(self) -> Loop:
        store = self._opened()
        if self._worker is None or self._worker.pid != os.getpid():
            self._worker = this_worker(self._worker_id)
        return Loop(store, self._registry, self._worker, self._options)

    def _start_worker(self) -> None:
        self._loop = loop = self._new_loop()
        worker = Background(loop, self._waiters.fail)
        loop.open(Pool(self._max_activities, self._attempts(), worker.landed))
        self._background = worker
        worker.start()

    def _stop_worker(self, *, now: bool) -> bool:
        worker = self._background
        if worker is None:
            return True
        has_ended = worker.stop(now=now)
        if has_ended:
            self._background = None
        self._waiters.fail(StoreError("the app was closed before the instance ended"))
        return has_ended

    def _attempts(self) -> Callable[[Flight], Attempt]:
        store, clock = self._opened(), self._clock
        in_session: set[Flight] = set()
        return lambda flight: Attempt(flight, store, clock, in_session)

    def _opened(self) -> Database:
        _refuse_in_workflow()
        store = self._holding.store()
        if store is None:
            self.open()
            store = self._holding.store()
        assert store is not None
        return store

    def _alive(self) -> Background | None:
        """The worker in the background, if there is one; its failure is everybody's."""
        worker = self._background
        if worker is not None and worker.failure is not None:
            told = f"the worker of this app has stopped: {worker.failure}"
            raise StoreError(f"{told}; mend that, then close() the app and open() it again") from worker.failure
        return worker if worker is not None and worker.is_alive() else None

    def _poke(self) -> None:
        self._alive()
        if self._loop is not None:
            self._loop.messages.put(Look())

    # -- instances

    def run(self, call: CallWorkflow[T], *, id: str | None = None, timeout: float | None = None) -> T:
        """Start an instance and wait for its result.

        Args:
            call: what calling a workflow returned.
            id: the instance's id; a random one by default. The same call under the same id is the same instance.
            timeout: seconds to wait.

        Raises:
            InstanceFailedError: the workflow raised.
            InstanceExistsError: the id belongs to another call.
            TimeoutError: it takes longer; it goes on nevertheless.
        """
        worker = self._alive()
        if worker is None:
            return self.start(call, id=id).result(timeout)
        call = checked(call, id)
        new = self._new(call)
        handle = Handle(self, new.id, call)
        with self._waiters.waiting(new.id) as future:
            beginning = Beginning(new, Future())
            beginning.created.add_done_callback(lambda created: cut_short(created, future))
            self._submit(worker, [beginning])
            try:
                return handle._value(ended(beginning, future, worker, timeout))
            except ExistedError:
                refuse_other(beginning.created.result().instance, new)
            except TimeoutError:
                raise self._late(new.id) from None
        return handle.result(timeout)

    def start(self, call: CallWorkflow[T], *, id: str | None = None) -> Handle[T]:
        """Start an instance, unless there is one of its id; once this returns, it is never lost.

        Args:
            call: what calling a workflow returned.
            id: the instance's id; a random one by default.

        Raises:
            InstanceExistsError: the id belongs to an instance of another workflow or with other input.
            SerializationError: an argument cannot be carried; the error names its path.
        """
        return self.start_many([checked(call, id)])[0]

    def start_many(self, calls: Iterable[CallWorkflow[T]]) -> list[Handle[T]]:
        """Start instances together; `call.options(id=…)` gives one its id.

        Args:
            calls: what calling workflows returned.

        Raises:
            DefinitionError: one of them is no call of a workflow, or of one that nobody could run.
            InstanceExistsError: an id belongs to another call; the others are started nevertheless.
            SerializationError: an argument cannot be carried; then none is started.
        """
        if isinstance(calls, CallWorkflow):  # which is an iterable as well, for `yield from`
            raise DefinitionError(f"start_many([…]) takes several calls: write start({calls.workflow.name}(…))")
        wanted = [(call, self._new(call)) for call in map(checked, calls)]
        for (_, new), stored in zip(wanted, self._create([new for _, new in wanted]), strict=True):
            refuse_other(stored.instance, new)
        return [Handle(self, new.id, call) for call, new in wanted]

    def get(self, id: str) -> Handle[Any]:
        """The handle of an instance.

        Raises:
            UnknownInstanceError: there is none of that id.
        """
        self._stored(id)
        return Handle(self, id)

    def instances(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Handle[Any]]:
        """Instances in the order of their creation.

        Args:
            status: only those of this status.
            workflow: only those of the workflow of this name.
            limit: at most so many.
            after: only those created after the one of this id: the last of the page before.

        Raises:
            DefinitionError: there is no such status, or the limit is no number.
            UnknownInstanceError: there is no instance of the id in `after`.
        """
        if status is not None and status not in STATUSES:
            raise DefinitionError(f"there is no status {status!r}: it is one of {', '.join(STATUSES)}")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise DefinitionError(f"instances(limit={limit!r}): write a whole number, 0 or more")
        if after is not None:
            self._stored(after)
        found = self._opened().instances(status=status, workflow=workflow, limit=limit, after=after)
        return [Handle(self, each.id) for each in found]

    def retry(self, id: str) -> Handle[Any]:
        """Take a stuck instance up again, once what it is stuck on is mended.

        Raises:
            UnknownInstanceError: there is none of that id.
            InstanceStateError: it is not stuck.
        """
        _refuse_in_session()
        status = self._opened().revive(id, self._clock())
        if status != "stuck":
            raise InstanceStateError(id, status, "only a stuck instance can be retried")
        self._poke()
        return Handle(self, id)

    def _new(self, call: CallWorkflow[Any]) -> NewInstance:
        self._opened()
        definition = call.workflow
        self._registry.learn(definition)
        if self.database == ":memory:" and self._registry.find(definition.name) is None:
            raise DefinitionError(
                f"workflow {definition.place} is not among workflows=[…] of this app, and nobody else can run it: the "
                "database is in memory"
            )
        return drawn(call, self._chance, self._clock())

    def _create(self, new: Sequence[NewInstance]) -> list[Created]:
        store = self._opened()
        worker = self._alive()
        if worker is None:
            _refuse_in_session()
            created = store.create(new, owner=None, now=self._clock())
            self._poke()
            return created
        beginnings = [Beginning(each, Future()) for each in new]
        since = time.monotonic()
        self._submit(worker, beginnings)
        return [settled(beginning, worker, since) for beginning in beginnings]

    def _submit(self, worker: Background, beginnings: list[Beginning]) -> None:
        _refuse_in_session()
        for beginning in beginnings:
            worker.loop.messages.put(beginning)

    # -- one instance, for its handle

    def _stored(self, id: str) -> Instance:
        instance = self._opened().instance(id)
        if instance is None:
            raise UnknownInstanceError(id)
        return instance

    def _events(self, id: str, run: int | None) -> list[Event]:
        instance = self._stored(id)
        return self._opened().history(instance.number, instance.run if run is None else run)

    def _definition(self, workflow: str) -> WorkflowDefinition:
        definition = self._registry.find(workflow)
        if definition is None:
            raise DefinitionError(f"workflow {workflow!r} is not known here: import the module that defines it")
        return definition

    def _tell_cancel(self, id: str) -> None:
        _refuse_in_session()
        self._opened().tell(id, "cancel", "", self._clock())
        self._poke()

    # -- the end of an instance, and waiting for it

    def _end(self, id: str, timeout: float | None) -> Ended:
        if self._alive() is None:
            return self._poll(id, None if timeout is None else self._instant() + timeout)
        with self._waiters.waiting(id) as future:
            ended = self._ending(id)
            if ended is None:
                try:
                    ended = outcome(future, timeout)
                except TimeoutError:
                    raise self._late(id) from None
        return ended

    async def _end_async(self, id: str) -> Ended:
        import asyncio  # whoever awaits has it; the rest starts faster without

        if self._alive() is None:
            while (ended := self._ending(id)) is None:
                await asyncio.sleep(self._wait_a_moment(None))
            return ended
        with self._waiters.waiting(id) as future:
            ended = self._ending(id)
            if ended is None:
                ended = await asyncio.wrap_future(future)
        return ended

    def _poll(self, id: str, until: float | None) -> Ended:
        while (ended := self._ending(id)) is None:
            if until is not None and self._instant() >= until:
                raise self._late(id)
            time.sleep(self._wait_a_moment(until))
        return ended

    def _wait_a_moment(self, until: float | None) -> float:
        """Seconds to sleep before looking again; nobody may be there to end an instance when this app's worker is not.

        Args:
            until: the instant, by `_instant`, at which the wait is over.
        """
        if self._has_worker:
            raise StoreError("the worker of this app has stopped: open() starts it again")
        return _POLL

    def _instant(self) -> float:
        """The clock by which waits are measured."""
        return time.monotonic()

    def _late(self, id: str) -> TimeoutError:
        instance = self._opened().instance(id)
        status = "about to begin" if instance is None else f"{instance.status} still"
        return TimeoutError(f"instance {id!r} is {status}")

    def _ending(self, id: str) -> Ended | None:
        """How an instance ended, if it has."""
        instance = self._stored(id)
        if instance.status not in (*TERMINAL, "stuck"):
            return None
        return self._told(instance)

    def _told(self, instance: Instance) -> Ended:
        event = None
        if instance.status != "stuck":
            event = self._opened().ending(instance.number, instance.run)
        return Ended(instance.id, instance.status, instance.number, instance.run, event)

    def _announce(self, ended: Ended) -> None:
        self._ended[ended.status] = self._ended.get(ended.status, 0) + 1
        self._waiters.announce(ended)

    def _look_for_waiters(self) -> None:
        """Another process wrote something: perhaps it ended what somebody here waits for."""
        ids = self._waiters.ids()
        if ids:
            for instance in self._opened().ended(ids):
                self._waiters.announce(self._told(instance))


def _refuse_in_workflow() -> None:
    if current.get(None) is not None:
        raise DefinitionError(
            "workflow code cannot use the app, which waits for that code to yield: yield the call of the other "
            "workflow, or use the app in an @activity"
        )


def _refuse_in_session() -> None:
    context = running.get(None)
    if context is not None and context.in_session:
        raise RuntimeError("the activity holds session(), which keeps every other write out: do this before it")
