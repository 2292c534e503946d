"""Plays a plan: one thread of one process at a time, then peace, in which everything has to come to its end."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from unittest import mock

import attrs

from romancy import Romancy
from romancy.errors import StoreError
from romancy.store.sqlite import SqliteStore
from romancy.testing.lives import workplace
from romancy.worker import leases
from tests.crash.invariants import (
    Broken,
    an_owner_has_a_lease,
    each_call_settles_once,
    history_has_no_gap,
    nobody_is_stuck,
    storage_stays_out_of_results,
    the_file_is_whole,
    who_ended_holds_nothing,
)
from tests.crash.invariants import check as check_file
from tests.crash.workers.baton import Strand
from tests.crash.workers.ends import problems
from tests.crash.workers.judge import Judge, Violation
from tests.crash.workers.moves import (
    CLIENT,
    Cancel,
    Close,
    Command,
    Fail,
    Go,
    Kill,
    Move,
    Pass,
    Plan,
    Restart,
    Retry,
    Skew,
    Start,
    Until,
)
from tests.crash.workers.processes import Client, Process, Request

T = TypeVar("T")

OF_ANY_FILE = (
    the_file_is_whole,
    each_call_settles_once,
    history_has_no_gap,
    who_ended_holds_nothing,
    an_owner_has_a_lease,
    storage_stays_out_of_results,
    nobody_is_stuck,
)
"""What must hold in the end whatever the instances do."""

FIRST_PID = 10_000_000
"""More than any process of the machine has."""
TICK = 0.001
"""Seconds from one boundary to the next."""
MOMENT = 0.05
"""Seconds that a worker with nothing to do waits."""
_STRIDE = 60
_ROUNDS = 3000


@attrs.define
class Course:
    """How a plan went, in numbers."""

    boundaries: int = 0
    hand_overs: int = 0
    waits: int = 0
    kills: int = 0
    faults: int = 0
    gave_up: int = 0
    restarts: int = 0
    closes: int = 0
    skews: int = 0
    instances: int = 0
    rounds: int = 0
    commits: int = 0
    taken_over: int = 0
    lost: int = 0
    bodies: int = 0
    repeated: int = 0


class World:
    """Processes on one file.

    Args:
        path: the file, which is there.
        plan: the hosts, and how workers work.

    Attributes:
        now: what a right clock shows.
        judge: sees every commit.
        course: counts.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        hosts = plan.hosts
        self.now = 1_000_000_000.0
        self.judge = Judge(str(path))
        self.course = Course()
        self.skews = dict.fromkeys(range(CLIENT, len(hosts)), 0.0)
        self.names = {n: f"w{n}" for n in range(len(hosts))}
        self.asked: list[Command] = []
        self._path = str(path)
        self._hosts = dict(enumerate(hosts))
        self._agree = plan.agree
        self._options = {
            "lease": plan.lease,
            "max_resident": plan.resident,
            "max_activities": plan.slots,
            "verify": plan.verify,
        }
        self._lives = itertools.count(FIRST_PID)
        self._acknowledged: list[Command] = []
        self._pids: dict[int, Process] = {}
        self._last: Strand | None = None
        self.processes: dict[int, Process] = {n: self._born(n) for n in range(CLIENT, len(hosts))}

    def close(self) -> None:
        """End everything."""
        for process in self.processes.values():
            if not process.is_dead:
                process.kill()
        self.judge.close()

    # -- processes

    def _born(self, n: int) -> Process:
        cls, host, name = (Client, "", "client") if n == CLIENT else (Process, self._hosts[n], self.names[n])
        options = {"worker_id": name, **self._options}
        process = cls(
            self._path,
            next(self._lives),
            name,
            host,
            lambda: self.now + self.skews[n],
            self.judge,
            self._passed,
            options,
        )
        self._pids[process.pid] = process
        return process

    def born(self, pid: int) -> str | None:
        """What the operating system says of a process: when it began, or that there is none."""
        process = self._pids.get(pid)
        return None if process is None or process.is_dead else str(pid)

    def _passed(self, place: str) -> None:
        self.now += TICK
        self.course.boundaries += 1

    def go(self, n: int, thread: int, boundaries: int, until: str | None = None) -> bool:
        """Let a thread of a process go on, and look at what it did."""
        process = self.processes[n]
        living = process.living
        if process.is_dead or not living:
            return False
        strand = living[thread % len(living)]
        self.course.hand_overs += strand is not self._last
        self._last = strand
        has_come = strand.go(boundaries, until)
        self.course.waits += strand.is_waiting
        if strand.is_idle:
            self.now += MOMENT
        self._see_to(process, strand)
        return has_come

    def _see_to(self, process: Process, strand: Strand) -> None:
        if self.judge.violations:
            raise self.judge.violations[0]
        if isinstance(strand.error, StoreError) and process.has_met_trouble:
            process.kill()
            self.course.gave_up += 1
        elif strand.error is not None:
            raise Violation("error", f"{strand} ended with {strand.error!r}") from strand.error
        if process.strands[0].has_ended and not process.is_dead:
            process.end()
            self.course.closes += 1

    def kill(self, n: int) -> None:
        """End a process where it stands."""
        if not self.processes[n].is_dead:
            self.processes[n].kill()
            self.course.kills += 1

    def restart(self, n: int, *, renamed: bool = False) -> None:
        """Begin a process again that has ended."""
        before = self.processes[n]
        if not before.is_dead:
            return
        self._acknowledged += before.acknowledged
        if renamed and n != CLIENT:
            self.names[n] += "+"
        self.course.restarts += 1
        self.processes[n] = self._born(n)
        if n == CLIENT:
            self.processes[n].commands += before.undone

    def call(self, does: Callable[[Romancy], T]) -> T:
        """Let the client use the public API; whoever keeps it waiting goes on until it does not.

        Args:
            does: what it does.

        Raises:
            Exception: what the API raised.
        """
        self.go(CLIENT, 0, _STRIDE * _STRIDE)
        client, request = self.processes[CLIENT], Request(does)
        assert isinstance(client, Client)
        client.requests.append(request)
        while not request.is_done:
            self.go(CLIENT, 0, _STRIDE * _STRIDE)
            if not request.is_done:
                self._let_others_go_on()
        if request.error is not None:
            raise request.error
        value: T = request.value
        return value

    def _let_others_go_on(self) -> None:
        for n, process in self.processes.items():
            for thread in range(len(process.living) if n != CLIENT else 0):
                self.go(n, thread, 1)

    # -- moves

    def play(self, move: Move) -> None:
        """Do one move."""
        match move:
            case Go(process, thread, boundaries):
                self.go(process, thread, boundaries)
            case Until(process, place, thread):
                for _ in range(_ROUNDS):
                    if self.go(process, thread, 1000, place) or self.processes[process].is_dead:
                        return
                raise ValueError(f"{self.processes[process]} never comes to {place!r}")
            case Kill(process):
                self.kill(process)
            case Restart(process, renamed):
                self.restart(process, renamed=renamed)
            case Close(process):
                self.processes[process].stop()
            case Pass(seconds):
                self.now += seconds
            case Skew(process, seconds):
                self.skews[process] += seconds
                self.processes[process].jumps += 1
                self.course.skews += 1
            case Fail(process, when):
                self.processes[process].fail(when)
                self.course.faults += 1
            case Start(process):
                self.ask(process, move)
            case Cancel():
                self.ask(CLIENT, move)

    def ask(self, n: int, command: Command) -> None:
        """Ask a process for something; a dead one does not hear it, and nobody says yes."""
        self.asked.append(command)
        if not self.processes[n].is_dead:
            self.processes[n].ask(command)

    @property
    def acknowledged(self) -> list[Command]:
        """What clients were told was done."""
        return self._acknowledged + [each for process in self.processes.values() for each in process.acknowledged]

    # -- peace

    def heal(self) -> None:
        """Faults stop: clocks agree, whoever is dead comes back, and what nobody acknowledged is asked for again."""
        for n, process in list(self.processes.items()):
            process.faults.clear()
            if self._agree:
                self.skews[n] = 0.0
                self.processes[n].jumps += 1
            self.restart(n)
        known = self.acknowledged
        for command in dict.fromkeys(self.asked):
            if command not in known:
                self.ask(CLIENT, command)

    def finish(self) -> None:
        """Let everybody have a turn again and again, and time pass when nobody has anything to do, until all has ended.

        Raises:
            Violation: it does not end, or not as it should.
        """
        patience = MOMENT
        for _ in range(_ROUNDS):
            self.course.rounds += 1
            if self._round():
                patience = MOMENT
                continue
            if self._has_ended():
                break
            self._take_up_parked()
            self.now += patience
            patience = min(patience * 2, 15.0)
        else:
            left = [row for row in self.judge.now.rows.values() if not row.has_ended]
            raise Violation("liveness", f"after {_ROUNDS} rounds there are {left} and {list(self.processes.values())}")
        for check, told in problems(self.judge.now, self.acknowledged, self.asked):
            raise Violation(check, told)
        try:
            check_file(self._path, invariants=OF_ANY_FILE)
        except Broken as broken:
            raise Violation(broken.invariant, str(broken.evidence)) from broken

    def _round(self) -> bool:
        """Everybody has a turn; returns whether anybody had something to do."""
        happened = False
        for n, process in list(self.processes.items()):
            for strand in process.living:
                if strand in process.living:
                    self.go(n, process.living.index(strand), _STRIDE)
                    happened = happened or not (strand.is_idle or strand.is_waiting)
            self.restart(n)
        return happened

    def _has_ended(self) -> bool:
        return all(row.has_ended for row in self.judge.now.rows.values()) and not any(
            process.commands or len(process.living) > 1 for process in self.processes.values()
        )

    def _take_up_parked(self) -> None:
        for row in self.judge.now.rows.values():
            if row.status == "stuck" and not self.processes[CLIENT].commands:
                self.ask(CLIENT, Retry(row.id))


@contextmanager
def world(plan: Plan, folder: Path) -> Iterator[World]:
    """The processes of a plan, on a fresh file."""
    path = folder / "app.db"
    _fresh(path)
    made = World(path, plan)
    log = logging.getLogger("romancy")
    was_silent, log.disabled = log.disabled, True
    try:
        with mock.patch.object(leases, "_born", made.born):
            yield made
    finally:
        made.close()
        log.disabled = was_silent


def _fresh(path: Path) -> None:
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()
    SqliteStore(str(path)).close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("create table paid (instance text, run integer, step text, amount integer)")
    connection.close()


def play(plan: Plan) -> Course:
    """Play a plan, then let everything come to its end.

    Raises:
        Violation: a promise was broken; its `check` names the check that saw it.
    """
    with workplace() as folder, world(plan, folder) as made:
        for move in plan.moves:
            made.play(move)
        made.heal()
        made.finish()
        return counted(made)


def counted(made: World) -> Course:
    """What happened until now."""
    figures = made.judge.figures
    made.course.instances = len(made.judge.now.rows)
    made.course.commits, made.course.taken_over, made.course.lost = figures.commits, figures.taken_over, figures.lost
    made.course.bodies, made.course.repeated = figures.bodies, figures.repeated
    return made.course
