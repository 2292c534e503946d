"""Leases, and what becomes of instances when one ends."""

from __future__ import annotations

import math

from romancy.store.postgres.migrate import SCHEMAS, newer
from romancy.store.postgres.once import once
from romancy.store.postgres.server import Connection, lost
from romancy.store.postgres.writer import PostgresWriter
from romancy.store.protocol import WorkerIdentity

_RENEW = """
    with found as (select coalesce(max(version), 0) as version from romancy.migration),
         renewed as (update romancy.worker set until = %(until)s
                       from found where token = %(token)s and version <= %(known)s returning token)
    select (select count(*) from renewed), version from found"""
"""Whoever is older than the tables does not go on: it may be the only one that does not know what they mean now."""


class PostgresLeases(PostgresWriter):
    """The verbs about leases."""

    def register(self, worker: WorkerIdentity, now: float, until: float) -> int:
        def work(connection: Connection, _: bool) -> int:
            with connection.transaction():
                older = connection.execute(self._sql("select token from romancy.worker where id = %s"), [worker.id])
                for (token,) in older.fetchall():
                    self._free(connection, token, now)
                row = connection.execute(
                    self._sql(
                        """
                        insert into romancy.worker (id, host, pid, born, started, until)
                        values (%s, %s, %s, %s, %s, %s) returning token
                        """
                    ),
                    [worker.id, worker.host, worker.pid, worker.born, now, until],
                ).fetchone()
                assert row is not None
                return int(row[0])

        return self._write("register", work, rings=True)

    def renew(self, token: int, until: float) -> None:
        def work(connection: Connection, _: bool) -> None:
            values = {"until": until, "token": token, "known": len(SCHEMAS)}
            found, version = connection.execute(self._sql(_RENEW), values).fetchone() or (0, 0)
            if version > len(SCHEMAS):
                raise newer(self._server, version)
            if not found:
                raise lost(token)

        self._write("renew", work)

    def retire(self, token: int, now: float) -> None:
        def work(connection: Connection, _: bool) -> None:
            with connection.transaction():
                self._free(connection, token, now)

        self._write("retire", work, rings=True)

    def take_over(self, token: int, now: float, limit: int, *, until: float | None = None) -> int | None:
        def verb(connection: Connection) -> int | None:
            if not self._end_lease(connection, token, until) and until is not None:
                return None
            connection.execute(
                self._sql(
                    """
                    update romancy.instance
                       set recoveries = case when recovered_at = p.position then recoveries + 1 else 1 end,
                           recovered_at = p.position
                      from (select i.number,
                                   i.run || '.' || (select count(*) from romancy.history h
                                                     where h.instance = i.number and h.run = i.run) as position
                              from romancy.instance i where i.owner = %s) p
                     where p.number = instance.number
                    """
                ),
                [token],
            )
            connection.execute(
                self._sql(
                    """
                    update romancy.instance
                       set status = 'stuck', owner = null, wake_at = null, changed = %s,
                           error = 'it was recovered ' || recoveries
                                   || ' times without progress: its worker died each time'
                     where owner = %s and recoveries >= %s
                    """
                ),
                [now, token, limit],
            )
            return self._free(connection, token, now)

        return self._write("take over", once(self._server, verb), rings=True)

    def _free(self, connection: Connection, token: int, now: float) -> int:
        self._end_lease(connection, token)
        # Where its worker did not let it go, nobody knows its position: another worker that held it before would take
        # up the execution that it has kept. That a run began does not say that its code ran: then it stays.
        sql = self._sql(
            """
            update romancy.instance
               set owner = null, wake_at = %s,
                   position = coalesce((select max(seq) + 1 from romancy.history h
                                         where h.instance = instance.number and h.run = instance.run
                                           and h.seq > 0), position)
             where owner = %s
            """
        )
        return connection.execute(sql, [now, token]).rowcount

    def _end_lease(self, connection: Connection, token: int, until: float | None = None) -> bool:
        """First of all: it waits for what is being written under the lease, so that what comes next sees it.

        A lease that was renewed lasts longer than it was seen to; one that was seen while the server had just come back
        may last less long than that.
        """
        sql = self._sql("delete from romancy.worker where token = %s and until <= %s")
        return connection.execute(sql, [token, math.inf if until is None else until]).rowcount > 0
