"""What power cuts once broke, each as the smallest image that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.power.adapter import Connection
from tests.crash.power.cuts import SECTOR, Image, lose
from tests.crash.power.disk import Disk, Note, State, Write, changed, states
from tests.crash.power.oracle import Known, faults
from tests.crash.power.recording import START, record
from tests.crash.power.recovery import Return, lay_out, recover
from tests.crash.power.scripts import SCRIPTS, Script
from tests.crash.power.vfs import RecordedFiles

BY_NAME = {script.name: script for script in SCRIPTS}
DATABASE, LOG, JOURNAL = "app.db", "app.db-wal", "app.db-journal"


class Stage:
    """A recorded run, and what becomes of images of it."""

    def __init__(self, folder: Path, script: Script) -> None:
        self.folder = folder
        self.script = script
        (folder / "recorded").mkdir()
        (folder / "recovered").mkdir()
        self.disk = record(folder / "recorded", script, script.run)

    def cuts(self) -> Iterator[tuple[State, Known]]:
        """Each state of the disk, with what is known at that moment."""
        known = Known(now=START)
        for _, entry, state in states(self.disk):
            if isinstance(entry, Note):
                known.learn(entry.fact)
            yield state, known

    def faults(self, files: dict[str, bytes], known: Known, back: Return | None = None) -> list[str]:
        lay_out(self.folder / "recovered", files)
        recovered = recover(self.folder / "recovered", self.script, known, back or Return())
        return faults(self.script, known, recovered)


@pytest.fixture
def orders(folder: Path) -> Stage:
    return Stage(folder, BY_NAME["orders"])


def pending(state: State, name: str) -> list[Write]:
    """What was written to a file since its last sync."""
    file = state.entries_after(len(state.moves)).get(name)
    return [] if file is None else [change for change in state.pending[file] if isinstance(change, Write)]


def test_a_main_file_that_was_cut_in_the_middle_of_a_checkpoint_is_whole_with_its_log(orders: Stage) -> None:
    met = 0
    for state, known in orders.cuts():
        if pending(state, DATABASE) and LOG in state.names:
            met += 1
            assert orders.faults(state.whole(), known) == []
    assert met > 10


def test_a_first_page_that_was_torn_is_made_again(orders: Stage) -> None:
    met = 0
    for state, known in orders.cuts():
        if pending(state, DATABASE) and JOURNAL in state.names:
            met += 1
            files = state.whole()
            files[DATABASE] = bytes(SECTOR) + files[DATABASE][SECTOR:]
            assert orders.faults(files, known) == []
    assert met


def test_a_look_before_the_restart_takes_nothing_away(orders: Stage) -> None:
    looked = set()
    for state, known in orders.cuts():
        image: Image = lose(state)
        content = tuple(sorted(image.files.items()))
        if content not in looked:
            looked.add(content)
            assert orders.faults(image.files, known, Return(looks_first=True)) == []
    assert len(looked) > 30


def test_a_mark_of_an_older_log_in_a_torn_frame_is_no_second_transaction(folder: Path) -> None:
    stage, met = Stage(folder, BY_NAME["sagas"]), 0
    for state, known in stage.cuts():
        frames = [write for write in pending(state, LOG) if len(write.content) == 24]
        for split in frames[:-1]:
            if split.offset % SECTOR == SECTOR - 8:  # page and size stand in one sector, the rest in the next
                met += 1
                log = state.entries_after(len(state.moves))[LOG]
                mark = Write(log, split.offset, (7).to_bytes(4, "big") + (9).to_bytes(4, "big"))
                files = {**state.whole(), LOG: changed(state.whole()[LOG], [mark])}
                assert stage.faults(files, known) == []
    assert met


def test_what_two_cuts_left_of_one_transaction_each_are_no_two_lost_ones(folder: Path) -> None:
    stage, met = Stage(folder, BY_NAME["sagas"]), 0
    (folder / "again").mkdir()
    for state, known in stage.cuts():
        frames = [write for write in pending(state, LOG) if len(write.content) == 24]
        if not known.started or len(frames) < 3 or frames[-1].content[4:8] == bytes(4):
            continue
        lay_out(folder / "again", {**state.whole(), LOG: torn(state.whole()[LOG], frames[0].offset)})
        for _, _, second in states(one_write(folder / "again")):
            begun = [write for write in pending(second, LOG) if len(write.content) > 24]
            if begun and begun[0].offset == frames[0].offset + 24:
                met += 1
                files = {**second.whole(), LOG: torn(second.whole()[LOG], frames[0].offset)}
                assert stage.faults(files, known) == []
    assert met > 5


def test_a_page_of_a_new_file_that_was_torn_after_its_first_sector_is_whole_with_the_log(orders: Stage) -> None:
    met = 0
    for state, known in orders.cuts():
        pages = pending(state, DATABASE)
        if pages and LOG in state.names and not known.started:
            met += 1
            files = state.whole()
            begin, end = pages[-1].offset + SECTOR, pages[-1].offset + len(pages[-1].content)
            files[DATABASE] = files[DATABASE][:begin] + bytes(end - begin) + files[DATABASE][end:]
            assert orders.faults(files, known) == []
    assert met > 10


def one_write(folder: Path) -> Disk:
    """The journal of somebody who writes to a database and leaves the log as it is."""
    disk = Disk(folder)
    files = RecordedFiles(disk)
    connection = Connection(str(folder / DATABASE), files.name)
    connection.execute("update worker set until = until + 1")
    connection.close()
    return disk


def torn(content: bytes, frame: int) -> bytes:
    """Without what the frame at a place has in its last sector."""
    end = frame + 24 + 4096
    begin = (end - 1) // SECTOR * SECTOR
    return content[:begin] + bytes(end - begin) + content[end:]
