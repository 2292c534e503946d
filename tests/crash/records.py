"""What a database file holds, read with plain SQL and told in the words of the model."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from tests.crash.verdicts import Fact

TERMINAL = ("completed", "failed", "cancelled")


@attrs.frozen(kw_only=True)
class Stored:
    """A row of the table `instance`."""

    number: int
    id: str
    status: str
    run: int
    position: int
    owner: int | None
    wake_at: float | None
    parent: int | None
    parent_run: int | None
    parent_step: str | None
    input: str
    seed: str
    error: str | None
    created: float


@attrs.frozen
class Records:
    """All that a file holds: instances by id, the runs of each, letters by instance, tokens of leases, rows of
    transactional activities."""

    instances: Mapping[str, Stored]
    histories: Mapping[str, tuple[tuple[Fact, ...], ...]]
    letters: Mapping[int, int]
    tokens: frozenset[int]
    rows: tuple[tuple[str, int, str], ...]

    @property
    def facts(self) -> Iterator[tuple[str, int, Fact]]:
        """Every event, with the id and run that it belongs to."""
        for id, runs in self.histories.items():
            for run, facts in enumerate(runs, 1):
                for fact in facts:
                    yield id, run, fact

    @property
    def unfinished(self) -> list[Stored]:
        """Instances that have not ended."""
        return [each for each in self.instances.values() if each.status not in (*TERMINAL, "stuck")]


@contextmanager
def reading(path: str | Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write."""
    connection = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def has_records(connection: sqlite3.Connection) -> bool:
    """Whether the file was made ready for instances."""
    return connection.execute("select 1 from sqlite_schema where name = 'instance'").fetchone() is not None


def read(path: str | Path) -> Records:
    """What the file holds now, in one snapshot."""
    with reading(path) as connection:
        connection.execute("begin")
        columns = [each.name for each in attrs.fields(Stored)]
        rows = connection.execute(f"select {', '.join(columns)} from instance order by number").fetchall()
        stored = [Stored(**dict(zip(columns, row, strict=True))) for row in rows]
        has_rows = connection.execute("select 1 from sqlite_schema where name = 'effect'").fetchone()
        effects = connection.execute("select instance, run, step from effect").fetchall() if has_rows else []
        return Records(
            instances={each.id: each for each in stored},
            histories={each.id: _runs(connection, each) for each in stored},
            letters=dict(connection.execute("select instance, count(*) from inbox group by 1")),
            tokens=frozenset(token for (token,) in connection.execute("select token from worker")),
            rows=tuple(sorted(effects)),
        )


def _runs(connection: sqlite3.Connection, stored: Stored) -> tuple[tuple[Fact, ...], ...]:
    runs: list[list[Fact]] = [[] for _ in range(stored.run)]
    found = connection.execute(
        "select run, seq, kind, step, name, attempt, data, detail, at from history"
        " where instance = ? order by run, seq",
        [stored.number],
    )
    for run, seq, kind, step, name, attempt, data, detail, at in found:
        value = None if data is None else _told(json.loads(data)) if _is_error(kind) else json.loads(data)
        fact = Fact(seq=seq, kind=kind, step=step, name=name, attempt=attempt, value=value, detail=detail, at=at)
        while len(runs) < run:
            runs.append([])
        runs[run - 1].append(fact)
    return tuple(map(tuple, runs))


def _is_error(kind: str) -> bool:
    return kind.endswith(("_failed", "_cancelled", "_refused"))


def _told(error: Any) -> Any:
    """A stored exception as the interpreter tells it to the program; what is none, as it stands."""
    if not isinstance(error, dict):
        return error
    name = error.get("as")
    if name is None or name.startswith("romancy.errors.Activity"):
        return [(name or "ActivityError").rpartition(".")[2], error["type"], error["message"]]
    short = name.rpartition(".")[2]
    if short == "InstanceFailedError":
        cause = error.get("cause")
        return [short, cause and _told(cause), [_told(each) for each in error.get("errors", [])]]
    return [short, error["message"]]


def compensation_errors(path: str | Path, id: str) -> list[Any]:
    """The errors of the compensations of an instance that failed or was cancelled, as the interpreter tells them."""
    with reading(path) as connection:
        (data,) = connection.execute(
            "select data from history join instance on number = history.instance and instance.run = history.run"
            " where id = ? and kind in ('workflow_failed', 'workflow_cancelled')",
            [id],
        ).fetchone()
    return [_told(each) for each in json.loads(data).get("compensation_errors", [])]
