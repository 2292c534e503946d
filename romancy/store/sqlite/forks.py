"""Forks: a child process must not use what its parent has open.

SQLite's locks belong to the process that took them, and its own record of them does not know that it was copied. So a
fork waits until no transaction is open here, and the child may close its copies then, before it opens the file anew.
Source: https://sqlite.org/howtocorrupt.html, section 2.6.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from weakref import WeakSet

from romancy.errors import StoreError

_PATIENCE = 5.0
"""Seconds that a fork waits for a transaction to end."""


class Claim:
    """The connections that one process has open to a file.

    Args:
        path: the file.
        connections: to it.
        locks: whoever holds them all is the only one that uses the connections.
        is_mine: whether this thread holds the first lock already.

    Attributes:
        is_foreign: whether this process only inherited them.
    """

    def __init__(
        self,
        path: str,
        connections: Sequence[sqlite3.Connection],
        locks: Sequence[threading.Lock],
        is_mine: Callable[[], bool],
    ) -> None:
        self.is_foreign = False
        self._path = os.path.realpath(path)
        self._connections = connections
        self._locks = locks
        self._is_mine = is_mine
        self._held: list[threading.Lock] = []
        self._is_quiet = True
        _claims.add(self)

    def hold(self) -> None:
        """Keep every other thread from using them during a fork."""
        mine = int(self._is_mine())
        self._held = [lock for lock in self._locks[mine:] if lock.acquire(timeout=_PATIENCE)]
        self._is_quiet = len(self._held) + mine == len(self._locks) and not any(map(_is_writing, self._connections))

    def go_on(self) -> None:
        """The fork is over."""
        held, self._held = self._held, []
        for lock in held:
            lock.release()

    def inherit(self) -> None:
        """This is the child."""
        self.is_foreign = True
        if not self._is_quiet:
            _torn.append(self)
        self.go_on()

    def end(self) -> None:
        """Close them, unless the fork cut through a transaction, which is the parent's to end."""
        _claims.discard(self)
        if self not in _torn:
            for each in self._connections:
                each.close()
            self._connections = ()

    def covers(self, path: str) -> bool:
        """Whether they are connections to that file."""
        return self._path == os.path.realpath(path)


_claims: WeakSet[Claim] = WeakSet()
_torn: list[Claim] = []
"""What a fork copied amid a transaction: it is kept, since closing it would roll back what the parent writes."""


def _is_writing(connection: sqlite3.Connection) -> bool:
    try:
        return connection.in_transaction
    except sqlite3.ProgrammingError:  # it is closed
        return False


def part(path: str) -> None:
    """Let go of what this process inherited of a file.

    Raises:
        StoreError: the fork came amid a transaction on it.
    """
    for claim in list(_claims):
        if claim.is_foreign and claim.covers(path):
            claim.end()
    if any(claim.covers(path) for claim in _torn):
        raise StoreError(
            f"{path} cannot be opened in this process, which was forked amid a transaction on it: fork before the "
            "transaction begins, or spawn"
        )


def _before() -> None:
    for claim in list(_claims):
        claim.hold()


def _in_parent() -> None:
    for claim in list(_claims):
        claim.go_on()


def _in_child() -> None:
    for claim in list(_claims):
        claim.inherit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
