"""How instances come to be, and to whom."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from romancy.store.instances import INSTANCE, SUSPECTS, TRUSTED, fresh, instance_of
from romancy.store.postgres.leases import PostgresLeases
from romancy.store.postgres.packing import NEW_ROWS, packed_instances
from romancy.store.postgres.server import Connection, lost
from romancy.store.postgres.statements import FENCED
from romancy.store.protocol import Created, Instance, NewInstance


class PostgresClaims(PostgresLeases):
    """The verbs that create instances and claim them."""

    def create(self, new: Sequence[NewInstance], *, owner: int | None, now: float) -> list[Created]:
        if not new:
            return []
        insert = f"""
            insert into romancy.instance (id, workflow, version, input, seed, status, owner, wake_at,
                                          parent, parent_run, parent_step, created, changed)
            select id, workflow, version, input, seed, %(status)s, %(token)s::bigint, %(wake_at)s::double precision,
                   parent, parent_run, parent_step, at, at
              from {NEW_ROWS} {", fence" if owner is not None else ""}
             order by place
            on conflict (id) do nothing
            returning number, id, created"""
        if owner is None:
            sql = self._sql(f"with made as ({insert}) select 0, number, id from made")
        else:
            sql = self._sql(
                f"""
                {FENCED},
                made as ({insert}),
                began as (insert into romancy.history (instance, run, seq, kind, at)
                          select number, 1, 0, 'workflow_started', created from made)
                select fence.token, made.number, made.id from fence left join made on true
                """
            )
        values = {
            "new": packed_instances(new),
            "token": owner,
            "status": "pending" if owner is None else "running",
            "wake_at": now if owner is None else None,
        }

        def work(connection: Connection, again: bool) -> list[Created]:
            rows = connection.execute(sql, values).fetchall()
            if owner is not None and not rows:
                raise lost(owner)
            return self._created(connection, new, {id: number for _, number, id in rows}, owner, now, again)

        return self._write("create", work, rings=owner is None)

    def _created(
        self,
        connection: Connection,
        new: Sequence[NewInstance],
        numbers: dict[str, int],
        owner: int | None,
        now: float,
        again: bool,
    ) -> list[Created]:
        """What became of each; one that is there with our seed was created before the connection broke."""
        missing = [each.id for each in new if each.id not in numbers]
        found: dict[str, Instance] = {}
        if missing:
            sql = self._sql(f"select {INSTANCE} from romancy.instance where id = any(%s)")
            found = {row[1]: instance_of(row) for row in connection.execute(sql, [missing]).fetchall()}
        told = []
        for each in new:
            stored = found.get(each.id)
            if stored is None:
                stored = found[each.id] = fresh(numbers[each.id], each, owner, now)
                told.append(Created(stored, False))
            else:
                told.append(Created(stored, not (again and stored.seed == each.seed)))
        return told

    def claim(
        self, token: int, workflows: Collection[str], now: float, limit: int, *, suspects: bool = False
    ) -> list[Instance]:
        if not workflows:
            return []
        sql, values = self._claiming(token, workflows, now, limit, suspects)

        def work(connection: Connection, again: bool) -> list[Instance]:
            rows = connection.execute(sql, values).fetchall()
            if not rows:
                raise lost(token)
            if again:
                # What was claimed before the connection broke is ours as well.
                owned = self._sql(
                    f"""
                    select {INSTANCE} from romancy.instance
                     where owner = %s and changed = %s and wake_at is not null and {SUSPECTS if suspects else TRUSTED}
                    """
                )
                rows = connection.execute(owned, [token, now]).fetchall()
            return [instance_of(row) for row in rows if row[0] is not None]

        claimed = self._write("claim", work)
        return sorted(claimed, key=lambda each: (each.wake_at or 0.0, each.number))

    def explain_claim(self, token: int, workflows: Collection[str], now: float, limit: int) -> list[str]:
        """How the server would carry a claim out, and what it cost: the claim is made and rolled back."""
        sql, values = self._claiming(token, workflows, now, limit, False)

        def work(connection: Connection, _: bool) -> list[str]:
            with connection.transaction(force_rollback=True):
                plan = connection.execute(b"explain (analyze, buffers) " + sql, values, prepare=False)
                return [str(line) for (line,) in plan.fetchall()]

        return self._write("explain", work)

    def _claiming(
        self, token: int, workflows: Collection[str], now: float, limit: int, suspects: bool
    ) -> tuple[bytes, dict[str, Any]]:
        sql = self._sql(
            f"""
            {FENCED},
            due as materialized (
                select number from romancy.instance
                 where owner is null and wake_at <= %(now)s and workflow = any(%(workflows)s)
                   and {SUSPECTS if suspects else TRUSTED}
                 order by {"recoveries, " if suspects else ""}wake_at, number
                 limit %(limit)s for no key update skip locked),
            mine as (
                update romancy.instance
                   set owner = fence.token, changed = %(now)s,
                       status = case status when 'compensating' then status else 'running' end
                  from due, fence where instance.number = due.number
                returning {INSTANCE.replace("number", "instance.number", 1)})
            select {INSTANCE} from fence left join mine on true
            """
        )
        return sql, {"token": token, "workflows": list(workflows), "now": now, "limit": limit}
