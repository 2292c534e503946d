"""Files under several names, files that are moved, removed or replaced while they are open, and copies of them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from romancy import Romancy
from romancy.errors import StoreError
from romancy.store import SqliteStore
from tests.damage.conftest import Shell, Stage
from tests.damage.workflows import long, once, walk

GONE = "app.db was moved, removed or replaced while it was open"


def _unlink(path: Path) -> None:
    path.unlink()


def _rename(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def _replace(path: Path) -> None:
    SqliteStore(str(path.with_name("other.db"))).close()
    path.with_name("other.db").replace(path)


def _remove_with_log(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink()


MOVES: list[Callable[[Path], None]] = [_unlink, _rename, _replace, _remove_with_log]


@pytest.mark.parametrize("move", MOVES)
def test_nothing_is_acknowledged_by_a_client_whose_file_is_gone(stage: Stage, move) -> None:
    with Romancy(stage.database, worker=False) as app:
        app.start(once(1), id="before")
        move(Path(stage.database))
        with pytest.raises(StoreError, match=GONE):
            app.start(once(2), id="after")
        with pytest.raises(StoreError, match=GONE):
            app.get("before").cancel()


@pytest.mark.parametrize("move", MOVES)
def test_a_worker_whose_file_is_gone_stops_loudly(stage: Stage, move) -> None:
    with Romancy(stage.database) as app:
        assert app.run(once(1), timeout=60) == 1
        move(Path(stage.database))
        with pytest.raises(StoreError, match=GONE):
            for number in range(100_000):
                app.run(once(number), timeout=60)


def test_a_file_that_is_put_back_is_gone_on_with(stage: Stage) -> None:
    app = stage.open()
    app.start(walk(1), id="w")
    app.run_until_idle()
    path = Path(stage.database)
    path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(StoreError, match=GONE):
        app.run_until_idle()
    path.with_name("elsewhere.db").rename(path)
    stage.clock.advance(100)
    app.run_until_idle()
    assert app.get("w").result(0) == 4


def test_closing_after_the_file_was_replaced_leaves_the_new_one_alone(stage: Stage) -> None:
    app = stage.open()
    app.start(once(1), id="old")
    path = Path(stage.database)
    with Romancy(path.with_name("other.db"), worker=False) as other:
        other.start(once(2), id="new")
    path.with_name("other.db").replace(path)
    before = path.read_bytes()
    app.close()
    assert path.read_bytes() == before


def test_a_symbolic_link_is_the_file_it_leads_to(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.db"
    link.symlink_to("../app.db")
    with Romancy(link, worker=False) as by_link, Romancy(stage.database, worker=False) as by_name:
        by_link.start(once(1), id="a")
        by_name.start(once(2), id="b")
        by_link.run_until_idle()
        assert [app.get(id).result(0) for app in (by_link, by_name) for id in ("a", "b")] == [1, 2, 1, 2]
        assert sorted(file.name for file in (tmp_path / "links").iterdir()) == ["link.db"]
        copy = tmp_path / "copy.db"
        shutil.copy(stage.database, copy)
    (tmp_path / "links" / "copy.db").symlink_to("../copy.db")
    with pytest.raises(StoreError, match=r"copy\.db-wal is missing"):
        Romancy(tmp_path / "links" / "copy.db", worker=False).open()
    assert len(Shell(link).json("list", "--json")) == 2


def test_two_ways_to_write_a_path_are_one_database(stage: Stage, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with Romancy("app.db", worker=False) as one, Romancy(f"{tmp_path}/folder/../app.db", worker=False) as two:
        one.start(once(1), id="a")
        two.run_until_idle()
        assert one.get("a").result(0) == 1


def test_a_file_of_two_names_is_refused_since_each_would_get_a_log(stage: Stage, tmp_path: Path, digest) -> None:
    with Romancy(stage.database, worker=False) as app:
        app.start(once(1), id="a")
    os.link(stage.database, tmp_path / "second.db")
    before = digest()
    for name in ("app.db", "second.db"):
        with pytest.raises(StoreError, match=f"{name} has a second name"):
            Romancy(tmp_path / name).open()
        assert "has a second name" in Shell(tmp_path / name).refused("list")
        assert "has a second name" in Shell(tmp_path / name)("check", status=1).stdout
    assert digest() == before
    (tmp_path / "second.db").unlink()
    with Romancy(stage.database) as app:
        assert app.get("a").result(60) == 1


def backed_up(source: str, target: Path) -> None:
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy, pages=7)


def test_a_backup_that_is_made_during_writes_is_one_instant_and_is_gone_on_with(stage: Stage, tmp_path: Path) -> None:
    """SQLite's own backup: what it holds was true at one instant, and an engine finishes it."""
    with Romancy(stage.database, lease=0.5) as app:
        handles = [app.start(long(20, 2000), id=f"i{number}") for number in range(30)]
        for number in range(4):
            backed_up(stage.database, tmp_path / f"backup-{number}.db")
        assert {handle.result(60) for handle in handles} == {40_000}
        whole = {handle.id: handle.history() for handle in handles}
    for number in range(4):
        backup = tmp_path / f"backup-{number}.db"
        assert Shell(backup).findings() == []
        with Romancy(backup, worker_id="after the restore") as app:
            assert len(app.instances()) == 30
            for handle in app.instances():
                events = handle.history()
                known = whole[handle.id]
                kinds = [(event.kind, getattr(event, "step", None)) for event in known[: len(events)]]
                assert [(event.kind, getattr(event, "step", None)) for event in events[: len(known)]] == kinds
                assert handle.result(60) == 40_000


