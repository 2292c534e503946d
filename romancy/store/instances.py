"""An instance is a row: which of its fields stands in which column, the same for every database."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

from romancy.store.protocol import SUSPECT, Instance, NewInstance, Parent

INSTANCE = (
    "number, id, workflow, version, input, seed, status, run, position, owner, wake_at, "
    "parent, parent_run, parent_step, error, recoveries, created, changed"
)
WAKEABLE = ("pending", "running", "waiting", "compensating")
TRUSTED = f"recoveries < {SUSPECT}"
SUSPECTS = f"recoveries >= {SUSPECT}"


def instance_of(row: Sequence[Any]) -> Instance:
    """What a row of `INSTANCE` says."""
    number, id, workflow, version, input, seed, status, run, position, owner, wake_at, parent, parent_run = row[:13]
    parent_step, error, recoveries, created, changed = row[13:]
    id, workflow, version, input, seed, status = map(_text, (id, workflow, version, input, seed, status))
    if type(created) is not float or type(changed) is not float or type(wake_at) not in (float, NoneType):
        created, changed, wake_at = _instant(created) or 0.0, _instant(changed) or 0.0, _instant(wake_at)
    return Instance(
        number=number,
        id=id,
        workflow=workflow,
        version=version,
        input=input,
        seed=seed,
        status=status,
        run=run,
        position=position,
        owner=owner,
        wake_at=wake_at,
        parent=None if parent is None else Parent(number=parent, run=parent_run, step=parent_step),
        error=error,
        recoveries=recoveries,
        created=created,
        changed=changed,
    )


def _text(value: object) -> str:
    """A text, whatever somebody else wrote there."""
    return value if type(value) is str else repr(value)


def _instant(value: object) -> float | None:
    """An instant that a calendar knows, or none."""
    is_number = isinstance(value, (int, float)) and 0 <= value < 1e11
    return float(value) if is_number else None  # type: ignore[arg-type]


def fresh(number: int, new: NewInstance, owner: int | None, now: float) -> Instance:
    """What a row says that was just inserted."""
    return Instance(
        number=number,
        id=new.id,
        workflow=new.workflow,
        version=new.version,
        input=new.input,
        seed=new.seed,
        status="pending" if owner is None else "running",
        run=1,
        position=0,
        owner=owner,
        wake_at=now if owner is None else None,
        parent=new.parent,
        error=None,
        recoveries=0,
        created=new.at,
        changed=new.at,
    )


def literals(words: Sequence[str]) -> str:
    """Words of ours, as SQL literals."""
    return ", ".join(f"'{word}'" for word in words)
