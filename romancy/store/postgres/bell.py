"""The bell: one thread that tells other processes of commits, and hears of theirs.

Telling takes a lock of the whole database server while it commits, so it is done beside the loop, once for many
commits. What is not heard, since the connection broke or a pooler stands between, is seen by looking now and then.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import uuid
from collections.abc import Callable
from typing import Any

import psycopg

from romancy.store.postgres.server import Connection, Server

_LOG = logging.getLogger("romancy")

_BETWEEN = 0.01
"""Seconds at least between two rings."""
_LOOK = 1.0
"""Seconds between two looks where others are heard."""
_LOOK_DEAF = 0.1
"""Seconds between two looks where they are not."""


class Bell:
    """Rings for others, and listens to them.

    Args:
        server: the database.
        heard: called when another process may have committed something.
    """

    def __init__(self, server: Server, heard: Callable[[], None]) -> None:
        self._server = server
        self._heard = heard
        self._me = uuid.uuid4().hex
        self._is_rung = False
        self._is_over = threading.Event()
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self.listens = threading.Event()
        self._thread = threading.Thread(target=self._run, name="romancy-bell", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        """Let others know soon that there is something to see."""
        if not self._is_rung:
            self._is_rung = True
            self._mouth.send(b"!")

    def close(self) -> None:
        """Ring for the last time, and end."""
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._mouth.send(b"!")
        self._thread.join(5.0)
        self._mouth.close()

    def leave(self) -> None:
        """Let go of what a fork copied: the thread is the parent's, and so is whoever would hear."""
        self._mouth.close()
        self._ear.close()

    def _run(self) -> None:
        failures = 0
        while not self._is_over.is_set():
            try:
                with self._server.connect() as connection:
                    failures = 0
                    self._attend(connection)
            except psycopg.Error as problem:
                failures += 1
                if failures == 1:
                    _LOG.info("commits of others are not heard for a while: %s", self._server.told(problem))
                self._heard()
            self.listens.clear()
            self._is_over.wait(min(1.0, 0.05 * 2.0**failures))
        self._ear.close()

    def _attend(self, connection: Connection) -> None:
        look = _LOOK if self._listen(connection) else _LOOK_DEAF
        self._heard()
        while True:
            sources: list[Any] = [connection.fileno(), self._ear]
            ready, _, _ = select.select(sources, [], [], look)
            if connection.fileno() in ready and not any(
                each.payload != self._me for each in connection.notifies(timeout=0)
            ):
                continue
            if self._ear in ready:
                self._tell(connection)
                if self._is_over.is_set():
                    return
            else:
                self._heard()
                if not ready:
                    self._server.read_clock(connection)

    def _listen(self, connection: Connection) -> bool:
        if self._server.is_pooled:
            return False
        try:
            connection.execute(f"listen {channel(self._server)}".encode())
            connection.execute("set synchronous_commit = off")
        except psycopg.Error as problem:
            if connection.closed:
                raise
            _LOG.info("this database does not tell of commits, so they are looked for: %s", self._server.told(problem))
            return False
        self.listens.set()
        return True

    def _tell(self, connection: Connection) -> None:
        self._is_over.wait(_BETWEEN)
        with contextlib.suppress(BlockingIOError):
            self._ear.recv(64)
        if self._is_rung:
            self._is_rung = False
            notify(self._server, connection, self._me)


def channel(server: Server) -> str:
    """Where the workers of a schema hear of each other."""
    return f"romancy_{server.schema}"


def notify(server: Server, connection: Connection, who: str = "") -> None:
    """Ring at once; a database that cannot is not asked to."""
    if server.is_postgres:
        connection.execute("select pg_notify(%s, %s)", [channel(server), who])
