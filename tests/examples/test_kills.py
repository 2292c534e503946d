"""Examples that are killed go on where they were, and what was recorded does not run again."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from romancy import Romancy
from romancy.history import ActivityCompleted

Run = Callable[..., list[str]]
Begin = Callable[..., "subprocess.Popen[str]"]


def test_a_killed_worker_is_followed_by_one_that_runs_only_what_was_not_recorded(run: Run) -> None:
    told = run("crash_and_resume", "c.db")
    ran = [re.fullmatch(r"  process (\d+) begins to (\w+)", line) for line in told]
    first, second = dict.fromkeys(found[1] for found in ran if found)
    assert [(found[1] == first, found[2]) for found in ran if found] == [
        (True, "weigh"),
        (True, "knead"),
        (True, "bake"),
        (False, "bake"),
        (False, "cool"),
        (False, "sell"),
    ]
    assert told[3] == f"the worker ended with code {-signal.SIGKILL}"
    assert told[-2] == "the worker ended with code 0"
    assert ast.literal_eval(told[-1].removeprefix("completed: ")) == [
        f"weigh by {first}",
        f"knead by {first}",
        f"bake by {second}",
        f"cool by {second}",
        f"sell by {second}",
    ]


def test_a_killed_agent_does_not_ask_the_model_again_for_what_it_was_told(
    run: Run, begin: Begin, tmp_path: Path
) -> None:
    notes = tmp_path / "research" / "clay-tablets"
    notes.mkdir(parents=True)
    os.mkfifo(notes / "analysis.md")  # nobody reads it: the process waits here until it is killed
    process = begin("research_agent", "clay tablets", "research")
    assert process.stdout is not None
    before = []
    while not before or before[-1] != "asking for analysis, attempt 3":
        line = process.stdout.readline()
        assert line, before
        before.append(line.rstrip("\n"))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [name for name, _ in recorded(tmp_path / "research" / "agent.db", "clay tablets")] == ["ask"]
    (notes / "analysis.md").unlink()

    after = run("research_agent", "clay tablets", "research")

    answer = "analysis of <What follows from this? research of <What is known of clay tablets?>>"
    assert after == [
        "asking for analysis, attempt 3",  # the attempt that was interrupted does not count
        "asking for synthesis, attempt 1",
        f"synthesis of <Write a summary: {answer}>",
    ]
    assert (notes / "analysis.md").read_text("utf-8") == answer
    assert [attempt for _, attempt in recorded(tmp_path / "research" / "agent.db", "clay tablets")] == [2, 3, 1]


def test_an_agent_that_gives_up_deletes_the_notes_it_made(run: Run, tmp_path: Path) -> None:
    told = run("research_agent", "perpetual motion", "research")
    declined = "gave up: the model declines to write about this"
    assert told[-3:] == ["deleted analysis.md", "deleted research.md", declined]
    assert told.count("asking for synthesis, attempt 1") == 1 and "asking for synthesis, attempt 2" not in told
    assert list((tmp_path / "research" / "perpetual-motion").iterdir()) == []


def recorded(database: Path, instance_id: str) -> list[tuple[str, int]]:
    """The activities that the history says were completed, with their attempts."""
    with Romancy(database, worker=False) as app:
        events = app.get(instance_id).history()
    return [(each.name, each.attempt) for each in events if isinstance(each, ActivityCompleted)]
