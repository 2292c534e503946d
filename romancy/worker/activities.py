"""Where activities run: threads for plain functions, an event loop for `async def`, or inline for tests."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from romancy.activity import ActivityContext, running
from romancy.errors import RomancyError, StoreError
from romancy.history import ActivityCompleted
from romancy.kernel import PendingActivity
from romancy.store.protocol import Recording, Store
from romancy.workflow import Context

if TYPE_CHECKING:
    import asyncio  # loaded where the first `async def` activity runs: it takes long


@attrs.define(eq=False)
class Flight:
    """One attempt of an activity, from when it is handed out until it has reported back.

    `recorded` is the event's place in the history where the activity recorded it itself, through `session()`;
    `is_final` says that no further attempt would help, `trouble` that the database failed and the activity did not.
    """

    number: int
    run: int
    pending: PendingActivity
    attempt: int
    token: int
    context: ActivityContext
    workflow: Context
    started: float | None = None
    finished: float = 0.0
    result: str | None = None
    error: BaseException | None = None
    recorded: int | None = None
    completed: ActivityCompleted | None = None
    is_final: bool = False
    trouble: StoreError | None = None
    abandoned: bool = False
    is_overdue: bool = False
    has_lost_its_thread: bool = False
    task: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """Let the activity see that nobody waits for it."""
        self.context.is_cancelled = True

    def completion(self, at: float) -> ActivityCompleted:
        """The event that says that it returned."""
        pending, compensation = self.pending, self.pending.activity.compensation
        assert self.result is not None
        return ActivityCompleted(
            at=max(at, self.workflow.at),
            step=pending.step,
            name=pending.activity.name,
            attempt=self.attempt,
            result=self.result,
            started=self.started,
            fingerprint=pending.fingerprint,
            compensation=None if compensation is None else compensation.activity.name,
        )


class Executor(Protocol):
    """Runs flights and reports each when it has landed."""

    def submit(self, flight: Flight) -> None:
        """Begin a flight soon."""

    def keep(self, flight: Flight) -> None:
        """Count a flight that the thread which asks runs itself."""

    def landed(self, flight: Flight) -> None:
        """The loop has taken note that the flight ended."""

    def abandon(self, flight: Flight) -> None:
        """Nobody waits for the flight: tell it, and make room for another."""

    def close(self) -> None:
        """Begin no further flight."""


class Attempt:
    """The life of one flight: its context, its `session()` if it asks for one, and what it reports.

    Args:
        flight: filled in with what came of it.
        store: where `session()` writes.
        clock: seconds since the epoch.
        in_session: the flights of `async def` activities that have a session, one at most: they share a thread.
    """

    __slots__ = ("_clock", "_flight", "_in_session", "_manager", "_place", "_recording", "_store", "_token")

    def __init__(self, flight: Flight, store: Store, clock: Callable[[], float], in_session: set[Flight]) -> None:
        self._in_session = in_session
        self._flight = flight
        self._store = store
        self._clock = clock
        self._manager: AbstractContextManager[Recording] | None = None
        self._recording: Recording | None = None
        self._place: AbstractContextManager[object] | None = None
        flight.started = clock()
        flight.context._session = self._session
        self._token = running.set(flight.context)

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The activity's own copy of its arguments: what it changes in them, the workflow never sees."""
        pending = self._flight.pending
        return pending.codec.decode_arguments(pending.arguments)

    def returned(self, value: Any) -> None:
        """Encode the result, and record it where the activity has a session."""
        flight = self._flight
        try:
            flight.result = flight.pending.codec.encode_result(value)
        except RomancyError as error:
            flight.is_final = True
            raise error
        if self._recording is not None and not (flight.abandoned or flight.is_overdue):
            self._take_place()
            flight.completed = flight.completion(self._clock())
            try:
                flight.recorded = self._recording.record(flight.completed)
            except StoreError as trouble:  # of the record, not of what the activity did
                flight.trouble = trouble
                raise
            flight.workflow.at = flight.completed.at  # what is recorded next is no earlier, also by a clock set back
        self._close(None)

    def raised(self, error: BaseException) -> None:
        """Note what the activity raised, and roll its SQL back."""
        flight = self._flight
        flight.result = flight.recorded = flight.completed = None
        flight.error = error
        flight.is_final = flight.is_final or not isinstance(error, Exception)
        try:
            self._close(error)
        except BaseException as trouble:
            if flight.trouble is None:
                flight.trouble = StoreError(f"the SQL of {flight.pending} could not be rolled back: {trouble}")

    def end(self) -> None:
        """Leave the activity's context."""
        running.reset(self._token)
        self._flight.finished = self._clock()

    def release(self) -> None:
        """Let others write again, once the loop was told: it never meets an event of which it does not know."""
        place, self._place = self._place, None
        if place is not None:
            place.__exit__(None, None, None)

    def _session(self) -> Any:
        flight = self._flight
        if self._recording is None:
            if flight.pending.activity.is_async:
                self._take_turn()
            if self._store.serial:
                self._take_place()
            try:
                self._manager = self._store.recording(flight.token, flight.number, flight.run)
                self._recording = self._manager.__enter__()
                flight.context.in_session = True
            except StoreError as trouble:
                flight.trouble = trouble
                raise
        return self._recording.handle

    def _take_place(self) -> None:
        """Keep the loop out until it was told of what is recorded: its place in the history must stay the next one."""
        if self._place is None:
            self._place = self._store.exclusive()
            self._place.__enter__()

    def _take_turn(self) -> None:
        if self._in_session:
            raise RuntimeError(
                "another `async def` activity holds session(), and waiting for it would stop the event loop that "
                "both run on: write a plain def"
            )
        self._in_session.add(self._flight)

    def _close(self, error: BaseException | None) -> None:
        self._in_session.discard(self._flight)
        manager, self._manager = self._manager, None
        if manager is None:
            return
        try:
            manager.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        except StoreError as trouble:
            self._flight.trouble = trouble
            raise
        except BaseException as raised:
            if raised is not error:
                raise


