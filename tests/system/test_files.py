"""The database file after real processes: its mode, and what a lost write-ahead log leads to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from romancy import Romancy
from romancy.errors import SchemaError
from tests.system.programs import total
from tests.system.stage import Stage


def test_a_file_whose_log_was_deleted_after_a_kill_is_refused(stage: Stage, tmp_path: Path) -> None:
    handle = stage.client.start(total(["", "held"]))
    worker = stage.work()
    stage.begun("add 2")
    stage.client.close()
    stage.kill(worker)
    log = Path(f"{stage.database}-wal")
    content, main = log.read_bytes(), stage.database.read_bytes()
    assert content, "what was committed is in the log"
    log.unlink()
    again = stage.work()
    assert again.exit_code() != 0
    assert f"{stage.database}-wal is missing" in again.complained()
    with pytest.raises(SchemaError, match=r"app\.db-wal is missing"):
        Romancy(stage.database, worker=False).open()
    assert stage.database.read_bytes() == main, "the file is as it was"
    log.write_bytes(content)
    stage.open_gate("held")
    stage.work()
    stage.client.open()
    assert stage.client.get(handle.id).result(30) == 3


def test_the_files_of_a_database_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Stage(tmp_path) as stage:
            handle = stage.client.start(total(["held"]))
            stage.work()
            stage.begun("add 1")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("app.db*")}
            stage.open_gate("held")
            assert handle.result(30) == 1
    finally:
        os.umask(before)
    assert modes == {"app.db": 0o600, "app.db-wal": 0o600, "app.db-shm": 0o600}
