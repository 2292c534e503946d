"""Forks: a child process neither speaks on the connections of its parent nor keeps them open.

Two processes on one connection would read each other's answers. And while a child has a copy of it, the server does not
see that the parent died, and goes on holding what that had locked. So the child's copies lead nowhere from its first
moment on; what it does with them fails, and says no goodbye to the server in its parent's name.
"""

from __future__ import annotations

import os
from typing import Any
from weakref import WeakSet

import psycopg

_connections: WeakSet[psycopg.Connection[Any]] = WeakSet()


def note(connection: psycopg.Connection[Any]) -> None:
    """This is a connection of this process."""
    _connections.add(connection)


def _in_child() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for connection in list(_connections):
        if not connection.closed:
            os.dup2(nowhere, connection.fileno(), inheritable=False)
    os.close(nowhere)
    _connections.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
