"""A store is open in the process that opened it, and in no other: whoever asks for it gets it, or hears why not."""

from __future__ import annotations

import os
from collections.abc import Callable

from romancy.errors import StoreError
from romancy.store.address import masked
from romancy.store.protocol import Database


class Holding:
    """The store of an app.

    Args:
        database: its path or URL, for messages.
        opening: opens it.
    """

    def __init__(self, database: str, opening: Callable[[], Database]) -> None:
        self._database = database
        self._opening = opening
        self._store: Database | None = None
        self._process = 0
        self._is_closed = False

    def open(self) -> Database | None:
        """Open the store; None where it is open already.

        Raises:
            StoreError: the database cannot be opened.
        """
        if self._store is not None:
            return None
        self._store = self._opening()
        self._process = os.getpid()
        self._is_closed = False
        return self._store

    def is_inherited(self) -> bool:
        """Whether this process was forked from the one that opened it."""
        return self._store is not None and self._process != os.getpid()

    def store(self) -> Database | None:
        """The store; None before it was opened for the first time.

        Raises:
            StoreError: it was closed, or belongs to the parent of this process.
        """
        if self._is_closed:
            raise StoreError(
                f"the app on {masked(self._database)} is closed: use it inside of `with`, or open() it again"
            )
        if self.is_inherited():
            raise StoreError(
                f"the app on {masked(self._database)} was opened before this process was forked: open() it again here"
            )
        return self._store

    def close(self) -> None:
        """Close the store; it can be opened again."""
        self._is_closed = True
        store, self._store = self._store, None
        if store is not None:
            store.close()
