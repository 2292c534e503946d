"""Pages that a disk spoiled: said as trouble with the file, and never as the failure of a workflow."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from romancy import Romancy
from romancy.errors import InstanceStuckError, SerializationError, StoreError
from tests.damage.conftest import MODULE, Shell, Stage
from tests.damage.workflows import walk

LOOKS = (("list",), ("show", "w3"), ("export", "w3"), ("export", "w3", "--rows"), ("doctor",), ("check",))


@pytest.fixture
def sound(stage: Stage) -> bytes:
    """A database with finished and with sleeping instances, closed in order."""
    app = stage.open()
    app.start_many([walk(number).options(id=f"w{number}") for number in range(8)])
    app.run_until_idle()
    stage.clock.advance(100)
    app.run_until_idle()
    app.start_many([walk(number).options(id=f"w{number}") for number in range(8, 16)])
    app.run_until_idle()
    app.close()
    return Path(stage.database).read_bytes()


def spoil(stage: Stage, sound: bytes, place: int, change: int) -> None:
    for suffix in ("-wal", "-shm"):
        Path(stage.database + suffix).unlink(missing_ok=True)
    damaged = bytearray(sound)
    damaged[place] ^= change
    Path(stage.database).write_bytes(damaged)


def work(stage: Stage) -> bool:
    """Let an engine do what it can; whether the file let it. Nothing but trouble with the file may come of it."""
    stage.clock.advance(100)
    app = Romancy(stage.database, worker=False, clock=stage.clock)
    try:
        with app:
            for _ in range(200):
                if not app.pump():
                    break
            for handle in app.instances():
                assert handle.status != "failed"
                if handle.status == "completed" and handle.workflow == "walk":
                    handle.result(0)
    except (StoreError, SerializationError, InstanceStuckError):
        return False
    return True


def read_all(stage: Stage) -> None:
    with Romancy(stage.database, worker=False, clock=stage.clock) as app:
        app.run_until_idle()
        for handle in app.instances():
            handle.history()


def page_headers(sound: bytes) -> Iterator[int]:
    size = int.from_bytes(sound[16:18], "big")
    return (place + (100 if place == 0 else 0) for place in range(0, len(sound), size))


def test_a_flipped_page_header_is_found_wherever_it_is_and_fails_no_workflow(stage: Stage, sound: bytes) -> None:
    shell = Shell(Path(stage.database))
    spoilt = 0
    for place in page_headers(sound):
        spoil(stage, sound, place, 0x5A)
        assert shell.findings(), f"the header at {place}"
        assert shell("doctor", status=1)
        spoilt += not work(stage)
    assert spoilt > 5, "most of the pages are in use"


def test_flipped_bytes_anywhere_fail_no_workflow_and_no_command(stage: Stage, sound: bytes) -> None:
    chance = random.Random(7)
    shell = Shell(Path(stage.database))
    for _ in range(40):
        place = chance.randrange(len(sound))
        spoil(stage, sound, place, 1 << chance.randrange(8))
        for words in LOOKS:
            result = shell(*words, status=None)
            assert result.exit_code in (0, 1, 2)
        work(stage)


def test_a_schema_that_is_no_text_any_more_is_trouble_with_the_file(stage: Stage, sound: bytes) -> None:
    """SQLite quotes it in its message, which Python then cannot read."""
    spoil(stage, sound, sound.index(b"not null") + 6, 0x80)
    shell = Shell(Path(stage.database))
    assert "restore a backup" in shell.findings()[0]["remedy"]
    assert shell("doctor", status=1)
    for words in (("list",), ("start", f"{MODULE}:walk", "[1]")):
        assert shell.refused(*words)
    assert not work(stage)


def test_a_flipped_byte_in_a_result_parks_its_instance_and_is_found(stage: Stage, sound: bytes) -> None:
    app = stage.open()
    app.close()
    with closing(sqlite3.connect(stage.database)) as connection:
        connection.execute("update history set data = '\"a very long text\"' where instance = 12 and seq = 2")
        connection.commit()
    stored = Path(stage.database).read_bytes()
    spoil(stage, stored, stored.index(b'"a very long text"'), 0x01)
    findings = Shell(Path(stage.database)).findings()
    assert [(each["where"], each["what"]) for each in findings] == [
        ("instance 'w11'", "run 1: history[2].result: it is no JSON")
    ]
    assert "romancy export" in findings[0]["remedy"] and "--rows" in findings[0]["remedy"]
    stage.clock.advance(100)
    app = stage.open()
    app.run_until_idle()
    assert app.get("w11").status == "stuck"
    assert {each.status for each in app.instances() if each.id != "w11"} == {"completed"}


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_truncated_file_is_an_error_everywhere_and_goes_on_where_it_is_restored(
    stage: Stage, sound: bytes, share
) -> None:
    path = Path(stage.database)
    truncated = sound[: int(len(sound) * share)]
    path.write_bytes(truncated)
    shell = Shell(path)
    assert shell.findings()
    assert shell("doctor", status=1)
    with pytest.raises(StoreError, match=r"malformed|not a database"):
        read_all(stage)
    for suffix in ("-wal", "-shm"):
        Path(stage.database + suffix).unlink(missing_ok=True)
    path.write_bytes(sound)
    assert shell.findings() == []
    assert work(stage)


def test_a_worker_that_meets_a_damaged_page_stops_and_says_so_to_whoever_waits(stage: Stage, sound: bytes) -> None:
    with closing(sqlite3.connect(stage.database)) as connection:
        (root,) = connection.execute("select rootpage from sqlite_master where name = 'history'").fetchone()
        (size,) = connection.execute("pragma page_size").fetchone()
    spoil(stage, sound, (root - 1) * size, 0xFF)
    with Romancy(stage.database) as app:
        with pytest.raises(StoreError, match="malformed"):
            app.run(walk(1), timeout=60)
        with pytest.raises(StoreError, match="malformed"):
            app.start(walk(2))
