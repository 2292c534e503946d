"""Every file of a folder is hashed and its words are counted, many at a time; the rows go into a table.

    python examples/folder_index.py FOLDER [DATABASE]

Kill it in a big folder and start it again: files whose rows were recorded are not read again.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from romancy import Context, Flow, Romancy, activity, gather, session, workflow

BATCH = 100


@dataclass(frozen=True)
class Entry:
    path: str
    sha256: str
    words: int
    bytes: int


@activity
def list_files(folder: str) -> list[str]:
    found = (path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(str(path.relative_to(folder)) for path in found)


@activity
def read(folder: str, path: str) -> Entry:
    content = (Path(folder) / path).read_bytes()
    return Entry(path, hashlib.sha256(content).hexdigest(), len(content.split()), len(content))


@activity
def store(entries: list[Entry]) -> int:
    rows = [(ascii(each.path)[1:-1], each.sha256, each.words, each.bytes) for each in entries]
    session().execute("create table if not exists file (path text primary key, sha256 text, words int, bytes int)")
    session().conn.executemany("insert or replace into file values (?, ?, ?, ?)", rows)
    return len(rows)


@workflow
def index(ctx: Context, folder: str) -> Flow[dict[str, int]]:
    paths = yield from list_files(folder)
    total = {"files": 0, "words": 0, "bytes": 0}
    for first in range(0, len(paths), BATCH):
        entries = yield from gather(*[read(folder, path) for path in paths[first : first + BATCH]])
        total["files"] += yield from store(entries)
        total["words"] += sum(entry.words for entry in entries)
        total["bytes"] += sum(entry.bytes for entry in entries)
    return total


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python examples/folder_index.py FOLDER [DATABASE]")
    folder = str(Path(sys.argv[1]).resolve())
    with Romancy(sys.argv[2] if len(sys.argv) > 2 else "folder_index.db") as app:
        print(app.run(index(folder), id=f"index of {folder}"))


if __name__ == "__main__":
    main()
