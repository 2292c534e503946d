"""The boundaries at which a process can die: around each statement, transaction, activity and acknowledgement."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import attrs

T = TypeVar("T")


class Killed(BaseException):
    """In the place of SIGKILL: from here on, the process does nothing more."""


@attrs.frozen
class Boundary:
    """A place between two things that a process did.

    Attributes:
        number: of the states that a crash can leave behind, counted from 1; boundaries that leave the same file and
            the same effects behind share one.
        place: between what it stands.
        after: what the last activity did before it.
    """

    number: int
    place: str
    after: str = ""

    def __str__(self) -> str:
        return f"crash point {self.number}: {self.place}" + (f"; last activity: {self.after}" if self.after else "")


class Cuts:
    """Counts boundaries, and dies at one of them.

    Args:
        dies_at: the number of the crash point at which to die; never, by default.
        reached: called at each boundary.

    Attributes:
        passed: how many boundaries there were, those of the same state counted too.
        states: the first boundary of each state.
        is_dead: whether nothing can be done any more.
        afterlife: what was nevertheless tried then, beside reading.
    """

    def __init__(self, *, dies_at: int | None = None, reached: Callable[[Boundary], None] = lambda _: None) -> None:
        self.passed = 0
        self.states: list[Boundary] = []
        self.is_dead = False
        self.afterlife: list[str] = []
        self.is_armed = False
        self._dies_at = dies_at
        self._reached = reached
        self._changes = 0
        self._seen = -1
        self._after = ""

    def changed(self) -> None:
        """The file or the world outside is not what it was."""
        self._changes += 1

    def ran(self, what: str) -> None:
        """An activity's body has come to its end."""
        self._after = what
        self.changed()
        self("before anything is recorded")

    def __call__(self, place: str) -> None:
        """A boundary.

        Raises:
            Killed: the process ends here, or has ended before.
        """
        if self.is_dead:
            self.afterlife.append(place)
            raise Killed
        if not self.is_armed:
            return
        self.passed += 1
        if self._changes != self._seen:
            self._seen = self._changes
            self.states.append(Boundary(len(self.states) + 1, place, self._after))
        boundary = Boundary(len(self.states), place, self._after)
        self._reached(boundary)
        if boundary.number == self._dies_at:
            self.die()

    def die(self) -> NoReturn:
        """End the process here.

        Raises:
            Killed: always.
        """
        self.is_dead = True
        raise Killed


class Watched(sqlite3.Connection):
    """A connection that reports the boundaries around each of its statements that can change something."""

    cuts: Cuts
    transaction = "the opening"

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self._between(sql, super().execute, sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        return self._between(sql, super().executemany, sql, parameters)

    def executescript(self, sql: str, /) -> sqlite3.Cursor:
        return self._between(sql, super().executescript, sql)

    def commit(self) -> None:
        self._between("commit", super().commit)

    def _between(self, sql: str, run: Callable[..., T], *args: Any) -> T:
        words = sql.lower().split(None, 3)
        verb = words[0] if words else ""
        if verb in _READS or (verb == "pragma" and not any(each in sql for each in _WRITING_PRAGMAS)):
            if self.cuts.is_dead:
                raise Killed
            return run(*args)
        told = f"{' '.join(words[:3])!r} in {self.transaction}" if verb != "commit" else f"commit of {self.transaction}"
        self.cuts(f"before {told}")
        result = run(*args)
        if verb == "commit" or not self.in_transaction:
            self.cuts.changed()
        self.cuts(f"after {told}")
        return result


_READS = ("select", "explain")
_WRITING_PRAGMAS = ("checkpoint", "journal_mode", "user_version", "application_id")


def copy(database: Path, target: Path) -> None:
    """What the end of the process leaves behind: the file and its log; the index of the log is made anew."""
    shutil.copyfile(database, target)
    log = Path(f"{database}-wal")
    if log.exists():
        shutil.copyfile(log, f"{target}-wal")
