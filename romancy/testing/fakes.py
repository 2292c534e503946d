"""Activities replaced by name while a test runs: a fake takes what the activity takes and returns what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Any

from romancy.activity import Activity, definitions
from romancy.calls import ActivityDefinition
from romancy.errors import DefinitionError

__tracebackhide__ = True
"""A refusal is shown by pytest at the line of the test."""

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
        raise DefinitionError(told_unknown(name))
    return list(found.values())


def told_unknown(name: object) -> str:
    """What to say of a name that no activity of this process has."""
    meant = name.definition.name if isinstance(name, Activity) else str(name)
    close = get_close_matches(meant, definitions, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ": import the module that defines it"
    return f"there is no activity {name!r} in this process{hint}"


def fitted(definition: ActivityDefinition, fake: Callable[..., Any]) -> Callable[..., Any]:
    """A fake as the activity's body is called: one that takes its arguments by name alone gets them so."""
    names = _names(definition)
    if names is None or _unbound(fake, *_asked(definition)) is None or _unbound_by_name(definition, fake) is not None:
        return fake
    return lambda *args, **kwargs: fake(**dict(zip(names, args, strict=False)), **kwargs)


def _misfit(definition: ActivityDefinition, fake: Callable[..., Any]) -> str | None:
    """Bind the activity's own parameters to the fake, positional where they can be, or else all by name; returns why
    they do not fit."""
    problem, names = _unbound(fake, *_asked(definition)), _names(definition)
    if problem is None or names is None:
        return problem
    by_name = _unbound_by_name(definition, fake)
    return by_name and (problem if _takes_places(fake) else by_name)


def _asked(definition: ActivityDefinition) -> tuple[list[str], list[str]]:
    """The activity's parameters: those that are given in their places, and those by name."""
    parameters = inspect.signature(definition.fn).parameters.values()
    placed = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return placed, [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]


def _names(definition: ActivityDefinition) -> list[str] | None:
    """The names for what is given in its place; None where something has no name."""
    kinds = {each.kind for each in inspect.signature(definition.fn).parameters.values()}
    nameless = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}
    return None if kinds & nameless else _asked(definition)[0]


def _unbound(fake: Callable[..., Any], placed: Sequence[str], named: Sequence[str]) -> str | None:
    """Why a fake cannot be called so; None where it can, or is a builtin that tells nothing of its parameters."""
    try:
        taken = inspect.signature(fake)
    except (TypeError, ValueError):
        return None
    try:
        taken.bind(*placed, **dict.fromkeys(named))
    except TypeError as problem:
        return str(problem)
    return None


def _unbound_by_name(definition: ActivityDefinition, fake: Callable[..., Any]) -> str | None:
    placed, named = _asked(definition)
    return _unbound(fake, (), [*placed, *named])


def _takes_places(fake: Callable[..., Any]) -> bool:
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    return any(each.kind not in by_name for each in inspect.signature(fake).parameters.values())
