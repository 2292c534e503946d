"""The server: how it is reached, what it can do, and what its errors mean."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from romancy.errors import DefinitionError, LeaseLostError, StoreError
from romancy.store.address import ENCODE, SCHEMA, address_of
from romancy.store.postgres.clock import ServerClock
from romancy.store.postgres.forks import note

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]

_DEFAULTS = {
    "application_name": "romancy",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""A server that is cut off is noticed within half a minute, unless the URL says otherwise."""

_SETTINGS = b"""
    select set_config(name, 'off', false)
      from unnest(array['enable_seqscan', 'enable_bitmapscan', 'enable_sort', 'enable_hashjoin',
                        'enable_mergejoin', 'jit']) as name
     union all
    select set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), false)"""
"""A plan that was kept while a table was small must not scan it once it is large: every verb has its index. And what is
committed is on the disk, whatever the database does by default."""

_GONE = ("08", "57P01", "57P02", "57P03", "57P05", "25006", "53300")
"""The connection is of no use any more, or the server takes no writes: it ends, starts, follows another, is full."""
_READ_ONLY = "25006"
_REMEDIES = {
    "42501": "let an owner of the database run romancy migrate, and grant this user what it lacks",
    _READ_ONLY: (
        "the server takes no writes, as it is a standby or this user is read-only: name the primary, "
        "which target_session_attrs=read-write finds among several hosts"
    ),
}
"""What to do about an error whose own text does not say so, by its state."""
_AGAIN = ("40001", "40P01", "57014", "55P03")
"""The transaction met another one, or was asked to give way: run again, it may pass."""


class Server:
    """Makes connections to the database of a URL.

    Args:
        url: of the database.
        connect: makes a connection; tests pass their own.

    Attributes:
        clock: the server's time.
        is_pooled: whether something between here and the server hands its sessions around, so that nothing may be
            kept in one over a transaction: neither prepared statements nor settings nor listening.
        is_postgres: whether it is PostgreSQL itself, with advisory locks, `notify` and transactions that have names;
            CockroachDB and YugabyteDB do without.
        closing: set when no connection is made any more.
    """

    def __init__(self, url: str, connect: Connect = psycopg.connect) -> None:
        address = address_of(url)
        self.shown, self.schema = address.shown, address.schema
        self.clock = ServerClock()
        self.is_pooled = False
        self.is_postgres = True
        self.closing = threading.Event()
        self._connect = connect
        self._sql: dict[str, bytes] = {}
        try:
            self._parameters: dict[str, Any] = {**_DEFAULTS, **conninfo_to_dict(address.url)}
        except psycopg.Error as problem:
            raise DefinitionError(f"{self.shown} {_unreadable(problem, self.shown)}") from None

    def sql(self, text: str) -> bytes:
        """A statement, in the schema of this database."""
        known = self._sql.get(text)
        if known is None:
            named = text if self.schema == SCHEMA else text.replace("romancy.", f"{self.schema}.")
            known = self._sql[text] = named.encode()
        return known

    def connect(self) -> Connection:
        """A connection for statements that are each a transaction, and are prepared at their first use."""
        connection = self.bare_connection()
        if self.is_pooled:
            connection.prepare_threshold = None
        elif self.is_postgres:
            connection.execute(_SETTINGS, prepare=False)
        return connection

    def bare_connection(self) -> Connection:
        """A connection as the user knows them; what the server is and what time it has are noted by the way."""
        connection = self._connect(**self._parameters, autocommit=True, prepare_threshold=0)
        note(connection)
        try:
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            self._look(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def read_clock(self, connection: Connection) -> None:
        """See what time it is at the server."""
        before = self.clock.ticks()
        row = connection.execute(b"select extract(epoch from clock_timestamp())::float8").fetchone()
        if row is not None:
            self.clock.observe(row[0], before, self.clock.ticks())

    def _look(self, connection: Connection) -> None:
        before = self.clock.ticks()
        row = connection.execute(
            b"select extract(epoch from clock_timestamp())::float8, version(), pg_backend_pid()", prepare=False
        ).fetchone()
        assert row is not None
        self.clock.observe(row[0], before, self.clock.ticks())
        self.is_postgres = "CockroachDB" not in row[1] and "-YB-" not in row[1]
        # A pooler makes up the process that it tells its clients of.
        self.is_pooled = self.is_postgres and row[2] != connection.info.backend_pid

    def error(self, problem: Exception) -> StoreError:
        """What to say of trouble with the database."""
        return StoreError(f"{self.shown}: {self.told(problem)}")

    def told(self, problem: Exception) -> str:
        """An error of the database in its own words, without the password, and with what to do about it."""
        text = str(problem).strip() or type(problem).__name__
        for name in ("password", "sslpassword"):
            secret = str(self._parameters.get(name) or "")
            if secret:
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
        remedy = _REMEDIES.get(getattr(problem, "sqlstate", None) or "")
        return text if remedy is None else f"{text}: {remedy}"


def is_gone(problem: psycopg.Error) -> bool:
    """Whether only another connection can help."""
    state = problem.sqlstate
    if state is None:
        return isinstance(problem, (psycopg.OperationalError, psycopg.InterfaceError))
    return state.startswith(_GONE)


def is_read_only(problem: psycopg.Error) -> bool:
    """Whether the server takes no writes; after a failover another one does."""
    return problem.sqlstate == _READ_ONLY


def _unreadable(problem: psycopg.Error, shown: str) -> str:
    """What is wrong with a URL; libpq's own words may hold a piece of a password."""
    found = re.search(r'query parameter: "(\w+)"', str(problem))
    if found is not None and f"{found[1]}=" in shown:
        return f"has the option {found[1]}, which PostgreSQL does not know: remove or correct it"
    return f"is no URL of a PostgreSQL database: {ENCODE}"


def is_worth_another_try(problem: psycopg.Error) -> bool:
    """Whether the same transaction may pass when it is run again."""
    return problem.sqlstate in _AGAIN


def lost(token: int) -> LeaseLostError:
    """What to say to a worker whose lease is gone."""
    return LeaseLostError(f"lease {token} was taken over by another worker: nothing was written under it")
