"""A short while of random kills; `python -m tests.system.kills` does it for as long as one likes."""

from __future__ import annotations

from pathlib import Path

from tests.system import kills


def test_random_kills_repeat_only_what_was_in_flight_and_change_no_result(tmp_path: Path) -> None:
    storm = kills.run(tmp_path, seconds=5, workers=3, seed=1)
    print(storm)
    assert storm.problems == []
    assert storm.kills >= 3
    assert storm.duplicates <= storm.budget
    assert storm.completions > 100
