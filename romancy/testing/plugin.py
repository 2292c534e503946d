"""What pytest learns of Romancy: the fixture `romancy`, and the crash that a failed test looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from romancy.testing.crash import REPEATED, Crash
from romancy.testing.crashes import latest
from romancy.testing.sandbox import Sandbox

_SHOWN = 10
"""Crashes that are named, where a test holds many."""


@pytest.fixture
def romancy() -> Iterator[Sandbox]:
    """An app in memory on a virtual clock; what it replaces is replaced in the crash points of the test, too.

    One app serves the whole test. With `@given` of Hypothesis write `with Sandbox() as romancy:` in the test instead:
    each example then gets its own.
    """
    with Sandbox() as sandbox:
        yield sandbox


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """No test has looked at a crash before it begins."""
    latest.clear()


@pytest.hookimpl
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Note on the failure where the process was killed, what was recorded, and how to repeat it.

    Every report has the notes of an exception: the terminal's, JUnit's, and those of other plugins.
    """
    if call.excinfo is None or call.when == "teardown" or isinstance(call.excinfo.value, pytest.skip.Exception):
        return
    error = call.excinfo.value
    if any(REPEATED in note for note in getattr(error, "__notes__", ())):
        return  # a broken promise says it itself
    with suppress(AttributeError, TypeError):  # an exception may be frozen
        for note in _notes(list(_held(call.excinfo))):
            error.add_note(note)


def _notes(held: list[Crash[Any]]) -> Iterator[str]:
    """The crash of the loop that goes on still, or the only one there is, in full; others by their names."""
    shown = latest[-1] if latest else held[0] if len(held) == 1 else None
    others = [each for each in held if each is not shown]
    if shown is not None:
        yield f"the crash that was looked at last:\n{shown}"
    if others:
        more = [f"and {len(others) - _SHOWN} more"] if len(others) > _SHOWN else []
        yield "\n".join(["crashes that the test holds:", *map(repr, others[:_SHOWN]), *more])


def _held(failure: pytest.ExceptionInfo[BaseException]) -> Iterator[Crash[Any]]:
    """The crashes in the variables of the functions that failed: themselves, or else those in their collections."""
    values = [value for entry in failure.traceback for value in entry.frame.f_locals.values()]
    crashes = _crashes(values)
    yield from crashes or _crashes(each for value in values if issubclass(type(value), (list, tuple)) for each in value)


def _crashes(values: Iterable[Any]) -> list[Crash[Any]]:
    # By type(): a proxy in the variables of a test may raise when it is asked for its class.
    return list({id(each): each for each in values if issubclass(type(each), Crash)}.values())
