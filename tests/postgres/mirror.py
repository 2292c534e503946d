"""A SQLite file that holds what a PostgreSQL database does, so that what is checked of files is checked of it too."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from romancy.store.sqlite import SqliteStore

TABLES = ("worker", "instance", "history", "inbox", "effect")


class Mirror(os.PathLike[str]):
    """The path of a file that is brought up to date whenever somebody asks for it.

    Args:
        url: of the database, in which the tables of Romancy and a table `effect` are.
        path: where the file is to be.
    """

    def __init__(self, url: str, path: Path) -> None:
        self._path = path
        options = "-c search_path=romancy,public"
        self._server = psycopg.connect(url, autocommit=True, options=options)
        self._seen: Any = None
        SqliteStore(str(path)).close()
        with closing(sqlite3.connect(path)) as file:
            file.execute("create table effect (instance text, run integer, step text)")
            self._columns = {
                table: [name for _, name, *_ in file.execute(f"pragma table_info({table})")] for table in TABLES
            }

    def __fspath__(self) -> str:
        """The file, as the database is now."""
        now = self._server.execute("select pg_snapshot_xmax(pg_current_snapshot())").fetchone()
        if now != self._seen:
            self._seen = now
            self._copy()
        return str(self._path)

    def empty(self) -> None:
        """Empty the tables."""
        self._server.execute(f"truncate {', '.join(TABLES)}".encode())

    def close(self) -> None:
        self._server.close()

    def _copy(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as file, self._server.transaction():
            self._server.execute("set transaction isolation level repeatable read read only")
            file.execute("begin")
            for table, columns in self._columns.items():
                names = ", ".join(columns)
                rows = self._server.execute(f"select {names} from {table}".encode()).fetchall()
                file.execute(f"delete from {table}")
                file.executemany(f"insert into {table} values ({', '.join('?' * len(columns))})", rows)
            file.execute("commit")
