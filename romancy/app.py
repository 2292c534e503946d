"""Romancy, the app that holds a database and a worker, and Handle, through which an instance is seen from outside."""

from __future__ import annotations

import atexit
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from romancy.activity import running
from romancy.calls import CallWorkflow, check_id, describe
from romancy.codec import workflow_codec
from romancy.errors import (
    DefinitionError,
    InstanceExistsError,
    InstanceStateError,
    InstanceStuckError,
    StoreError,
    UnknownInstanceError,
)
from romancy.history import Event, WorkflowCancelled, WorkflowCompleted, WorkflowFailed
from romancy.kernel import instance_cancelled, instance_failed
from romancy.registry import Registry
from romancy.store.address import is_url, masked
from romancy.store.opening import open_store
from romancy.store.protocol import STATUSES, TERMINAL, Created, Database, Instance, NewInstance, WorkerIdentity
from romancy.store.sqlite import Connect, connect
from romancy.worker import guard as guarding
from romancy.worker.activities import Attempt, Flight, Inline, Pool, Run
from romancy.worker.intake import Beginning
from romancy.worker.leases import this_worker
from romancy.worker.loop import Look, Loop, Options, Stop
from romancy.worker.signals import asking_to_stop
from romancy.worker.turn import Ended
from romancy.worker.waiters import Waiters
from romancy.worker.watchdog import Watchdog
from romancy.workflow import current

T = TypeVar("T")

_SLICE = 0.5
"""Seconds that are waited at a stretch: a Ctrl-C that comes just before a wait begins is only seen after it."""
_POLL = 0.02
"""Seconds between two looks of a client at what it waits for."""


