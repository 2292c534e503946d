"""One instance, lived through in as many lives as a schedule has crashes, and held against what Romancy promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs

from romancy.app import Romancy
from romancy.calls import CallWorkflow
from romancy.errors import RomancyError
from romancy.history import ActivityCompleted, Event
from romancy.testing.clock import VirtualClock
from romancy.testing.cuts import Boundary, Cuts, Killed
from romancy.testing.effects import Effect
from romancy.testing.fakes import Fakes
from romancy.testing.lives import Life
from romancy.testing.sandbox import EndlessError, Sandbox

T = TypeVar("T")

Histories = dict[tuple[str, int], list[Event]]
"""What is recorded: events by the id of the instance and the number of its run."""


class BrokenPromise(AssertionError):
    """After a crash, something was not as Romancy promises."""


@attrs.define
class Ending(Generic[T]):
    """How the instance stood when its last life was over."""

    id: str
    run: int
    status: str
    outcome: T | BaseException
    histories: Histories
    history: list[Event]


@attrs.define
class Death:
    """What one crash left: where it was, what was recorded, and how many bodies had begun."""

    boundary: Boundary
    recorded: Histories
    bodies: int


class Trial(Generic[T]):
    """Runs an instance from an empty file to its end, through crashes.

    Args:
        call: the workflow's call.
        folder: where the files of its lives go.
        order: what comes first where there is a choice, in the first life.
        fakes: what replaces activities.
        patience: of each life.
        remedy: what `EndlessError` advises.

    Attributes:
        deaths: the crashes that came about.
        log: the bodies that ran, in all lives.
        life: the last one.
    """

    def __init__(
        self, call: CallWorkflow[T], folder: Path, order: Sequence[int], fakes: Fakes, *, patience: int, remedy: str
    ) -> None:
        self.deaths: list[Death] = []
        self.log: list[Effect] = []
        self.life: Life
        self._call = call
        self._id = call.id or "crashed"
        self._folder = folder
        self._order = order
        self._fakes = fakes
        self._patience = patience
        self._remedy = remedy
        self._clock = VirtualClock()
        self._is_started = False

    def run(self, schedule: Sequence[int]) -> Ending[T]:
        """Live, and die at the crash point of each number; a life that has fewer of them is the last.

        Raises:
            BrokenPromise: a start was lost, a record changed, or something recorded ran again.
        """
        for number, dies_at in enumerate((*schedule, None)):
            self.life = self._next_life(number, dies_at)
            try:
                ending = self.life.live(self._script)
            except Killed:
                self.life.leave(self._file(number + 1))
                self.log += self.life.app.effects.log
                self.deaths.append(Death(self.life.cuts.states[-1], {}, len(self.log)))
                continue
            self.log += self.life.app.effects.log
            self._check(ending.histories)
            return ending
        raise AssertionError("the last life has no death")

    def _next_life(self, number: int, dies_at: int | None) -> Life:
        life = Life(
            self._file(number),
            clock=self._clock,
            dies_at=dies_at,
            order=self._order if number == 0 else (),
            seed=number,
            fakes=self._fakes,
            verify=1.0,
            patience=self._patience,
        )
        life.app.remedy = self._remedy
        return life

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.db"

    def _script(self, app: Sandbox, cuts: Cuts) -> Ending[T]:
        recorded = _histories(app)
        for death in self.deaths[-1:]:
            death.recorded = recorded
        if self._is_started and (self._id, 1) not in recorded:
            raise BrokenPromise("the instance is gone, though its start had been acknowledged")
        handle = Romancy.start(app, self._call, id=self._id)
        self._is_started = True
        cuts.changed()
        cuts("after the start was acknowledged")
        outcome: T | BaseException
        try:
            outcome = handle.result()
        except EndlessError:
            raise
        except (RomancyError, TimeoutError) as error:
            outcome = error
        cuts.changed()
        cuts("after the result was read")
        run = app._stored(self._id).run
        return Ending(self._id, run, handle.status, outcome, _histories(app), handle.history())

    def _check(self, histories: Histories) -> None:
        for death in self.deaths:
            for place, events in death.recorded.items():
                if histories.get(place, [])[: len(events)] != events:
                    raise BrokenPromise(
                        f"of instance {place[0]!r}, what was recorded before the crash is not there after it"
                    )
            self._check_nothing_recorded_ran_again(death)
        for effect, count in Counter(self.log).items():
            if count > (1 if effect.at_most_once else 1 + len(self.deaths)):
                raise BrokenPromise(f"{effect} ran {count} times with {len(self.deaths)} crashes")

    def _check_nothing_recorded_ran_again(self, death: Death) -> None:
        again = {(each.instance_id, each.run, each.step) for each in self.log[death.bodies :]}
        for (instance_id, run), events in death.recorded.items():
            for event in events:
                if isinstance(event, ActivityCompleted) and (instance_id, run, event.step) in again:
                    raise BrokenPromise(
                        f"{event.name} of step {event.step} ran again, though its completion was recorded"
                    )


def _histories(app: Sandbox) -> Histories:
    """Everything that is recorded, of all instances and runs."""
    found: Histories = {}
    for handle in app.instances():
        instance: Any = app._stored(handle.id)
        for run in range(1, instance.run + 1):
            found[handle.id, run] = handle.history(run)
    return found
