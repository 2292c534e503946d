"""What a terminal is given: one line for each thing, and nothing that a terminal would obey."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from romancy.store.address import masked

if TYPE_CHECKING:
    from romancy.store.protocol import Instance


def visible(text: str, keep: str = "") -> str:
    """A text in which control characters, ANSI escapes, marks of direction and lone surrogates are spelled out.

    Args:
        text: anything, such as an id or the message of an error.
        keep: characters that pass nevertheless.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else _spelled(each) for each in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()


def one_line(text: str, width: int | None = None) -> str:
    """A text of several lines as one, cut to a width."""
    line = visible("; ".join(each.strip() for each in text.splitlines() if each.strip()))
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that reads well and that a terminal does not obey: what is not printable is escaped as JSON does it."""
    lines = json.dumps(value, ensure_ascii=False, indent=indent).split("\n")
    return "\n".join(each if each.isprintable() else "".join(map(_escaped, each)) for each in lines)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else json.dumps(character)[1:-1]


def stored(text: str) -> Any:
    """What a stored JSON text holds; the text itself where it is damaged."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for people; the cells are one line each already."""
    from tabulate import tabulate

    told: str = tabulate(list(rows), headers=list(headers), tablefmt="simple", disable_numparse=True)
    return told


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, one a line."""
    told = list(rows)
    width = max(len(name) for name, _ in told)
    return "\n".join(f"{name.ljust(width)}  {value}".rstrip() for name, value in told)


def local(at: float | None) -> str:
    """An instant in the zone of this machine."""
    return "" if at is None else _written(at, lambda moment: moment.astimezone().strftime("%Y-%m-%d %H:%M:%S"))


def iso(at: float | None) -> str | None:
    """An instant for programs: ISO 8601 in UTC."""
    return None if at is None else _written(at, datetime.isoformat)


def _written(at: float, write: Any) -> str:
    try:
        text: str = write(datetime.fromtimestamp(at, UTC))
    except (OverflowError, ValueError, OSError):
        return f"{at:g} s since 1970"
    return text


def length(seconds: float) -> str:
    """A length of time in at most two units."""
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, small, per, factor in (("min", "s", 60, 1), ("h", "min", 60, 60), ("d", "h", 24, 3600)):
        large, rest = divmod(whole // factor, per)
        if large < (60 if unit == "min" else 24) or unit == "d":
            return f"{large} {unit} {rest} {small}" if rest else f"{large} {unit}"
    raise AssertionError("days are the last unit")


def until(due: float, now: float) -> str:
    """How an instant stands to now."""
    return f"in {length(due - now)}" if due > now else f"{length(now - due)} ago"


def command(verb: str, database: str, instance_id: str) -> str:
    """A command about an instance, to be typed into a shell."""
    words = ["romancy", verb] + ([] if database == "romancy.db" else ["--db", masked(database)])
    return visible(shlex.join([*words, *(["--"] if instance_id.startswith("-") else []), instance_id]))


def summary(instance: Instance) -> dict[str, Any]:
    """An instance for programs, without its history."""
    return {
        "id": instance.id,
        "workflow": instance.workflow,
        "version": instance.version,
        "status": instance.status,
        "run": instance.run,
        "created": iso(instance.created),
        "changed": iso(instance.changed),
        "wake_at": iso(instance.wake_at),
        "error": instance.error,
    }
