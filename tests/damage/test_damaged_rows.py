"""Rows that somebody else's hands were in: each is found and named, parks at most its own instance, and the commands
that look go on working."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.damage.conftest import Shell, Stage
from tests.damage.workflows import walk

EVENT = "insert into history (instance, run, seq, kind, step, name, attempt, data, at) values (2, 1, "
STUCK, WHOLE = "stuck", "completed"

DAMAGES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no row is left": (("delete from history where instance = 2",), "its history is empty", STUCK),
    "a row is missing": (
        ("delete from history where instance = 2 and seq = 2",),
        "history[2]: the next row that is stored is number 3",
        STUCK,
    ),
    "the start is missing": (
        ("delete from history where instance = 2 and seq = 0", "update history set seq = seq - 1 where instance = 2"),
        "history[0]: activity_completed stands at the start",
        STUCK,
    ),
    "a second start": (
        (EVENT + "4, 'workflow_started', null, null, null, null, 1e9)",),
        "history[4]: workflow_started stands amid the run",
        STUCK,
    ),
    "an answer twice": (
        (EVENT + "4, 'activity_completed', '2', 'step', 1, '1', 1e9)",),
        "history[4]: step 2 was answered before, by history[2]",
        STUCK,
    ),
    "two ends": (
        (
            EVENT + "4, 'workflow_completed', null, null, null, '1', 1e9)",
            EVENT + "5, 'workflow_failed', null, null, null, '1', 1e9)",
        ),
        "history[5]: workflow_failed stands behind the end of the run",
        STUCK,
    ),
    "an end of which the status knows nothing": (
        (EVENT + "4, 'workflow_completed', null, null, null, '1', 1e9)",),
        "it is waiting, and its history says workflow_completed",
        STUCK,
    ),
    "an unknown kind": (
        ("update history set kind = 'order_shipped' where instance = 2 and seq = 2",),
        "'order_shipped' is no kind of event that is known here",
        STUCK,
    ),
    "a result that is no JSON": (
        ("update history set data = '[1' where instance = 2 and seq = 2",),
        "history[2].result: it is no JSON",
        STUCK,
    ),
    "a result that is no text": (
        ("update history set data = x'ff00' where instance = 2 and seq = 2",),
        "history[2].result",
        STUCK,
    ),
    "a result that is no UTF-8": (
        ("update history set data = cast(x'22ff22' as text) where instance = 2 and seq = 2",),
        "there is a text that is no UTF-8",
        STUCK,
    ),
    "a name of ten megabytes": (
        ("update history set name = hex(zeroblob(5000000)) where instance = 2 and seq = 2",),
        "",
        STUCK,
    ),
    "an input that is no JSON": (("update instance set input = '{' where number = 2",), "its input is no JSON", STUCK),
    "an input that is no UTF-8": (
        ("update instance set input = cast(x'7bff7d' as text) where number = 2",),
        "there is a text that is no UTF-8",
        STUCK,
    ),
    "a lease that is not there": (
        ("update instance set owner = 4711, wake_at = null where number = 2",),
        "lease 4711, under which it is held, is missing",
        "waiting",
    ),
    "nothing that wakes it": (
        ("update instance set status = 'running', wake_at = null where number = 2",),
        "it is running, and nothing wakes it",
        "running",
    ),
    "a parent that is missing": (
        ("update instance set parent = 4711, parent_run = 1, parent_step = '1' where number = 2",),
        "its parent, instance 4711, is missing",
        WHOLE,
    ),
    "a status that is none": (
        ("update instance set status = 'lost' where number = 2",),
        "'lost' is no status",
        WHOLE,
    ),
}


def damaged(stage: Stage, statements: tuple[str, ...]) -> None:
    app = stage.open()
    app.start_many([walk(number).options(id=f"w{number}") for number in range(4)])
    app.run_until_idle()
    stage.kill(app)
    for statement in statements:
        stage.sql(statement)


@pytest.mark.parametrize(("statements", "told", "status"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_row_is_found_and_concerns_its_own_instance_only(stage: Stage, statements, told, status) -> None:
    damaged(stage, statements)
    shell = Shell(Path(stage.database))
    before = shell.findings()
    if told:
        assert any(told in each["what"] for each in before)
        assert all(each["where"] == "instance 'w1'" for each in before)
        assert all(each["remedy"] for each in before)
    stage.clock.advance(100)
    app = stage.open()
    app.run_until_idle()
    assert {id: app.get(id).status for id in ("w0", "w1", "w2", "w3")} == {
        **dict.fromkeys(("w0", "w2", "w3"), "completed"),
        "w1": status,
    }
    app.close()
    if status == STUCK:
        assert any(each["what"].startswith("it is stuck: ") for each in shell.findings())
    assert {each["id"] for each in shell.json("list", "--json")} == {"w0", "w1", "w2", "w3"}
    assert shell("show", "w1", status=None).stdout
    assert "w1" in shell("doctor", status=None).stdout or status != STUCK
    assert {each["id"] for each in shell.json("export", "w1", "--rows")["instance"]} == {"w1"}


@pytest.mark.parametrize("table", ["history", "inbox"])
def test_rows_of_an_instance_that_is_missing_are_found_and_hurt_nobody(stage: Stage, table) -> None:
    damaged(
        stage,
        (
            "insert into inbox (instance, kind, data, at) values (2, 'cancel', '', 0)",
            f"delete from {'inbox' if table == 'history' else 'history'} where instance = 2",
            "delete from instance where number = 2",
        ),
    )
    (finding,) = Shell(Path(stage.database)).findings()
    assert finding["where"] == f"table {table}"
    assert finding["what"].endswith("rows of an instance 2 that is missing")
    stage.clock.advance(100)
    app = stage.open()
    app.run_until_idle()
    assert [each.status for each in app.instances()] == ["completed"] * 3


def test_a_table_that_is_missing_is_trouble_with_the_file(stage: Stage) -> None:
    damaged(stage, ("drop table inbox",))
    shell = Shell(Path(stage.database))
    assert any("no such table: inbox" in each["what"] for each in shell.findings())
    assert shell.json("list", "--json")
    told = shell("worker", "tests.damage.workflows", status=1).stderr
    assert told.splitlines()[-1] == f"romancy: {stage.database}: no such table: inbox"


def test_a_row_that_refers_to_a_missing_one_of_the_user_s_own_tables_is_found(stage: Stage) -> None:
    damaged(
        stage,
        (
            "create table account (id integer primary key)",
            "create table payment (account integer references account)",
            "insert into payment values (7)",
        ),
    )
    (finding,) = Shell(Path(stage.database)).findings()
    assert (finding["where"], finding["what"]) == ("table payment", "row 1 refers to a row of account that is missing")


def test_the_rows_of_a_damaged_instance_are_exported_as_they_are(stage: Stage) -> None:
    damaged(stage, ("update history set kind = 'lost', data = x'ff00' where instance = 2 and seq = 2",))
    shell = Shell(Path(stage.database))
    assert "'lost' is no kind of event" in shell.refused("export", "w1")
    rows = shell.json("export", "w1", "--rows")
    assert [each["kind"] for each in rows["history"]] == [
        *("workflow_started", "activity_completed", "lost", "activity_completed")
    ]
    assert rows["history"][2]["data"] == {"hex": "ff00"}
    assert rows["instance"][0]["id"] == "w1" and rows["inbox"] == []


def test_an_instance_whose_rows_were_mended_goes_on_after_a_retry(stage: Stage) -> None:
    """The way that the check names: save the rows, mend them, retry."""
    damaged(stage, ("update history set data = '[1' where instance = 2 and seq = 2",))
    shell = Shell(Path(stage.database))
    saved = shell.json("export", "w1", "--rows")["history"]
    stage.clock.advance(100)
    app = stage.open()
    app.run_until_idle()
    app.close()
    (damage, stuck) = shell.findings()
    assert "history[2].result: it is no JSON" in damage["what"]
    assert stuck["remedy"].endswith(f"romancy retry --db {stage.database} -- w1")
    assert saved[2]["data"] == "[1"
    stage.sql("update history set data = '1' where instance = 2 and seq = 2")
    shell("retry", "w1")
    assert shell.findings() == []
    stage.clock.advance(days=365_000)  # the command is of another time than the stage
    app = stage.open()
    app.run_until_idle()
    assert app.get("w1").result(0) == 4