class Romancy:
    """A database of instances, and a worker on it that runs while the app is open.

    Args:
        database: the path of a SQLite file, `":memory:"`, or a `postgresql://` URL; there `?schema=` names the schema
            of the tables, `romancy` by default.
        worker_id: a name for this worker that no two living workers share; unique by default.
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
        self._connect = connect
        self._boundary = boundary
        self._new_executor = executor
        self._waiters = Waiters()
        self._ended: dict[str, int] = {}
        self._store: Database | None = None
        self._process = 0
        self._worker: WorkerIdentity | None = None
        self._is_closed = False
        self._loop: Loop | None = None
        self._inline: Inline | None = None
        self._thread: threading.Thread | None = None
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
        if self._is_inherited():
            self._part()
        if self._store is None:
            self._store = open_store(self.database, connect=self._connect, boundary=self._boundary)
            self._process = os.getpid()
            if self._has_no_clock:
                self._clock = self._options.clock = self._store.clock
            self._is_closed = False
            atexit.register(self.close)
        if self._has_worker and self._thread is None:
            try:
                self._start_worker()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Let activities in flight finish, record them, hand everything back and close the database.

        An interrupt while it waits ends it at once.
        """
        atexit.unregister(self.close)
        if self._is_inherited():
            self._part()
            return
        try:
            self._stop_worker(now=False)
        except KeyboardInterrupt:
            self._stop_worker(now=True)
            raise
        finally:
            self._end_pumping()
            self._is_closed = True
            store, self._store = self._store, None
            if store is not None:
                store.close()

    def _is_inherited(self) -> bool:
        """Whether this process was forked from the one that opened the app."""
        return self._store is not None and self._process != os.getpid()

    def _part(self) -> None:
        """Forget what belongs to the parent process: its worker is not here, and its connections must not be used."""
        store, self._store = self._store, None
        self._is_closed = True
        self._loop = self._inline = self._thread = None
        self._waiters, self._ended = Waiters(), {}
        if store is not None:
            store.close()

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
        """
        self.open()
        if self._thread is None:
            self._end_pumping()
            self._start_worker()
        thread, loop = self._thread, self._loop
        assert thread is not None and loop is not None
        is_idle = False
        with asking_to_stop(lambda again: loop.messages.put(Stop(now=again))):
            while thread.is_alive() and not is_idle:
                thread.join(_POLL if until_idle else 0.5)
                is_idle = until_idle and loop.is_idle()
        if is_idle and self._has_worker:
            return dict(self._ended)  # the app stays open, and its worker goes on in the background
        self._stop_worker(now=False)
        self._loop = None
        if loop.failure is not None:
            raise loop.failure
        return dict(self._ended)

    def pump(self) -> bool:
        """Run what is ready on this thread and turn the loop once; returns whether anything happened.

        Raises:
            RuntimeError: a worker in the background does that already.
        """
        if self._thread is not None or self._has_worker:
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
        if self._thread is None:
            while self.pump():
                pass
            return
        while self._thread.is_alive() and self._loop is not None and not self._loop.is_idle():
            self._thread.join(0.005)
        self._alive()

    def _new_loop(self) -> Loop:
        store = self._opened()
        if self._worker is None or self._worker.pid != os.getpid():
            self._worker = this_worker(self._worker_id)
        return Loop(store, self._registry, self._worker, self._options)

    def _start_worker(self) -> None:
        self._loop = loop = self._new_loop()
        loop.open(Pool(self._max_activities, self._attempts(), loop.landed))
        self._watchdog = Watchdog(loop.driven)
        self._watchdog.start()
        self._thread = threading.Thread(target=self._work, args=[loop], name="romancy-loop", daemon=True)
        self._thread.start()

    def _work(self, loop: Loop) -> None:
        try:
            loop.run()
        finally:
            if loop.failure is not None:
                self._waiters.fail(loop.failure)

    def _stop_worker(self, *, now: bool) -> None:
        thread, loop = self._thread, self._loop
        if thread is not None and loop is not None:
            loop.messages.put(Stop(now=now))
            while thread.is_alive():
                thread.join(_SLICE)
            self._thread = None
            self._watchdog.stop()
            self._waiters.fail(StoreError("the app was closed before the instance ended"))

    def _attempts(self) -> Callable[[Flight], Attempt]:
        store, clock = self._opened(), self._clock
        in_session: set[Flight] = set()
        return lambda flight: Attempt(flight, store, clock, in_session)

    def _opened(self) -> Database:
        _refuse_in_workflow()
        if self._is_closed:
            raise StoreError(
                f"the app on {masked(self.database)} is closed: use it inside of `with`, or open() it again"
            )
        if self._is_inherited():
            raise StoreError(
                f"the app on {masked(self.database)} was opened before this process was forked: open() it again here"
            )
        if self._store is None:
            self.open()
        assert self._store is not None
        return self._store

    def _alive(self) -> Loop | None:
        """The loop of the background worker, if there is one; its failure is everybody's."""
        if self._loop is not None and self._loop.failure is not None:
            raise self._loop.failure
        return self._loop if self._thread is not None and self._thread.is_alive() else None

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
        loop = self._alive()
        if loop is None:
            return self.start(call, id=id).result(timeout)
        wanted, new = self._new(_checked(call) if id is None else _checked(call).options(id=id))
        handle: Handle[T] = Handle(self, new.id, wanted)
        with self._waiters.waiting(new.id) as future:
            beginning = Beginning(new, Future())
            beginning.created.add_done_callback(lambda created: _cut_short(created, future))
            self._submit(loop, [beginning])
            try:
                return handle._value(_outcome(future, timeout))
            except _ExistedError:
                _refuse_other(beginning.created.result().instance, new)
            except TimeoutError:
                raise handle._late() from None
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
        return self.start_many([call if id is None else _checked(call).options(id=id)])[0]

    def start_many(self, calls: Iterable[CallWorkflow[T]]) -> list[Handle[T]]:
        """Start instances together; `call.options(id=…)` gives one its id.

        Args:
            calls: what calling workflows returned.

        Raises:
            InstanceExistsError: an id belongs to another call; the others are started nevertheless.
            SerializationError: an argument cannot be carried; then none is started.
        """
        wanted = [self._new(_checked(call)) for call in calls]
        for (_, new), stored in zip(wanted, self._create([new for _, new in wanted]), strict=True):
            _refuse_other(stored.instance, new)
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

    def _new(self, call: CallWorkflow[Any]) -> tuple[CallWorkflow[Any], NewInstance]:
        self._opened()
        definition = call.workflow
        self._registry.learn(definition)
        new = NewInstance(
            id=call.id if call.id is not None else str(uuid.UUID(int=self._chance.getrandbits(128), version=4)),
            workflow=definition.name,
            version=definition.version,
            input=workflow_codec(definition).encode_arguments(call.args, call.kwargs),
            seed=f"{self._chance.getrandbits(128):032x}",
            at=self._clock(),
        )
        return call, new

    def _create(self, new: Sequence[NewInstance]) -> list[Created]:
        store = self._opened()
        loop = self._alive()
        if loop is None:
            _refuse_in_session()
            created = store.create(new, owner=None, now=self._clock())
            self._poke()
            return created
        beginnings = [Beginning(each, Future()) for each in new]
        self._submit(loop, beginnings)
        return [_settled(beginning.created, loop, self._thread) for beginning in beginnings]

    def _submit(self, loop: Loop, beginnings: list[Beginning]) -> None:
        _refuse_in_session()
        for beginning in beginnings:
            loop.messages.put(beginning)

    def _stored(self, id: str) -> Instance:
        instance = self._opened().instance(id)
        if instance is None:
            raise UnknownInstanceError(id)
        return instance

    # -- endings

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

    def _tell_cancel(self, id: str) -> None:
        _refuse_in_session()
        self._opened().tell(id, "cancel", "", self._clock())
        self._poke()


