"""A simulated process: an app with connections, a clock and threads of its own, on a host that is told."""

from __future__ import annotations

import atexit
import random
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import attrs

from romancy import Romancy
from romancy.errors import InstanceStateError
from romancy.store.protocol import WorkerIdentity
from romancy.worker.activities import Flight, Inline, Run, fly
from romancy.worker.background import Background
from romancy.worker.intake import Beginning
from romancy.worker.loop import Loop, Stop
from tests.crash.workers import baton
from tests.crash.workers.baton import Strand
from tests.crash.workers.connections import connecting
from tests.crash.workers.judge import Judge
from tests.crash.workers.moves import Cancel, Command, Retry, Start
from tests.crash.workers.workload import KINDS, WORKFLOWS


class App(Romancy):
    """An app whose worker says of itself what it is told to say."""

    identity: WorkerIdentity

    def _new_loop(self) -> Loop:
        return Loop(self._opened(), self._registry, self.identity, self._options)


class Process:
    """One life of a process, until it is killed or has closed.

    Args:
        path: the file.
        pid: by which its host knows it.
        name: the worker's id.
        host: where it is.
        clock: what its clock shows.
        judge: sees what it does.
        passed: called at each boundary.
        options: those of the app.

    Attributes:
        strands: its threads; the first is its loop.
        jumps: how often its clock was set.
        faults: what will go wrong with its connections.
        has_met_trouble: whether something did or will, so that it may give up.
        acknowledged: the commands that it said yes to.
    """

    def __init__(
        self,
        path: str,
        pid: int,
        name: str,
        host: str,
        clock: Callable[[], float],
        judge: Judge,
        passed: Callable[[str], None],
        options: dict[str, Any],
    ) -> None:
        self.name = name
        self.host = host
        self.clock: Callable[[], float] = clock
        self.pid = pid
        self.is_dead = False
        self.jumps = 0
        self.acknowledged: list[Command] = []
        self.commands: list[Command] = []
        self.judge = judge
        self.faults: list[str] = []
        self.has_met_trouble = False
        self._asked: list[Command] = []
        self._passed = passed
        self._connections: list[sqlite3.Connection] = []
        self.app = App(
            path,
            worker=False,
            clock=clock,
            workflows=WORKFLOWS,
            connect=connecting(lambda: judge.committed(self), self.faults, self._connections),
            boundary=baton.boundary,
            chance=random.Random(pid),
            **options,
        )
        self.app.identity = WorkerIdentity(id=name, host=host, pid=self.pid, born=str(self.pid))
        self.strands: list[Strand] = [self._strand("loop", self._live)]

    def __repr__(self) -> str:
        return f"<{self.name} on {self.host}: {self.strands}>"

    # -- for whoever conducts

    @property
    def looked_at(self) -> float:
        """What its clock showed when its last turn began."""
        loop = self.app._loop
        turn = None if loop is None else loop._turning
        return self.clock() if turn is None else turn.now

    @property
    def living(self) -> list[Strand]:
        """Its threads that have not ended."""
        return [strand for strand in self.strands if not strand.has_ended]

    @property
    def undone(self) -> Sequence[Command]:
        """What it was asked for and did not acknowledge."""
        return [each for each in (*self._asked, *self.commands) if each not in self.acknowledged]

    def ask(self, command: Command) -> None:
        """Let it do something for a client, when it next turns."""
        self.commands.append(command)

    def kill(self) -> None:
        """End it where it stands; what its transaction did is rolled back."""
        self.is_dead = True
        for strand in self.strands:
            strand.kill()
        atexit.unregister(self.app.close)
        for connection in self._connections:
            connection.close()

    def end(self) -> None:
        """It has closed by itself."""
        self.is_dead = True
        for strand in self.strands:
            strand.kill()

    def fail(self, when: str) -> None:
        """Let something go wrong with its file."""
        self.faults.append(when)
        self.has_met_trouble = True

    def stop(self) -> None:
        """Ask it to finish what is in flight and to close."""
        loop = self.app._loop
        if loop is not None:
            loop.messages.put(Stop(now=False))

    # -- its threads

    def spawn(self, name: str, body: Callable[[], None]) -> None:
        """Begin a thread."""
        self.strands.append(self._strand(name, body))

    def _strand(self, name: str, body: Callable[[], None]) -> Strand:
        return Strand(f"{self.name}/{name}", body, self._passed)

    def _live(self) -> None:
        app = self.app
        app.open()
        store: Any = app._opened()
        store._writer.lock, store._reading = baton.Lock("the writer's place"), baton.Lock("the reader")
        loop = app._loop = app._new_loop()
        worker = Background(loop, lambda _: None)
        in_turn: Any = baton.Lock("the loop")
        worker._baton = in_turn
        loop.open(Flights(self, app._attempts(), worker))
        try:
            while not loop.is_done():
                self._serve(loop)
                self._turn(worker)
        finally:
            if not self.is_dead:
                worker._close()
                app._loop = None
                app.close()
        if worker.failure is not None:
            raise worker.failure

    def _turn(self, worker: Background) -> None:
        loop = worker.loop
        with worker._baton:
            began, jumps = self.clock(), self.jumps
            happened = loop.turn()
        if self.jumps == jumps and not loop._failures:
            self.judge.turned(self, loop.token, began + loop._options.lease * 0.66)
        if not happened and loop.messages.empty() and not self.commands:
            baton.idle()

    def _serve(self, loop: Loop) -> None:
        """Do what clients ask for: a start goes through the loop, as in any app with a worker in the background."""
        while self.commands:
            command = self.commands[0]
            if isinstance(command, Start):
                self._begin(loop, command)
            else:
                perform(self, command)
            self.commands.pop(0)

    def _begin(self, loop: Loop, command: Start) -> None:
        new = self.app._new(KINDS[command.kind].call(command.n).options(id=command.id))
        created: Future[Any] = Future()
        created.add_done_callback(lambda future: self._told(command, future))
        self._asked.append(command)
        loop.messages.put(Beginning(new, created))

    def _told(self, command: Command, future: Future[Any]) -> None:
        if future.exception() is None:
            self.acknowledged.append(command)


