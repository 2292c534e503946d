"""SQLite's own file system with a listener: what is written, cut, synced and deleted goes into a journal as well."""

from __future__ import annotations

import itertools
from pathlib import Path

import apsw

from tests.crash.power.disk import Disk, Sync, SyncFolder, Truncate, Write

_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_numbers = itertools.count()


class RecordedFile(apsw.VFSFile):
    """A real file whose changes are recorded once they were made."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._file = disk.number(Path(name if isinstance(name, str) else name.filename()).name)
        # The first sync of a journal that may be new syncs its folder too, and no other one does.
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _JOURNALS)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (SQLite's name)
        super().xWrite(data, offset)
        self._disk.add(Write(self._file, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 (SQLite's name)
        super().xTruncate(newsize)
        self._disk.add(Truncate(self._file, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 (SQLite's name)
        self._disk.add(Sync(self._file))
        if self._syncs_folder:
            self._disk.add(SyncFolder())
            self._syncs_folder = False


class RecordedFiles(apsw.VFS):
    """The file system of one disk; connections name it by `name`."""

    def __init__(self, disk: Disk) -> None:
        self.name = f"power-{next(_numbers)}"
        self._disk = disk
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        if name is None:
            return apsw.VFSFile("", name, flags)
        return RecordedFile(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 (SQLite's name)
        super().xDelete(filename, syncdir)
        self._disk.unlink(Path(filename).name, synced=syncdir)
