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
        recorded: what the last commit that recorded something recorded.
    """

    number: int
    place: str
    after: str = ""
    recorded: str = ""

    def __str__(self) -> str:
        told = f"crash point {self.number}: {self.place}"
        if self.after:
            told += f"; last activity: {self.after}"
        if self.recorded and self.recorded not in self.place:
            told += f"; last recorded: {self.recorded}"
        return told


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
        self._recorded = ""

    def changed(self) -> None:
        """The file or the world outside is not what it was."""
        self._changes += 1

    def ran(self, what: str) -> None:
        """An activity's body has come to its end."""
        self._after = what
        self.changed()
        self("before anything is recorded")

    def committed(self, recorded: str) -> None:
        """A transaction is on the disk, and with it what it recorded, if anything."""
        self.changed()
        self._recorded = recorded or self._recorded

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
            self.states.append(Boundary(len(self.states) + 1, place, self._after, self._recorded))
        boundary = Boundary(len(self.states), place, self._after, self._recorded)
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._events: list[tuple[Any, ...]] = []
        self._changes_before = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self._between(sql, super().execute, sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        rows = list(parameters)
        if sql.startswith("insert into history"):
            self._events += rows
        return self._between(sql, super().executemany, sql, rows)

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
            recorded, unchanged = self._recorded(verb), self._unchanged(verb)
            told += f" that recorded {recorded}" if recorded else unchanged
            self.cuts.committed(recorded)
        self.cuts(f"after {told}")
        return result

    def _unchanged(self, verb: str) -> str:
        before, self._changes_before = self._changes_before, self.total_changes
        return " that changed nothing" if verb == "commit" and before == self.total_changes else ""

    def _recorded(self, verb: str) -> str:
        """The events of the transaction that has ended, in few words."""
        events, self._events = self._events, []
        if verb == "rollback":
            return ""
        told = [self._event(*row[:6]) for row in events[:_SHOWN]]
        return ", ".join(told) + (f" and {len(events) - _SHOWN} more" if len(events) > _SHOWN else "")

    def _event(self, number: int, run: int, seq: int, kind: str, step: str | None, name: str | None) -> str:
        (id,) = super().execute("select id from instance where number = ?", [number]).fetchone()
        what = " ".join(each for each in (kind, step, name) if each)
        return f"{what} of {id!r}" + (f" (run {run})" if run > 1 else "")


_SHOWN = 3
"""Events of a commit that are named."""
_READS = ("select", "explain")
_WRITING_PRAGMAS = ("checkpoint", "journal_mode", "user_version", "application_id")


def copy(database: Path, target: Path) -> None:
    """What the end of the process leaves behind: the file and its log; the index of the log is made anew."""
    shutil.copyfile(database, target)
    log = Path(f"{database}-wal")
    if log.exists():
        shutil.copyfile(log, f"{target}-wal")