@attrs.define
class Request:
    """Something that a client does with the public API, and what came of it."""

    does: Callable[[Romancy], Any]
    is_done: bool = False
    value: Any = None
    error: Exception | None = None

    def run(self, app: Romancy) -> None:
        """Do it."""
        try:
            self.value = self.does(app)
        except Exception as error:
            self.error = error
        self.is_done = True


class Client(Process):
    """A process that starts and cancels, and runs nothing."""

    def __init__(self, *given: Any) -> None:
        self.requests: list[Request] = []
        super().__init__(*given)

    def _live(self) -> None:
        self.app.open()
        store: Any = self.app._opened()
        store._writer.lock, store._reading = baton.Lock("the writer's place"), baton.Lock("the reader")
        while True:
            while self.commands:
                perform(self, self.commands[0])
                self.commands.pop(0)
            while self.requests:
                self.requests.pop(0).run(self.app)
            baton.idle()

    def stop(self) -> None:
        pass


def perform(process: Process, command: Command) -> None:
    """Do what a client wants, with the public API; what it says yes to is acknowledged."""
    app = process.app
    match command:
        case Start():
            app.start(KINDS[command.kind].call(command.n), id=command.id)
        case Cancel():
            if process.judge.now.find(command.id) is None:
                return
            app.get(command.id).cancel()
        case Retry():
            with suppress(InstanceStateError):
                app.retry(command.id)
    process.acknowledged.append(command)


class Flights(Inline):
    """Runs each activity on a thread of its own, which turns the loop itself where it is the only one in flight.

    Args:
        process: whose threads they are.
        attempt: begins an attempt.
        worker: is told of each flight that has ended.
    """

    def __init__(self, process: Process, attempt: Run, worker: Background) -> None:
        super().__init__(attempt, worker.loop.messages.put)
        self._process = process
        self._worker = worker
        self._run = attempt

    def submit(self, flight: Flight) -> None:
        self._process.spawn(f"{flight.pending.activity.name} {flight.number}:{flight.context.step}", self._body(flight))

    def keep(self, flight: Flight) -> None:
        pass

    def _body(self, flight: Flight) -> Callable[[], None]:
        def work() -> None:
            self._fly(flight)

        return work

    def _fly(self, first: Flight) -> None:
        flight: Flight | None = first
        while flight is not None and not flight.abandoned:
            life = fly(flight, self._run, self._watched(flight))
            if flight.trouble is not None:
                self._process.judge.forgive(flight)
            following = self._worker.landed(flight)
            life.release()
            flight = following

    def _watched(self, flight: Flight) -> Callable[..., Any]:
        body = flight.pending.activity.fn

        def run(*args: Any, **kwargs: Any) -> Any:
            baton.boundary(f"before the body of {flight.pending.activity.name}")
            self._process.judge.began(flight)
            result = body(*args, **kwargs)
            baton.boundary(f"after the body of {flight.pending.activity.name}")
            return result

        return run
