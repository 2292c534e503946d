"""The examples do what they say: right results, right compensation, right sums."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

Run = Callable[..., list[str]]


def test_a_declined_card_puts_what_was_reserved_back_last_first(run: Run) -> None:
    assert run("order_saga", "o.db") == [
        "o-1: reserved book on shelf B",
        "o-1: reserved lamp on shelf L",
        "o-1: charged 40",
        "o-1 completed: receipt for 40",
        "o-2: reserved book on shelf B",
        "o-2: reserved lamp on shelf L",
        "o-2: the card was declined",
        "o-2: put lamp back on shelf L",
        "o-2: put book back on shelf B",
        "o-2 failed: CardDeclined: 4000 is over the limit of 100",
    ]


def test_the_outcome_of_an_order_is_recorded_and_no_activity_runs_for_it_again(run: Run) -> None:
    first, second = run("order_saga", "o.db"), run("order_saga", "o.db")
    assert second == [first[3], first[9]]


def test_transfers_keep_the_sum_and_refused_ones_leave_no_trace(run: Run, tmp_path: Path) -> None:
    told = run("bank_transfer", "b.db")
    made, refused = map(int, re.findall(r"\d+", told[0]))
    with closing(sqlite3.connect(tmp_path / "b.db")) as database:
        balances = dict(database.execute("select name, balance from account"))
        completed = database.execute(
            "select count(*) from history where name = 'move' and kind = 'activity_completed'"
        ).fetchone()
    assert made + refused == 120 and refused > 0
    assert completed == (made,)
    assert sum(balances.values()) == 500 and min(balances.values()) >= 0
    assert f"balances {dict(sorted(balances.items()))}: 500 in all, 500 before" == told[1]


def test_the_index_of_a_folder_equals_a_plain_computation(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for number in range(250):
        place = folder / f"part {number % 7}" / f"file {number} ü.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"word and\nword \0 \xff" * number)
    (folder / "empty folder").mkdir()
    (folder / "link").symlink_to(folder / "part 1")
    told = run("folder_index", folder, "f.db")
    files = {path: path.read_bytes() for path in folder.glob("part */*")}
    words, size = (sum(map(each, files.values())) for each in (lambda content: len(content.split()), len))
    assert told == [str({"files": 250, "words": words, "bytes": size})]
    with closing(sqlite3.connect(tmp_path / "f.db")) as database:
        rows = set(database.execute("select path, sha256, words, bytes from file"))
    assert rows == {
        (
            ascii(str(path.relative_to(folder)))[1:-1],
            hashlib.sha256(content).hexdigest(),
            len(content.split()),
            len(content),
        )
        for path, content in files.items()
    }


def test_an_answer_wins_over_a_deadline_that_is_far_and_loses_to_one_that_passed(run: Run) -> None:
    assert run("timers_and_race", "t.db") == [
        "nobody asked: no answer within 0.3 s",
        "somebody asked: the answer is yes",
    ]


def test_a_child_that_fails_is_told_to_its_parent_and_the_others_complete(run: Run) -> None:
    assert run("children", "c.db") == [
        "north: mean 3.5",
        "south: mean 5.0",
        "west: failed: division by zero",
        "instance report: completed",
        "instance report/north: completed",
        "instance report/south: completed",
        "instance report/west: failed",
    ]


def test_a_loop_that_recurs_keeps_each_history_short_and_its_state(run: Run) -> None:
    assert run("recur", "r.db") == [
        "done at poll 25, in run 3",
        "run 1 has 22 events",
        "run 2 has 22 events",
        "run 3 has 13 events",
    ]
