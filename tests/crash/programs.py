"""Programs as values: what a workflow may do, drawn by Hypothesis and carried as JSON; no engine code here.

A program is a tree. Its leaves are calls that wait for one event each; its inner nodes put them in order, side by side,
or under a handler. Every statement has a value, which is plain JSON, so that two runs can be compared.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Sequence
from typing import Any, Union

import attrs
from hypothesis import strategies as st


@attrs.frozen
class Act:
    """Run an activity; `failures` is how many attempts fail before one succeeds, where its kind does succeed."""

    kind: str
    failures: int = 0


@attrs.frozen
class Saga:
    """Run an activity that has a compensation, which `works`, is `flaky` or `fails` for good."""

    undo: str


@attrs.frozen
class Draw:
    """Take `now`, `random` or `uuid` from the context and carry it through an activity; the value is whether it is the
    same after a replay."""

    what: str


@attrs.frozen
class Sleep:
    """Wait for a number of seconds."""

    seconds: int


@attrs.frozen
class Child:
    """Run a program as a child and wait for its end."""

    body: Block


@attrs.frozen
class Detached:
    """Start a program that goes on by itself; the value is its id."""

    body: Block


@attrs.frozen
class Raise:
    """The workflow's own code raises `ValueError`."""


@attrs.frozen
class Recur:
    """Begin the next run of this program, unless so many began already."""

    times: int


@attrs.frozen
class Block:
    """Statements in order; the value is the list of theirs."""

    statements: tuple[Statement, ...]


@attrs.frozen
class Try:
    """The handler runs where the body fails, and the failure is over."""

    body: Block
    handler: Block


@attrs.frozen
class Guarded:
    """The cleanup runs where the body fails or is cancelled, and the failure or cancellation goes on."""

    body: Block
    cleanup: Block


@attrs.frozen
class Gather:
    """Members side by side, all of them."""

    members: tuple[Statement, ...]
    return_exceptions: bool = False


@attrs.frozen
class Race:
    """Members side by side, the first of them."""

    members: tuple[Statement, ...]


Statement = Union[Act, Saga, Draw, Sleep, Child, Detached, Raise, Recur, Block, Try, Guarded, Gather, Race]

ACTS = ("plain", "transactional", "flaky", "once", "declared", "exhausted", "terminal", "undeclared")
"""The kinds of activity; those from `declared` on fail for good."""
FLAKY_ATTEMPTS = 4
EXHAUSTED_ATTEMPTS = 2
UNDO_ATTEMPTS = 2
"""The most attempts that the activities of these kinds have; a flaky compensation fails once."""


@attrs.frozen
class Scenario:
    """A program, and after how many turns of the loop it is cancelled from outside, if it is."""

    body: Block
    cancel_after: int | None = None


# -- as JSON

_KINDS: dict[str, Any] = {
    each.__name__: each
    for each in (Act, Saga, Draw, Sleep, Child, Detached, Raise, Recur, Block, Try, Guarded, Gather, Race)
}


def to_json(statement: Statement) -> list[Any]:
    """A statement as lists, texts and numbers: the argument of the workflow that performs it."""
    fields = [getattr(statement, each.name) for each in attrs.fields(type(statement))]
    return [type(statement).__name__, *map(_value_to_json, fields)]


def _value_to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [to_json(each) for each in value]
    return to_json(value) if attrs.has(type(value)) else value


def from_json(form: Sequence[Any]) -> Any:
    """What `to_json` was given."""
    name, *fields = form
    return _KINDS[name](*map(_value_from_json, fields))


def _value_from_json(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    if value and isinstance(value[0], str):
        return from_json(value)
    return tuple(from_json(each) for each in value)


def digest(values: Sequence[Any]) -> int:
    """A number that tells what a block knows so far: the argument of its next activity."""
    return zlib.crc32(json.dumps(values).encode())


# -- drawn

CALLS = (Act, Saga, Sleep, Child, Detached, Gather, Race)
"""Statements that are one call; any other is a branch of its own where it stands beside others."""


def waits(statement: Statement) -> bool:
    """Whether it certainly waits for an event before it ends; only such statements stand side by side."""
    match statement:
        case Raise() | Recur():
            return False
        case Block(statements):
            return bool(statements) and waits(statements[0])
        case Try(body) | Guarded(body):
            return waits(body)
        case _:
            return True


@functools.cache
def _acts() -> st.SearchStrategy[Act]:
    steady = st.sampled_from([each for each in ACTS if each not in ("transactional", "flaky")])
    return st.one_of(
        st.builds(Act, steady),
        st.builds(Act, st.just("transactional"), st.integers(0, 2)),
        st.builds(Act, st.just("flaky"), st.integers(1, FLAKY_ATTEMPTS - 1)),
    )


@functools.cache
def leaves() -> st.SearchStrategy[Statement]:
    """Statements that hold no others; what succeeds comes up more often than what fails."""
    return st.one_of(
        st.just(Act("plain")),
        st.just(Act("transactional")),
        _acts(),
        st.builds(Sleep, st.sampled_from([0, 1, 5, 60])),
        st.builds(Saga, st.sampled_from(["works", "works", "flaky", "fails"])),
        st.builds(Draw, st.sampled_from(["random", "uuid", "now"])),
    )


@functools.cache
def blocks(depth: int, *, size: int = 3) -> st.SearchStrategy[Block]:
    """Blocks whose statements nest at most so deep."""
    return st.lists(statements(depth), min_size=1, max_size=size).map(lambda each: Block(tuple(each)))


@functools.cache
def statements(depth: int) -> st.SearchStrategy[Statement]:
    """Statements that nest at most so deep."""
    if depth <= 0:
        return st.one_of(leaves(), leaves(), leaves(), st.just(Raise()))
    inner = st.deferred(lambda: blocks(depth - 1))
    members = st.lists(_members(depth - 1), min_size=1, max_size=3).map(tuple)
    return st.one_of(
        leaves(),
        st.builds(Gather, members, st.booleans()),
        st.builds(Race, members),
        st.builds(Try, inner, inner),
        st.builds(Child, st.deferred(lambda: bodies(depth - 1))),
        st.builds(Guarded, inner, inner),
        st.builds(Detached, st.deferred(lambda: bodies(depth - 1))),
        leaves(),
    )


@functools.cache
def _members(depth: int) -> st.SearchStrategy[Statement]:
    deferred = st.deferred(lambda: st.one_of(statements(depth), blocks(depth)).filter(waits))
    return st.one_of(leaves(), deferred)


@functools.cache
def bodies(depth: int) -> st.SearchStrategy[Block]:
    """The body of a workflow: a block in which it may begin its next run."""
    return st.one_of(blocks(depth, size=4), _recurring(depth))


@functools.cache
def _recurring(depth: int) -> st.SearchStrategy[Block]:
    def assemble(before: Block, again: Recur, after: list[Statement]) -> Block:
        return Block((*before.statements, again, *after))

    again = st.builds(Recur, st.integers(1, 2))
    return st.builds(assemble, blocks(depth, size=2), again, st.lists(statements(depth), max_size=1))


def scenarios(depth: int = 4) -> st.SearchStrategy[Scenario]:
    """Programs, some of which are cancelled at some point of their run."""
    return st.builds(Scenario, bodies(depth), st.one_of(st.none(), st.none(), st.integers(0, 12)))
