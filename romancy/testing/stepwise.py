"""Runs activities one at a time, each followed by a turn of the loop, in an order that somebody else chooses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from romancy.testing.effects import Effect, Effects
from romancy.testing.fakes import Fakes
from romancy.worker.activities import Flight, Inline, Run, fly, fly_async


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
    """

    fakes: Fakes = attrs.field(factory=dict)
    effects: Effects = attrs.field(factory=Effects)
    ran: Callable[[str], None] = lambda _: None


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
        self.chosen = 0

    def width(self) -> int:
        """How many flights wait to be run."""
        for flight in [each for each in self._waiting if each.abandoned]:
            self._waiting.remove(flight)
        return len(self._waiting)

    def run_waiting(self) -> None:
        if not self.width():
            return
        flight = self._waiting[self.chosen]
        del self._waiting[self.chosen]
        self.chosen = 0
        life = self._fly(flight)
        self._script.ran(f"{_effect(flight, (), {})} {'raised' if flight.error is not None else 'returned'}")
        self._landed(flight)
        life.release()

    def _fly(self, flight: Flight) -> Any:
        definition = flight.pending.activity
        body = self._script.fakes.get(definition.name, definition.fn)
        noted = self._noted(flight, body)
        if inspect.iscoroutinefunction(body):
            return _to_the_end(lambda: fly_async(flight, self._attempt, noted))
        return fly(flight, self._attempt, noted)

    def _noted(self, flight: Flight, body: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._script.effects.add(_effect(flight, args, kwargs))
            return body(*args, **kwargs)

        return run


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


def _to_the_end(begin: Callable[[], Any]) -> Any:
    """Run a coroutine on an event loop of its own: on another thread where this one runs a loop already."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(begin())
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(copy_context().run, lambda: asyncio.run(begin())).result()
