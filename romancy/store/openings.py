"""Whether the write-ahead log that a database had is still there, whole, and its own.

What is committed stands in the log until a checkpoint brings it into the main file. The table `opening` holds two
numbers: the first is brought into the main file, and only then the second, by a commit of its own, is written to the
log, equal to the first. So a main file on its own says whether it had a log: there the numbers differ. They begin at a
random number, which tells the logs of two databases apart.

The format of a log is that of https://sqlite.org/fileformat2.html#the_write_ahead_log.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from romancy.errors import SchemaError

LOG_BYTES = 4_000_000
"""The size of a log from which on it is brought into the main file."""
_APART = 1_000_000
"""So far apart are the numbers of one database never, and those of two nearly always."""
SQLITE_ERRORS = (sqlite3.Error, MemoryError, UnicodeDecodeError)
"""What SQLite raises; the last is Python's, where a message quotes what a damaged file holds."""
_TRIES = 3
_PAUSE = 0.05
"""Another process may be opening or closing it at this moment: so often, and after so many seconds, is looked again."""

_LONGEST = 32_000_000
"""A log of more bytes takes too long to look through."""

_COUNTED = 1000
"""The least version of a schema that was opened; a copy by SQLite's own backup begins to count anew, and had no log."""

_FRAME = 24
_SECTOR = 512
_LITTLE, _BIG = b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"


def log_of(path: str | os.PathLike[str]) -> Path:
    """The write-ahead log of a database; SQLite puts it beside the file that a symbolic link leads to."""
    return Path(f"{os.path.realpath(path)}-wal")


def begin_numbers(connection: sqlite3.Connection) -> None:
    """Give a new database numbers that no other one has."""
    connection.execute("update opening set opened = abs(random() % 4611686018427387904)")
    connection.execute("update opening set confirmed = opened")


def arm(connection: sqlite3.Connection) -> None:
    """Bring the log into the main file, so that the main file alone says that it had one."""
    if connection.execute("pragma schema_version").fetchone()[0] < _COUNTED:
        connection.execute(f"pragma schema_version = {_COUNTED}")
    # Nearly all of it is brought over before, so that hardly anybody sees the numbers while they differ.
    connection.execute("pragma wal_checkpoint(passive)").fetchone()
    _write(connection, "update opening set opened = opened + 1")
    connection.execute("pragma wal_checkpoint(passive)").fetchone()
    _write(connection, "update opening set confirmed = opened")


def settle(connection: sqlite3.Connection) -> None:
    """Make the numbers equal, if `arm` could not."""
    opened, confirmed = connection.execute("select opened, confirmed from opening").fetchone()
    if opened != confirmed:
        _write(connection, "update opening set confirmed = opened")


def _write(connection: sqlite3.Connection, statement: str) -> None:
    connection.execute("begin immediate")
    try:
        connection.execute(statement)
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def refuse_lost_log(path: str, *, thoroughly: bool = True) -> None:
    """Look at a database and its log, and change nothing.

    Args:
        path: the file.
        thoroughly: look through the whole log, which takes a moment.

    Raises:
        SchemaError: its log is gone, damaged, or that of another database.
    """
    told = _trouble(path, thoroughly)
    for _ in range(_TRIES):
        if told is None:
            return
        time.sleep(_PAUSE)
        told = _trouble(path, thoroughly)
    if told is not None:
        raise SchemaError(told)


def _trouble(path: str, thoroughly: bool) -> str | None:
    log = log_of(path)
    had_log = log.exists()
    main = _numbers(path)
    if main is None:
        return None  # it has no tables yet, or is damaged: whoever opens it says so
    if not had_log:
        return None if main.opened == main.confirmed or main.version < _COUNTED else _gone(path)
    return _trouble_with_log(path, log, main, thoroughly)


