"""Crashes by the thousand: programs drawn from a seed, each crashed at every boundary, with what was counted."""

from __future__ import annotations

import itertools
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from romancy.testing.cuts import copy
from romancy.testing.lives import workplace
from tests.crash.faults import ERRORS, Fault, FaultyRun
from tests.crash.images import MODES, Image, Lived, Mode, Run, torn
from tests.crash.judging import allow_repeats, check_end, described, examine
from tests.crash.programs import Scenario, scenarios
from tests.crash.records import Records

FRESH = 10
"""Of so many ends one is opened by another engine, which has to find nothing to do."""
AGAIN = 12
"""Of so many images one is recovered with crashes during its recovery."""
SECONDS = 20
"""At so many boundaries of that recovery at most."""


class Crashes:
    """Runs scenarios, and crashes them at every boundary.

    Args:
        number: seeds the sampling.

    Attributes:
        counts: programs, boundaries, images, recoveries of each kind.
    """

    def __init__(self, number: int) -> None:
        self.counts: Counter[str] = Counter()
        self._number = number
        self._chance = random.Random(number)

    def go_undisturbed(self, scenario: Scenario) -> None:
        """Run a scenario without a crash, in every mode.

        Raises:
            Broken: something was not as it has to be.
        """
        for mode in MODES:
            with workplace() as folder:
                lived = Run(scenario, folder / "undisturbed.db", mode).live()
                check_end(scenario, lived, image=None, before=None, fresh=False)
                self.counts["programs × modes"] += 1

    def survive(self, scenario: Scenario, mode: Mode) -> None:
        """Run a scenario, and bring back every image of it.

        Raises:
            Broken: something was not as it has to be.
        """
        self._chance = random.Random(f"{self._number} {mode} {scenario}")  # the same ones whenever it is run
        with workplace() as folder:
            lived = Run(scenario, folder / "first.db", mode, keep=_made(folder / "first")).live()
            self._count(lived)
            self.counts["programs"] += 1
            check_end(scenario, lived, image=None, before=None, fresh=self._sometimes(FRESH))
            previous: Image | None = None
            for image in lived.images:
                self._recover(scenario, mode, image, folder)
                if previous is not None:
                    self._tear(scenario, mode, previous, image, folder)
                previous = image

    def stumble(self, scenario: Scenario, mode: Mode) -> int:
        """Run a scenario that is killed after every event that it records; returns how many lives it took.

        Raises:
            Broken: something was not as it has to be.
        """
        with workplace() as folder:
            image: Image | None = None
            records: Records | None = None
            for number in itertools.count():
                run = Run(scenario, folder / f"{number}.db", mode, image=image, until_recorded=True)
                lived = run.live_or_die(folder / f"left-{number}.db")
                if isinstance(lived, Lived):
                    check_end(scenario, lived, image=image, before=records, fresh=True)
                    self.counts["lives that ended with their next event"] += number
                    return number + 1
                records = self._examined(lived, _made(folder / "examined"))
                image = allow_repeats(lived, records)
        raise AssertionError("counting has no end")

    def _recover(self, scenario: Scenario, mode: Mode, image: Image, folder: Path) -> None:
        again = image.happened.crashes == 1 and self._sometimes(AGAIN)
        kept = _made(folder / "second") if again else None
        before = self._bring_back(scenario, mode, image, folder / f"life-{image.happened.crashes}", kept)
        seconds = before.images
        for second in sorted(self._chance.sample(range(len(seconds)), min(SECONDS, len(seconds)))):
            self._recover(scenario, mode, seconds[second], folder)

    def _bring_back(self, scenario: Scenario, mode: Mode, image: Image, place: Path, keep: Path | None) -> Lived:
        self.counts[f"recoveries after crash {image.happened.crashes}"] += 1
        try:
            records = self._examined(image, _made(place))
            image = allow_repeats(image, records)
            lived = Run(scenario, place / "again.db", mode, image=image, keep=keep).live()
            self._count(lived)
            check_end(scenario, lived, image=image, before=records, fresh=self._sometimes(FRESH))
        except BaseException as error:
            error.add_note(described(scenario, image, mode.name))
            raise
        return lived

    def _examined(self, image: Image, place: Path) -> Records | None:
        copied = place / "examined.db"
        copy(image.path, copied)
        return examine(image, copied)

    def _tear(self, scenario: Scenario, mode: Mode, before: Image, after: Image, folder: Path) -> None:
        """What a crash of the whole machine could leave of the last write of which nobody was told."""
        image = torn(before, after, folder / "torn.db", self._chance)
        if image is not None:
            self.counts["torn logs"] += 1
            self._bring_back(scenario, mode, image, folder / "life-torn", None)

    def _count(self, lived: Lived) -> None:
        if lived.images:
            self.counts["boundaries"] += lived.boundaries
            self.counts["images"] += len(lived.images)

    def _sometimes(self, often: int) -> bool:
        return self._chance.randrange(often) == 0


