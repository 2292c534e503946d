"""Runs activities one at a time, each followed by a turn of the loop, in an order that somebody else chooses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from romancy.testing.coroutines import Coroutines
from romancy.testing.cuts import Killed
from romancy.testing.effects import Effect, Effects
from romancy.testing.fakes import Fakes, fitted
from romancy.worker.activities import Attempt, Flight, Inline, Run, fly, fly_async


class Choose(Protocol):
    """Takes one of several things that could happen next."""

    def __call__(self, width: int) -> int:
        """A number from 0 to `width - 1`; only asked where there is a choice."""


def first(width: int) -> int:
    """The order in which the calls were made."""
    return 0


@attrs.define
class Script:
    """How activities are to be run: what replaces them, what becomes of their effects, and who learns of each.

    Attributes:
        fakes: bodies by the name of the activity.
        effects: takes note of every body.
        ran: called with what happened, after each body.
        together: run all that wait before the loop turns, and not one.
    """

    fakes: Fakes = attrs.field(factory=dict)
    effects: Effects = attrs.field(factory=Effects)
    ran: Callable[[str], None] = lambda _: None
    together: bool = False


class Stepwise(Inline):
    """Runs one flight whenever it is asked to.

    Args:
        attempt: begins an attempt.
        landed: is told of each flight that has ended.
        script: how to run it.
    """

    def __init__(self, attempt: Run, landed: Callable[[Flight], None], script: Script) -> None:
        super().__init__(attempt, landed)
        self._script = script
        self._coroutines = Coroutines()
        self.chosen = 0

    def width(self) -> int:
        """How many flights wait to be run."""
        for flight in [each for each in self._waiting if each.abandoned]:
            self._waiting.remove(flight)
        return len(self._waiting)

    def run_waiting(self) -> None:
        for _ in range(self.width() if self._script.together else min(self.width(), 1)):
            self._run_chosen()

    def _run_chosen(self) -> None:
        flight = self._waiting[self.chosen]
        del self._waiting[self.chosen]
        self.chosen = 0
        life = self._fly(flight)
        if isinstance(flight.error, _PASSING):
            life.release()
            raise flight.error
        self._script.ran(f"{_effect(flight, (), {})} {'raised' if flight.error is not None else 'returned'}")
        self._landed(flight)
        life.release()

    def close(self) -> None:
        super().close()
        self._coroutines.close()

    def drop(self) -> None:
        """Let go of what the end of the process would have freed."""
        self._coroutines.drop()

    def _fly(self, flight: Flight) -> Attempt:
        definition = flight.pending.activity
        fake = self._script.fakes.get(definition.name)
        body = definition.fn if fake is None else fitted(definition, fake)
        noted = self._noted(flight, body)
        if inspect.iscoroutinefunction(body):
            return self._coroutines.run(lambda: fly_async(flight, self._attempt, noted))
        return fly(flight, self._attempt, noted)

    def _noted(self, flight: Flight, body: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._script.effects.add(_effect(flight, args, kwargs))
            result = body(*args, **kwargs)
            if inspect.iscoroutine(result) and not inspect.iscoroutinefunction(body):
                return self._coroutines.run(lambda: result)  # a lambda, or an object, that makes a coroutine
            return result

        return run


_PASSING = (KeyboardInterrupt, Killed)
"""What ends the test, and is no outcome of an activity."""


def _effect(flight: Flight, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Effect:
    context = flight.context
    return Effect(
        name=flight.pending.activity.name,
        instance_id=context.instance_id,
        run=context.run,
        step=context.step,
        attempt=context.attempt,
        at_most_once=flight.pending.activity.at_most_once,
        args=args,
        kwargs=kwargs,
    )
