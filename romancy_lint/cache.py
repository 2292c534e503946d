"""Results kept between runs, by content; a cache that cannot be read or written is no cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

#: Changes whenever results may change: with the rules, the tables and the shape of the entries.
VERSION = "1"


def fingerprint() -> str:
    """The linter's own code, so that an upgraded linter does not trust old results."""
    import sys

    stamp = hashlib.blake2b(f"{VERSION}:{sys.version_info[:2]}".encode(), digest_size=8)
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        status = path.stat()
        stamp.update(f"{path.name}:{status.st_size}:{status.st_mtime_ns}".encode())
    return stamp.hexdigest()


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Cache:
    """JSON files under one folder, one a key."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder / fingerprint() if folder else None

    def get(self, key: str) -> Any:
        """What was kept under a key, or None."""
        if self.folder is None:
            return None
        try:
            return json.loads((self.folder / f"{key}.json").read_bytes())
        except (OSError, ValueError):
            return None

    def put(self, key: str, value: Any) -> None:
        """Keeps a value; the file appears whole or not at all."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            self._prepare()
            handle, name = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(value, stream)
            Path(name).replace(self.folder / f"{key}.json")

    def _prepare(self) -> None:
        assert self.folder is not None
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            (self.folder.parent / ".gitignore").write_text("*\n", encoding="utf-8")


def clean(folder: Path) -> bool:
    """Deletes a cache; whether there was one."""
    existed = folder.is_dir()
    shutil.rmtree(folder, ignore_errors=True)
    return existed
