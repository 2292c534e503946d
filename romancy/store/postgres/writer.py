"""How the PostgreSQL store writes: one connection, whose place one thread of a process holds at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import psycopg

from romancy.store.place import Exclusive, Place
from romancy.store.postgres.bell import Bell, notify
from romancy.store.postgres.link import Link, Work
from romancy.store.postgres.migrate import checked, migrate, refuse_older
from romancy.store.postgres.reader import PostgresReader
from romancy.store.postgres.server import Connect, Server
from romancy.store.postgres.sessions import Sessions
from romancy.store.postgres.statements import FENCED_APPEND
from romancy.store.postgres.swift import SwiftStatement

T = TypeVar("T")


class PostgresWriter(PostgresReader):
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
        self._process = os.getpid()
        self._place = Place()
        self._writer = Link(self._server)
        self._sessions = Sessions(self._server)
        self._append = SwiftStatement(self._server, "romancy_append", FENCED_APPEND)
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
            self._writer.greet = partial(checked, self._server)
        except BaseException:
            self.close()
            raise

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

    @property
    def is_foreign(self) -> bool:
        """Whether it was opened by the process that this one was forked from, and must not be used here."""
        return self._process != os.getpid()

    def close(self) -> None:
        if self.is_foreign:  # whoever held a lock is not here to let go of it
            if self._bell is not None:
                self._bell.leave()
            return
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
        asked = self._server.clock.ticks()
        with self._place.exclusive():
            waited = self._server.clock.ticks() - asked
            self._cut(f"before {tag}")
            answer = self._writer.run(work, waited)
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
