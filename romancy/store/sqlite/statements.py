"""The pieces that several SQL statements of the SQLite store share."""

from __future__ import annotations

from collections.abc import Collection

from romancy.store.instances import INSTANCE, SUSPECTS, TRUSTED, WAKEABLE, fresh, instance_of, literals

__all__ = ["INSTANCE", "SUSPECTS", "TRUSTED", "WAKEABLE", "fresh", "instance_of", "literals", "marks", "named"]


def marks(names: Collection[str]) -> str:
    """Placeholders for names, as `named` gives them."""
    return ", ".join(f":name{place}" for place in range(len(names)))


def named(names: Collection[str]) -> dict[str, str]:
    """The parameters for `marks`."""
    return {f"name{place}": name for place, name in enumerate(names)}
