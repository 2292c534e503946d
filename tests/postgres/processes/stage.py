"""A PostgreSQL database that real processes share, and those processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from tests.system import stage


class Stage(stage.Stage):
    """Like the stage on a file, with a database on a server in its place.

    Args:
        folder: an empty one, for effects and gates.
        url: of an empty database.
    """

    clock_error = 0.05
    """A worker knows the server's clock to half of what an answer takes."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self._beside: psycopg.Connection[Any] | None = None

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        try:
            return self._asked(sql, *parameters)
        except psycopg.OperationalError:
            return self._asked(sql, *parameters)  # the server was away meanwhile

    def _asked(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        if self._beside is None or self._beside.closed:
            path = "-c search_path=public,romancy"
            self._beside = psycopg.connect(str(self.database), autocommit=True, options=path)
        cursor = self._beside.execute(sql.replace("?", "%s").encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def _can_write(self) -> bool:
        open_ones = "select 1 from pg_stat_activity where datname = current_database() and state like 'idle in %'"
        return not self.query(open_ones)

    def is_damaged(self) -> bool:
        return False  # the server itself says so when a page is

    def open_bank(self, accounts: int) -> None:
        self.query("create table account (id integer primary key, balance integer not null)")
        self.query("create table transfer (instance text, step text, amount integer)")
        self.query("insert into account select number, 1000 from generate_series(0, ?) number", accounts - 1)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._beside is not None:
            self._beside.close()
