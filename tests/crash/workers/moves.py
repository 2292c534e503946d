"""What may happen to workers: a plan is a list of moves, which can be printed, shrunk and played again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Union

import attrs

from tests.crash.workers.connections import AFTER, BEFORE
from tests.crash.workers.workload import KINDS

CLIENT = -1
"""The number of the process that only starts and cancels."""


@attrs.frozen
class Go:
    """A thread of a process runs through so many boundaries; the first one is its loop."""

    process: int
    thread: int
    boundaries: int


@attrs.frozen
class Until:
    """A thread of a process runs until it stands at a boundary of that name."""

    process: int
    place: str
    thread: int = 0


@attrs.frozen
class Kill:
    """A process ends where it stands, its transaction is rolled back."""

    process: int


@attrs.frozen
class Restart:
    """A dead process begins again; a renamed one under another worker id."""

    process: int
    renamed: bool = False


@attrs.frozen
class Close:
    """A process is asked to stop: it finishes what is in flight, hands the rest back and ends."""

    process: int


@attrs.frozen
class Pass:
    """Time passes for everybody; whoever stands still meanwhile has been paused."""

    seconds: float


@attrs.frozen
class Skew:
    """The clock of a process jumps."""

    process: int
    seconds: float


@attrs.frozen
class Fail:
    """The next writing statement of a process fails: `before` it did anything, or `after` its commit was done."""

    process: int
    when: str


@attrs.frozen
class Start:
    """Somebody asks a process to start an instance, under an id that says what it is."""

    process: int
    kind: str
    n: int

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.n}"


@attrs.frozen
class Cancel:
    """A client asks for an instance to be cancelled."""

    kind: str
    n: int

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.n}"


@attrs.frozen
class Retry:
    """A client takes a parked instance up again."""

    id: str


Command = Union[Start, Cancel, Retry]
Move = Union[Go, Until, Kill, Restart, Close, Pass, Skew, Fail, Start, Cancel]


@attrs.frozen
class Plan:
    """Workers, each on its host, and what happens; where plans end, faults stop and everything has to come to its end.

    Attributes:
        hosts: where each worker runs.
        moves: what happens.
        lease: seconds.
        resident: how many executions a worker holds.
        slots: how many activities a worker runs at once.
        verify: the share of finished instances that are replayed and compared.
        agree: whether the clocks agree again at the end.
    """

    hosts: tuple[str, ...]
    moves: tuple[Move, ...]
    lease: float = 30.0
    resident: int = 10_000
    slots: int = 64
    verify: float = 0.0
    agree: bool = True


LENGTHS = (0.05, 0.3, 2.0, 9.0, 31.0, 95.0)
JUMPS = (-300.0, -20.0, 5.0, 29.0, 45.0, 300.0)


def drawn(seed: int, *, moves: int = 60) -> Plan:
    """The plan of a seed."""
    chance = random.Random(seed)
    hosts = chance.choice([("here", "here"), ("here", "there"), ("here", "here", "there"), ("here", "here", "here")])
    starts = [_start(chance, len(hosts)) for _ in range(chance.randint(1, 5))]
    opening: list[Move] = [*starts, *(Go(n, 0, chance.randint(20, 200)) for n in range(CLIENT, len(hosts)))]
    chance.shuffle(opening)
    faults = chance.choice([0.5, 1.0, 2.0])
    rest = [_move(chance, len(hosts), faults, starts) for _ in range(moves)]
    return Plan(
        hosts,
        (*opening, *rest),
        lease=chance.choice([6.0, 30.0]),
        resident=chance.choice([1, 2, 10_000, 10_000]),
        slots=chance.choice([1, 2, 64]),
        verify=chance.choice([0.0, 1.0]),
        agree=chance.random() < 0.7,
    )


def _start(chance: random.Random, processes: int) -> Start:
    return Start(chance.randrange(CLIENT, processes), chance.choice(list(KINDS)), chance.randint(1, 3))


def _move(chance: random.Random, processes: int, faults: float, starts: Sequence[Start]) -> Move:
    process = chance.randrange(processes)
    what = chance.choices(
        ("go", "kill", "restart", "close", "pass", "skew", "fail", "start", "cancel"),
        (30, 1.5 * faults, 2 * faults, 0.5 * faults, 4, 1 * faults, 1 * faults, 1, 0.7),
    )[0]
    match what:
        case "go":
            return Go(chance.randrange(CLIENT, processes), chance.randrange(4), int(1.3 ** chance.randint(0, 20)))
        case "kill":
            return Kill(chance.randrange(CLIENT, processes))
        case "restart":
            return Restart(process, renamed=chance.random() < 0.4)
        case "close":
            return Close(process)
        case "pass":
            return Pass(chance.choice(LENGTHS))
        case "skew":
            return Skew(process, chance.choice(JUMPS))
        case "fail":
            return Fail(chance.randrange(CLIENT, processes), chance.choice([BEFORE, AFTER]))
        case "start":
            return _start(chance, processes)
        case _:
            asked = chance.choice(starts)
            return Cancel(asked.kind, asked.n)