class Handle(Generic[T]):
    """An instance, seen from outside.

    Attributes:
        id: its id.
    """

    def __init__(self, app: Romancy, id: str, call: CallWorkflow[T] | None = None) -> None:
        self.id = id
        self._app = app
        self._call = call

    def __repr__(self) -> str:
        return f"<instance {self.id!r}>"

    @property
    def status(self) -> str:
        """`pending`, `running`, `waiting`, `compensating`, `completed`, `failed`, `cancelled` or `stuck`, as of now."""
        return self._app._stored(self.id).status

    @property
    def workflow(self) -> str:
        """The name of its workflow."""
        return self._call.workflow.name if self._call is not None else self._app._stored(self.id).workflow

    def result(self, timeout: float | None = None) -> T:
        """Wait for the instance to end, and return what its workflow returned.

        Args:
            timeout: seconds to wait; None for as long as it takes.

        Raises:
            InstanceFailedError: the workflow raised; `__cause__` is its exception.
            InstanceCancelledError: it was cancelled.
            InstanceStuckError: it is parked until somebody mends it.
            TimeoutError: it has not ended yet.
        """
        if self._app._alive() is None:
            return self._value(self._poll(None if timeout is None else self._app._instant() + timeout))
        with self._app._waiters.waiting(self.id) as future:
            ended = self._app._ending(self.id)
            if ended is None:
                try:
                    ended = _outcome(future, timeout)
                except TimeoutError:
                    raise self._late() from None
        return self._value(ended)

    def history(self, run: int | None = None) -> list[Event]:
        """What happened so far, in order.

        Args:
            run: the number of a run, from 1; the current one by default.
        """
        instance = self._app._stored(self.id)
        return self._app._opened().history(instance.number, instance.run if run is None else run)

    def cancel(self) -> None:
        """Ask for the instance to be cancelled; asking again, or when it has ended, changes nothing."""
        self._app._tell_cancel(self.id)

    def __await__(self) -> Generator[Any, None, T]:
        return self._result_async().__await__()

    async def _result_async(self) -> T:
        import asyncio  # whoever awaits has it; the rest starts faster without

        if self._app._alive() is None:
            while (ended := self._app._ending(self.id)) is None:
                await asyncio.sleep(self._app._wait_a_moment(None))
            return self._value(ended)
        with self._app._waiters.waiting(self.id) as future:
            ended = self._app._ending(self.id)
            if ended is None:
                ended = await asyncio.wrap_future(future)
        return self._value(ended)

    def _poll(self, until: float | None) -> Ended:
        while (ended := self._app._ending(self.id)) is None:
            if until is not None and self._app._instant() >= until:
                raise self._late()
            time.sleep(self._app._wait_a_moment(until))
        return ended

    def _late(self) -> TimeoutError:
        instance = self._app._opened().instance(self.id)
        status = "about to begin" if instance is None else f"{instance.status} still"
        return TimeoutError(f"instance {self.id!r} is {status}")

    def _value(self, ended: Ended) -> T:
        match ended.event:
            case WorkflowCompleted(result=result):
                value: T = workflow_codec(self._definition()).decode_result(result)
                return value
            case WorkflowFailed(error=error):
                failed = instance_failed(self.id, error)
                raise failed from failed.__cause__
            case WorkflowCancelled(error=error):
                raise instance_cancelled(self.id, error)
            case _:
                raise InstanceStuckError(self.id, self._app._stored(self.id).error or "it has no last event")

    def _definition(self) -> Any:
        if self._call is not None:
            return self._call.workflow
        name = self.workflow
        definition = self._app._registry.find(name)
        if definition is None:
            raise DefinitionError(f"workflow {name!r} is not known here: import the module that defines it")
        return definition


def _checked(call: CallWorkflow[T]) -> CallWorkflow[T]:
    if not isinstance(call, CallWorkflow):
        raise DefinitionError(f"{describe(call)} is not the call of a workflow: write app.start(some_workflow(…))")
    if call.id is not None:
        check_id(call.id)
    return call


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


def _refuse_other(stored: Instance, wanted: NewInstance) -> None:
    if stored.workflow != wanted.workflow:
        raise InstanceExistsError(stored.id, f"it is one of workflow {stored.workflow!r}, not {wanted.workflow!r}")
    if stored.input != wanted.input:
        raise InstanceExistsError(stored.id)


class _ExistedError(Exception):
    """The instance was there before: it may have ended already."""


def _cut_short(created: Future[Created], ended: Future[Ended]) -> None:
    """Do not wait for the end of an instance that was not created now."""
    error = created.exception()
    if error is None and created.result().existed:
        error = _ExistedError()
    if error is not None and not ended.done():
        ended.set_exception(error)


def _outcome(future: Future[Ended], timeout: float | None) -> Ended:
    """What a future holds, waited for in slices."""
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _SLICE if until is None else min(_SLICE, max(0.0, until - time.monotonic()))
        try:
            return future.result(left)
        except TimeoutError:
            if until is not None and time.monotonic() >= until:
                raise


def _settled(future: Future[Created], loop: Loop, thread: threading.Thread | None) -> Created:
    """What became of a start, also when the loop ends before it is read."""
    while True:
        try:
            return future.result(1.0)
        except TimeoutError:
            if thread is None or not thread.is_alive():
                raise loop.failure or StoreError("the worker has stopped: the start was not taken") from None
