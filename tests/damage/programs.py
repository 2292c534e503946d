"""What happens to a whole process: `python -m tests.damage.programs NAME ARGUMENTS…` prints one line of JSON."""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from romancy import Romancy
from romancy.cli import main
from romancy.errors import StoreError
from tests.damage.workflows import broad, long, once


@contextmanager
def limited(what: int, soft: int) -> Iterator[None]:
    """A limit of this process, for a while; exceeding it is an error and no signal, as Python ignores SIGXFSZ."""
    before = resource.getrlimit(what)
    resource.setrlimit(what, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


def fill_the_disk(database: str, room: str) -> dict[str, Any]:
    """Start instances until nothing more fits, then let there be room again."""
    app = Romancy(database)
    app.open()
    assert app.run(once(1), timeout=60) == 1
    started = []
    errors = []
    size = max(Path(database + suffix).stat().st_size for suffix in ("", "-wal"))
    with limited(resource.RLIMIT_FSIZE, size + int(room)):
        for number in range(200):
            try:
                started.append(app.start(long(3, 2000), id=f"i{number}").id)
            except StoreError as error:
                errors.append(str(error))
                break
    app.close()
    with app:
        results = [app.get(id).result(60) for id in started]
    return {"started": len(started), "errors": errors, "results": sorted(set(results))}


def open_on_a_full_disk(folder: str, source: str) -> dict[str, Any]:
    """Open a copy of a database, or make one, with less and less room; then with room."""
    refused, opened, wrong = 0, 0, []
    for number, room in enumerate([*range(0, 5000, 500), *range(5000, 130_000, 4096)]):
        place = Path(folder) / str(number)
        if source == "new":
            place.mkdir()
        else:
            shutil.copytree(source, place)
        try:
            with limited(resource.RLIMIT_FSIZE, room):
                Romancy(place / "app.db", worker=False).open()
            opened += 1
        except StoreError:
            refused += 1
        try:
            with Romancy(place / "app.db", worker=False) as app:
                found = len(app.instances())
                app.start(once(1))
            if found != (0 if source == "new" else 5):
                wrong.append(f"{room}: {found} instances")
        except StoreError as error:
            wrong.append(f"{room}: {error}")
    return {"refused": refused, "opened": opened, "wrong": wrong}


def command(folder: str, *words: str) -> dict[str, Any]:
    """How a command ends."""
    result = CliRunner().invoke(main, [words[0], "--db", f"{folder}/app.db", *words[1:]], prog_name="romancy")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return {"status": result.exit_code, "out": result.stdout, "err": result.stderr}


def commands_of_a_guest(folder: str, *lines: str) -> dict[str, Any]:
    """How commands end for somebody who owns nothing here; they are run once before, so that all is imported."""
    with tempfile.TemporaryDirectory() as rehearsal:
        with Romancy(f"{rehearsal}/app.db", worker=False) as app:
            app.start(once(1), id="w")
        for line in lines:
            command(rehearsal, *shlex.split(line))
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    return {line: command(folder, *shlex.split(line)) for line in lines}


def files_open() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def memory() -> int:
    """Kilobytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def run_out_of_files(database: str) -> dict[str, Any]:
    """An engine that works, and one that is opened, when no file can be opened any more."""
    told: dict[str, Any] = {}
    with Romancy(database) as app:
        assert app.run(once(1), timeout=60) == 1
        with limited(resource.RLIMIT_NOFILE, files_open() - 1):
            told["works"] = app.run(once(2), timeout=60)
            try:
                Romancy(database, worker=False).open()
            except StoreError as error:
                told["opens"] = str(error)
            told["works still"] = app.run(once(3), timeout=60)
        with Romancy(database, worker=False) as other:
            told["instances"] = len(other.instances())
    return told


def run_out_of_memory(database: str) -> dict[str, Any]:
    """SQLite gets no memory for large results; such a limit cannot be lifted again in a process."""
    app = Romancy(database)
    app.open()
    assert app.run(once(1), timeout=60) == 1
    with closing(sqlite3.connect(":memory:")) as limits:
        limits.execute("pragma hard_heap_limit = 4000000")
    error = ""
    try:
        app.start(long(2, 3_000_000), id="large").result(60)
    except StoreError as trouble:
        error = str(trouble)
    app.close()
    return {"error": error}


def soak(database: str) -> dict[str, Any]:
    """Many instances, one after the other and together: what the process holds after each tenth of them."""
    with Romancy(database) as app:
        rounds = []
        for part in range(10):
            handles = app.start_many([broad(5) for _ in range(60)])
            assert {handle.result(60) for handle in handles} == {10}
            for number in range(40):
                app.run(once(number), timeout=60)
            rounds.append((files_open(), memory(), Path(database + "-wal").stat().st_size, part))
    return {"files": [each[0] for each in rounds], "memory": [each[1] for each in rounds], "log": rounds[-1][2]}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])), flush=True)
