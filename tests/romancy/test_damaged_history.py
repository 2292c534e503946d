"""A history that somebody else's hands were in parks its own instance with a named error, and no other."""

import json

import pytest

from romancy import Context, activity, sleep, workflow
from romancy.errors import InstanceStuckError, SerializationError


@activity
def step(n: int) -> int:
    return n


@workflow
def walk(ctx: Context, n: int):
    total = 0
    for place in range(3):
        total += yield step(place)
    yield sleep(100)
    return total + n


INSERT = (
    "insert into history (instance, run, seq, kind, step, name, attempt, data, at) "
    "values (1, 1, ?, ?, ?, ?, ?, ?, 1000000000.0)"
)

DAMAGES = {
    "a row is missing in the middle": (
        ["delete from history where instance = 1 and seq = 2"],
        r"history\[2\]: the next row that is stored is number 3",
    ),
    "the start is missing": (
        ["delete from history where instance = 1 and seq = 0"],
        r"history\[0\]: the next row that is stored is number 1",
    ),
    "the first event is no start": (
        [
            "delete from history where instance = 1 and seq = 0",
            "update history set seq = seq - 1 where instance = 1",
        ],
        "the history says activity completed 'step' at step 1",
    ),
    "an answer stands twice": (
        [(INSERT, 4, "activity_completed", "2", "step", 1, "1")],
        "the history says activity completed 'step' at step 2",
    ),
    "an answer to nothing": (
        [(INSERT, 4, "activity_completed", "9", "step", 1, "1")],
        "the history says activity completed 'step' at step 9",
    ),
    "an answer of the wrong kind": (
        [(INSERT, 4, "activity_completed", "4", "step", 1, "1")],
        "but the code asks for a sleep",
    ),
    "a second start": (
        [(INSERT, 4, "workflow_started", None, None, None, None)],
        "workflow started.*the run began before",
    ),
    "an unknown kind": (
        ["update history set kind = 'sabotaged' where instance = 1 and seq = 2"],
        r"history\[2\]: 'sabotaged' is no kind of event that is known here",
    ),
    "an attempt that is a text": (
        ["update history set attempt = 'first' where instance = 1 and seq = 1"],
        r"history\[1\].attempt: 'first' is not what activity_completed holds there",
    ),
    "a result that is a blob": (
        ["update history set data = x'00ff' where instance = 1 and seq = 1"],
        r"history\[1\].result",
    ),
    "a result that is missing": (
        ["update history set data = null where instance = 1 and seq = 1"],
        r"history\[1\].result: 'None'",
    ),
    "a result that is no JSON": (
        ["update history set data = '{\"a\":' where instance = 1 and seq = 1"],
        "result: the stored text .* is damaged",
    ),
    "a result of another type": (
        ["update history set data = '\"seven\"' where instance = 1 and seq = 1"],
        "result.*'seven' where int is declared",
    ),
    "an error that is no error": (
        [
            "update history set kind = 'activity_failed', data = '[]' where instance = 1 and seq = 1",
        ],
        "error: the stored text of an exception is damaged",
    ),
    "two ends": (
        [
            (INSERT, 4, "workflow_completed", None, None, None, "1"),
            (INSERT, 5, "workflow_completed", None, None, None, "2"),
        ],
        r"history\[5\]: workflow_completed stands behind the end of the run",
    ),
    "a name of ten megabytes": (
        [("update history set name = ? where instance = 1 and seq = 1", "x" * 10_000_000)],
        "the history says activity completed 'xxx",
    ),
}


@pytest.mark.parametrize(("statements", "told"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_history_parks_only_its_own_instance(stage, statements, told):
    app = stage.open()
    app.start_many([walk(n).options(id=f"w{n}") for n in range(3)])
    app.run_until_idle()
    stage.kill(app)
    for statement in statements:
        stage.sql(statement) if isinstance(statement, str) else stage.sql(*statement)
    stage.clock.advance(100)
    app = stage.open()
    app.run_until_idle()
    assert [app.get(id).status for id in ("w0", "w1", "w2")] == ["stuck", "completed", "completed"]
    assert [app.get(id).result(0) for id in ("w1", "w2")] == [4, 5]
    with pytest.raises(InstanceStuckError, match=told) as caught:
        app.get("w0").result(0)
    assert len(str(caught.value)) < 100_000
    assert [each.id for each in app.instances()] == ["w0", "w1", "w2"]
    assert [each.id for each in app.instances(status="stuck")] == ["w0"]


def test_the_input_of_an_instance_that_is_damaged_parks_it(stage):
    app = stage.open()
    app.start(walk(1), id="w")
    stage.kill(app)
    stage.sql("update instance set input = '{\"n\":'")
    app = stage.open()
    app.run_until_idle()
    with pytest.raises(InstanceStuckError, match="is damaged"):
        app.get("w").result(0)


def test_a_history_that_lost_every_row_is_parked_and_does_not_begin_again(stage):
    app = stage.open()
    app.start(walk(5), id="w")
    app.run_until_idle()
    stage.kill(app)
    stage.sql("delete from history")
    app = stage.open()
    stage.finish(app, app.get("w"))
    with pytest.raises(InstanceStuckError, match="history: it is empty"):
        app.get("w").result(0)


def test_the_history_of_a_damaged_instance_names_its_row(stage):
    app = stage.open()
    handle = app.start(walk(1))
    app.run_until_idle()
    stage.sql("update history set kind = 'sabotaged' where seq = 1")
    with pytest.raises(SerializationError, match=r"history\[1\]"):
        handle.history()


def test_a_mended_history_goes_on_after_a_retry(stage):
    app = stage.open()
    app.start(walk(1), id="w")
    app.run_until_idle()
    stage.kill(app)
    stage.sql("update history set data = '\"x\"' where seq = 1")
    stage.clock.advance(100)
    app = stage.open()
    app.run_until_idle()
    assert app.get("w").status == "stuck"
    stage.sql("update history set data = '0' where seq = 1")
    app.retry("w")
    app.run_until_idle()
    assert app.get("w").result(0) == 4


@pytest.mark.parametrize(
    "stored",
    [
        '{"py/object": "os.system"}',
        '{"$type": "os.system", "value": "true"}',
        '{"__reduce__": ["os.system", ["true"]]}',
    ],
)
def test_nothing_is_called_because_a_row_names_it(stage, stored):
    """What is not declared stays what it is: a dict of texts."""

    @activity
    def gives() -> dict:
        return {}

    @workflow
    def reads(ctx: Context):
        got = yield gives()
        yield sleep(10)
        return got

    app = stage.open()
    app.start(reads(), id="r")
    app.run_until_idle()
    stage.kill(app)
    stage.sql("update history set data = ? where kind = 'activity_completed'", stored)
    stage.clock.advance(10)
    app = stage.open()
    app.run_until_idle()
    assert app.get("r").result(0) == json.loads(stored)


def test_an_error_whose_stored_class_is_not_declared_comes_back_as_text(stage):
    @activity
    def step_one() -> None: ...

    @workflow
    def catches(ctx: Context):
        try:
            yield step_one()
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
        yield sleep(10)
        return told

    app = stage.open()
    app.start(catches(), id="c")
    app.run_until_idle()
    stage.kill(app)
    crafted = '{"type":"os.system","message":"true","traceback":"","as":"os.system","args":["true"]}'
    stage.sql("update history set kind = 'activity_failed', data = ?, detail = null where seq = 1", crafted)
    stage.clock.advance(10)
    app = stage.open()
    app.run_until_idle()
    assert app.get("c").result(0) == "ActivityError: os.system: true"
