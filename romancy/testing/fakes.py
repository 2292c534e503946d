"""Activities replaced by name while a test runs: a fake takes what the activity takes and returns what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Any

from romancy.activity import Activity, definitions
from romancy.calls import ActivityDefinition
from romancy.errors import DefinitionError

Fakes = dict[str, Callable[..., Any]]
"""What runs in the place of an activity's body, by the activity's name."""

_in_force: ContextVar[Fakes] = ContextVar("romancy_fakes")


def fakes_in_force() -> Fakes:
    """Those of the sandbox that the running test was handed."""
    return _in_force.get({})


@contextmanager
def in_force(fakes: Fakes) -> Iterator[None]:
    """Let everything that is driven in this block use these fakes."""
    token = _in_force.set(fakes)
    try:
        yield
    finally:
        _in_force.reset(token)


def checked_fake(activity: Activity[..., Any] | str, fake: Callable[..., Any]) -> tuple[str, Callable[..., Any]]:
    """The name of the activity that a fake stands in for, and the function to call.

    Raises:
        DefinitionError: there is no such activity, or the fake cannot be called as it is.
    """
    definition = activity.definition if isinstance(activity, Activity) else _named(activity)
    if isinstance(fake, Activity):
        fake = fake.fn
    if not callable(fake):
        raise DefinitionError(f"replace({definition.name!r}, {fake!r}): give a function, such as lambda *args: …")
    _refuse_other_parameters(definition, fake)
    return definition.name, fake


def _named(name: str) -> ActivityDefinition:
    found = definitions.get(name)
    if found is None:
        close = get_close_matches(name, definitions, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ": import the module that defines it"
        raise DefinitionError(f"there is no activity {name!r} in this process{hint}")
    return found


def _refuse_other_parameters(definition: ActivityDefinition, fake: Callable[..., Any]) -> None:
    """Bind the activity's own parameters to the fake, positional where they can be."""
    try:
        taken = inspect.signature(fake)
    except (TypeError, ValueError):
        return  # a builtin that tells nothing of its parameters
    placed: list[None] = []
    named: dict[str, None] = {}
    for each in inspect.signature(definition.fn).parameters.values():
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
            placed.append(None)
        elif each.kind is each.KEYWORD_ONLY:
            named[each.name] = None
    try:
        taken.bind(*placed, **named)
    except TypeError as problem:
        raise DefinitionError(
            f"the fake {fake!r} cannot stand in for {definition.place}: {problem}; give it the same parameters"
        ) from None
