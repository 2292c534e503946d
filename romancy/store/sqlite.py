"""The SQLite store: one file, one writer at a time, `synchronous=FULL`.

A commit that returned is on the disk. Every write begins with `begin immediate`, since a transaction that starts as a
reader and turns writer fails at once where another one wrote meanwhile, whatever the busy timeout.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from romancy.errors import LeaseLostError, RomancyError, StoreError, UnknownInstanceError
from romancy.history import Event, WorkflowStarted
from romancy.store.migrate import connect_to_read, migrate, refuse_foreign_file
from romancy.store.protocol import (
    ACTIVE,
    SUSPECT,
    TERMINAL,
    Created,
    Instance,
    Lease,
    Letter,
    NewInstance,
    Parent,
    Tick,
    WorkerIdentity,
)
from romancy.store.rows import COLUMNS, from_rows, to_row

Connect = Callable[[str], sqlite3.Connection]

_BUSY_SECONDS = 5.0
_INSTANCE = (
    "number, id, workflow, version, input, seed, status, run, position, owner, wake_at, "
    "parent, parent_run, parent_step, error, recoveries, created, changed"
)


def connect(path: str) -> sqlite3.Connection:
    """A connection of the standard library, without implicit transactions, for any thread."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)


class SqliteStore:
    """Store and reader on one SQLite file, or in memory.

    Args:
        path: the file, made when it is missing; `":memory:"` for a database that ends with this object.
        connect: makes a connection of a path; tests pass their own.
        boundary: called with a tag before and after everything that leaves the process; tests cut there.
        read_only: neither make the file nor write to it; only the verbs of a reader work then.

    Raises:
        StoreError: the file cannot be opened; `SchemaError` when it is none of ours, or of a newer version.
    """

    def __init__(
        self,
        path: str,
        *,
        connect: Connect = connect,
        boundary: Callable[[str], None] | None = None,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self._boundary = boundary
        self._writing = threading.Lock()
        self._writer_thread: int | None = None
        in_memory = path == ":memory:"
        has_one = in_memory or read_only
        had_log = False
        if not has_one:
            had_log = refuse_foreign_file(Path(path))
            _create_private(path)
        with _told(path):
            if read_only:
                self._writer = connect_to_read(path, _BUSY_SECONDS)
            else:
                self._writer = connect(path)
                migrate(self._writer, path, had_log=had_log)
            self._reader = self._writer if has_one else connect(path)
            _prepare(self._reader)
        self._reading = self._writing if has_one else threading.Lock()
        self._version = self._data_version()

    # -- leases

    def register(self, worker: WorkerIdentity, now: float, until: float) -> int:
        with _Transaction(self, "register"):
            for (token,) in self._writer.execute("select token from worker where id = ?", [worker.id]).fetchall():
                self._free(token, now)
            cursor = self._writer.execute(
                "insert into worker (id, host, pid, born, started, until) values (?, ?, ?, ?, ?, ?)",
                [worker.id, worker.host, worker.pid, worker.born, now, until],
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def renew(self, token: int, until: float) -> None:
        with _Transaction(self, "renew"):
            if self._writer.execute("update worker set until = ? where token = ?", [until, token]).rowcount == 0:
                raise _lost(token)

    def retire(self, token: int, now: float) -> None:
        with _Transaction(self, "retire"):
            self._free(token, now)

    def take_over(self, token: int, now: float, limit: int) -> int:
        with _Transaction(self, "take over"):
            self._writer.execute(
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
            self._writer.execute(
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
        freed = self._writer.execute("update instance set owner = null, wake_at = ? where owner = ?", [now, token])
        self._writer.execute("delete from worker where token = ?", [token])
        return freed.rowcount

    def leases(self) -> list[Lease]:
        rows = self._read("select token, id, host, pid, born, started, until from worker order by token")
        return [
            Lease(
                token=token,
                worker=WorkerIdentity(id=id, host=host, pid=pid, born=born),
                started=started,
                until=until,
            )
            for token, id, host, pid, born, started, until in rows
        ]

    # -- what the loop writes

    def create(self, new: Sequence[NewInstance], *, owner: int | None, now: float) -> list[Created]:
        with _Transaction(self, "create"):
            if owner is not None:
                self._fence(owner)
            return [self._create(each, owner, now) for each in new]

    def _create(self, new: NewInstance, owner: int | None, now: float) -> Created:
        parent = new.parent
        inserted = self._writer.execute(
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
            row = self._writer.execute(f"select {_INSTANCE} from instance where id = ?", [new.id]).fetchone()
            return Created(_instance(row), True)
        assert inserted.lastrowid is not None
        if owner is not None:
            self._append([(inserted.lastrowid, 1, 0, WorkflowStarted(at=new.at))])
        return Created(_fresh(inserted.lastrowid, new, owner, now), False)

    def claim(
        self, token: int, workflows: Collection[str], now: float, limit: int, *, suspects: bool = False
    ) -> list[Instance]:
        if not workflows:
            return []
        with _Transaction(self, "claim"):
            self._fence(token)
            rows = self._writer.execute(
                f"""
                update instance
                   set owner = :token, changed = :now,
                       status = case status when 'compensating' then status else 'running' end
                 where number in (select number from instance
                                   where owner is null and wake_at <= :now and workflow in ({_marks(workflows)})
                                     and {_SUSPECTS if suspects else _TRUSTED}
                                   order by {"recoveries, " if suspects else ""}wake_at, number limit :limit)
                returning {_INSTANCE}
                """,
                {"token": token, "now": now, "limit": limit, **_named(workflows)},
            ).fetchall()
        return sorted(map(_instance, rows), key=lambda each: (each.wake_at or 0.0, each.number))

    def commit(self, token: int, tick: Tick) -> None:
        with _Transaction(self, "commit"):
            self._fence(token)
            if tick.events:
                self._append(tick.events)
            if tick.delivered:
                self._writer.executemany("delete from inbox where number = ?", [(each,) for each in tick.delivered])
            for told in tick.told:
                self._tell(told.instance, told.kind, told.data, tick.at)
            if tick.states:
                self._writer.executemany(
                    """
                    update instance
                       set status = ?, run = ?, position = ?, owner = ?, error = ?, changed = ?, recoveries = 0,
                           wake_at = case when ? and exists (select 1 from inbox where inbox.instance = instance.number)
                                          then 0 else ? end
                     where number = ?
                    """,
                    [
                        (
                            *(state.status, state.run, state.position, token if state.keep else None, state.error),
                            *(tick.at, not state.keep and state.status in _WAKEABLE, state.wake_at, state.number),
                        )
                        for state in tick.states
                    ],
                )
                # Whoever has ended reads no letters any more.
                ended = [(state.number,) for state in tick.states if state.status in TERMINAL]
                self._writer.executemany("delete from inbox where instance = ?", ended)

    def _append(self, events: Sequence[tuple[int, int, int, Event]]) -> None:
        self._writer.executemany(
            f"insert into history (instance, run, seq, {', '.join(COLUMNS)}) values (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            [(number, run, seq, *to_row(event)) for number, run, seq, event in events],
        )

    def _tell(self, number: int, kind: str, data: str, now: float) -> None:
        self._writer.execute(
            f"""
            insert into inbox (instance, kind, data, at)
            select number, ?, ?, ? from instance where number = ? and status not in ({_literals(TERMINAL)})
            """,
            [kind, data, now, number],
        )
        self._writer.execute(
            f"""
            update instance set wake_at = min(coalesce(wake_at, :now), :now)
             where number = :number and owner is null and status in ({_literals(_WAKEABLE)})
            """,
            {"now": now, "number": number},
        )

    def tell(self, instance_id: str, kind: str, data: str, now: float) -> str:
        with _Transaction(self, "tell"):
            number, status = self._find(instance_id)
            self._tell(number, kind, data, now)
            return status

    def revive(self, instance_id: str, now: float) -> str:
        with _Transaction(self, "revive"):
            number, status = self._find(instance_id)
            if status == "stuck":
                self._writer.execute(
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
        row = self._writer.execute("select number, status from instance where id = ?", [instance_id]).fetchone()
        if row is None:
            raise UnknownInstanceError(instance_id)
        return row[0], row[1]

    @contextmanager
    def recording(self, token: int, number: int, run: int) -> Iterator[SqliteRecording]:
        with _Transaction(self, "session") as transaction:
            self._fence(token)
            owner = self._writer.execute("select owner from instance where number = ?", [number]).fetchone()
            if owner != (token,):
                raise _lost(token)
            recording = SqliteRecording(self._writer, number, run, self._append)
            yield recording
            if not recording.is_recorded:
                transaction.abandon()

    # -- what the loop reads

    def owned(self, token: int) -> list[Instance]:
        return [_instance(row) for row in self._read(f"select {_INSTANCE} from instance where owner = ?", [token])]

    def load(self, number: int, run: int) -> list[Event]:
        return self.history(number, run)

    def letters(self, token: int) -> list[Letter]:
        rows = self._read(
            """
            select inbox.number, inbox.instance, inbox.kind, inbox.data, inbox.at
              from inbox join instance on instance.number = inbox.instance
             where instance.owner = ? order by inbox.number
            """,
            [token],
        )
        return [Letter(*row) for row in rows]

    def next_due(self, workflows: Collection[str], *, suspects: bool = False) -> float | None:
        if not workflows:
            return None
        rows = self._read(
            f"""
            select wake_at from instance
             where owner is null and wake_at is not null and workflow in ({_marks(workflows)})
               and {_SUSPECTS if suspects else _TRUSTED}
             order by wake_at limit 1
            """,
            _named(workflows),
        )
        return rows[0][0] if rows else None

    def changed(self) -> bool:
        version = self._data_version()
        if version == self._version:
            return False
        self._version = version
        return True

    def _data_version(self) -> int:
        """What SQLite counts up whenever another connection than the writer commits."""
        with _told(self.path), self.exclusive():
            version: int = self._writer.execute("pragma data_version").fetchone()[0]
            return version

    # -- what people read

    def instance(self, instance_id: str) -> Instance | None:
        rows = self._read(f"select {_INSTANCE} from instance where id = ?", [instance_id])
        return _instance(rows[0]) if rows else None

    def instances(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Instance]:
        rows = self._read(
            f"""
            select {_INSTANCE} from instance
             where (:status is null or status = :status)
               and (:workflow is null or workflow = :workflow)
               and (:after is null or number > (select number from instance where id = :after))
             order by number limit :limit
            """,
            {"status": status, "workflow": workflow, "after": after, "limit": -1 if limit is None else limit},
        )
        return [_instance(row) for row in rows]

    def numbered(self, number: int) -> Instance | None:
        rows = self._read(f"select {_INSTANCE} from instance where number = ?", [number])
        return _instance(rows[0]) if rows else None

    def children(self, number: int, run: int) -> list[Instance]:
        rows = self._read(
            f"""
            select {_INSTANCE} from instance
             where parent = ? and parent_run = ? and status not in ({_literals(TERMINAL)}) order by number
            """,
            [number, run],
        )
        return [_instance(row) for row in rows]

    def unread(self, number: int) -> list[Letter]:
        rows = self._read(
            "select number, instance, kind, data, at from inbox where instance = ? order by number", [number]
        )
        return [Letter(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        return dict(self._read("select status, count(*) from instance group by status"))

    def history(self, number: int, run: int) -> list[Event]:
        rows = self._read(
            f"select seq, {', '.join(COLUMNS)} from history where instance = ? and run = ? order by seq", [number, run]
        )
        return from_rows(rows)

    def since(self, number: int, run: int, seq: int) -> list[Event]:
        rows = self._read(
            f"""
            select seq - :seq, {", ".join(COLUMNS)} from history
             where instance = :number and run = :run and seq >= :seq order by seq
            """,
            {"number": number, "run": run, "seq": seq},
        )
        return from_rows(rows)

    def ending(self, number: int, run: int) -> Event | None:
        rows = self._read(
            f"select 0, {', '.join(COLUMNS)} from history where instance = ? and run = ? order by seq desc limit 1",
            [number, run],
        )
        return from_rows(rows)[0] if rows else None

    def ended(self, ids: Collection[str]) -> list[Instance]:
        rows = []
        wanted = list(ids)
        for start in range(0, len(wanted), 500):
            batch = wanted[start : start + 500]
            rows += self._read(
                f"""
                select {_INSTANCE} from instance
                 where id in ({",".join("?" * len(batch))}) and status in ({_literals((*TERMINAL, "stuck"))})
                """,
                batch,
            )
        return [_instance(row) for row in rows]

    def is_idle(self, workflows: Collection[str], now: float) -> bool:
        rows = self._read(
            f"""
            select 1 from instance
             where workflow in ({_marks(workflows)})
               and (status in ({_literals(ACTIVE)})
                    or (owner is null and wake_at <= :now and status in ({_literals(_WAKEABLE)})))
             limit 1
            """,
            {"now": now, **_named(workflows)},
        )
        return not rows

    def health(self) -> dict[str, Any]:
        names = ("journal_mode", "synchronous", "trusted_schema", "application_id", "user_version", "page_count")
        pragmas = {name: self._read(f"pragma {name}")[0][0] for name in names}
        problems = [row[0] for row in self._read("pragma integrity_check(20)")]
        wal = Path(self.path + "-wal")
        return {
            "path": self.path,
            "sqlite": sqlite3.sqlite_version,
            "pragmas": pragmas,
            "integrity": [] if problems == ["ok"] else problems,
            "wal_bytes": wal.stat().st_size if wal.exists() else 0,
        }

    def close(self) -> None:
        with self._writing:
            if self._reader is not self._writer:
                with self._reading:
                    self._reader.close()
            self._writer.close()

    # -- transactions

    def exclusive(self) -> _Exclusive:
        """Hold the writer's place over several verbs of this thread."""
        return _Exclusive(self)

    def _fence(self, token: int) -> None:
        if self._writer.execute("select 1 from worker where token = ?", [token]).fetchone() is None:
            raise _lost(token)

    def _read(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        with _told(self.path):
            if self._reader is self._writer and self._writer_thread == threading.get_ident():
                return self._reader.execute(sql, parameters).fetchall()
            with self._reading:
                return self._reader.execute(sql, parameters).fetchall()


class _Exclusive:
    """The writer's place, which one thread of this process holds at a time, over as many verbs as it likes."""

    __slots__ = ("_holds", "_store")

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._holds = False

    def __enter__(self) -> None:
        store, me = self._store, threading.get_ident()
        if store._writer_thread != me:
            store._writing.acquire()
            store._writer_thread = me
            self._holds = True

    def __exit__(self, *_: object) -> None:
        if self._holds:
            self._store._writer_thread = None
            self._store._writing.release()


class _Transaction:
    """`begin immediate` … `commit`, or a rollback where the block raised or gave up."""

    __slots__ = ("_connection", "_is_abandoned", "_place", "_store", "_tag")

    def __init__(self, store: SqliteStore, tag: str) -> None:
        self._store = store
        self._connection = store._writer
        self._tag = tag
        self._is_abandoned = False
        self._place = _Exclusive(store)

    def abandon(self) -> None:
        self._is_abandoned = True

    def __enter__(self) -> _Transaction:
        self._place.__enter__()
        try:
            self._cut("before")
            _begin(self._connection)
        except BaseException as problem:
            self._place.__exit__()
            if isinstance(problem, sqlite3.Error):
                raise _store_error(self._store.path, problem) from problem
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._end(error)
        finally:
            self._place.__exit__()

    def _end(self, error: BaseException | None) -> None:
        if error is None and not self._is_abandoned:
            self._cut("before commit of")
            try:
                self._connection.execute("commit")
            except sqlite3.Error as problem:
                self._roll_back()
                raise _store_error(self._store.path, problem) from problem
            self._cut("after")
            return
        self._roll_back()
        # What an activity's own SQL raises inside of its session is the activity's affair.
        if isinstance(error, sqlite3.Error) and self._tag != "session":
            raise _store_error(self._store.path, error) from error

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("rollback")

    def _cut(self, when: str) -> None:
        boundary = self._store._boundary
        if boundary is not None:
            boundary(f"{when} {self._tag}")


class SqliteRecording:
    """The transaction of one activity on SQLite."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        number: int,
        run: int,
        append: Callable[[Sequence[tuple[int, int, int, Event]]], None],
    ) -> None:
        from sqlite_utils import Database

        self._connection = connection
        self._number = number
        self._run = run
        self._append = append
        self.handle: Any = Database(connection, execute_plugins=False)
        self.is_recorded = False

    def record(self, event: Event) -> int:
        if not self._connection.in_transaction:
            raise RomancyError(
                "the activity ended the transaction of session() itself, so that its result cannot be recorded with "
                "it: leave commit and rollback to Romancy"
            )
        row = self._connection.execute(
            "select count(*) from history where instance = ? and run = ?", [self._number, self._run]
        ).fetchone()
        self._append([(self._number, self._run, row[0], event)])
        self.is_recorded = True
        seq: int = row[0]
        return seq


_TRUSTED = f"recoveries < {SUSPECT}"
_SUSPECTS = f"recoveries >= {SUSPECT}"
_WAKEABLE = ("pending", "running", "waiting", "compensating")


def _begin(connection: sqlite3.Connection) -> None:
    """Wait for the write lock as long as somebody may reasonably hold it, and then say so."""
    for patience in range(12, -1, -1):
        try:
            connection.execute("begin immediate")
            return
        except sqlite3.OperationalError as busy:
            if busy.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or patience == 0:
                raise


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in ("synchronous = full", "trusted_schema = off", "cell_size_check = on", "mmap_size = 0"):
        connection.execute(f"pragma {pragma}")


def _create_private(path: str) -> None:
    with _told(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Trouble with the file is a `StoreError` that names it."""
    try:
        yield
    except (sqlite3.Error, OSError) as problem:
        raise _store_error(path, problem) from problem


def _store_error(path: str, problem: Exception) -> StoreError:
    told = f"{path}: {problem}"
    if isinstance(problem, sqlite3.OperationalError) and problem.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
        told += " by another process, which keeps a transaction open: end it, then start again"
    return StoreError(told)


def _lost(token: int) -> LeaseLostError:
    return LeaseLostError(f"lease {token} was taken over by another worker: nothing was written under it")


def _instance(row: Sequence[Any]) -> Instance:
    number, id, workflow, version, input, seed, status, run, position, owner, wake_at, parent, parent_run = row[:13]
    parent_step, error, recoveries, created, changed = row[13:]
    return Instance(
        number=number,
        id=id,
        workflow=workflow,
        version=version,
        input=input,
        seed=seed,
        status=status,
        run=run,
        position=position,
        owner=owner,
        wake_at=wake_at,
        parent=None if parent is None else Parent(number=parent, run=parent_run, step=parent_step),
        error=error,
        recoveries=recoveries,
        created=created,
        changed=changed,
    )


def _fresh(number: int, new: NewInstance, owner: int | None, now: float) -> Instance:
    return Instance(
        number=number,
        id=new.id,
        workflow=new.workflow,
        version=new.version,
        input=new.input,
        seed=new.seed,
        status="pending" if owner is None else "running",
        run=1,
        position=0,
        owner=owner,
        wake_at=now if owner is None else None,
        parent=new.parent,
        error=None,
        recoveries=0,
        created=new.at,
        changed=new.at,
    )


def _marks(names: Collection[str]) -> str:
    return ", ".join(f":name{place}" for place in range(len(names)))


def _named(names: Collection[str]) -> dict[str, str]:
    return {f"name{place}": name for place, name in enumerate(names)}


def _literals(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