def _trouble_with_log(path: str, log: Path, main: _Numbers, thoroughly: bool) -> str | None:
    try:
        with closing(connected(path)) as connection:
            opened, confirmed = connection.execute("select opened, confirmed from opening").fetchone()
            lost = thoroughly and _lost_commits(log)
    except (*SQLITE_ERRORS, OSError):
        return None
    if abs(opened - main.opened) > _APART:
        return (
            f"{path}-wal is the log of another database: put the log of {path} in its place, or, where {path} was "
            "restored from a backup, take it away"
        )
    if lost:
        return (
            f"{path}-wal is damaged, and what was committed behind the damage cannot be read: restore it, or give that "
            f"up with: sqlite3 {path} 'pragma wal_checkpoint(truncate)'"
        )
    return None if opened == confirmed or _salts(log) is not None else _gone(path)


def _gone(path: str) -> str:
    return (
        f"{path}-wal is missing, and with it what was committed before the last crash: put it back beside {path}, "
        f"restore a backup, or give that up with: sqlite3 {path} 'update opening set confirmed = opened'"
    )


class _Numbers(NamedTuple):
    """What the main file says, whatever its log does."""

    opened: int
    confirmed: int
    version: int


def _numbers(path: str) -> _Numbers | None:
    select = "select opened, confirmed, schema_version from opening, pragma_schema_version"
    try:
        with closing(connected(path, alone=True)) as connection:
            numbers = _Numbers(*connection.execute(select).fetchone())
    except (*SQLITE_ERRORS, TypeError):
        return None
    # A power cut may have torn this page of the main file, which is whole in the log.
    return numbers if all(type(number) is int for number in numbers) else None


def connected(path: str | os.PathLike[str], *, alone: bool = False) -> sqlite3.Connection:
    """A connection that changes nothing, not by its end either, and sees the log, or the main file alone."""
    way = "mode=ro&immutable=1" if alone else "mode=ro"
    return sqlite3.connect(f"{Path(path).absolute().as_uri()}?{way}", uri=True, timeout=1.0)


def _salts(log: Path) -> bytes | None:
    """The salts that the frames of a log carry, or None where it has no sound header."""
    with log.open("rb") as file:
        header = file.read(32)
    magic = header[:4]
    if len(header) < 32 or magic not in (_LITTLE, _BIG):
        return None
    is_sound = header[24:] == _packed(_sums(header[:24], (0, 0), magic))
    return header[16:24] if is_sound else None


def _lost_commits(log: Path) -> bool:
    """Whether commits stand behind the first frame that SQLite does not accept.

    What a crash cuts off is one transaction, and nothing was written behind it. So a transaction with a frame behind it
    whose checksum goes on from its own was whole once.
    """
    salts = _salts(log)
    return salts is not None and log.stat().st_size < _LONGEST and any(_follow_a_commit(log, salts))


def _follow_a_commit(log: Path, salts: bytes) -> Iterator[bool]:
    """Of each frame, whether it was written behind one that ended a transaction and is not accepted.

    What several crashes left behind one another does not go on from each other. On some disks SQLite repeats the frame
    that ends a transaction: that is none behind it.
    """
    with log.open("rb") as file:
        header = file.read(32)
        sums, size, is_sound = _sums(header[:24], (0, 0), header[:4]), int.from_bytes(header[8:12], "big"), True
        has_ended, last, place = False, b"", file.tell()
        while len(frame := file.read(_FRAME + size)) == _FRAME + size and frame[8:16] == salts:
            fits = frame[16:_FRAME] == _packed(_sums(frame[:8] + frame[_FRAME:], sums, header[:4]))
            yield has_ended and fits and frame[:8] != last
            is_sound = is_sound and fits
            # Where page and size are in one sector of the disk and the salts in the next, a power cut may have kept the
            # mark of an older log.
            is_marked = frame[4:8] != bytes(4) and (fits or place % _SECTOR != _SECTOR - 8)
            has_ended, last, place = is_marked and not is_sound, frame[:8], place + len(frame)
            sums = int.from_bytes(frame[16:20], "big"), int.from_bytes(frame[20:24], "big")


def _sums(content: bytes, sums: tuple[int, int], magic: bytes) -> tuple[int, int]:
    """Go on with the checksum of a log."""
    first, second = sums
    words = iter(struct.unpack(f"{'>' if magic == _BIG else '<'}{len(content) // 4}I", content))
    for one, other in zip(words, words, strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second


def _packed(sums: tuple[int, int]) -> bytes:
    return struct.pack(">II", *sums)
