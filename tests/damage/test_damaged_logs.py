"""A write-ahead log that is gone, cut, scribbled over or another database's: said loudly, and nothing is written.

What is committed stands in the log alone until a checkpoint, so a database without its log lacks what was acknowledged.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from romancy import Romancy
from romancy.errors import SchemaError
from romancy.store import SqliteStore
from romancy.testing.contract import new
from tests.damage.conftest import MODULE, Shell, Stage
from tests.damage.workflows import long, once, walk

PAGE = 4096
FRAME = 24 + PAGE


def image(folder: Path, target: Path) -> None:
    """What the end of a process leaves at this instant: the file and its log."""
    target.mkdir()
    for name in ("app.db", "app.db-wal"):
        shutil.copy(folder / name, target / name)


@pytest.fixture
def crashed(stage: Stage, tmp_path: Path) -> Path:
    """A database whose process ended amid its work, with the log that it left."""
    app = stage.open()
    app.start_many([walk(number).options(id=f"w{number}") for number in range(5)])
    app.run_until_idle()
    image(tmp_path, tmp_path / "crashed")
    return tmp_path / "crashed" / "app.db"


@pytest.fixture
def crashed_after_checkpoints(stage: Stage, tmp_path: Path) -> Path:
    """The same, where the log grew so long meanwhile that it was brought into the main file."""
    app = stage.open()
    app.start(long(12, 1_000_000), id="long")
    app.run_until_idle()
    app.start(once(1), id="last")
    app.run_until_idle()
    assert (tmp_path / "app.db").stat().st_size > 4_000_000, "there was a checkpoint"
    image(tmp_path, tmp_path / "crashed")
    return tmp_path / "crashed" / "app.db"


def content(database: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in database.parent.iterdir() if not file.name.endswith("-shm")}


def refused(database: Path, told: str) -> None:
    """By the API, for a writer and a reader, by commands, and by the check; no byte of the file or its log changes."""
    before = content(database)
    with pytest.raises(SchemaError, match=told):
        Romancy(database).open()
    with pytest.raises(SchemaError, match=told):
        Romancy(database, worker=False).open()
    shell = Shell(database)
    for words in (("start", f"{MODULE}:once", "[1]"), ("worker", MODULE)):
        assert told in shell.refused(*words)
    (finding,) = shell.findings()
    assert finding["where"] == "file"
    assert told in f"{finding['what']}: {finding['remedy']}"
    assert content(database) == before


def log_of(database: Path) -> Path:
    return Path(f"{database}-wal")


def ends(log: bytes | bytearray) -> list[int]:
    """The frames that end a transaction."""
    return [frame for frame in range((len(log) - 32) // FRAME) if any(log[32 + frame * FRAME + 4 :][:4])]


def test_a_log_that_is_deleted_is_missed(crashed: Path) -> None:
    log_of(crashed).unlink()
    refused(crashed, "app.db-wal is missing")
    assert "app.db-wal is missing" in Shell(crashed).refused("list")


def test_a_log_that_is_deleted_is_missed_after_checkpoints_as_well(crashed_after_checkpoints: Path) -> None:
    log_of(crashed_after_checkpoints).unlink()
    refused(crashed_after_checkpoints, "app.db-wal is missing")


SCRIBBLES: dict[str, Callable[[bytes], bytes]] = {
    "nothing left": lambda log: b"",
    "half a header": lambda log: log[:16],
    "a flipped byte in the header": lambda log: log[:20] + bytes([log[20] ^ 1]) + log[21:],
    "garbage": lambda log: b"\xa5" * len(log),
    "a text": lambda log: b"not a log at all\n" * 1000,
}


@pytest.mark.parametrize("scribble", SCRIBBLES.values(), ids=SCRIBBLES)
def test_a_log_without_a_header_counts_as_missing(crashed: Path, scribble) -> None:
    log_of(crashed).write_bytes(scribble(log_of(crashed).read_bytes()))
    refused(crashed, "app.db-wal is missing")


@pytest.mark.parametrize(("frame", "place"), [(0, 20), (0, 24), (1, 24 + PAGE // 2), (5, 20)])
def test_a_flipped_byte_amid_the_log_is_found_and_what_stands_behind_it_is_not_given_up(crashed, frame, place) -> None:
    log = bytearray(log_of(crashed).read_bytes())
    log[32 + frame * FRAME + place] ^= 1
    log_of(crashed).write_bytes(log)
    refused(crashed, "app.db-wal is damaged, and what was committed behind the damage cannot be read")


def test_what_a_damaged_log_still_holds_can_be_kept_by_the_remedy_it_names(crashed: Path) -> None:
    log = bytearray(log_of(crashed).read_bytes())
    log[32 + (ends(log)[-3] + 1) * FRAME + 100] ^= 1
    log_of(crashed).write_bytes(log)
    with pytest.raises(SchemaError, match="pragma wal_checkpoint") as told:
        Romancy(crashed).open()
    remedy = str(told.value).rpartition("'")[0].rpartition("'")[2]
    with closing(sqlite3.connect(crashed)) as connection:
        connection.execute(remedy)
    with Romancy(crashed, worker=False) as app:
        assert {each.id for each in app.instances()} == {f"w{number}" for number in range(5)}
    assert Shell(crashed).findings() == []


def test_a_log_that_is_gone_for_good_can_be_given_up_by_the_remedy_it_names(crashed_after_checkpoints: Path) -> None:
    log_of(crashed_after_checkpoints).unlink()
    with pytest.raises(SchemaError, match=r"put it back beside .*, restore a backup, or") as told:
        Romancy(crashed_after_checkpoints).open()
    remedy = str(told.value).rpartition("'")[0].rpartition("'")[2]
    with closing(sqlite3.connect(crashed_after_checkpoints, isolation_level=None)) as connection:
        connection.execute(remedy)
    with Romancy(crashed_after_checkpoints, worker=False) as app:
        assert {each.id for each in app.instances()} <= {"long", "last"}


def test_a_tail_that_a_crash_tore_is_no_damage(crashed: Path) -> None:
    """Of the last transaction, which nobody was told of, any part may be there."""
    whole = log_of(crashed).read_bytes()
    main = crashed.read_bytes()
    for cut in (32 + (ends(whole)[-2] + 1) * FRAME, len(whole) - FRAME // 2, len(whole) - 1, len(whole)):
        crashed.write_bytes(main)
        log_of(crashed).write_bytes(whole[:cut])
        Path(f"{crashed}-shm").unlink(missing_ok=True)
        with Romancy(crashed, worker=False) as app:
            assert len(app.instances()) == 5


def test_the_log_of_another_database_is_recognised_before_a_byte_of_it_is_used(crashed: Path, tmp_path: Path) -> None:
    other = SqliteStore(str(tmp_path / "other.db"))
    other.create([new("foreign")], owner=None, now=1.0)
    shutil.copy(tmp_path / "other.db-wal", log_of(crashed))
    other.close()
    refused(crashed, "app.db-wal is the log of another database")


def test_a_restored_file_beside_the_log_of_another_one_is_told_to_take_it_away(crashed: Path, tmp_path: Path) -> None:
    with Romancy(tmp_path / "backup.db", worker=False) as app:
        app.start(once(1), id="of the backup")
    shutil.copy(tmp_path / "backup.db", crashed)
    refused(crashed, "take it away")
    log_of(crashed).unlink()
    Path(f"{crashed}-shm").unlink(missing_ok=True)
    with Romancy(crashed, worker=False) as app:
        assert [each.id for each in app.instances()] == ["of the backup"]


def test_a_stale_rollback_journal_beside_the_file_changes_nothing(crashed: Path) -> None:
    Path(f"{crashed}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(2000))
    with Romancy(crashed, worker=False) as app:
        assert len(app.instances()) == 5
    assert Shell(crashed).findings() == []


def test_a_hot_journal_of_a_database_in_another_mode_is_rolled_back(stage: Stage, tmp_path: Path) -> None:
    """A tool that changed the journal mode and was killed amid a transaction leaves one: what it wrote is undone."""
    app = stage.open()
    app.start(once(1), id="mine")
    app.close()
    script = (
        "import os, shutil, sqlite3\n"
        "c = sqlite3.connect('app.db', isolation_level=None)\n"
        "c.execute('pragma journal_mode = delete'); c.execute('pragma cache_size = 1')\n"
        "c.execute('begin immediate'); c.execute('create table big (x)')\n"
        "c.execute('with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) '\n"
        "          'insert into big select zeroblob(500) from n')\n"
        "c.execute('delete from instance')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False)
    assert (tmp_path / "app.db-journal").exists(), "the journal is hot"
    app = stage.open()
    assert [each.id for each in app.instances()] == ["mine"]
    app.run_until_idle()
    assert app.get("mine").result(0) == 1


def test_looking_at_what_a_crash_left_changes_nothing(crashed: Path) -> None:
    before = content(crashed)
    shell = Shell(crashed)
    for words in (("list",), ("show", "w1"), ("export", "w1"), ("check",), ("doctor",)):
        shell(*words, status=1 if words == ("doctor",) else 0)
    assert content(crashed) == before


def test_a_second_look_at_an_open_file_keeps_the_locks_of_the_process_on_it(tmp_path: Path) -> None:
    """Otherwise the next process that ends takes itself for the last one, and removes the log under the first."""
    database = tmp_path / "app.db"
    store = SqliteStore(str(database))
    store.create([new("before")], owner=None, now=1.0)
    SqliteStore(str(database), read_only=True).close()
    SqliteStore(str(database)).close()
    select = "select id from instance order by number"
    look = f"import sqlite3; c = sqlite3.connect('app.db'); print(c.execute('{select}').fetchall())"
    subprocess.run([sys.executable, "-c", look], cwd=tmp_path, check=True, capture_output=True)
    store.create([new("after")], owner=None, now=1.0)
    told = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert told.stdout == "[('before',), ('after',)]\n"
    store.close()


@pytest.mark.parametrize("name", ["list", "another program"])
def test_who_looks_while_a_crashed_opening_left_a_log_does_not_make_it_look_lost(
    stage: Stage, tmp_path: Path, name
) -> None:
    """The process ended after the first of the two numbers of its opening: what it left is whole."""
    stage.open().close()
    cut = tmp_path / "cut"

    class Ending(sqlite3.Connection):
        def execute(self, sql: str, *rest: object) -> sqlite3.Cursor:
            if "confirmed = opened" in sql and not cut.exists():
                image(tmp_path, cut)
            return super().execute(sql, *rest)  # type: ignore[arg-type]

    opened = SqliteStore(
        stage.database,
        connect=lambda path: sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Ending),
    )
    opened.close()
    assert cut.exists()
    if name == "list":
        Shell(cut / "app.db")("list")
    with Romancy(cut / "app.db", worker=False) as app:
        assert app.start(once(1), id="x").status == "pending"
