"""A short while of random kills on a server: only what was in flight is repeated, and no result changes.

    python -m tests.postgres.processes.test_kills SECONDS SEED

does it for as long as one likes, on a server that it starts.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.postgres.processes.stage import Stage
from tests.postgres.server import PostgresServer
from tests.system import kills


def test_random_kills_repeat_only_what_was_in_flight_and_change_no_result(tmp_path: Path, url: str) -> None:
    storm = kills.run(tmp_path, seconds=6, workers=3, seed=1, opened=lambda folder: Stage(folder, url))
    print(storm)
    assert storm.problems == []
    assert storm.kills >= 4
    assert storm.duplicates <= storm.budget
    assert storm.completions > 50


def main(seconds: str, seed: str) -> int:
    server = PostgresServer(deadlock_timeout="50ms")
    try:
        with tempfile.TemporaryDirectory() as folder:
            url = server.fresh()
            storm = kills.run(
                Path(folder), seconds=float(seconds), workers=3, seed=int(seed), opened=lambda each: Stage(each, url)
            )
    finally:
        server.close()
    print(storm)
    return bool(storm.problems)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
