"""A folder with a database that real processes share, and those processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs

from romancy import Handle, Romancy
from romancy.history import ActivityCompleted
from tests.system import effects
from tests.system.effects import Body

ROOT = Path(__file__).parents[2]
DEADLINE = 30.0
"""Seconds after which something that should have happened did not."""


@attrs.define(eq=False)
class Program:
    """A process that was started."""

    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """Kill it with no chance to react, and reap it."""
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        """Wait until it has ended."""
        return self.process.wait(DEADLINE)

    def printed(self) -> str:
        """What it printed so far."""
        return self.stdout.read_text()

    def complained(self) -> str:
        """What it wrote to stderr so far."""
        return self.stderr.read_text()


class Stage:
    """A database, the effects of activities, gates, and processes; once its `with` block ends, no process is left.

    Args:
        folder: an empty one.
        database: a file in it by default.
    """

    clock_error = 0.0
    """Seconds by which instants in the database may differ from the clock of this machine."""

    def __init__(self, folder: Path, database: str | Path | None = None) -> None:
        self.folder = folder
        self.database: Any = folder / "app.db" if database is None else database
        self.effects = folder / "effects.jsonl"
        self.client = Romancy(self.database, worker=False)
        self.deaths: dict[int, int] = {}
        self.settings: dict[str, str] = {}
        self._programs: list[Program] = []

    def __enter__(self) -> Stage:
        self.client.open()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._programs:
            if each.process.poll() is None:
                each.kill()
        self.client.close()

    def run(self, *arguments: object, output: int | None = None) -> Program:
        """Start a process of `programs`; what it prints goes to files, or to one descriptor."""
        out, err = (self.folder / f"{len(self._programs)}.{name}" for name in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.programs", *map(str, arguments)],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",  # else Python exits with 120 where it could not write what it still holds
                    "ROMANCY_STAGE": str(self.folder),
                    "ROMANCY_DB": str(self.database),
                    **self.settings,
                },
                stdin=subprocess.DEVNULL,
                stdout=stdout if output is None else output,
                stderr=stderr if output is None else output,
            )
        program = Program(process, out, err)
        self._programs.append(program)
        return program

    def work(self, *flags: str, **options: object) -> Program:
        """Start a worker."""
        return self.run("work", *flags, *(f"--{name}={value}" for name, value in options.items()))

    def kill(self, program: Program) -> None:
        """Kill a process, and note when it was dead."""
        program.kill()
        self.deaths[program.pid] = time.monotonic_ns()

    def overtaken(self) -> set[int]:
        """The processes whose lease ran out while they stood still, and went to others."""
        return {each.pid for each in self._programs if "taken over by another worker" in each.complained()}

    def complaints(self, text: str) -> list[str]:
        """What processes wrote to stderr of which this is a part."""
        return [each.complained() for each in self._programs if text in each.complained()]

    def open_gate(self, name: str) -> None:
        """Let the activities that wait for this gate go on."""
        (self.folder / f"gate-{name}").touch()

    def bodies(self, name: str | None = None) -> list[Body]:
        """What activities did so far: all, or those of one name."""
        return [each for each in effects.read(self.effects) if name is None or each.name == name]

    def begun(self, *names: str) -> None:
        """Wait until bodies of all these names have begun."""
        self.wait_for(f"{names} to begin", lambda: set(names) <= set(effects.counted(self.bodies())))

    def ended(self, name: str) -> None:
        """Wait until a body of this name has ended."""
        self.wait_for(f"{name} to end", lambda: any(each.ended is not None for each in self.bodies(name)))

    def wait_for(self, what: str, condition: Callable[[], Any]) -> None:
        """Wait until a condition holds.

        Raises:
            TimeoutError: it never did; the message holds what the processes complained of.
        """
        until = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > until:
                self._show_stacks()
                complaints = "\n".join(each.complained() for each in self._programs)
                raise TimeoutError(f"waited in vain for {what}\n{complaints}")
            time.sleep(0.005)

    def _show_stacks(self) -> None:
        """Let every process that still lives write to stderr what its threads do."""
        for each in self._programs:
            if each.process.poll() is None:
                each.signal(signal.SIGUSR1)
        time.sleep(0.5)

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What the database holds now."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def stop(self, program: Program) -> None:
        """Let a process stand still, at a moment at which it does not keep all others from writing."""
        program.signal(signal.SIGSTOP)
        while not self._can_write():
            program.signal(signal.SIGCONT)
            time.sleep(0.005)
            program.signal(signal.SIGSTOP)

    def _can_write(self) -> bool:
        with closing(sqlite3.connect(self.database, isolation_level=None, timeout=0.2)) as connection:
            try:
                connection.execute("begin immediate")
            except sqlite3.OperationalError:
                return False
            connection.execute("rollback")
            return True

    def is_damaged(self) -> bool:
        """Whether the database is not whole any more."""
        return self.query("pragma integrity_check") != [("ok",)]

    def open_bank(self, accounts: int) -> None:
        """Make accounts with 1,000 each, and a journal of transfers."""
        with closing(sqlite3.connect(self.database)) as bank:
            bank.execute("create table account (id integer primary key, balance integer not null)")
            bank.execute("create table transfer (instance text, step text, amount integer)")
            bank.executemany("insert into account values (?, 1000)", [(number,) for number in range(accounts)])
            bank.commit()

    def wait_for_clock(self, instant: float) -> None:
        """Wait until it is later than an instant, in seconds since the epoch."""
        self.wait_for("the clock", lambda: time.time() > instant)

    def wait_for_leases(self, count: int) -> None:
        """Wait until so many workers are at work."""
        self.wait_for(f"{count} leases", lambda: self.query("select count(*) from worker") == [(count,)])

    def owner(self, handle: Handle[Any]) -> Any:
        """The token of the lease that an instance is held under, if it is."""
        return self.query("select owner from instance where id = ?", handle.id)[0][0]

    def wait_for_status(self, handle: Handle[Any], status: str) -> None:
        self.wait_for(f"{handle.id} to be {status}", lambda: handle.status == status)

    def wait_for_completions(self, handle: Handle[Any], count: int) -> None:
        """Wait until so many activities of an instance are recorded."""
        self.wait_for(f"{count} completions of {handle.id}", lambda: len(completions(handle)) >= count)


def completions(handle: Handle[Any]) -> dict[str, ActivityCompleted]:
    """The recorded completions of an instance, by step."""
    events = [event for event in handle.history() if isinstance(event, ActivityCompleted)]
    by_step = {event.step: event for event in events}
    assert len(by_step) == len(events), f"a step of {handle.id} was recorded twice"
    return by_step
