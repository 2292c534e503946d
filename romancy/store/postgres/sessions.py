"""The transactions of activities: each has a connection of its own, so that several run side by side."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import psycopg
from psycopg.pq import ConnStatus, TransactionStatus

from romancy.errors import RomancyError, StoreError
from romancy.history import Event
from romancy.store.postgres.link import Link, patiently
from romancy.store.postgres.packing import EVENT_ROWS, HISTORY, packed_events
from romancy.store.postgres.server import Connection, Server, is_gone, lost

SESSIONS = 8
"""How many activities of a worker hold a session at once; others wait for one."""

FENCE = "select 1 from romancy.worker where token = %s for key share"
"""Nobody takes a lease over while a transaction that saw it goes on."""
APPEND = f"insert into romancy.history ({HISTORY}) select * from {EVENT_ROWS}"

_NEXT = "select coalesce(max(seq) + 1, 0) from romancy.history where instance = %s and run = %s"
_MARK = """
    select pg_current_xact_id()::text,
           set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), true)"""
"""Which transaction this is; what it commits is on the disk, whatever the database does by default."""
_OWNED = "select owner from romancy.instance where number = %s"


class SessionConnection(psycopg.Connection[Any]):
    """What `session()` returns: a connection within the transaction that will hold the activity's result."""

    def commit(self) -> None:
        self._refuse("commit")

    def rollback(self) -> None:
        self._refuse("rollback")

    def close(self) -> None:
        self._refuse("close")

    def _refuse(self, what: str) -> NoReturn:
        raise RuntimeError(f"session() cannot {what}: leave that to Romancy, which records the activity's result in it")


class _Over:
    """In the place of a connection that is not the activity's any more."""

    status = ConnStatus.BAD

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("this session() has ended with its activity: call session() in the activity that writes")


class Sessions:
    """Lends connections to activities, as many as there may be.

    Args:
        server: to which they go.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._room = threading.Semaphore(SESSIONS)
        self._idle: list[Connection] = []

    @contextlib.contextmanager
    def recording(self, token: int, number: int, run: int) -> Iterator[PostgresRecording]:
        """The transaction of one activity."""
        with self._room:
            connection, mark = self._taken(token, number)
            recording = PostgresRecording(self._server, connection, mark, token, number, run)
            try:
                yield recording
            except BaseException as problem:
                recording.abandon()
                if isinstance(problem, psycopg.Error) and is_gone(problem):
                    raise self._server.error(problem) from problem
                raise
            else:
                recording.finish()
            finally:
                recording.end()
                self._give_back(connection)

    def close(self) -> None:
        """Let go of the connections that nobody has."""
        while self._idle:
            self._idle.pop().close()

    def _taken(self, token: int, number: int) -> tuple[Connection, object]:
        """A connection in a transaction of an owner; one that broke while it was idle is made anew."""
        while True:
            try:
                idle = self._idle.pop()
            except IndexError:
                break
            try:
                return self._begun(idle, token, number)
            except psycopg.Error:
                idle.close()
        return patiently(self._server, lambda: self._begun(self._server.bare_connection(), token, number))

    def _begun(self, connection: Connection, token: int, number: int) -> tuple[Connection, object]:
        """The connection, in a transaction, and what tells this transaction from others."""
        connection.autocommit = False
        try:
            owner = connection.execute(self._server.sql(_OWNED), [number]).fetchone()
            if owner != (token,):
                raise lost(token)
            mark = connection.execute(_MARK).fetchone() if self._server.is_postgres else None
        except BaseException:
            connection.close()
            raise
        return connection, mark

    def _give_back(self, connection: Connection) -> None:
        """What an activity set in its session does not last."""
        if not connection.closed:
            try:
                connection.autocommit = True
                if not self._server.is_pooled and self._server.is_postgres:
                    connection.execute("discard all", prepare=False)
                self._idle.append(connection)
            except psycopg.Error:
                connection.close()


class PostgresRecording:
    """The transaction of one activity on PostgreSQL."""

    def __init__(self, server: Server, connection: Connection, mark: object, token: int, number: int, run: int) -> None:
        self._server = server
        self._connection = connection
        self._mark = mark
        self._token, self._number, self._run = token, number, run
        self._recorded: tuple[int, Event] | None = None
        self.handle: Any = SessionConnection(connection.pgconn)
        self.handle.prepare_threshold = None

    def record(self, event: Event) -> int:
        connection, server = self._connection, self._server
        self._refuse_another_transaction()
        try:
            if connection.execute(server.sql(FENCE), [self._token]).fetchone() is None:
                raise lost(self._token)
            if connection.execute(server.sql(_OWNED), [self._number]).fetchone() != (self._token,):
                raise lost(self._token)
            (seq,) = connection.execute(server.sql(_NEXT), [self._number, self._run]).fetchone() or (0,)
            rows = packed_events([(self._number, self._run, seq, event)])
            connection.execute(server.sql(APPEND), {"events": rows})
        except psycopg.Error as problem:
            raise server.error(problem) from problem
        self._recorded = (seq, event)
        return int(seq)

    def _refuse_another_transaction(self) -> None:
        """What the activity committed itself is not in the transaction that records it."""
        if self._connection.info.transaction_status == TransactionStatus.INTRANS:
            if not self._server.is_postgres:
                return
            if self._connection.execute(_MARK).fetchone() == self._mark:
                return
        if self._connection.info.transaction_status == TransactionStatus.INERROR:
            raise RomancyError(
                "a statement of session() failed and was caught, so that nothing of its transaction can be recorded: "
                "put what may fail in `with session().transaction():`"
            )
        if self._connection.closed:
            raise StoreError(f"{self._server.shown}: the connection of session() is lost")
        raise RomancyError(
            "the activity ended the transaction of session() itself, so that its result cannot be recorded with "
            "it: leave commit and rollback to Romancy"
        )

    def abandon(self) -> None:
        """Roll back what is not to be."""
        with contextlib.suppress(psycopg.Error):
            self._connection.rollback()

    def finish(self) -> None:
        """Commit what was recorded; where it is not known whether it was, find out."""
        if self._recorded is None:
            self.abandon()
            return
        try:
            self._connection.commit()
        except psycopg.Error as problem:
            if not is_gone(problem) or not self._was_committed(*self._recorded):
                raise self._server.error(problem) from problem

    def _was_committed(self, seq: int, event: Event) -> bool:
        """Ask by taking the event's place: whoever still holds it is waited for."""
        link = Link(self._server)
        place = packed_events([(self._number, self._run, seq, event)])

        def ask(connection: Connection, _: bool) -> bool:
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(self._server.sql(APPEND), {"events": place})
            except psycopg.errors.UniqueViolation:
                return True
            return False

        try:
            return link.run(ask)
        finally:
            link.close()

    def end(self) -> None:
        """Let a handle that outlives its activity write nothing into somebody else's transaction."""
        self.handle.pgconn = _Over()
