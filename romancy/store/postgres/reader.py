"""What is read from a PostgreSQL database: by the loop, by handles and by people; nothing here writes."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Any

import orjson

from romancy.history import Event
from romancy.store.instances import INSTANCE, SUSPECTS, TRUSTED, WAKEABLE, instance_of, literals
from romancy.store.postgres.link import Link
from romancy.store.postgres.server import Connection, Server
from romancy.store.protocol import ACTIVE, TERMINAL, Instance, Lease, Letter, WorkerIdentity
from romancy.store.rows import COLUMNS, from_rows

GRACE = 5.0
"""Seconds for which no lease counts as over once the server is back: its holder could not renew it meanwhile."""
_SYNC = 20.0
"""Seconds between two looks at the server's clock."""

_EVENT = ", ".join(COLUMNS)
_ROWS = (
    ("instance", "number = %s"),
    ("history", "instance = %s order by run, seq"),
    ("inbox", "instance = %s order by number"),
)
_LETTER = "inbox.number, inbox.instance, inbox.kind, inbox.data, inbox.at"


class PostgresReader:
    """The verbs that read.

    Args:
        server: the database.
    """

    def __init__(self, server: Server) -> None:
        self.path = server.shown
        self._server = server
        self._reader = Link(server)
        self._reading = threading.Lock()
        self._sync_at = 0.0

    @property
    def clock(self) -> Any:
        """Seconds since the epoch, by the server."""
        return self._server.clock

    def leases(self) -> list[Lease]:
        rows = self._read("select token, id, host, pid, born, started, until from romancy.worker order by token")
        earliest = self._reader.back_at + GRACE if self._reader.back_at else 0.0
        return [
            Lease(
                token=token,
                worker=WorkerIdentity(id=id, host=host, pid=pid, born=born),
                started=started,
                until=max(until, earliest),
            )
            for token, id, host, pid, born, started, until in rows
        ]

    # -- for the loop

    def owned(self, token: int) -> list[Instance]:
        return self._instances("where owner = %s", [token])

    def load(self, number: int, run: int) -> list[Event]:
        return self.history(number, run)

    def letters(self, token: int) -> list[Letter]:
        rows = self._read(
            f"""
            select {_LETTER}
              from romancy.instance join romancy.inbox on inbox.instance = instance.number
             where instance.owner = %s order by inbox.number
            """,
            [token],
        )
        return [Letter(*row) for row in rows]

    def next_due(self, workflows: Collection[str], *, suspects: bool = False) -> float | None:
        rows = self._read(
            f"""
            select wake_at from romancy.instance
             where owner is null and wake_at is not null and workflow = any(%s)
               and {SUSPECTS if suspects else TRUSTED}
             order by wake_at limit 1
            """,
            [list(workflows)],
        )
        return rows[0][0] if rows else None

    # -- for people

    def instance(self, instance_id: str) -> Instance | None:
        return next(iter(self._instances("where id = %s", [instance_id])), None)

    def instances(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Instance]:
        wanted, values = ["true"], []
        for condition, value in (
            ("status = %s", status),
            ("workflow = %s", workflow),
            ("number > (select number from romancy.instance where id = %s)", after),
        ):
            if value is not None:
                wanted.append(condition)
                values.append(value)
        return self._instances(f"where {' and '.join(wanted)} order by number limit %s", [*values, limit])

    def numbered(self, number: int) -> Instance | None:
        return next(iter(self._instances("where number = %s", [number])), None)

    def children(self, number: int, run: int) -> list[Instance]:
        return self._instances(
            f"where parent = %s and parent_run = %s and status not in ({literals(TERMINAL)}) order by number",
            [number, run],
        )

    def unread(self, number: int) -> list[Letter]:
        rows = self._read(f"select {_LETTER} from romancy.inbox where instance = %s order by number", [number])
        return [Letter(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        return dict(self._read("select status, count(*) from romancy.instance group by status"))

    def history(self, number: int, run: int) -> list[Event]:
        return self.since(number, run, 0)

    def rows(self, instance_id: str) -> dict[str, list[dict[str, Any]]]:
        found = self._read("select number from romancy.instance where id = %s", [instance_id])
        told = {}
        for table, which in _ROWS if found else ():
            rows = self._read(f"select to_json(t)::text from romancy.{table} t where {which}", found[0])
            told[table] = [orjson.loads(text) for (text,) in rows]
        return told

    def since(self, number: int, run: int, seq: int) -> list[Event]:
        rows = self._read(
            f"""
            select seq - %s, {_EVENT} from romancy.history
             where instance = %s and run = %s and seq >= %s order by seq
            """,
            [seq, number, run, seq],
        )
        return from_rows(rows)

    def ending(self, number: int, run: int) -> Event | None:
        rows = self._read(
            f"select 0, {_EVENT} from romancy.history where instance = %s and run = %s order by seq desc limit 1",
            [number, run],
        )
        return from_rows(rows)[0] if rows else None

    def ended(self, ids: Collection[str]) -> list[Instance]:
        return self._instances(f"where id = any(%s) and status in ({literals((*TERMINAL, 'stuck'))})", [list(ids)])

    def is_idle(self, workflows: Collection[str], now: float) -> bool:
        busy = f"status in ({literals(ACTIVE)}) or (status = 'waiting' and retries)"
        due = f"owner is null and wake_at <= %(now)s and status in ({literals(WAKEABLE)})"
        rows = self._read(
            f"select 1 from romancy.instance where workflow = any(%(workflows)s) and ({busy} or ({due})) limit 1",
            {"workflows": list(workflows), "now": now},
        )
        return not rows

    def lag(self, now: float) -> tuple[int, float]:
        rows = self._read(
            "select count(*), min(wake_at) from romancy.instance where owner is null and wake_at <= %s", [now]
        )
        count, first = rows[0]
        return count, max(0.0, now - first) if count else 0.0

    def health(self) -> dict[str, Any]:
        version, size = self._read("select version(), pg_database_size(current_database())")[0]
        return {
            "path": self.path,
            "server": version,
            "schema": self._server.schema,
            "version": self._read("select max(version) from romancy.migration")[0][0],
            "pooled": self._server.is_pooled,
            "bytes": size,
            "settings": dict(
                self._read(
                    "select name, setting from pg_settings where name in ('fsync', 'full_page_writes',"
                    " 'synchronous_commit', 'data_checksums', 'max_connections', 'server_version')"
                )
            ),
            "connections": self._read("select count(*) from pg_stat_activity where datname = current_database()")[0][0],
            "integrity": [],
        }

    def ask(self, sql: str) -> list[Any]:
        """What a statement of SQL answers that changes nothing."""
        return self._read(sql)

    def _instances(self, which: str, values: Sequence[Any]) -> list[Instance]:
        return [instance_of(row) for row in self._read(f"select {INSTANCE} from romancy.instance {which}", values)]

    def _read(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        statement = self._server.sql(sql)

        def work(connection: Connection, _: bool) -> list[Any]:
            self._keep_time(connection)
            return connection.execute(statement, values or None).fetchall()

        asked = self._server.clock.ticks()
        with self._reading:
            return self._reader.run(work, self._server.clock.ticks() - asked)

    def _keep_time(self, connection: Connection) -> None:
        before = self._server.clock.ticks()
        if before < self._sync_at:
            return
        self._sync_at = before + _SYNC
        self._server.read_clock(connection)
