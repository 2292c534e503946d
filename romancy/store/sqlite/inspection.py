"""Everything that can be found wrong with a database, row by row; nothing is written, and nothing is taken away.

Each finding says where, what, and what to do about it. One that concerns an instance keeps no other from going on.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from romancy.errors import SchemaError, StoreError
from romancy.history import Event
from romancy.store.findings import Finding, place_of, problems
from romancy.store.migrate import connect_to_read, refuse_foreign_file
from romancy.store.openings import SQLITE_ERRORS, refuse_lost_log
from romancy.store.protocol import ACTIVE, STATUSES, Instance
from romancy.store.rows import COLUMNS, from_rows
from romancy.store.sqlite.statements import INSTANCE, instance_of
from romancy.store.sqlite.transaction import spelled_out

_MOST = 100


def inspect(path: str, patience: float = 5.0) -> Iterator[Finding]:
    """Look at every page and every row.

    Args:
        path: the file, which is there.
        patience: seconds to wait for the lock of another process.
    """
    try:
        refuse_foreign_file(Path(path))
        refuse_lost_log(path)
        connection = connect_to_read(path, patience)
    except SchemaError as trouble:
        told, _, remedy = str(trouble).rpartition(": ")
        yield Finding("file", told, remedy)
    except (StoreError, *SQLITE_ERRORS, OSError) as trouble:
        yield Finding("file", str(trouble), _restore(path))
    else:
        with closing(connection):
            yield from _Inspection(path, connection).findings()


class _Inspection:
    """The checks of one database that can be opened."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._is_garbled = False
        connection.text_factory = self._text

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._is_garbled = True
            return spelled_out(raw)

    def findings(self) -> Iterator[Finding]:
        for where, check in (
            ("pages", self._pages),
            ("references", self._references),
            ("owners", self._owners),
            ("instances", self._instances),
        ):
            try:
                yield from check()
            except SQLITE_ERRORS as trouble:
                yield Finding(where, str(trouble), _restore(self._path))

    def _pages(self) -> Iterator[Finding]:
        for (told,) in self._connection.execute(f"pragma integrity_check({_MOST})"):
            if told != "ok":
                yield Finding("pages", str(told), _restore(self._path))

    def _references(self) -> Iterator[Finding]:
        for table, row, parent, _ in self._connection.execute("pragma foreign_key_check"):
            yield Finding(f"table {table}", f"row {row} refers to a row of {parent} that is missing", _MEND)
        for table in ("history", "inbox"):
            orphans = self._connection.execute(
                f"""
                select instance, count(*) from {table}
                 where instance not in (select number from instance) group by instance limit {_MOST}
                """
            )
            for number, rows in orphans:
                yield Finding(f"table {table}", f"{rows} rows of an instance {number} that is missing", _MEND)
        children = self._connection.execute(
            f"""
            select id, parent from instance
             where parent is not null and parent not in (select number from instance) limit {_MOST}
            """
        )
        for id, parent in children:
            yield Finding(place_of(id), f"its parent, instance {parent}, is missing", _MEND)

    def _owners(self) -> Iterator[Finding]:
        """Nobody offers again what is held under a lease that is not there, nor what nothing wakes."""
        held = self._connection.execute(
            f"""
            select id, owner from instance
             where owner is not null and owner not in (select token from worker) limit {_MOST}
            """
        )
        for id, owner in held:
            yield Finding(place_of(id), f"lease {owner}, under which it is held, is missing", _offer(id))
        forgotten = self._connection.execute(
            f"""
            select id, status from instance
             where owner is null and wake_at is null and status in ({", ".join("?" * len(ACTIVE))}) limit {_MOST}
            """,
            ACTIVE,
        )
        for id, status in forgotten:
            yield Finding(place_of(id), f"it is {status}, and nothing wakes it", _offer(id))

    def _instances(self) -> Iterator[Finding]:
        for row in self._connection.execute(f"select {INSTANCE} from instance order by number"):
            garbled = self._was_garbled()
            instance = instance_of(row)
            where = place_of(instance.id)
            export = f"save its rows: {_command('export', self._path, instance.id, '--rows')}"
            if garbled:
                yield Finding(where, garbled, f"{export}; {_MEND}")
            if instance.status not in STATUSES:
                yield Finding(where, f"{instance.status!r} is no status", f"{export}; {_MEND}")
            try:
                for what in self._problems(instance):
                    yield Finding(where, what, f"{export}; restore a backup, or mend the rows, then retry it")
            except SQLITE_ERRORS as trouble:
                yield Finding(where, str(trouble), f"{export}; {_restore(self._path)}")
            if instance.status == "stuck":
                retry = _command("retry", self._path, instance.id)
                yield Finding(where, f"it is stuck: {instance.error}", f"mend what it is stuck on, then: {retry}")

    def _was_garbled(self) -> str:
        was, self._is_garbled = self._is_garbled, False
        return "there is a text that is no UTF-8" if was else ""

    def _problems(self, instance: Instance) -> Iterator[str]:
        def events_of(run: int) -> list[Event]:
            rows = self._connection.execute(
                f"select seq, {', '.join(COLUMNS)} from history where instance = ? and run = ? order by seq",
                [instance.number, run],
            )
            return from_rows(rows)

        return problems(instance, events_of, self._was_garbled)


_MEND = "stop the workers, keep a copy of the file, and mend the rows with SQL"


def _offer(id: object) -> str:
    quoted = str(id).replace("'", "''")
    return f"stop the workers, then: update instance set owner = null, wake_at = 0 where id = '{quoted}'"


def _restore(path: str) -> str:
    name = shlex.quote(path)
    return f"stop the workers, and restore a backup, or save what is left: sqlite3 {name} .recover | sqlite3 new.db"


def _command(verb: str, path: str, id: str, *options: str) -> str:
    return shlex.join(["romancy", verb, "--db", path, *options, "--", id])