def _made(folder: Path) -> Path:
    """An empty folder."""
    folder.mkdir(exist_ok=True)
    for each in folder.iterdir():
        each.unlink()
    return folder


def crash_programs(number: int, programs: int) -> Counter[str]:
    """Draw programs from a seed, and crash each at every boundary, in a mode that is drawn too.

    Args:
        number: the seed.
        programs: how many.

    Raises:
        Broken: with the program that shows it.
    """
    crashes = Crashes(number)

    def survive(scenario: Scenario, mode: Mode) -> None:
        crashes.go_undisturbed(scenario)
        crashes.survive(scenario, mode)
        crashes.stumble(scenario, mode)

    _draw(number, programs, MODES, survive)
    return crashes.counts


def _draw(number: int, programs: int, modes: Sequence[Mode], survive: Callable[[Scenario, Mode], None]) -> None:
    """Draw programs and modes from a seed; what goes wrong is not shrunk, which would take minutes."""

    @seed(number)
    @settings(
        max_examples=programs,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(scenarios(), st.sampled_from(modes))
    def each(scenario: Scenario, mode: Mode) -> None:
        survive(scenario, mode)

    with quiet():
        each()


@contextmanager
def quiet() -> Iterator[None]:
    """Engines say much when they find that somebody died."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class Troubles:
    """Runs scenarios on files whose statements fail now and then.

    Args:
        number: seeds the sampling.

    Attributes:
        counts: runs with faults, by the kind of fault, and faults that came about.
    """

    def __init__(self, number: int) -> None:
        self.counts: Counter[str] = Counter()
        self._number = number
        self._chance = random.Random(number)

    def survive(self, scenario: Scenario, mode: Mode, times: int) -> None:
        """Run a scenario so many times, each time with another fault.

        Raises:
            Broken: something was not as it has to be.
        """
        self._chance = random.Random(f"{self._number} {mode} {scenario}")
        with workplace() as folder:
            statements = self.run(scenario, mode, None, _made(folder / "sound"))
            for _ in range(times):
                self.run(scenario, mode, self._fault(statements), _made(folder / "faulty"))

    def survive_each(self, scenario: Scenario, mode: Mode, error: str, *, after: bool = False) -> None:
        """Run a scenario as often as it has statements, each time with another one that fails.

        Raises:
            Broken: something was not as it has to be.
        """
        with workplace() as folder:
            statements = self.run(scenario, mode, None, _made(folder / "sound"))
            for number in range(1, statements + 1):
                self.run(scenario, mode, Fault(at=number, error=error, after=after), _made(folder / "faulty"))

    def _fault(self, statements: int) -> Fault:
        after = self._chance.random() < 0.3
        return Fault(
            at=self._chance.randint(1, statements),
            error=self._chance.choice(list(ERRORS)),
            lasts=1 if after else self._chance.choice([1, 1, 2, 5, 60]),
            after=after,
        )

    def run(self, scenario: Scenario, mode: Mode, fault: Fault | None, folder: Path) -> int:
        """Run a scenario with a fault, or without; returns how many statements there were."""
        run = FaultyRun(scenario, folder / "app.db", mode, fault)
        try:
            check_end(scenario, run.live(), image=None, before=None, fresh=fault is not None and fault.after)
        except BaseException as error:
            error.add_note(f"{mode.name}, {fault}\n{attrs.asdict(scenario)}")
            raise
        self.counts["runs with faults"] += fault is not None
        self.counts["failed statements"] += run.faults.raised
        return run.faults.count


def fault_programs(number: int, programs: int, times: int = 12) -> Counter[str]:
    """Draw programs from a seed, and run each with one fault after another.

    Args:
        number: the seed.
        programs: how many.
        times: faults for each.

    Raises:
        Broken: with the program that shows it.
    """
    troubles = Troubles(number)
    alone = [each for each in MODES if each.workers == 1]
    _draw(number, programs, alone, lambda scenario, mode: troubles.survive(scenario, mode, times))
    return troubles.counts
