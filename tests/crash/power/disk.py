"""A disk that keeps only what was synced: a journal of what was done to it, and the state after any part of that.

A file is what is durable of it and, in order, what was written or cut since its last sync. A name is an entry of the
folder, and creating or deleting one is pending too until the folder is synced: a file can be synced and still be
missing, or be deleted and be back. Folders keep the order of their entries, as every file system with a journal does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import attrs


@attrs.frozen
class Write:
    file: int
    offset: int
    content: bytes


@attrs.frozen
class Truncate:
    file: int
    size: int


@attrs.frozen
class Sync:
    file: int


@attrs.frozen
class Link:
    """A name for a file that has just been made."""

    name: str
    file: int


@attrs.frozen
class Unlink:
    name: str


@attrs.frozen
class SyncFolder:
    pass


@attrs.frozen
class Note:
    """What became known outside of the disk at this place of the journal: no power cut takes it back."""

    fact: Any


Change = Union[Write, Truncate]
Operation = Union[Write, Truncate, Sync, Link, Unlink, SyncFolder]
Entry = Union[Operation, Note]


class Disk:
    """The journal of a folder, which already holds the files that are in it, durably.

    Attributes:
        entries: what was done, and what became known, in order.
        first: the files that were there at the beginning, by name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        self.entries: list[Entry] = []
        self._numbers = {name: number for number, name in enumerate(self.first)}
        self._made = len(self.first)

    def add(self, operation: Operation) -> None:
        self.entries.append(operation)

    def note(self, fact: Any) -> None:
        """Let something become known outside."""
        self.entries.append(Note(fact))

    def number(self, name: str) -> int:
        """The file of that name, made where there is none."""
        if name not in self._numbers:
            self._numbers[name] = self._made
            self._made += 1
            self.add(Link(name, self._numbers[name]))
        return self._numbers[name]

    def unlink(self, name: str, *, synced: bool) -> None:
        """Take a name away; the file of that name, if there is one again, is another."""
        if self._numbers.pop(name, None) is not None:
            self.add(Unlink(name))
        if synced:
            self.add(SyncFolder())


class State:
    """What the disk holds after a part of the journal.

    Attributes:
        durable: the content of each file that no power cut takes away.
        pending: what was done to each file since its last sync.
        names: the entries of the folder that are durable.
        moves: what was done to the folder since its last sync.
    """

    def __init__(self, first: dict[str, bytes]) -> None:
        self.names = {name: number for number, name in enumerate(first)}
        self.moves: list[Link | Unlink] = []
        self.durable: dict[int, bytes] = dict(enumerate(first.values()))
        self.pending: dict[int, list[Change]] = {number: [] for number in self.durable}

    def apply(self, operation: Operation) -> None:
        match operation:
            case Write(file) | Truncate(file):
                self.pending[file].append(operation)
            case Sync(file):
                self.durable[file] = changed(self.durable[file], self.pending[file])
                self.pending[file] = []
            case Link(_, file):
                self.moves.append(operation)
                self.durable.setdefault(file, b"")
                self.pending.setdefault(file, [])
            case Unlink():
                self.moves.append(operation)
            case SyncFolder():
                self.names, self.moves = self.entries_after(len(self.moves)), []

    def entries_after(self, moves: int) -> dict[str, int]:
        """The folder, where so many of its pending changes were kept."""
        names = dict(self.names)
        for move in self.moves[:moves]:
            match move:
                case Link(name, file):
                    names[name] = file
                case Unlink(name):
                    names.pop(name, None)
        return names

    def whole(self) -> dict[str, bytes]:
        """What is there as long as the power stays on."""
        names = self.entries_after(len(self.moves))
        return {name: changed(self.durable[file], self.pending[file]) for name, file in names.items()}


def changed(content: bytes, changes: list[Change]) -> bytes:
    """What a file holds after some changes; what nobody wrote is zero."""
    if not changes:
        return content
    bytes_now = bytearray(content)
    for change in changes:
        match change:
            case Write(_, offset, written):
                if offset > len(bytes_now):
                    bytes_now.extend(bytes(offset - len(bytes_now)))
                bytes_now[offset : offset + len(written)] = written
            case Truncate(_, size):
                del bytes_now[size:]
                bytes_now.extend(bytes(size - len(bytes_now)))
    return bytes(bytes_now)


def states(disk: Disk) -> Iterator[tuple[int, Entry, State]]:
    """The one state, moved on by each entry in turn, with its place in the journal."""
    state = State(disk.first)
    for place, entry in enumerate(disk.entries):
        if not isinstance(entry, Note):
            state.apply(entry)
        yield place, entry, state
