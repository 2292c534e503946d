"""The parts of which the crash tests consist, each a number of pieces of work that can be done side by side."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs

from tests.crash.campaign import crash_programs, fault_programs, quiet
from tests.crash.canaries import CANARIES, noticed
from tests.crash.power.adapter import CarelessConnection, Connection, HastyConnection
from tests.crash.power.campaign import Campaign, Plan, fast_folder
from tests.crash.power.scripts import SCRIPTS
from tests.crash.workers.breaks import BREAKS, Break, broken
from tests.crash.workers.campaign import run as run_schedules
from tests.crash.workers.judge import Violation
from tests.crash.workers.moves import drawn as drawn_plan
from tests.crash.workers.world import play
from tests.system import kills

T = TypeVar("T")

PROGRAMS, FAULTY, SCHEDULES = 4, 10, 20
"""Programs and schedules in a piece."""


@attrs.define
class Found:
    """What a piece of work counted, which canaries were noticed by what, and what was wrong."""

    counts: Counter[str] = attrs.field(factory=Counter)
    canaries: dict[str, str] = attrs.field(factory=dict)
    problems: list[str] = attrs.field(factory=list)

    def add(self, other: Found) -> None:
        """Add what another piece found."""
        self.counts += other.counts
        self.canaries |= other.canaries
        self.problems += other.problems


@attrs.frozen
class Piece:
    """A piece of work: a function of this module, and a number that it depends on."""

    part: str
    number: int

    def done(self) -> Found:
        """Do it; what goes wrong is a problem with its name, and no traceback of another process."""
        try:
            return PARTS[self.part](self.number)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            notes = "\n".join(getattr(error, "__notes__", ()))
            return Found(problems=[f"{self.part} {self.number}: {type(error).__name__}: {error}\n{notes}"])


def images(number: int) -> Found:
    """Programs, crashed at every boundary."""
    counts = crash_programs(number, PROGRAMS)
    counts["crash points"] = sum(count for name, count in counts.items() if name.startswith(("recoveries", "torn")))
    return Found(counts)


def faults(number: int) -> Found:
    """Programs whose statements fail."""
    return Found(fault_programs(number, FAULTY))


def power(number: int) -> Found:
    """One script of power cuts, with its seed."""
    script, seed = SCRIPTS[number % len(SCRIPTS)], 1 + number // len(SCRIPTS)
    plan = Plan(seed=seed, share=0.25, draws=2, second=0.03)
    with quiet(), tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
        report = Campaign(script, Path(folder), plan).run()
    counts = {"power cuts": report.recovered, "power cuts drawn": report.images, "torn tails": report.tails}
    return Found(Counter(counts), problems=report.faults)


def schedules(number: int) -> Found:
    """Interleavings of several workers."""
    with quiet():
        report = run_schedules(3600, 1 + number * SCHEDULES, schedules=SCHEDULES)
    course = report.course
    counts = {
        "schedules": report.schedules,
        "hand-overs": course.hand_overs,
        "simulated kills": course.kills,
        "lost leases": course.lost,
    }
    return Found(Counter(counts), problems=[f"schedule {seed}: {told}" for seed, told in report.violations.items()])


def killed(number: int) -> Found:
    """Real processes, killed at random; in every other piece, some are stopped past their lease as well."""
    with tempfile.TemporaryDirectory() as folder:
        storm = kills.run(Path(folder), seconds=20, workers=3, seed=1 + number, pauses=0.15 * (number % 2))
    counts = {
        "kills": storm.kills,
        "stops past a lease": storm.pauses,
        "activities recorded under kills": storm.completions,
        "bodies repeated after kills": storm.duplicates,
    }
    return Found(Counter(counts), problems=storm.problems)


def canaries(number: int) -> Found:
    """One engine that is broken on purpose."""
    name, check = list(_canaries())[number]
    by = check()
    return Found(canaries={name: by}) if by is not None else Found(problems=[f"nobody noticed: {name}"])


def _canaries() -> Iterator[tuple[str, Callable[[], str | None]]]:
    for canary in CANARIES:
        yield canary.name, partial(_expected, noticed, canary, canary.noticed_by)
    for what in BREAKS:
        yield f"workers: {what.name}", partial(_expected, _seen, what, what.checks)
    yield "power: synchronous = normal", partial(_lost_power, CarelessConnection)
    yield "power: commits are acknowledged before they are made", partial(_lost_power, HastyConnection)


def _expected(look: Callable[[T], str | None], at: T, checks: tuple[str, ...]) -> str | None:
    by = look(at)
    return by if by in checks else None


def _seen(what: Break) -> str | None:
    """Which check notices it first, in the plan that shows it or in those of a hundred seeds."""
    plans = [drawn_plan(seed) for seed in range(100)] if what.shown_by is None else [what.shown_by]
    with quiet(), broken(what):
        for plan in plans:
            try:
                play(plan)
            except Violation as violation:
                return violation.check
    return None


def _lost_power(made: type[Connection]) -> str | None:
    with quiet(), tempfile.TemporaryDirectory(dir=fast_folder()) as folder:
        report = Campaign(SCRIPTS[0], Path(folder), Plan(seed=1), made).run()
    lost = [fault for fault in report.faults if "acknowledged and is lost" in fault]
    return "what was acknowledged is there" if lost else None


PARTS: dict[str, Callable[[int], Found]] = {
    "images": images,
    "faults": faults,
    "power": power,
    "schedules": schedules,
    "kills": killed,
    "canaries": canaries,
}
COUNT_OF_CANARIES = len(list(_canaries()))


def drawn(seed: int) -> Iterator[Piece]:
    """Pieces without an end, for as long as there is time: parts in turn, with numbers that no other seed has."""
    chance, number = random.Random(seed), seed * 1_000_000
    while True:
        number += 1
        yield Piece(chance.choice(["images", "images", "images", "faults", "power", "schedules", "kills"]), number)
