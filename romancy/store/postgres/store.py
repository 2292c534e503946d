"""What is written to a PostgreSQL database, each verb one transaction, its SQL beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from romancy.errors import UnknownInstanceError
from romancy.history import Event
from romancy.store.instances import WAKEABLE
from romancy.store.postgres.claims import PostgresClaims
from romancy.store.postgres.link import Work
from romancy.store.postgres.once import once
from romancy.store.postgres.packing import EVENT_ROWS, packed, packed_events, packed_states
from romancy.store.postgres.server import Connection, lost
from romancy.store.postgres.sessions import APPEND, FENCE, PostgresRecording
from romancy.store.postgres.statements import LOCK, STATES, TELL, WAKE
from romancy.store.protocol import TERMINAL, Tick, Told


class PostgresStore(PostgresClaims):
    """Store and reader on a PostgreSQL database: see `PostgresWriter` for how one is opened."""

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
        yield LOCK, {"numbers": list(states), "told": told, "delivered": tick.delivered}
        if tick.events:
            yield APPEND, {"events": packed_events(tick.events)}
        if tick.delivered:
            yield "delete from romancy.inbox where number = any(%(delivered)s)", {"delivered": tick.delivered}
        if tick.told:
            yield TELL, {"told": told, "at": tick.at}
            yield WAKE, {"told": told, "at": tick.at}
        if states:
            packed_ones = packed_states(states.values(), WAKEABLE)
            yield STATES, {"states": packed_ones, "token": token, "at": tick.at}
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
        def verb(connection: Connection) -> str:
            number, status = self._found(connection, instance_id)
            told = {"told": packed(_told([Told(number, kind, data)])), "at": now}
            connection.execute(self._sql(TELL), told)
            connection.execute(self._sql(WAKE), told)
            return status

        return self._write("tell", once(self._server, verb), rings=True)

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


def _told(told: Iterable[Told]) -> Iterator[dict[str, Any]]:
    for place, each in enumerate(told):
        yield {
            "place": place,
            "instance": each.instance,
            "kind": each.kind,
            "data": each.data,
            "child": each.child,
        }
