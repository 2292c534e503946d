"""One run of an engine on a recorded disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from romancy.store.openings import LOG_BYTES
from romancy.testing import VirtualClock
from tests.crash.power.adapter import Connection, connecting
from tests.crash.power.client import Client
from tests.crash.power.disk import Disk
from tests.crash.power.scripts import Script
from tests.crash.power.vfs import RecordedFiles

START = 1_000_000_000.0


def record(
    folder: Path,
    script: Script,
    play: Callable[[Client], None],
    now: float = START,
    *,
    make: type[Connection] = Connection,
) -> Disk:
    """The journal of what a client did with the files in a folder.

    Args:
        folder: the folder; what is in it is taken for synced.
        script: says when the log is moved to the main file.
        play: what the client does.
        now: what the clock shows.
        make: the engine's connections.
    """
    disk = Disk(folder)
    files = RecordedFiles(disk)
    connect = connecting(files.name, make, script.checkpoint)
    with (
        patch("romancy.store.sqlite.file.LOG_BYTES", script.log_bytes or LOG_BYTES),
        Client(folder / "app.db", VirtualClock(now), disk.note, connect) as client,
    ):
        play(client)
        client.look()
    return disk
