"""What `romancy doctor` looks at: one check a line, each with its remedy."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from romancy.cli.checks import FAIL, OK, WARN, Check
from romancy.cli.group import Mistake, opened_to_read
from romancy.cli.shown import length
from romancy.errors import SchemaError, StoreError
from romancy.store.address import is_url
from romancy.store.protocol import ACTIVE, Lease, Reader
from romancy.store.sqlite import SqliteStore
from romancy.worker.leases import is_gone, this_worker

_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs")
)
_MEGABYTE = 1_000_000
_SHOWN = 5
_LATE = 10.0


def examine(database: str, now: float) -> list[Check]:
    """Every check of a database.

    Args:
        database: the path of its file, or its URL.
        now: seconds since the epoch.

    Raises:
        Mistake: there is no such file.
    """
    if is_url(database):
        return _examine_server(database)
    checks = [library(sqlite3.sqlite_version_info)]
    if not Path(database).exists():
        with opened_to_read(database):
            pass
    checks += _surroundings(Path(database))
    try:
        with contextlib.closing(SqliteStore(database, read_only=True)) as store:
            health = store.health()
            return [*_file(health), *checks, *_pragmas(health), _integrity(health), *instances(store, now)]
    except SchemaError as trouble:
        return [Check("database", FAIL, str(trouble)), *checks]
    except StoreError as trouble:
        told = f"{trouble}; where it is damaged, stop the workers and restore a backup"
        return [Check("database", FAIL, told), *checks]


def _examine_server(url: str) -> list[Check]:
    from romancy.cli.server_checks import server

    try:
        with opened_to_read(url) as store:
            return [*server(store.health()), *instances(store, store.clock())]
    except Mistake as trouble:
        return [Check("database", FAIL, trouble.message)]


def library(version: tuple[int, ...]) -> Check:
    """The SQLite library that this Python uses, with what is known of its version.

    Sources: https://sqlite.org/wal.html#walresetbug (from 3.7.0, fixed in 3.51.3, 3.50.7 and 3.44.6) and
    https://sqlite.org/lang_returning.html (from 3.35.0).
    """
    told = "SQLite " + ".".join(map(str, version))
    if version < (3, 35):
        return Check("sqlite", FAIL, f"{told} lacks what Romancy needs: use a Python with SQLite 3.35 or newer")
    fixed = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    if not fixed:
        return Check(
            "sqlite",
            WARN,
            f"{told} has the WAL-reset bug: two connections that write and checkpoint at the same moment can, very "
            "rarely, damage the file; use a Python with SQLite 3.51.3 (or 3.50.7, or 3.44.6), and keep backups",
        )
    return Check("sqlite", OK, told)


def _file(health: dict[str, Any]) -> Iterator[Check]:
    path = Path(health["path"])
    size = path.stat().st_size / _MEGABYTE
    told = f"{path}, {size:.1f} MB, schema {health['pragmas']['user_version']}"
    yield Check("database", OK, told)
    log = health["wal_bytes"] / _MEGABYTE
    if log > 256:
        yield Check("log", WARN, f"the write-ahead log has {log:.0f} MB: a reader keeps it open, end it")
    else:
        yield Check("log", OK, f"{log:.1f} MB")


def _surroundings(path: Path) -> Iterator[Check]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Check("permissions", WARN, f"{mode:04o}: others can open it, and it holds inputs and results: chmod 600")
    else:
        yield Check("permissions", OK, f"{mode:04o}")
    mounts = Path("/proc/self/mountinfo")
    if mounts.exists():
        yield file_system(path, mounts.read_text("utf-8", "replace"))
    yield space(shutil.disk_usage(path.absolute().parent).free)


def file_system(path: Path, mountinfo: str) -> Check:
    """Whether the file is on a file system that all processes share memory on, as write-ahead logs need it.

    Args:
        path: the file.
        mountinfo: the text of /proc/self/mountinfo.
    """
    place, best, kind = path.resolve(), -1, "unknown"
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        mount = Path(re.sub(r"\\(\d{3})", _octal, left.split()[4])) if len(left.split()) > 4 else None
        if mount is not None and place.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), right.split()[0]
    if kind in _NETWORK:
        told = f"{kind} is a network file system, on which a write-ahead log is not safe: move the file to a local disk"
        return Check("file system", FAIL, told)
    return Check("file system", OK, kind)


def _octal(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


def space(free: int) -> Check:
    """Whether there is room to go on writing."""
    told = f"{free / _MEGABYTE:,.0f} MB free"
    if free < 100 * _MEGABYTE:
        return Check("space", FAIL if free < 10 * _MEGABYTE else WARN, f"{told}: make room before workers have to stop")
    return Check("space", OK, told)


def _pragmas(health: dict[str, Any]) -> Iterator[Check]:
    pragmas = health["pragmas"]
    if pragmas["journal_mode"] != "wal":
        told = f"journal_mode = {pragmas['journal_mode']} and not wal: something else changed it; a worker sets it back"
        yield Check("pragmas", WARN, told)
    elif pragmas["synchronous"] != 2:
        told = f"SQLite answers synchronous = {pragmas['synchronous']} and not full: a power cut could lose commits"
        yield Check("pragmas", FAIL, told)
    else:
        yield Check("pragmas", OK, "journal_mode = wal, synchronous = full")


def _integrity(health: dict[str, Any]) -> Check:
    problems = health["integrity"]
    if problems:
        told = "; ".join(map(str, problems[:_SHOWN]))
        return Check("integrity", FAIL, f"{told}: stop the workers and restore a backup")
    return Check("integrity", OK, f"{health['pragmas']['page_count']} pages are sound")


def instances(store: Reader, now: float) -> Iterator[Check]:
    """Whether everything that should go on does."""
    counts = store.counts()
    leases = store.leases()
    gone = [each for each in leases if is_gone(each, this_worker(None), now)]
    yield _workers(leases, gone, now)
    told = ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "none yet"
    waiting = sum(counts.get(status, 0) for status in ACTIVE)
    if waiting and len(gone) == len(leases):
        yield Check("instances", WARN, f"{told}; no worker runs: start one with romancy worker MODULE")
    else:
        yield Check("instances", OK, told)
    yield _lag(*store.lag(now))
    stuck = store.instances(status="stuck", workflow=None, limit=_SHOWN, after=None)
    if stuck:
        more = counts["stuck"] - len(stuck)
        names = ", ".join(repr(each.id) for each in stuck) + (f" and {more} more" if more > 0 else "")
        yield Check("stuck", FAIL, f"{names}: romancy show says why; mend it, then romancy retry")
    else:
        yield Check("stuck", OK, "no instance is stuck")


def _lag(due: int, late: float) -> Check:
    """How far workers are behind."""
    if not due:
        return Check("lag", OK, "nothing is due")
    told = f"{due} due, the first of them for {length(late)}"
    if late > _LATE:
        return Check("lag", WARN, f"{told}: start more workers, or one that knows their workflow")
    return Check("lag", OK, told)


def _workers(leases: list[Lease], gone: list[Lease], now: float) -> Check:
    if gone:
        names = ", ".join(_lease(each, now) for each in gone[:_SHOWN])
        return Check("workers", FAIL, f"gone with a lease: {names}; start a worker, which takes over")
    return Check("workers", OK, ", ".join(_lease(each, now) for each in leases[:_SHOWN]) or "none runs")


def _lease(lease: Lease, now: float) -> str:
    left = lease.until - now
    told = f"for another {length(left)}" if left > 0 else f"expired {length(-left)} ago"
    return f"{lease.worker.id!r} (process {lease.worker.pid}, lease {told})"
