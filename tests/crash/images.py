"""Every state that a crash can leave behind: one run copies them all, and each is brought back by a fresh engine.

A copy of the database and its log is exact for the death of a process, as the operating system keeps what was written.
So one run gives the image of a crash at each of its boundaries, and images can be recovered in any order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from romancy import Handle, Romancy
from romancy.testing import VirtualClock
from romancy.testing.cuts import Boundary, Cuts, Killed, copy
from romancy.testing.lives import Life
from romancy.testing.sandbox import Sandbox
from tests.crash import driving, interpreter
from tests.crash.driving import ROOT, Outcome
from tests.crash.interpreter import Effect, perform
from tests.crash.programs import Scenario, to_json
from tests.crash.records import Records, has_records, read, reading

LEASE = 30.0


@attrs.frozen(kw_only=True)
class Mode:
    """How the workers of a run work.

    `workers` share the file and take turns; `takes_over` says that a recovery comes under another worker's name, and
    has to wait for the dead one's lease; the other members are options of the app.
    """

    name: str
    workers: int = 1
    takes_over: bool = False
    together: bool = False
    max_resident: int = 10_000
    verify: float = 0.0


NORMAL = Mode(name="normal")
MODES = (
    NORMAL,
    Mode(name="always replayed", max_resident=1, verify=1.0),
    Mode(name="two workers", workers=2),
    Mode(name="taken over", takes_over=True),
    Mode(name="together", together=True),
)


@attrs.frozen(kw_only=True)
class Happened:
    """What the world outside of the file knows: bodies that began and ended, and what clients were told.

    `allowance` is how many attempts crashes cut off so far: no more may have been made twice.
    """

    effects: tuple[Effect, ...] = ()
    allowance: int = 0
    started: bool = False
    cancelled: bool = False
    outcome: Outcome | None = None
    crashes: int = 0


@attrs.frozen(kw_only=True)
class Image:
    """What a crash leaves: the file, the time of day, and what had happened outside."""

    path: Path
    boundary: Boundary
    at: float
    happened: Happened


@attrs.frozen(kw_only=True)
class Lived:
    """A run to its end: what it came to, what is recorded, and the images on the way."""

    outcome: Outcome
    records: Records
    happened: Happened
    images: list[Image]
    boundaries: int
    path: Path


class Run:
    """One scenario on one file, from a fresh start or from an image, to its end.

    Args:
        scenario: the program.
        path: the file; an image is copied there before.
        mode: how its workers work.
        image: what an earlier crash left.
        keep: where the images of this run go; none are made without it.
        until_recorded: die as soon as another event is recorded.
    """

    def __init__(
        self,
        scenario: Scenario,
        path: Path,
        mode: Mode,
        *,
        image: Image | None = None,
        keep: Path | None = None,
        until_recorded: bool = False,
    ) -> None:
        self._scenario = scenario
        self._path = path
        self._mode = mode
        self._keep = keep
        self._clock = VirtualClock(image.at if image else 1_000_000_000.0)
        before = image.happened if image else Happened()
        self._before = before
        self._effects = list(before.effects)
        self._told = before
        self._seen = (-1, 0)
        self._until_recorded = until_recorded
        self._is_open = False
        self._lives: list[Life] = []
        self.images: list[Image] = []
        if image is not None:
            copy(image.path, path)

    def live(self) -> Lived:
        """Run to the end."""
        lives = self._lives = [self._life(number) for number in range(self._mode.workers)]
        self._recorded = _events(self._path)
        with interpreter.telling(self._effects.append):
            outcome = _together(lives, lambda: self._script(lives))
        return Lived(
            outcome=outcome,
            records=read(self._path),
            happened=self._happened(),
            images=self.images,
            boundaries=sum(life.cuts.passed for life in lives),
            path=self._path,
        )

    def live_or_die(self, target: Path) -> Lived | Image:
        """Run to the end, or to the next event, which leaves an image at the target."""
        try:
            return self.live()
        except Killed:
            for life in self._lives:
                life.leave(target)
            boundary = next(life.cuts.states[-1] for life in self._lives if life.cuts.is_dead)
            happened = attrs.evolve(self._happened(), crashes=self._before.crashes + 1)
            return Image(path=target, boundary=boundary, at=self._clock(), happened=happened)

    def _life(self, number: int) -> Life:
        crashes = self._before.crashes
        return Life(
            self._path,
            clock=self._clock,
            seed=1000 * crashes + number,
            reached=lambda boundary: self._reached(number, boundary),
            from_the_opening=True,
            worker_id=f"w{number}" + (f"-{crashes}" if self._mode.takes_over else ""),
            lease=LEASE,
            max_resident=self._mode.max_resident,
            verify=self._mode.verify,
            together=self._mode.together,
        )

    def _reached(self, worker: int, boundary: Boundary) -> None:
        if (worker, boundary.number) == self._seen:
            return
        self._seen = (worker, boundary.number)
        if self._until_recorded and self._is_open and _events(self._path) > self._recorded:
            self._lives[worker].cuts.die()
        if self._keep is None:
            return
        target = self._keep / f"{len(self.images)}.db"
        copy(self._path, target)
        happened = attrs.evolve(self._happened(), crashes=self._before.crashes + 1)
        self.images.append(Image(path=target, boundary=boundary, at=self._clock(), happened=happened))

    def _happened(self) -> Happened:
        return attrs.evolve(self._told, effects=tuple(self._effects), crashes=self._before.crashes)

    # -- the client

    def _script(self, lives: Sequence[Life]) -> Outcome:
        self._is_open = True  # before, another connection would be in the way
        cuts, app = lives[0].cuts, lives[0].app
        handle = Romancy.start(app, perform(to_json(self._scenario.body)), id=ROOT)
        self._acknowledged(cuts, started=True)
        self._drive([life.app for life in lives], lambda: self._cancel(handle, cuts))
        outcome = driving.outcome(handle, self._path)
        self._acknowledged(cuts, outcome=outcome)
        return outcome

    def _cancel(self, handle: Handle[Any], cuts: Cuts) -> None:
        handle.cancel()
        self._acknowledged(cuts, cancelled=True)

    def _acknowledged(self, cuts: Cuts, **what: Any) -> None:
        self._told = attrs.evolve(self._told, **what)
        cuts.changed()
        cuts(f"after the client was told: {', '.join(what)}")

    def _drive(self, apps: Sequence[Sandbox], cancel: Callable[[], None]) -> None:
        """Turn the loops until nothing is left; a cancellation that nobody was told of is asked for again."""
        cancel_after = None if self._told.cancelled else self._scenario.cancel_after
        driving.finish(apps, self._clock, self._path, cancel_after=cancel_after, cancel=cancel)


def _together(lives: Sequence[Life], script: Callable[[], Outcome]) -> Outcome:
    """Run a client while all these processes live."""
    if not lives:
        return script()
    return lives[0].live(lambda app, cuts: _together(lives[1:], script))


def _events(path: Path) -> int:
    """How many events a file holds."""
    if not path.exists():
        return 0
    with reading(path) as connection:
        return int(connection.execute("select count(*) from history").fetchone()[0]) if has_records(connection) else 0


def torn(before: Image, after: Image, target: Path, chance: random.Random) -> Image | None:
    """The later image with its last write torn off or scribbled over, if it is a write of which nobody was told.

    Args:
        before: the image before that write.
        after: the image after it.
        target: where the torn one goes.
        chance: draws where it is torn.
    """
    if _told(before.happened) != _told(after.happened) or before.path.read_bytes() != after.path.read_bytes():
        return None
    old, new = _log(before.path), _log(after.path)
    if len(new) <= len(old) or not new.startswith(old):
        return None
    cut = chance.randrange(len(old), len(new))
    scribble = chance.randbytes(len(new) - cut) if chance.random() < 0.5 else b""
    target.write_bytes(after.path.read_bytes())
    Path(f"{target}-wal").write_bytes(new[:cut] + scribble)
    return attrs.evolve(after, path=target)


def _told(happened: Happened) -> tuple[object, ...]:
    return happened.started, happened.cancelled, happened.outcome


def _log(path: Path) -> bytes:
    log = Path(f"{path}-wal")
    return log.read_bytes() if log.exists() else b""
