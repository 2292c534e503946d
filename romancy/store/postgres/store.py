"""What is written to a PostgreSQL database, each verb one transaction, its SQL beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

from romancy.errors import UnknownInstanceError
from romancy.history import Event
from romancy.store.instances import INSTANCE, SUSPECTS, TRUSTED, WAKEABLE, fresh, instance_of, literals
from romancy.store.place import Exclusive, Place
from romancy.store.postgres.bell import Bell, notify
from romancy.store.postgres.link import Link, Work
from romancy.store.postgres.migrate import migrate, refuse_older
from romancy.store.postgres.packing import (
    EVENT_ROWS,
    HISTORY,
    NEW_ROWS,
    STATE_ROWS,
    TOLD_ROWS,
    packed,
    packed_events,
    packed_instances,
    packed_states,
)
from romancy.store.postgres.reader import PostgresReader
from romancy.store.postgres.server import Connect, Connection, Server, lost
from romancy.store.postgres.sessions import APPEND, FENCE, PostgresRecording, Sessions
from romancy.store.postgres.swift import SwiftStatement
from romancy.store.protocol import TERMINAL, Created, Instance, NewInstance, Tick, Told, WorkerIdentity

T = TypeVar("T")

_FENCED = "with fence as (select token from romancy.worker where token = %(token)s for key share)"


class PostgresStore(PostgresReader):
    """Store and reader on a PostgreSQL database.

    Args:
        url: `postgresql://…`; `?schema=` names the schema in which the tables stand, `romancy` by default.
        connect: makes a connection; tests pass their own.
        boundary: called with a tag before and after everything that leaves the process; tests cut there.
        read_only: neither make tables nor write to them; only the verbs of a reader work then.

    Raises:
        StoreError: the database cannot be reached; `SchemaError` when its tables are of a newer version.
    """

    serial = False

    def __init__(
        self,
        url: str,
        *,
        connect: Connect = psycopg.connect,
        boundary: Callable[[str], None] | None = None,
        read_only: bool = False,
    ) -> None:
        super().__init__(Server(url, connect))
        self._boundary = boundary
        self._place = Place()
        self._writer = Link(self._server)
        self._sessions = Sessions(self._server)
        self._append = SwiftStatement(self._server, "romancy_append", _FENCED_APPEND)
        self._bell: Bell | None = None
        self._has_heard = True
        self._wake: Callable[[], None] | None = None
        try:
            self._reader.open()
            if read_only:
                refuse_older(self._server, self._reader)
                return
            self._writer.open()
            self.applied = migrate(self._server, self._writer)
        except BaseException:
            self.close()
            raise

    # -- leases

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
            sql = self._sql("update romancy.worker set until = %s where token = %s")
            if connection.execute(sql, [until, token]).rowcount == 0:
                raise lost(token)

        self._write("renew", work)

    def retire(self, token: int, now: float) -> None:
        def work(connection: Connection, _: bool) -> None:
            with connection.transaction():
                self._free(connection, token, now)

        self._write("retire", work, rings=True)

    def take_over(self, token: int, now: float, limit: int) -> int:
        def work(connection: Connection, _: bool) -> int:
            with connection.transaction():
                self._end_lease(connection, token)
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

        return self._write("take over", work, rings=True)

    def _free(self, connection: Connection, token: int, now: float) -> int:
        self._end_lease(connection, token)
        sql = self._sql("update romancy.instance set owner = null, wake_at = %s where owner = %s")
        return connection.execute(sql, [now, token]).rowcount

    def _end_lease(self, connection: Connection, token: int) -> None:
        """First of all: it waits for what is being written under the lease, so that what comes next sees it."""
        connection.execute(self._sql("delete from romancy.worker where token = %s"), [token])

    # -- ticks

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
                {_FENCED},
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
                owned = self._sql(f"select {INSTANCE} from romancy.instance where owner = %s and changed = %s")
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
            {_FENCED},
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

    def commit(self, token: int, tick: Tick) -> None:
        is_plain = bool(tick.events) and not (tick.states or tick.delivered or tick.told)
        work = self._appending if is_plain else self._ticking
        rings = bool(tick.told) or any(state.status in TERMINAL or state.status == "stuck" for state in tick.states)
        self._write("commit", work(token, tick), rings=rings)

    def _appending(self, token: int, tick: Tick) -> Work[None]:
        """A tick of nothing but events is one statement."""
        values = [b"%d" % token, packed_events(tick.events).encode()]

        def work(connection: Connection, again: bool) -> None:
            try:
                if self._append.run(connection, values) == 0:
                    raise lost(token)
            except psycopg.errors.UniqueViolation:
                if not (again and self._is_stored(connection, tick.events)):
                    raise

        return work

    def _ticking(self, token: int, tick: Tick) -> Work[None]:
        """Several statements, sent together and answered together; one that fails undoes them all."""
        statements = list(self._statements(token, tick))

        def work(connection: Connection, again: bool) -> None:
            try:
                with connection.pipeline():
                    for sql, values in statements:
                        connection.execute(self._sql(sql), values)
            except psycopg.Error as problem:
                if not connection.closed:
                    connection.rollback()
                if isinstance(problem, psycopg.errors.DivisionByZero):
                    raise lost(token) from None
                is_stored = isinstance(problem, psycopg.errors.UniqueViolation) and again
                if not (is_stored and self._is_stored(connection, tick.events)):
                    raise

        return work

    def _statements(self, token: int, tick: Tick) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "begin isolation level read committed", {}
        # Whoever has no lease divides by zero: nothing else stops what was sent together.
        yield f"select 1 / (select count(*) from ({FENCE.replace('%s', '%(token)s')}) fence)", {"token": token}
        states = {state.number: state for state in tick.states}
        told = packed(_told(tick.told))
        yield _LOCK, {"numbers": list(states), "told": told, "delivered": tick.delivered}
        if tick.events:
            yield APPEND, {"events": packed_events(tick.events)}
        if tick.delivered:
            yield "delete from romancy.inbox where number = any(%(delivered)s)", {"delivered": tick.delivered}
        if tick.told:
            yield _TELL, {"told": told, "at": tick.at}
            yield _WAKE, {"told": told, "at": tick.at}
        if states:
            packed_ones = packed_states(states.values(), WAKEABLE)
            yield _STATES, {"states": packed_ones, "token": token, "at": tick.at}
            ended = [number for number, state in states.items() if state.status in TERMINAL]
            if ended:
                # Whoever has ended reads no letters any more.
                yield "delete from romancy.inbox where instance = any(%(ended)s)", {"ended": ended}
        yield "commit", {}

    def _is_stored(self, connection: Connection, events: Sequence[tuple[int, int, int, Event]]) -> bool:
        """Whether these very events were written before the connection broke."""
        row = connection.execute(
            self._sql(
                f"""
                select count(*) from {EVENT_ROWS} join romancy.history h
                    on h.instance = event.instance and h.run = event.run and h.seq = event.seq
                 where (h.kind, h.at) = (event.kind, event.at) and h.step is not distinct from event.step
                """
            ),
            {"events": packed_events(events)},
        ).fetchone()
        return row == (len(events),)

    def tell(self, instance_id: str, kind: str, data: str, now: float) -> str:
        def work(connection: Connection, _: bool) -> str:
            with connection.transaction():
                number, status = self._found(connection, instance_id)
                told = {"told": packed(_told([Told(number, kind, data)])), "at": now}
                connection.execute(self._sql(_TELL), told)
                connection.execute(self._sql(_WAKE), told)
                return status

        return self._write("tell", work, rings=True)

    def revive(self, instance_id: str, now: float) -> str:
        def work(connection: Connection, _: bool) -> str:
            with connection.transaction():
                number, status = self._found(connection, instance_id)
                if status == "stuck":
                    connection.execute(
                        self._sql(
                            """
                            update romancy.instance
                               set status = case when exists (select 1 from romancy.history h
                                                               where h.instance = instance.number
                                                                 and h.run = instance.run
                                                                 and h.kind = 'compensation_started')
                                                 then 'compensating' else 'running' end,
                                   error = null, wake_at = %s, recoveries = 0, recovered_at = null, changed = %s
                             where number = %s
                            """
                        ),
                        [now, now, number],
                    )
                return status

        return self._write("revive", work, rings=True)

    def _found(self, connection: Connection, instance_id: str) -> tuple[int, str]:
        """The instance, which nobody changes meanwhile."""
        sql = self._sql("select number, status from romancy.instance where id = %s for no key update")
        row = connection.execute(sql, [instance_id]).fetchone()
        if row is None:
            raise UnknownInstanceError(instance_id)
        return row[0], row[1]

    @contextmanager
    def recording(self, token: int, number: int, run: int) -> Iterator[PostgresRecording]:
        self._cut("before session")
        with self._sessions.recording(token, number, run) as recording:
            yield recording
            self._cut("before commit of session")
        self._cut("after session")

    # -- others

    def exclusive(self, meanwhile: Callable[[], None] | None = None) -> Exclusive:
        """Hold the writer's place over several verbs of this thread."""
        return self._place.exclusive(meanwhile)

    def alert(self, wake: Callable[[], None]) -> None:
        """Listen to others, and call this whenever one of them may have committed something."""
        self._wake = wake
        if self._bell is None:
            self._bell = Bell(self._server, self._heard)

    def changed(self) -> bool:
        if self._bell is None:
            return True  # nobody listens
        has_heard, self._has_heard = self._has_heard, False
        return has_heard

    def close(self) -> None:
        if self._bell is not None:
            self._bell.close()
        self._server.closing.set()
        with self._place.exclusive():
            self._writer.close()
        with self._reading:
            self._reader.close()
        self._sessions.close()

    def _heard(self) -> None:
        self._has_heard = True
        if self._wake is not None:
            self._wake()

    def _sql(self, text: str) -> bytes:
        return self._server.sql(text)

    def _write(self, tag: str, work: Work[T], *, rings: bool = False) -> T:
        with self._place.exclusive():
            self._cut(f"before {tag}")
            answer = self._writer.run(work)
            self._cut(f"after {tag}")
            if rings:
                self._ring()
        return answer

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.ring()
        else:
            self._writer.run(lambda connection, _: notify(self._server, connection))

    def _cut(self, tag: str) -> None:
        if self._boundary is not None:
            self._boundary(tag)


