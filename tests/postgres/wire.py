"""A wire between a client and the server that is cut at chosen messages: before the server gets it, or after.

What a client sends in one go travels as one message here, as it does in libpq. Where the wire is cut after a message,
the server has carried it out and the answer never arrives.
"""

from __future__ import annotations

import contextlib
import select
import socket
import tempfile
import threading
import time
from collections.abc import Callable

import psycopg
from psycopg.conninfo import conninfo_to_dict

HOWS = ("lost", "unanswered", "terminated")
"""What can happen to a message: it is lost; its answer is; or an administrator ended the session before it came."""

Cut = tuple[int, str]
"""At which message from now on, and how."""

_PATIENCE = 0.3
"""Seconds that an answer may take; what is sent ahead of the end of a pipeline gets none."""


class Wire:
    """Carries messages to a server on a socket, and cuts where it is told to.

    Args:
        url: of a database of that server.

    Attributes:
        cuts: how often it did since it was told.
        counted: only messages with this text in them count; every message by default.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._folder = tempfile.TemporaryDirectory(prefix="wire-")
        real = str(conninfo_to_dict(url)["host"])
        self.url = url.replace(real.replace("/", "%2F"), self._folder.name.replace("/", "%2F"))
        assert self.url != url
        self._target = f"{real}/.s.PGSQL.5432"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder.name}/.s.PGSQL.5432")
        self._listener.listen(50)
        self._lock = threading.Lock()
        self.messages = 0
        self.cut_at = 0
        self.how = HOWS[0]
        self.cuts = 0
        self.counted = b""
        self._later: list[Cut] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self, at: int, how: str, *later: Cut) -> None:
        """Cut at the so-many-th message from now on, at none for 0; and `later`, each counted from the one before."""
        with self._lock:
            self.messages, self.cut_at, self.how = 0, at, how
            self.cuts, self._later = 0, list(later)

    @property
    def was_cut(self) -> bool:
        """Whether that message came."""
        return 0 < self.cut_at <= self.messages

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5.0)
        self._folder.cleanup()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                carrying = threading.Thread(target=self._carry, args=[client, server], daemon=True)
                self._threads.append(carrying)
                carrying.start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if server in ready:
                    answer = server.recv(1 << 20)
                    if not answer:
                        return
                    client.sendall(answer)
                if client in ready:
                    message = client.recv(1 << 20)
                    if not message or not self._pass(message, server):
                        return

    def _pass(self, message: bytes, server: socket.socket) -> bool:
        with self._lock:
            counts = self.counted in message.lower()
            self.messages += counts
            is_cut, how = counts and self.messages == self.cut_at, self.how
            if is_cut:
                self.cuts += 1
                if self._later:
                    (self.cut_at, self.how), self.messages = self._later.pop(0), 0
        if is_cut and how == "terminated":
            terminate(self._url)
        if not (is_cut and how == "lost"):
            server.sendall(message)
        if is_cut and how == "unanswered" and select.select([server], [], [], _PATIENCE)[0]:
            server.recv(1 << 20)
        return not is_cut or how == "terminated"


def terminate(url: str) -> int:
    """End every session of Romancy on the database, and wait until they are gone; returns how many there were."""
    others = "from pg_stat_activity where datname = current_database() and application_name = 'romancy'"
    with psycopg.connect(url, autocommit=True) as connection:
        count = len(connection.execute(f"select pg_terminate_backend(pid) {others}".encode()).fetchall())
        until = time.monotonic() + 10.0
        while connection.execute(f"select 1 {others}".encode()).fetchone() is not None:
            assert time.monotonic() < until, "they do not end"
        return count


def everywhere(run: Callable[[int], bool]) -> int:
    """Run with the cut at every place until it is past the last one; returns how many places there were."""
    at = 1
    while run(at):
        at += 1
    return at - 1
