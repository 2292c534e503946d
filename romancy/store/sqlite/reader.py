"""What is read from a SQLite database: by the loop, by handles and by people; nothing here writes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from romancy.history import Event
from romancy.store.protocol import ACTIVE, TERMINAL, Instance, Lease, Letter, WorkerIdentity
from romancy.store.rows import COLUMNS, from_rows
from romancy.store.sqlite.statements import INSTANCE, SUSPECTS, TRUSTED, WAKEABLE, instance_of, literals, marks, named
from romancy.store.sqlite.transaction import Writer, take_any_text, told


class SqliteReader:
    """The verbs that read.

    Args:
        connection: to read from; the writer's own where there is no other.
        writer: whose place such a connection shares.
    """

    def __init__(self, connection: sqlite3.Connection, writer: Writer) -> None:
        self.path = writer.path
        self._reader = connection
        self._shares = writer if writer.connection is connection else None
        self._reading = threading.Lock() if self._shares is None else writer.lock

    def leases(self) -> list[Lease]:
        rows = self._read("select token, id, host, pid, born, started, until from worker order by token")
        return [
            Lease(
                token=token,
                worker=WorkerIdentity(id=id, host=host, pid=pid, born=born),
                started=started,
                until=until,
            )
            for token, id, host, pid, born, started, until in rows
        ]

    # -- for the loop

    def owned(self, token: int) -> list[Instance]:
        return [instance_of(row) for row in self._read(f"select {INSTANCE} from instance where owner = ?", [token])]

    def load(self, number: int, run: int) -> list[Event]:
        return self.history(number, run)

    def letters(self, token: int) -> list[Letter]:
        rows = self._read(
            """
            select inbox.number, inbox.instance, inbox.kind, inbox.data, inbox.at
              from inbox join instance on instance.number = inbox.instance
             where instance.owner = ? order by inbox.number
            """,
            [token],
        )
        return [Letter(*row) for row in rows]

    def next_due(self, workflows: Collection[str], *, suspects: bool = False) -> float | None:
        if not workflows:
            return None
        rows = self._read(
            f"""
            select wake_at from instance
             where owner is null and wake_at is not null and workflow in ({marks(workflows)})
               and {SUSPECTS if suspects else TRUSTED}
             order by wake_at limit 1
            """,
            named(workflows),
        )
        return rows[0][0] if rows and isinstance(rows[0][0], (int, float)) else None

    # -- for people

    def instance(self, instance_id: str) -> Instance | None:
        rows = self._read(f"select {INSTANCE} from instance where id = ?", [instance_id])
        return instance_of(rows[0]) if rows else None

    def instances(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Instance]:
        rows = self._read(
            f"""
            select {INSTANCE} from instance
             where (:status is null or status = :status)
               and (:workflow is null or workflow = :workflow)
               and (:after is null or number > (select number from instance where id = :after))
             order by number limit :limit
            """,
            {"status": status, "workflow": workflow, "after": after, "limit": -1 if limit is None else limit},
        )
        return [instance_of(row) for row in rows]

    def numbered(self, number: int) -> Instance | None:
        rows = self._read(f"select {INSTANCE} from instance where number = ?", [number])
        return instance_of(rows[0]) if rows else None

    def children(self, number: int, run: int) -> list[Instance]:
        rows = self._read(
            f"""
            select {INSTANCE} from instance
             where parent = ? and parent_run = ? and status not in ({literals(TERMINAL)}) order by number
            """,
            [number, run],
        )
        return [instance_of(row) for row in rows]

    def unread(self, number: int) -> list[Letter]:
        rows = self._read(
            "select number, instance, kind, data, at from inbox where instance = ? order by number", [number]
        )
        return [Letter(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        rows = self._read("select coalesce(status, 'none'), count(*) from instance group by 1")
        return {str(status): count for status, count in rows}

    def history(self, number: int, run: int) -> list[Event]:
        rows = self._read(
            f"select seq, {', '.join(COLUMNS)} from history where instance = ? and run = ? order by seq", [number, run]
        )
        return from_rows(rows)

    def rows(self, instance_id: str) -> dict[str, list[dict[str, Any]]]:
        """All rows of an instance by table, as they are stored; none where there is no instance of that id."""
        found = self._read("select number from instance where id = ?", [instance_id])
        if not found:
            return {}
        told = {}
        for table, column in (("instance", "number"), ("history", "instance"), ("inbox", "instance")):
            names = [name for (name,) in self._read("select name from pragma_table_info(?)", [table])]
            rows = self._read(f"select {', '.join(names)} from {table} where {column} = ?", found[0])
            told[table] = [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
        return told

    def since(self, number: int, run: int, seq: int) -> list[Event]:
        rows = self._read(
            f"""
            select seq - :seq, {", ".join(COLUMNS)} from history
             where instance = :number and run = :run and seq >= :seq order by seq
            """,
            {"number": number, "run": run, "seq": seq},
        )
        return from_rows(rows)

    def ending(self, number: int, run: int) -> Event | None:
        rows = self._read(
            f"select 0, {', '.join(COLUMNS)} from history where instance = ? and run = ? order by seq desc limit 1",
            [number, run],
        )
        return from_rows(rows)[0] if rows else None

    def ended(self, ids: Collection[str]) -> list[Instance]:
        rows = []
        wanted = list(ids)
        for start in range(0, len(wanted), 500):
            batch = wanted[start : start + 500]
            rows += self._read(
                f"""
                select {INSTANCE} from instance
                 where id in ({",".join("?" * len(batch))}) and status in ({literals((*TERMINAL, "stuck"))})
                """,
                batch,
            )
        return [instance_of(row) for row in rows]

    def is_idle(self, workflows: Collection[str], now: float) -> bool:
        rows = self._read(
            f"""
            select 1 from instance
             where workflow in ({marks(workflows)})
               and (status in ({literals(ACTIVE)}) or (status = 'waiting' and retries)
                    or (owner is null and wake_at <= :now and status in ({literals(WAKEABLE)})))
             limit 1
            """,
            {"now": now, **named(workflows)},
        )
        return not rows

    def lag(self, now: float) -> tuple[int, float]:
        sql = "select count(*), min(wake_at) from instance where owner is null and wake_at <= ?"
        count, first = self._read(sql, [now])[0]
        return count, max(0.0, now - first) if count else 0.0

    def health(self) -> dict[str, Any]:
        names = ("journal_mode", "synchronous", "trusted_schema", "application_id", "user_version", "page_count")
        pragmas = {name: self._read(f"pragma {name}")[0][0] for name in names}
        problems = [row[0] for row in self._read("pragma integrity_check(20)")]
        wal = Path(self.path + "-wal")
        return {
            "path": self.path,
            "sqlite": sqlite3.sqlite_version,
            "pragmas": pragmas,
            "integrity": [] if problems == ["ok"] else problems,
            "wal_bytes": wal.stat().st_size if wal.exists() else 0,
        }

    def _read(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        with told(self.path):
            if self._shares is not None and self._shares.is_mine():
                return self._rows(sql, parameters)
            with self._reading:
                return self._rows(sql, parameters)

    def _rows(self, sql: str, parameters: Sequence[Any] | dict[str, Any]) -> list[Any]:
        try:
            return self._reader.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as problem:
            if not take_any_text(self._reader, problem):
                raise
            return self._reader.execute(sql, parameters).fetchall()


def _plain(value: object) -> object:
    """A value as JSON can hold it."""
    return {"hex": value.hex()} if isinstance(value, bytes) else value
