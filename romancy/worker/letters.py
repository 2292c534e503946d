"""What a child tells its parent: written by the worker that ends the one, read by the worker that holds the other."""

from __future__ import annotations

import json

import attrs

from romancy.store.protocol import Letter, Parent, Told


@attrs.frozen
class Report:
    """For which call of which run, how the child ended, and its result or failure as JSON."""

    run: int
    step: str
    status: str
    data: str


def to_parent(parent: Parent, status: str, data: str) -> Told:
    """The letter of a child that has ended."""
    letter = {"run": parent.run, "step": parent.step, "status": status, "data": data}
    return Told(parent.number, "child", json.dumps(letter))


def from_child(letter: Letter) -> Report | None:
    """What a letter of a child says; None where it is none, or damaged."""
    try:
        told = json.loads(letter.data) if letter.kind == "child" else None
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    run, step, status, data = (told.get(key) for key in ("run", "step", "status", "data"))
    if not isinstance(run, int) or not isinstance(step, str) or not isinstance(data, str):
        return None
    return Report(run, step, status, data) if status in ("completed", "failed", "cancelled") else None
