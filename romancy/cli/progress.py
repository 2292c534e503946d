"""One line on the terminal that says how far an instance is."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from types import TracebackType
from typing import Self

from romancy import history
from romancy.cli.shown import length, one_line, until
from romancy.errors import RomancyError
from romancy.history import Event
from romancy.store.opening import open_store
from romancy.store.protocol import Database


class Progress:
    """A line that is rewritten by `show` and gone at the end; it reads only what is new.

    Args:
        database: where to read; in memory there is nothing to see but the time.
        instance_id: the instance.
    """

    def __init__(self, database: str, instance_id: str) -> None:
        self._id = instance_id
        self._began = time.monotonic()
        self._run = 0
        self._read = 0
        self._completed = 0
        self._failed = 0
        self._last: Event | None = None
        self._store: Database | None = None
        if database != ":memory:":
            with contextlib.suppress(RomancyError):
                self._store = open_store(database, read_only=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write("")
        if self._store is not None:
            self._store.close()

    def show(self) -> None:
        """Look, and rewrite the line."""
        status = "running"
        if self._store is not None:
            with contextlib.suppress(RomancyError):
                status = self._look(self._store)
        counts = f"{self._completed} completed" + (f", {self._failed} attempts failed" if self._failed else "")
        parts = [f"{self._id} {status}", counts, self._told(), length(time.monotonic() - self._began)]
        self._write(one_line(" · ".join(part for part in parts if part), shutil.get_terminal_size().columns - 1))

    def _look(self, store: Database) -> str:
        instance = store.instance(self._id)
        if instance is None:
            return "starting"
        if instance.run != self._run:
            self._run, self._read = instance.run, 0
        events = store.since(instance.number, instance.run, self._read)
        self._read += len(events)
        self._completed += sum(isinstance(each, history.ActivityCompleted) for each in events)
        self._failed += sum(isinstance(each, history.AttemptFailed | history.ActivityFailed) for each in events)
        self._last = events[-1] if events else self._last
        return instance.status if instance.run == 1 else f"{instance.status}, run {instance.run}"

    def _told(self) -> str:
        """The step it is at: the last that something is known of."""
        event = self._last
        step, name = getattr(event, "step", None), getattr(event, "name", None) or "timer"
        match event:
            case None:
                return ""
            case history.AttemptFailed(due=due):
                return f"step {step} {name}: next attempt {until(due, time.time())}"
            case history.ActivityStarted():
                return f"step {step} {name} started"
            case _ if step is not None:
                return f"step {step} {name} done"
            case _:
                return event.kind.replace("_", " ")

    @staticmethod
    def _write(line: str) -> None:
        sys.stderr.write(f"\r\x1b[2K{line}")
        sys.stderr.flush()
