"""A connection that is made anew where it breaks; what was under way is run again, and knows that it is."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable
from typing import TypeVar

import psycopg

from romancy.store.postgres.server import Connection, Server, is_gone, is_read_only, is_worth_another_try

_LOG = logging.getLogger("romancy")

T = TypeVar("T")
Work = Callable[[Connection, bool], T]

PATIENCE = 30.0
"""Seconds that a verb waits for a server that cannot be reached."""
_TRIES = 20
"""How often a transaction that meets others is run again."""


def patiently(server: Server, verb: Callable[[], T]) -> T:
    """Do what needs nothing but a server that can be reached.

    Raises:
        StoreError: it cannot be reached for too long, or refuses.
    """
    since, tries = server.clock.ticks(), 0
    while True:
        try:
            return verb()
        except psycopg.Error as problem:
            tries += 1
            is_over = not is_gone(problem) or server.clock.ticks() - since > PATIENCE
            if is_over or server.closing.wait(_pause(tries)):
                raise server.error(problem) from problem


def _pause(tries: int) -> float:
    """Seconds before the next attempt to connect."""
    return float(min(1.0, 0.02 * 2.0**tries) * random.uniform(0.7, 1.0))


class Link:
    """One connection of the store.

    Args:
        server: to which.

    Attributes:
        back_at: when it was made anew, by the server's clock.
        greet: looks at a connection that was made anew, before anything is done on it.
    """

    def __init__(self, server: Server) -> None:
        self.back_at = 0.0
        self.greet: Callable[[Connection], object] | None = None
        self._server = server
        self._connection: Connection | None = None
        self._trouble = ""

    def open(self) -> None:
        """Connect, or say at once that it cannot be done."""
        try:
            self._connection = self._server.connect()
        except psycopg.Error as problem:
            raise self._server.error(problem) from problem

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def run(self, work: Work[T], waited: float = 0.0) -> T:
        """Do a piece of work that is one transaction.

        Args:
            work: gets the connection, and whether it was begun before and may have been committed.
            waited: seconds for which its turn was waited for, during which the server may have been away already.

        Raises:
            StoreError: the database refuses it, or cannot be reached for too long.
        """
        clock, again, since, tries = self._server.clock.ticks, False, 0.0, 0
        while True:
            try:
                answer = work(self._ready(), again)
                if self._trouble:
                    self._trouble = ""
                    _LOG.info("connected to %s again", self._server.shown)
                return answer
            except psycopg.Error as problem:
                tries += 1
                if is_gone(problem):
                    again = again or self._connection is not None
                    since = since or clock()
                    self._drop(problem)
                    if clock() - since > PATIENCE - waited or self._server.closing.wait(_pause(tries)):
                        raise self._server.error(problem) from problem
                elif not is_worth_another_try(problem) or tries > _TRIES:
                    raise self._server.error(problem) from problem
                else:
                    self._server.closing.wait(random.uniform(0.0, 0.005 * tries))

    def _ready(self) -> Connection:
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._server.connect()
            try:
                if self.greet is not None:
                    self.greet(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self.back_at = self._server.clock()
        return connection

    def _drop(self, problem: psycopg.Error) -> None:
        """Let go of the connection; what happened is said once, until something succeeds again."""
        if self._connection is not None:
            trouble = "the server takes no writes" if is_read_only(problem) else "the connection is lost"
            if trouble != self._trouble:
                self._trouble = trouble
                told = self._server.told(problem)
                _LOG.warning("%s: %s, trying again: %s", self._server.shown, trouble, told)
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = None
