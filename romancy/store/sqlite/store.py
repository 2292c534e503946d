"""What is written to a SQLite database, each verb one transaction, its SQL beside it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from romancy.errors import UnknownInstanceError
from romancy.history import Event, WorkflowStarted
from romancy.store.migrate import connect_to_read, migrate, refuse_foreign_file, refuse_newer, refuse_read_only
from romancy.store.openings import refuse_lost_log
from romancy.store.place import Exclusive
from romancy.store.protocol import TERMINAL, Created, Instance, NewInstance, Tick, WorkerIdentity
from romancy.store.rows import COLUMNS, to_row
from romancy.store.sqlite.file import OpenFile, leave
from romancy.store.sqlite.forks import Claim, part
from romancy.store.sqlite.reader import SqliteReader
from romancy.store.sqlite.statements import (
    INSTANCE,
    SUSPECTS,
    TRUSTED,
    WAKEABLE,
    fresh,
    instance_of,
    literals,
    marks,
    named,
)
from romancy.store.sqlite.transaction import SqliteRecording, Writer, lost, told

Connect = Callable[[str], sqlite3.Connection]

_BUSY_SECONDS = 5.0


def connect(path: str) -> sqlite3.Connection:
    """A connection of the standard library, without implicit transactions, for any thread."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)


