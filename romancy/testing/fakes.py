"""Activities replaced by name while a test runs: a fake takes what the activity takes and returns what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable
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
    """Those of the sandbox in whose block this is called; none outside of one."""
    return _in_force.get({})


def put_in_force(fakes: Fakes) -> None:
    """Let `crash_points` use these fakes from here on."""
    _in_force.set(fakes)


def checked_fake(activity: Activity[..., Any] | str, fake: Callable[..., Any]) -> tuple[str, Callable[..., Any]]:
    """The name of the activity that a fake stands in for, and the function to call.

    Raises:
        DefinitionError: there is no such activity, or the fake cannot be called as it is.
    """
    meant = [activity.definition] if isinstance(activity, Activity) else _named(activity)
    name = meant[-1].name
    if isinstance(fake, Activity):
        fake = fake.fn
    if isinstance(fake, BaseException) or (isinstance(fake, type) and issubclass(fake, BaseException)):
        raise DefinitionError(f"replace({name!r}, {fake!r}): give a function that raises it")
    if not callable(fake):
        raise DefinitionError(f"replace({name!r}, {fake!r}): give a function, such as lambda *args: …")
    problems = [_misfit(definition, fake) for definition in meant]
    if all(problems):
        raise DefinitionError(
            f"the fake {fake!r} cannot stand in for {meant[-1].place}: {problems[-1]}; give it the same parameters"
        )
    return name, fake


def _named(name: str) -> list[ActivityDefinition]:
    """Those of that name: modules that are not used together may name theirs alike."""
    if not isinstance(name, str):
        raise DefinitionError(f"replace({name!r}, …): give an activity or its name")
    found = definitions.get(name)
    if found is None:
        close = get_close_matches(name, definitions, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ": import the module that defines it"
        raise DefinitionError(f"there is no activity {name!r} in this process{hint}")
    return list(found.values())


def _misfit(definition: ActivityDefinition, fake: Callable[..., Any]) -> str | None:
    """Bind the activity's own parameters to the fake, positional where they can be; returns why they do not fit."""
    try:
        taken = inspect.signature(fake)
    except (TypeError, ValueError):
        return None  # a builtin that tells nothing of its parameters
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
        return str(problem)
    return None
