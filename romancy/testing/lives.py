"""One process after another on one file: each but the last is killed at a boundary, and the next finds what it left."""

from __future__ import annotations

import atexit
import os
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from romancy.testing.clock import VirtualClock
from romancy.testing.cuts import Boundary, Cuts, Killed, Watched, copy
from romancy.testing.fakes import Fakes
from romancy.testing.sandbox import Sandbox

T = TypeVar("T")


class Choices:
    """Answers what comes next as it was told to, then with the first of what there is, and notes what there was.

    Args:
        told: the answers, one for each place where there was a choice.
        state: tells the number of the state in which a question is asked.

    Attributes:
        taken: at each place, the answer and how many there were to choose from.
        states: at each place, the number of the state.
    """

    def __init__(self, told: Sequence[int] = (), state: Callable[[], int] = lambda: 0) -> None:
        self._told = tuple(told)
        self._state = state
        self.taken: list[tuple[int, int]] = []
        self.states: list[int] = []

    def __call__(self, width: int) -> int:
        place = len(self.taken)
        answer = min(self._told[place], width - 1) if place < len(self._told) else 0
        self.taken.append((answer, width))
        self.states.append(self._state())
        return answer


class Life:
    """One process on a file, from its opening to its end or to the boundary at which it dies.

    Args:
        database: the file.
        clock: the time, which goes on from life to life.
        dies_at: the number of the crash point at which it is killed; never, by default.
        order: what comes first where there is a choice.
        seed: of its chance.
        fakes: what replaces activities.
        reached: called at each boundary.
        from_the_opening: whether boundaries count while the database is opened, too.
        options: those of the app.

    Attributes:
        app: the process's app.
        cuts: its boundaries.
    """

    def __init__(
        self,
        database: Path,
        *,
        clock: VirtualClock,
        dies_at: int | None = None,
        order: Sequence[int] = (),
        seed: int = 0,
        fakes: Fakes | None = None,
        reached: Callable[[Boundary], None] = lambda _: None,
        from_the_opening: bool = False,
        **options: Any,
    ) -> None:
        self.database = database
        self.cuts = Cuts(dies_at=dies_at, reached=reached)
        self.choices = Choices(order, lambda: len(self.cuts.states))
        self._from_the_opening = from_the_opening
        self._connections: list[Watched] = []
        self.app = Sandbox(
            database,
            clock=clock,
            fakes=fakes,
            choose=self.choices,
            ran=self.cuts.ran,
            chance=random.Random(seed),
            connect=self._connect,
            boundary=self._transaction,
            **{"at_once": False, "verify": 0.0, **options},
        )

    def live(self, script: Callable[[Sandbox, Cuts], T]) -> T:
        """Open the app, let a client use it, and close it.

        Args:
            script: the client; it calls the cuts after each acknowledgement that it got.

        Raises:
            Killed: it died; `leave(target)` copies what it left behind.
        """
        self.cuts.is_armed = self._from_the_opening
        try:
            self.app.open()
            self.cuts.is_armed = True
            return script(self.app, self.cuts)
        finally:
            self.cuts.is_armed = False
            if self.cuts.is_dead:
                atexit.unregister(self.app.close)
            else:
                self.app.close()

    def leave(self, target: Path) -> None:
        """Copy what a dead process left on the disk, then let go of what it held."""
        copy(self.database, target)
        self.app.drop()

    def _connect(self, path: str) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.0, factory=Watched)
        connection.cuts = self.cuts
        self._connections.append(connection)
        return connection

    def _transaction(self, tag: str) -> None:
        name = tag.removeprefix("before ").removeprefix("commit of ")
        for connection in self._connections:
            connection.transaction = "a turn" if name == "commit" else f"{name!r}"
        self.cuts(tag)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for files that are gone afterwards, in memory where the machine has one."""
    memory = Path("/dev/shm")
    is_there = memory.is_dir() and os.access(memory, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="romancy-", dir=memory if is_there else None) as folder:
        yield Path(folder)


__all__ = ["Choices", "Killed", "Life", "workplace"]
