"""Run a script once, cut the power at many places of its journal, recover every image and judge it."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from tests.crash.power.adapter import Connection
from tests.crash.power.client import Client
from tests.crash.power.cuts import Image, Tail, draw, lose
from tests.crash.power.disk import Disk, Entry, Note, State, states
from tests.crash.power.oracle import Known, Recovered, faults
from tests.crash.power.recording import START, record
from tests.crash.power.recovery import Return, lay_out, recover
from tests.crash.power.report import PowerReport
from tests.crash.power.scripts import SCRIPTS, Script


@attrs.frozen(kw_only=True)
class Plan:
    """How much is cut, and where.

    Attributes:
        seed: of everything that is drawn.
        share: of the places, drawn at random, at which the power is cut.
        draws: how many images are drawn at each place, beside the one that keeps nothing unsynced.
        second: the share of images of which the recovery is cut as well, at `share_again` of its places.
        share_again: see there.
        is_over: says when to stop.
    """

    seed: int = 1
    share: float = 1.0
    draws: int = 1
    second: float = 0.0
    share_again: float = 0.05
    is_over: Callable[[], bool] = lambda: False


class Campaign:
    """Power cuts of one script.

    Args:
        script: the script.
        folder: an empty one, for the files.
        plan: how much is cut.
        make: the connections of the engine that is cut.
    """

    def __init__(self, script: Script, folder: Path, plan: Plan, make: type[Connection] = Connection) -> None:
        self.report = PowerReport(runs=1)
        self._script = script
        self._plan = plan
        self._make = make
        self._folders = {name: folder / name for name in ("recorded", "recovered", "again")}
        for each in self._folders.values():
            each.mkdir()
        self._taken_up: dict[bytes, Recovered] = {}

    def run(self) -> PowerReport:
        """Cut, recover and judge."""
        begun = time.monotonic()
        disk = record(self._folders["recorded"], self._script, self._script.run, make=self._make)
        self._cut(disk, Known(now=START), "", depth=1)
        self.report.seconds = time.monotonic() - begun
        return self.report

    def _cut(self, disk: Disk, known: Known, where: str, *, depth: int) -> None:
        tail = Tail("app.db-wal")
        for place, entry, state in states(disk):
            tail.follow(entry, state)
            if isinstance(entry, Note):
                known.learn(entry.fact)
            chance = random.Random(f"{self._plan.seed}/{self._script.name}{where}/{place}")
            if chance.random() >= (self._plan.share if depth == 1 else self._plan.share_again):
                continue
            if self._plan.is_over():
                return
            self.report.places += 1
            for image in self._images(state, tail, chance):
                self._judge(image, known, f"{where}/{place} {_named(entry)}", chance, depth)

    def _images(self, state: State, tail: Tail, chance: random.Random) -> Iterator[Image]:
        yield lose(state)
        for _ in range(self._plan.draws):
            yield draw(state, chance)
        torn = tail.damage(state, chance)
        if torn is not None:
            self.report.tails += 1
            yield torn

    def _judge(self, image: Image, known: Known, where: str, chance: random.Random, depth: int) -> None:
        self.report.images += 1
        back = Return(looks_first=chance.random() < 0.25, worker=chance.choice(("worker", "another")))
        for fault in faults(self._script, known, self._recovered(image, known, back, depth), cuts=depth):
            how = f"seed {self._plan.seed}; {image.fate}; {back}"
            self.report.faults.append(f"{self._script.name}{where} ({how}): {fault}")
        if depth == 1 and chance.random() < self._plan.second:
            self._cut_the_recovery(image, known, where)

    def _recovered(self, image: Image, known: Known, back: Return, depth: int) -> Recovered:
        key = _digest(image, known.now, back, bool(known.started))
        if key not in self._taken_up:
            self.report.recovered += 1
            self.report.second += depth - 1
            lay_out(self._folders["recovered"], image.files)
            self._taken_up[key] = recover(self._folders["recovered"], self._script, known, back)
        return self._taken_up[key]

    def _cut_the_recovery(self, image: Image, known: Known, where: str) -> None:
        """The power fails a second time, while an engine takes up what the first cut left."""
        folder = self._folders["again"]
        lay_out(folder, image.files)
        disk = record(folder, self._script, Client.finish, known.now, make=self._make)
        self._cut(disk, known.copy(), f"{where} and", depth=2)


def cut_power(seconds: float, seed: int, folder: Path | None = None) -> PowerReport:
    """Cut all scripts, with one seed after the other, until the time is over.

    Args:
        seconds: how long.
        seed: the first one.
        folder: for the files; by default in memory, where the machine has such a file system.
    """
    begun, report = time.monotonic(), PowerReport()

    def is_over() -> bool:
        return time.monotonic() > begun + seconds

    while not is_over():
        for script in SCRIPTS:
            plan = Plan(seed=seed, share=0.5, draws=2, second=0.03, is_over=is_over)
            with TemporaryDirectory(dir=folder or fast_folder()) as each:
                if not is_over():
                    report.add(Campaign(script, Path(each), plan).run())
        seed += 1
    return report


def fast_folder() -> Path | None:
    """Where files are in memory, or None where the machine has no such place."""
    shared = Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) else None


def _named(entry: Entry) -> str:
    return type(entry.fact if isinstance(entry, Note) else entry).__name__


def _digest(image: Image, *circumstances: object) -> bytes:
    digest = hashlib.blake2b(repr(circumstances).encode())
    for name, content in sorted(image.files.items()):
        digest.update(f"{name} {len(content)} ".encode())
        digest.update(content)
    return digest.digest()