def differ(database: Path) -> bool:
    with closing(sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)) as connection:
        return bool(connection.execute("select opened <> confirmed from opening").fetchone()[0])


def test_a_backup_made_at_any_statement_of_an_opening_is_whole(stage: Stage, tmp_path: Path) -> None:
    """Also while the numbers differ that tell of a lost log; what is lost later is missed nevertheless."""
    stage.open().close()
    backups: list[Path] = []

    class Watching(sqlite3.Connection):
        def execute(self, sql: str, *rest: object) -> sqlite3.Cursor:
            if "select" not in sql:
                backups.append(tmp_path / f"backup-{len(backups)}.db")
                backed_up(stage.database, backups[-1])
            return super().execute(sql, *rest)  # type: ignore[arg-type]

    store = SqliteStore(
        stage.database,
        connect=lambda path: sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Watching),
    )
    store.close()
    assert len(backups) > 10
    assert {differ(backup) for backup in backups} == {False, True}
    for backup in backups:
        assert Shell(backup).findings() == []
        with Romancy(backup, worker=False) as app:
            app.start(once(1), id="new")
            shutil.copy(backup, tmp_path / "alone.db")
        with pytest.raises(StoreError, match=r"alone\.db-wal is missing"):
            SqliteStore(str(tmp_path / "alone.db"))


def test_a_copy_of_file_and_log_made_between_two_writes_is_gone_on_with(stage: Stage, tmp_path: Path) -> None:
    """What a snapshot of the file system holds."""
    copies = []

    def boundary(tag: str) -> None:
        if tag == "after commit" and len(copies) < 12:
            copies.append(tmp_path / f"copy-{len(copies)}")
            copies[-1].mkdir()
            for name in ("app.db", "app.db-wal"):
                shutil.copy(tmp_path / name, copies[-1] / name)

    app = stage.open(boundary=boundary)
    app.start_many([walk(number).options(id=f"w{number}") for number in range(3)])
    app.run_until_idle()
    before = 0
    for copy in copies:
        assert Shell(copy / "app.db").findings() == []
        with Romancy(copy / "app.db", worker=False, clock=stage.clock, worker_id="w") as other:
            recorded = sum(len(other.get(f"w{number}").history()) for number in range(3))
            assert recorded >= before, "each holds what the one before held"
            before = recorded
            other.run_until_idle()
            assert {handle.status for handle in other.instances()} == {"waiting"}
    assert len(copies) > 3


def test_a_backup_that_is_put_in_place_of_the_file_is_gone_on_with(stage: Stage, tmp_path: Path) -> None:
    app = stage.open()
    app.start(once(1), id="kept")
    backed_up(stage.database, tmp_path / "backup.db")
    app.start(once(2), id="later")
    app.close()
    (tmp_path / "backup.db").replace(stage.database)
    again = stage.open()
    again.run_until_idle()
    assert [(handle.id, handle.result(0)) for handle in again.instances()] == [("kept", 1)]


def test_moving_a_file_back_and_forth_confuses_no_reader(stage: Stage) -> None:
    """Readers of the app see the file that it opened, whatever its name says meanwhile."""
    stop = threading.Event()
    path = Path(stage.database)
    with Romancy(stage.database, worker=False) as app:
        app.start(once(1), id="a")

        def move() -> None:
            while not stop.is_set():
                path.rename(path.with_name("b.db"))
                path.with_name("b.db").rename(path)

        mover = threading.Thread(target=move)
        mover.start()
        try:
            for _ in range(200):
                assert app.get("a").status == "pending"
        finally:
            stop.set()
            mover.join()
