"""What a power cut leaves: of each file and of the folder, another part of what was not synced."""

from __future__ import annotations

import random

import attrs

from tests.crash.power.disk import Change, Entry, Note, State, Sync, Truncate, Write, changed

SECTOR = 512
HEADER = 32
"""The bytes before the first frame of a log: a part of one sector, which a disk writes whole or not at all."""
FATES = ("nothing", "prefix", "subset", "torn", "everything")


@attrs.frozen
class Image:
    """The files that are there when the power is back, and in words what became of the unsynced part of each."""

    files: dict[str, bytes]
    fate: str


def lose(state: State) -> Image:
    """The worst of power cuts: nothing is kept that was not synced."""
    return Image({name: state.durable[file] for name, file in state.names.items()}, "nothing unsynced kept")


def draw(state: State, chance: random.Random) -> Image:
    """One of the many: each file has a fate of its own, and the folder keeps a prefix of its changes."""
    names = state.entries_after(chance.randint(0, len(state.moves)))
    files, fates = {}, []
    for name, file in names.items():
        fate = chance.choice(FATES)
        kept = _kept(fate, state.pending[file], len(state.durable[file]), chance)
        files[name] = changed(state.durable[file], kept)
        if state.pending[file]:
            fates.append(f"{name}: {fate} of {len(state.pending[file])}")
    if chance.random() < 0.25:
        # SQLite's index of the log is shared memory: whatever is left of its file says nothing.
        files["app.db-shm"] = chance.randbytes(32768)
    return Image(files, ", ".join(fates) or "everything was synced")


def _kept(fate: str, pending: list[Change], size: int, chance: random.Random) -> list[Change]:
    match fate:
        case "nothing":
            return []
        case "prefix":
            return pending[: chance.randint(0, len(pending))]
        case "subset":
            return [change for change in pending if chance.random() < 0.5]
        case "torn":
            return _torn(pending, size, chance)
    return pending


def _torn(pending: list[Change], size: int, chance: random.Random) -> list[Change]:
    """Each sector goes its own way; where a lost one made the file longer, it is zero or what was there before it."""
    share, leaves_rubbish = chance.choice((0.1, 0.5, 0.9)), chance.random() < 0.3
    kept: list[Change] = []
    for change in pending:
        if isinstance(change, Truncate):
            if chance.random() < share:
                kept.append(change)
            continue
        for sector in _sectors(change):
            end = sector.offset + len(sector.content)
            if chance.random() < share:
                kept.append(sector)
            elif leaves_rubbish and sector.offset >= size:
                kept.append(Write(sector.file, sector.offset, chance.randbytes(end - sector.offset)))
    return kept


def _sectors(write: Write) -> list[Write]:
    """A write, in the pieces that a disk writes whole."""
    pieces, start = [], write.offset
    end = write.offset + len(write.content)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        pieces.append(Write(write.file, start, write.content[start - write.offset : stop - write.offset]))
        start = stop
    return pieces


class Tail:
    """The last transaction in the write-ahead log, as long as nobody outside knows of it.

    A disk may have synced it: one that lies about its syncs may still lose it, and nothing that was promised with it.
    """

    def __init__(self, log: str) -> None:
        self._log = log
        self._begin: int | None = None
        self._is_synced = False

    def follow(self, entry: Entry, state: State) -> None:
        """Move on by one entry of the journal.

        What became known is not in the tail any more, nor is what was moved to the main file.
        """
        log = state.entries_after(len(state.moves)).get(self._log)
        match entry:
            case Note():
                self._begin = None
            case Sync(file) if file == log:
                self._is_synced = True
            case Write(file, place) | Truncate(file, place) if file == log:
                begins = self._begin is None or self._is_synced
                self._begin = max(HEADER, place if begins else min(self._begin or 0, place))
                self._is_synced = False
            case Write() | Truncate():
                self._begin = None

    def damage(self, state: State, chance: random.Random) -> Image | None:
        """Everything is there, but the end of the log is missing or overwritten from some byte of the tail on."""
        files = state.whole()
        log = files.get(self._log, b"")
        if self._begin is None or self._begin >= len(log):
            return None
        place = chance.randrange(self._begin, len(log))
        if chance.random() < 0.5:
            files[self._log] = log[:place]
            return Image(files, f"{self._log} torn at {place} of {len(log)}")
        # Up to the end of a sector: behind its first bytes, a disk keeps none of the others.
        end = min(len(log), (chance.randrange(place, len(log)) // SECTOR + 1) * SECTOR)
        files[self._log] = log[:place] + chance.randbytes(end - place) + log[end:]
        return Image(files, f"{self._log} overwritten from {place} to {end}")