class SqliteStore(SqliteReader):
    """Store and reader on one SQLite file, or in memory.

    Args:
        path: the file, made when it is missing; `":memory:"` for a database that ends with this object.
        connect: makes a connection of a path; tests pass their own.
        boundary: called with a tag before and after everything that leaves the process; tests cut there.
        read_only: neither make the file nor write to it; only the verbs of a reader work then.

    Raises:
        StoreError: the file cannot be opened; `SchemaError` when it is none of ours, or of a newer version.
    """

    serial = True

    def __init__(
        self,
        path: str,
        *,
        connect: Connect = connect,
        boundary: Callable[[str], None] | None = None,
        read_only: bool = False,
    ) -> None:
        has_one = path == ":memory:" or read_only
        if path != ":memory:":
            part(path)
        with told(path):
            connection = connect_to_read(path, _BUSY_SECONDS) if read_only else _open(path, connect)
            self._connection = connection
            self._writer = Writer(connection, path, boundary)
            super().__init__(connection if has_one else connect(path), self._writer)
            _prepare(self._reader)
            self._file = None if has_one else OpenFile(path, connection)
        locks = (self._writer.lock,) if self._shares is not None else (self._writer.lock, self._reading)
        self._claim = Claim(path, (self._reader, connection), locks, self._writer.is_mine)
        self._version = self._data_version()

    # -- leases

    def register(self, worker: WorkerIdentity, now: float, until: float) -> int:
        with self._writer.transaction("register"):
            for (token,) in self._connection.execute("select token from worker where id = ?", [worker.id]).fetchall():
                self._free(token, now)
            cursor = self._connection.execute(
                "insert into worker (id, host, pid, born, started, until) values (?, ?, ?, ?, ?, ?)",
                [worker.id, worker.host, worker.pid, worker.born, now, until],
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def renew(self, token: int, until: float) -> None:
        with self._writer.transaction("renew"):
            refuse_newer(self._connection, self.path)
            if self._connection.execute("update worker set until = ? where token = ?", [until, token]).rowcount == 0:
                raise lost(token)

    def retire(self, token: int, now: float) -> None:
        with self._writer.transaction("retire"):
            self._free(token, now)

    def take_over(self, token: int, now: float, limit: int, *, until: float | None = None) -> int | None:
        with self._writer.transaction("take over"):
            found = self._connection.execute("select until from worker where token = ?", [token]).fetchone()
            if until is not None and found != (until,):
                return None
            self._connection.execute(
                """
                update instance
                   set recoveries = case when recovered_at = p.position then recoveries + 1 else 1 end,
                       recovered_at = p.position
                  from (select i.number,
                               i.run || '.' || (select count(*) from history h
                                                 where h.instance = i.number and h.run = i.run) as position
                          from instance i where i.owner = :token) p
                 where p.number = instance.number
                """,
                {"token": token},
            )
            self._connection.execute(
                """
                update instance
                   set status = 'stuck', owner = null, wake_at = null, changed = :now,
                       error = 'it was recovered ' || recoveries || ' times without progress: its worker died each time'
                 where owner = :token and recoveries >= :limit
                """,
                {"token": token, "now": now, "limit": limit},
            )
            return self._free(token, now)

    def _free(self, token: int, now: float) -> int:
        # Where its worker did not let it go, nobody knows its position: another worker that held it before would take
        # up the execution that it has kept. That a run began does not say that its code ran: then it stays.
        freed = self._connection.execute(
            """
            update instance
               set owner = null, wake_at = :now,
                   position = coalesce((select max(seq) + 1 from history h
                                         where h.instance = instance.number and h.run = instance.run
                                           and h.seq > 0), position)
             where owner = :token
            """,
            {"now": now, "token": token},
        )
        self._connection.execute("delete from worker where token = ?", [token])
        return freed.rowcount

    # -- ticks

    def create(self, new: Sequence[NewInstance], *, owner: int | None, now: float) -> list[Created]:
        if owner is None:
            self._see_to_file()
        with self._writer.transaction("create"):
            if owner is not None:
                self._fence(owner)
            return [self._create(each, owner, now) for each in new]

    def _create(self, new: NewInstance, owner: int | None, now: float) -> Created:
        parent = new.parent
        inserted = self._connection.execute(
            """
            insert into instance (id, workflow, version, input, seed, status, owner, wake_at,
                                  parent, parent_run, parent_step, created, changed)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            on conflict (id) do nothing
            """,
            [
                *(new.id, new.workflow, new.version, new.input, new.seed),
                *("pending" if owner is None else "running", owner, now if owner is None else None),
                *((parent.number, parent.run, parent.step) if parent else (None, None, None)),
                *(new.at, new.at),
            ],
        )
        if inserted.rowcount == 0:
            row = self._connection.execute(f"select {INSTANCE} from instance where id = ?", [new.id]).fetchone()
            return Created(instance_of(row), True)
        assert inserted.lastrowid is not None
        if owner is not None:
            self._append([(inserted.lastrowid, 1, 0, WorkflowStarted(at=new.at))])
        return Created(fresh(inserted.lastrowid, new, owner, now), False)

    def claim(
        self, token: int, workflows: Collection[str], now: float, limit: int, *, suspects: bool = False
    ) -> list[Instance]:
        if not workflows:
            return []
        with self._writer.transaction("claim"):
            self._fence(token)
            rows = self._connection.execute(
                f"""
                update instance
                   set owner = :token, changed = :now,
                       status = case status when 'compensating' then status else 'running' end
                 where number in (select number from instance
                                   where owner is null and wake_at <= :now and workflow in ({marks(workflows)})
                                     and {SUSPECTS if suspects else TRUSTED}
                                   order by {"recoveries, " if suspects else ""}wake_at, number limit :limit)
                returning {INSTANCE}
                """,
                {"token": token, "now": now, "limit": limit, **named(workflows)},
            ).fetchall()
        return sorted(map(instance_of, rows), key=lambda each: (each.wake_at or 0.0, each.number))

    def commit(self, token: int, tick: Tick) -> None:
        with self._writer.transaction("commit"):
            self._fence(token)
            if tick.events:
                self._append(tick.events)
            if tick.delivered:
                self._connection.executemany("delete from inbox where number = ?", [(each,) for each in tick.delivered])
            for told in tick.told:
                number = told.instance if told.child is None else self._child(told.instance, told.child)
                if number is not None:
                    self._tell(number, told.kind, told.data, tick.at)
            if tick.states:
                self._connection.executemany(
                    """
                    update instance
                       set status = ?, run = ?, position = ?, owner = ?, error = ?, changed = ?, retries = ?,
                           recoveries = 0,
                           wake_at = case when ? and exists (select 1 from inbox where inbox.instance = instance.number)
                                          then 0 else ? end
                     where number = ?
                    """,
                    [
                        (
                            *(state.status, state.run, state.position, token if state.keep else None, state.error),
                            *(tick.at, state.retries, not state.keep and state.status in WAKEABLE),
                            *(state.wake_at, state.number),
                        )
                        for state in tick.states
                    ],
                )
                # Whoever has ended reads no letters any more.
                ended = [(state.number,) for state in tick.states if state.status in TERMINAL]
                self._connection.executemany("delete from inbox where instance = ?", ended)

    def _append(self, events: Sequence[tuple[int, int, int, Event]]) -> None:
        self._connection.executemany(
            f"insert into history (instance, run, seq, {', '.join(COLUMNS)}) values (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            [(number, run, seq, *to_row(event)) for number, run, seq, event in events],
        )

    def _child(self, parent: int, id: str) -> int | None:
        found = self._connection.execute("select number from instance where id = ? and parent = ?", [id, parent])
        row = found.fetchone()
        return None if row is None else int(row[0])

    def _tell(self, number: int, kind: str, data: str, now: float) -> None:
        self._connection.execute(
            f"""
            insert into inbox (instance, kind, data, at)
            select number, ?, ?, ? from instance where number = ? and status not in ({literals(TERMINAL)})
            """,
            [kind, data, now, number],
        )
        self._connection.execute(
            f"""
            update instance set wake_at = min(coalesce(wake_at, :now), :now)
             where number = :number and owner is null and status in ({literals(WAKEABLE)})
            """,
            {"now": now, "number": number},
        )

    def tell(self, instance_id: str, kind: str, data: str, now: float) -> str:
        self._see_to_file()
        with self._writer.transaction("tell"):
            number, status = self._find(instance_id)
            self._tell(number, kind, data, now)
            return status

    def revive(self, instance_id: str, now: float) -> str:
        self._see_to_file()
        with self._writer.transaction("revive"):
            number, status = self._find(instance_id)
            if status == "stuck":
                self._connection.execute(
                    """
                    update instance
                       set status = case when exists (select 1 from history h
                                                       where h.instance = instance.number and h.run = instance.run
                                                         and h.kind = 'compensation_started')
                                         then 'compensating' else 'running' end,
                           error = null, wake_at = ?, recoveries = 0, recovered_at = null, changed = ?
                     where number = ?
                    """,
                    [now, now, number],
                )
            return status

    def _find(self, instance_id: str) -> tuple[int, str]:
        row = self._connection.execute("select number, status from instance where id = ?", [instance_id]).fetchone()
        if row is None:
            raise UnknownInstanceError(instance_id)
        return row[0], row[1]

    @contextmanager
    def recording(self, token: int, number: int, run: int) -> Iterator[SqliteRecording]:
        with self._writer.transaction("session") as transaction:
            self._fence(token)
            owner = self._connection.execute("select owner from instance where number = ?", [number]).fetchone()
            if owner != (token,):
                raise lost(token)
            recording = SqliteRecording(self._connection, self.path, number, run, self._append)
            try:
                yield recording
            finally:
                recording.end()
            if not recording.is_recorded:
                transaction.abandon()

    def changed(self) -> bool:
        self._see_to_file()
        version = self._data_version()
        if version == self._version:
            return False
        self._version = version
        return True

    @property
    def clock(self) -> Callable[[], float]:
        """Whoever shares a file shares the clock of its machine."""
        return time.time

    def alert(self, wake: Callable[[], None]) -> None:
        """A file does not tell of commits."""

    def _see_to_file(self) -> None:
        if self._file is not None:
            self._file.refuse_moved()
            with told(self.path), self.exclusive():
                self._file.shorten_log()

    def _data_version(self) -> int:
        """What SQLite counts up whenever another connection than the writer commits."""
        with told(self.path), self.exclusive():
            version: int = self._connection.execute("pragma data_version").fetchone()[0]
            return version

    @property
    def is_foreign(self) -> bool:
        """Whether it was opened by the process that this one was forked from, and must not be used here."""
        return self._claim.is_foreign

    def close(self) -> None:
        if self.is_foreign:
            self._claim.end()
            return
        with self._writer.exclusive():
            if self._reader is not self._connection:
                with self._reading:
                    self._reader.close()
            if self._file is not None:
                self._file.close()
            self._claim.end()

    def exclusive(self, meanwhile: Callable[[], None] | None = None) -> Exclusive:
        """Hold the writer's place over several verbs of this thread."""
        return self._writer.exclusive(meanwhile)

    def _fence(self, token: int) -> None:
        if self._connection.execute("select 1 from worker where token = ?", [token]).fetchone() is None:
            raise lost(token)


def _open(path: str, connect: Connect) -> sqlite3.Connection:
    if path != ":memory:":
        refuse_foreign_file(Path(path))
        refuse_read_only(Path(path))
        refuse_lost_log(path)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = connect(path)
    try:
        migrate(connection, path)
    except BaseException:
        leave(connection, path)
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in ("synchronous = full", "trusted_schema = off", "cell_size_check = on", "mmap_size = 0"):
        connection.execute(f"pragma {pragma}")
