"""The power is back: a fresh engine on SQLite's own file system takes up what the disk kept."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import attrs

from romancy.errors import StoreError
from romancy.store.sqlite import SqliteStore
from romancy.testing import VirtualClock
from tests.crash.power.client import Client, Fact
from tests.crash.power.oracle import Known, Recovered
from tests.crash.power.scripts import Script


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    """Make the folder hold these files and no others."""
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


@attrs.frozen
class Return:
    """How life goes on after a cut.

    Attributes:
        looks_first: whether somebody reads the database before an engine opens it, as `romancy list` does.
        worker: the name under which the engine comes back.
    """

    looks_first: bool = False
    worker: str = "worker"

    def __str__(self) -> str:
        return f"{'somebody looks first, ' if self.looks_first else ''}{self.worker} comes back"


def recover(folder: Path, script: Script, known: Known, back: Return) -> Recovered:
    """What becomes of the files in a folder.

    Args:
        folder: where they are.
        script: what the client does again, where one of its starts was not acknowledged and is not there.
        known: what was acknowledged.
        back: how it is taken up.
    """
    recovered = Recovered()
    try:
        if back.looks_first:
            _look(folder / "app.db", recovered, known)
        _run(folder / "app.db", script, recovered, VirtualClock(known.now), back.worker)
    except Exception as problem:
        recovered.problems.append(f"it cannot be taken up: {problem!r}")
    return recovered


def _look(database: Path, recovered: Recovered, known: Known) -> None:
    """Reading is refused at most as long as nobody was told that anything is there."""
    try:
        SqliteStore(str(database), read_only=True).close()
    except StoreError as problem:
        if known.started:
            recovered.problems.append(f"it cannot be read: {problem!r}")


def _run(database: Path, script: Script, recovered: Recovered, clock: VirtualClock, worker: str) -> None:
    telling = [recovered.found]

    def note(fact: Fact) -> None:
        telling[0].learn(fact)

    with Client(database, clock, note, worker=worker) as client:
        client.look()
        recovered.found.started = {handle.id for handle in client.app.instances()}
        _examine(database, recovered, recovered.rows)
        telling[0] = recovered.later
        recovered.later.histories.update(recovered.found.histories)
        recovered.later.ends.update(recovered.found.ends)
        client.finish()
        if not script.endings.keys() <= {handle.id for handle in client.app.instances()}:
            script.run(client)
            client.finish()
        _examine(database, recovered, recovered.rows_later)


def _examine(database: Path, recovered: Recovered, rows: Counter[tuple[str, str]]) -> None:
    connection = sqlite3.connect(database)
    try:
        answers = connection.execute("pragma integrity_check").fetchall()
        if answers != [("ok",)]:
            recovered.problems.append(f"the file is damaged: {answers}")
        if connection.execute("select 1 from sqlite_master where name = 'ledger'").fetchone():
            rows.update(connection.execute("select instance, step from ledger").fetchall())
    finally:
        connection.close()
