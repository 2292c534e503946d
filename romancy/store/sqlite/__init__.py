"""The SQLite store: one file, one writer at a time, `synchronous=FULL`."""

from romancy.store.sqlite.reader import SqliteReader
from romancy.store.sqlite.store import Connect, SqliteStore, connect

__all__ = ["Connect", "SqliteReader", "SqliteStore", "connect"]