Run = Callable[[Flight], Attempt]


def fly(flight: Flight, attempt: Run, body: Callable[..., Any] | None = None) -> Attempt:
    """Run a plain activity on this thread, whatever it does; `body` takes the place of its own."""
    life = attempt(flight)
    try:
        args, kwargs = life.arguments()
        life.returned((body or flight.pending.activity.fn)(*args, **kwargs))
    except BaseException as error:
        life.raised(error)
    life.end()
    return life


async def fly_async(flight: Flight, attempt: Run, body: Callable[..., Any] | None = None) -> Attempt:
    """Run an `async def` activity on this thread's event loop, whatever it does; `body` takes the place of its own."""
    life = attempt(flight)
    try:
        args, kwargs = life.arguments()
        life.returned(await (body or flight.pending.activity.fn)(*args, **kwargs))
    except BaseException as error:
        life.raised(error)
    life.end()
    return life


class Inline:
    """Runs flights on the thread that asks for it, one after the other: for tests.

    Args:
        attempt: begins an attempt.
        landed: is told of each flight that has ended.
    """

    def __init__(self, attempt: Run, landed: Callable[[Flight], None]) -> None:
        self._attempt = attempt
        self._landed = landed
        self._waiting: deque[Flight] = deque()

    def submit(self, flight: Flight) -> None:
        self._waiting.append(flight)

    def keep(self, flight: Flight) -> None:
        self._waiting.append(flight)

    def run_waiting(self) -> None:
        """Run what was submitted so far."""
        for _ in range(len(self._waiting)):
            flight = self._waiting.popleft()
            if flight.abandoned:
                continue
            life = self._fly_async(flight) if flight.pending.activity.is_async else fly(flight, self._attempt)
            self._landed(flight)
            life.release()

    def _fly_async(self, flight: Flight) -> Attempt:
        import asyncio

        from romancy.worker.aside import aside, is_in_a_loop

        def run() -> Attempt:
            return asyncio.run(fly_async(flight, self._attempt))

        return aside(run) if is_in_a_loop() else run()

    def landed(self, flight: Flight) -> None:
        pass

    def abandon(self, flight: Flight) -> None:
        flight.tell()

    def close(self) -> None:
        self._waiting.clear()


class Pool:
    """Runs flights on threads, and those of `async def` activities on one event loop beside them.

    Args:
        limit: how many run at once, of each kind.
        attempt: begins an attempt.
        landed: is told of each flight that has ended, on the thread that it ended on; what it returns is run there
            next.
    """

    def __init__(self, limit: int, attempt: Run, landed: Callable[[Flight], Flight | None]) -> None:
        self._limit = limit
        self._attempt = attempt
        self._landed = landed
        self._waiting: SimpleQueue[Flight | None] = SimpleQueue()
        self._threads = 0
        self._out = 0
        self._coroutines: Coroutines | None = None

    def submit(self, flight: Flight) -> None:
        if flight.pending.activity.is_async:
            if self._coroutines is None:
                self._coroutines = Coroutines(self._limit, self._attempt, self._landed)
            self._coroutines.submit(flight)
            return
        self._waiting.put(flight)
        self._out += 1
        if self._threads < min(self._out, self._limit):
            self._threads += 1
            threading.Thread(target=self._work, name="romancy-activity", daemon=True).start()

    def keep(self, flight: Flight) -> None:
        self._out += 1

    def landed(self, flight: Flight) -> None:
        if not flight.pending.activity.is_async and not flight.has_lost_its_thread:
            self._out -= 1

    def abandon(self, flight: Flight) -> None:
        flight.tell()
        if flight.pending.activity.is_async:
            if self._coroutines is not None:
                self._coroutines.abandon(flight)
        else:
            flight.has_lost_its_thread = True
            # Its thread is lost until the activity returns, and ends then: another may take its place.
            self._out -= 1
            self._threads -= 1

    def close(self) -> None:
        for _ in range(self._threads):
            self._waiting.put(None)
        if self._coroutines is not None:
            self._coroutines.close()

    def _work(self) -> None:
        next_one: Flight | None = None
        while (flight := next_one or self._waiting.get()) is not None:
            if flight.abandoned:
                return  # nobody waits for it, and it had not begun
            life = fly(flight, self._attempt)
            next_one = self._landed(flight)
            life.release()
            if flight.has_lost_its_thread:
                return


class Coroutines:
    """An event loop on a thread of its own.

    Args:
        limit: how many coroutines run at once.
        attempt: begins an attempt.
        landed: is told of each flight that has ended.
    """

    def __init__(self, limit: int, attempt: Run, landed: Callable[[Flight], object]) -> None:
        import asyncio

        self._attempt = attempt
        self._landed = landed
        self._room = asyncio.Semaphore(limit)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, name="romancy-async", daemon=True).start()

    def submit(self, flight: Flight) -> None:
        self._loop.call_soon_threadsafe(self._begin, flight)

    def abandon(self, flight: Flight) -> None:
        self._loop.call_soon_threadsafe(lambda: flight.task and flight.task.cancel())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._end()))

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    async def _end(self) -> None:
        """End what still runs, so that nothing of it is left when the interpreter exits."""
        import asyncio

        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop.stop()

    def _begin(self, flight: Flight) -> None:
        flight.task = self._loop.create_task(self._fly(flight))

    async def _fly(self, flight: Flight) -> None:
        async with self._room:
            life = await fly_async(flight, self._attempt)
        self._landed(flight)
        life.release()
