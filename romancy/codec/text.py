"""JSON text: orjson writes and reads it, the standard library what orjson cannot carry, marked by a leading space."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import orjson

DEEPEST = 400
"""Levels of nesting that can be written, so that reading them fits into Python's own limit of recursion."""

LONGEST = 4300
"""Digits that an integer may have: Python reads no longer ones from text."""

_TOO_LARGE: int = 10**LONGEST
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
_dumps, _loads = orjson.dumps, orjson.loads


class Unfit(Exception):
    """A value cannot be carried under its annotation; `path` grows on the way out of each container."""

    def __init__(self, reason: str, value: Any = None, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value
        self.path = path

    def within(self, place: str) -> None:
        """Go on to the container that holds the value at `place`."""
        self.path = place + self.path


def at_key(key: Any) -> str:
    """The piece of a path that leads to a key of a dict."""
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    return f"[{key!r}]" if type(key) in (str, int, float, bool, type(None)) else f"[a {type(key).__name__}]"


def fingerprint(text: str) -> int:
    """A checksum of an encoded text, the same in every process."""
    return zlib.crc32(text.encode(errors="surrogatepass"))


def dump(value: Any) -> str:
    """The text of a value made of JSON's own types.

    Raises:
        Unfit: it holds something else, a cycle, too many levels or too long a number.
    """
    try:
        raw = _dumps(value, option=_OPTIONS)
    except (TypeError, RecursionError):
        return _dump_beyond_orjson(value)
    # orjson writes NaN and the infinities as null without a word.
    if b"null" in raw and _has_nonfinite(value):
        return _dump_beyond_orjson(value)
    return raw.decode()


def load(text: str) -> Any:
    """What a text of `dump` holds.

    Raises:
        Unfit: the text is damaged.
    """
    try:
        return json.loads(text) if text[:1] == " " else _loads(text)
    except (ValueError, RecursionError, TypeError) as error:
        damaged(text, error)


def damaged(text: Any, why: object) -> NoReturn:
    """Refuse a stored text, showing how it begins."""
    raise Unfit(f"the stored text {shown(text)} is damaged: {why}") from None


def _dump_beyond_orjson(value: Any) -> str:
    _refuse_what_json_lacks(value)
    try:
        return " " + json.dumps(value, separators=(",", ":"))
    except (RecursionError, ValueError, TypeError) as error:
        raise Unfit(f"cannot be written as JSON: {error}") from None


def _has_nonfinite(value: Any) -> bool:
    pending = [value]
    while pending:
        each = pending.pop()
        kind = type(each)
        if kind is float:
            if not math.isfinite(each):
                return True
        elif kind is dict:
            pending.extend(each.values())
        elif kind is list or kind is tuple:
            pending.extend(each)
    return False


def _refuse_what_json_lacks(value: Any) -> None:
    for path, each in walk(value, _inside):
        if type(each) is int and not -_TOO_LARGE < each < _TOO_LARGE:
            raise Unfit(f"has more than {LONGEST} digits, and Python reads no such number back", each, path())


def walk(value: Any, inside: Callable[[Any], Iterable[tuple[Any, Any]]]) -> Iterator[tuple[Callable[[], str], Any]]:
    """Every value in a value, with a function that tells its path; a stack of our own, since Python's may be short.

    Args:
        value: where to begin.
        inside: what a value holds, each with the piece of path that leads to it.

    Raises:
        Unfit: it contains itself, or is nested too deep.
    """
    holders: list[int] = []
    trail: list[Any] = []
    pending: list[tuple[int, Any, Any]] = [(0, "", value)]

    def path() -> str:
        text = "".join(each if isinstance(each, str) else f"[{each}]" for each in trail)
        return text if len(text) <= 200 else f"{text[:120]}…{text[-60:]}"

    while pending:
        depth, place, each = pending.pop()
        del holders[depth:], trail[depth:]
        trail.append(place)
        if id(each) in holders:
            raise Unfit("contains itself, and JSON has no cycles", None, path())
        holders.append(id(each))
        yield path, each
        held = [(depth + 1, where, below) for where, below in inside(each)]
        if held and depth >= DEEPEST:
            raise Unfit(f"is nested deeper than {DEEPEST} levels", None, path())
        pending.extend(reversed(held))


def _inside(value: Any) -> Iterable[tuple[Any, Any]]:
    if type(value) is dict:
        return [(at_key(key), each) for key, each in value.items()]
    return list(enumerate(value)) if type(value) is list or type(value) is tuple else []


def shown(value: Any) -> str:
    """A value in few words, for a message; never raises."""
    if type(value) in (str, int, float, bool, bytes, type(None)):
        try:
            text = repr(value)
        except ValueError:
            text = "an enormous int"
        return text if len(text) <= 60 else text[:57] + "…"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