def _told(told: Iterable[Told]) -> Iterator[dict[str, Any]]:
    for place, each in enumerate(told):
        yield {
            "place": place,
            "instance": each.instance,
            "kind": each.kind,
            "data": each.data,
            "child": each.child,
        }


_FENCED_APPEND = f"{_FENCED} insert into romancy.history ({HISTORY}) select event.* from fence, {EVENT_ROWS}".replace(
    "%(token)s", "$1"
).replace("%(events)s", "$2")

_ADDRESSEE = """romancy.instance i
    on i.number = coalesce((select child.number from romancy.instance child
                             where child.id = told.child and child.parent = told.instance),
                           case when told.child is null then told.instance end)"""

_LOCK = f"""
    select number from romancy.instance
     where number in (select unnest(%(numbers)s::bigint[])
                      union select i.number from {TOLD_ROWS} join {_ADDRESSEE}
                      union select instance from romancy.inbox where number = any(%(delivered)s))
     order by number for no key update"""
"""All that a tick touches, in one order, so that two ticks never wait for each other; what comes next sees letters that
came before."""

_TELL = f"""
    insert into romancy.inbox (instance, kind, data, at)
    select i.number, told.kind, told.data, %(at)s
      from {TOLD_ROWS} join {_ADDRESSEE}
     where i.status not in ({literals(TERMINAL)}) order by told.place"""

_WAKE = f"""
    update romancy.instance set wake_at = least(coalesce(wake_at, %(at)s), %(at)s)
     where number in (select i.number from {TOLD_ROWS} join {_ADDRESSEE})
       and owner is null and status in ({literals(WAKEABLE)})"""

_STATES = f"""
    update romancy.instance
       set status = state.status, run = state.run, position = state.position, error = state.error, changed = %(at)s,
           owner = case when state.keep then %(token)s::bigint end, retries = state.retries, recoveries = 0,
           wake_at = case when state.can_wake
                           and exists (select 1 from romancy.inbox where inbox.instance = state.number)
                          then 0 else state.wake_at end
      from {STATE_ROWS}
     where instance.number = state.number and instance.owner = %(token)s"""
