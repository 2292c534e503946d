"""Replay brings back what happened: no second run of what is recorded, no write, nothing lost."""

import logging

import pytest

from romancy import Context, RetryPolicy, activity, gather, sleep, workflow
from romancy.errors import ActivityError, InstanceCancelledError, InstanceFailedError
from romancy.history import ActivityCompleted, AttemptFailed, WorkflowCompleted
from romancy.kernel import Returned, replay
from tests.romancy.histories import execution, started

ONCE = RetryPolicy(max_attempts=1)


def test_a_recorded_activity_is_not_run_again_after_a_crash(stage):
    ran = []

    @activity
    def step(n: int) -> int:
        ran.append(n)
        return n * 10

    @workflow
    def chain(ctx: Context):
        first = yield step(1)
        yield sleep(10)
        second = yield step(first)
        yield sleep(10)
        return [first, second]

    app = stage.open()
    app.start(chain(), id="c")
    app.run_until_idle()
    for _ in range(3):
        stage.kill(app)
        app = stage.open()
        stage.clock.advance(10)
        app.run_until_idle()
    assert app.get("c").result(0) == [10, 100]
    assert ran == [1, 10]


@pytest.mark.parametrize(
    "value",
    [None, "", 0, False, [], {}, {"a": {"b": [{"c": None}]}}, "x" * 100_000, {"": ""}],
    ids=lambda value: str(value)[:20] or "empty text",
)
def test_a_result_survives_replay_as_it_was(stage, value):
    seen = []

    @activity
    def gives():
        return value

    @workflow
    def keeps(ctx: Context):
        got = yield gives()
        seen.append(got)
        yield sleep(10)
        return got

    app = stage.open()
    app.start(keeps(), id="k")
    app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    stage.clock.advance(10)
    app.run_until_idle()
    assert app.get("k").result(0) == value
    assert seen == [value, value]
    assert type(seen[0]) is type(seen[1]) is type(value)


def test_a_recorded_failure_is_raised_again_with_type_arguments_and_message(stage):
    class Custom(Exception):
        pass

    seen = []

    @activity(retry=ONCE)
    def builtin():
        raise LookupError("no", 7)

    @activity(retry=ONCE)
    def foreign():
        raise Custom("mine")

    @workflow
    def catches(ctx: Context):
        for call in (builtin(), foreign()):
            try:
                yield call
            except (LookupError, ActivityError) as error:
                seen.append((type(error), str(error), getattr(error, "args", ())[:2]))
        yield sleep(10)
        return "done"

    app = stage.open()
    app.start(catches(), id="f")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)
    app = stage.open()
    app.run_until_idle()
    assert app.get("f").result(0) == "done"
    assert seen[:2] == seen[2:]
    assert seen[0][0] is LookupError
    assert seen[0][2] == ("no", 7)
    assert seen[1][0] is ActivityError
    assert "Custom" in seen[1][1]


def test_the_workflow_sees_the_decoded_value_on_the_first_run_too(app):
    @activity
    def pair():
        return (1, 2)

    @workflow
    def looks(ctx: Context):
        return type((yield pair())).__name__

    handle = app.start(looks())
    app.run_until_idle()
    assert handle.result(0) == "list"


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled"])
def test_an_instance_that_ended_is_left_alone(stage, ending):
    @workflow
    def ends(ctx: Context, how: str):
        if how == "failed":
            raise ValueError("as asked")
        if how == "cancelled":
            yield sleep(1000)
        yield sleep(1)
        return "done"

    app = stage.open()
    handle = app.start(ends(ending), id="e")
    app.run_until_idle()
    if ending == "cancelled":
        handle.cancel()
    stage.clock.advance(5)
    app.run_until_idle()
    assert handle.status == ending
    before = handle.history()
    handle.cancel()
    app.start(ends(ending), id="e")
    app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    stage.clock.advance(5000)
    app.run_until_idle()
    assert app.get("e").history() == before
    assert stage.sql("select count(*) from inbox") == [(0,)]


def test_a_restart_over_an_unchanged_history_writes_no_event_and_runs_nothing(stage):
    ran = []

    @activity
    def act():
        ran.append("act")

    @workflow
    def waits(ctx: Context):
        yield gather(act(), act())
        yield sleep(1000)

    app = stage.open()
    handle = app.start(waits(), id="w")
    app.run_until_idle()
    before = handle.history()
    for _ in range(3):
        stage.kill(app)
        stage.clock.advance(100)
        app = stage.open()
        app.run_until_idle()
        assert app.get("w").history() == before
    assert ran == ["act", "act"]


def test_history_only_ever_grows(stage):
    attempts = []

    @activity(retry=RetryPolicy(max_attempts=3, initial_delay=5, jitter=False))
    def flaky(n: int) -> int:
        attempts.append(n)
        if len(attempts) % 2:
            raise OSError("again")
        return n

    @workflow
    def grows(ctx: Context):
        total = 0
        for n in range(5):
            total += yield flaky(n)
        return total

    app = stage.open()
    handle = app.start(grows(), id="g")
    seen = []
    for _ in range(20):
        app.run_until_idle()
        now = handle.history()
        assert now[: len(seen)] == seen
        seen = now
        stage.clock.advance(5)
    assert handle.result(0) == 10
    assert sum(isinstance(event, AttemptFailed) for event in seen) == 5


def test_logging_and_prints_through_the_context_come_once(stage, caplog):
    @activity
    def act():
        return 1

    @workflow
    def talks(ctx: Context):
        ctx.log.info("before")
        yield act()
        ctx.log.info("after")
        yield sleep(10)
        ctx.log.warning("%s", "end")

    caplog.set_level(logging.INFO, "romancy.workflow")
    app = stage.open()
    app.start(talks(), id="t")
    app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    stage.clock.advance(10)
    app.run_until_idle()
    told = [record for record in caplog.records if record.name.startswith("romancy.workflow")]
    assert [record.getMessage() for record in told] == ["[t] before", "[t] after", "[t] end"]
    assert {(record.instance_id, record.workflow_name) for record in told} == {("t", "talks")}


def test_what_an_instance_told_before_it_waited_for_the_first_time_is_not_told_again(stage, caplog):
    seen = []

    @workflow
    def waits_first(ctx: Context):
        ctx.log.info("before")
        seen.append(ctx.is_replaying)
        yield sleep(10)
        ctx.log.info("after")
        seen.append(ctx.is_replaying)

    caplog.set_level(logging.INFO, "romancy.workflow")
    app = stage.open()
    app.start(waits_first(), id="w")
    app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    stage.clock.advance(10)
    app.run_until_idle()
    assert app.get("w").status == "completed"
    assert [record.getMessage() for record in caplog.records] == ["[w] before", "[w] after"]
    assert seen == [False, True, False]


def test_now_random_and_ids_come_back_and_differ_between_instances(stage):
    drawn = {}

    @workflow
    def draws(ctx: Context):
        drawn.setdefault(ctx.instance_id, []).append((ctx.now(), ctx.random.random(), ctx.uuid4()))
        yield sleep(10)

    app = stage.open()
    app.start_many([draws().options(id="a"), draws().options(id="b")])
    app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    stage.clock.advance(10)
    app.run_until_idle()
    assert [len(each) for each in drawn.values()] == [2, 2]
    assert all(first == again for first, again in drawn.values())
    assert drawn["a"][0][1:] != drawn["b"][0][1:]
    assert drawn["a"][0][2].version == 4


def test_the_time_of_now_moves_only_with_events(stage, app):
    seen = []

    @workflow
    def watches(ctx: Context):
        seen.append(ctx.now())
        stage.clock.advance(1)
        seen.append(ctx.now())
        yield sleep(60)
        seen.append(ctx.now())

    app.start(watches())
    app.run_until_idle()
    stage.clock.advance(60)
    app.run_until_idle()
    assert seen[0] == seen[1]
    assert 60 <= (seen[2] - seen[1]).total_seconds() <= 62


def test_a_worker_that_does_not_know_the_workflow_leaves_it_to_one_that_does(stage):
    @activity
    def act():
        return "ran"

    @workflow
    def known(ctx: Context):
        return (yield act())

    @workflow
    def other(ctx: Context):
        return (yield act())

    narrow = stage.open(worker_id="narrow", workflows=[other])
    handle = narrow.start(known(), id="k")
    narrow.run_until_idle()
    assert handle.status == "pending"
    wide = stage.open(worker_id="wide", workflows=[known, other])
    wide.run_until_idle()
    assert wide.get("k").result(0) == "ran"


def test_a_child_whose_workflow_is_not_known_here_is_run_by_a_worker_that_knows_it(stage):
    @workflow
    def child(ctx: Context):
        yield sleep(0)
        return "from the other"

    @workflow
    def parent(ctx: Context):
        return (yield child())

    narrow = stage.open(worker_id="narrow", workflows=[parent])
    handle = narrow.start(parent(), id="p")
    narrow.run_until_idle()
    assert handle.status == "waiting"
    wide = stage.open(worker_id="wide", workflows=[child])
    wide.run_until_idle()
    narrow.run_until_idle()
    assert handle.result(0) == "from the other"


@pytest.mark.parametrize("length", [10, 1_000, 20_000])
def test_a_long_history_replays_to_the_same_result(length):
    @activity
    def step(n: int) -> int:
        return n

    @workflow
    def long(ctx: Context, steps: int):
        total = 0
        for n in range(steps):
            total += yield step(n)
        return total

    events = [
        ActivityCompleted(at=float(n), step=str(n + 1), name="step", attempt=1, result=str(n)) for n in range(length)
    ]
    total = sum(range(length))
    history = [started, *events, WorkflowCompleted(at=1e6, result=str(total))]
    driven = execution(long, length)
    assert replay(driven, history) == Returned(str(total))
    assert driven.pending == {}


def test_handle_errors_are_of_their_kind_after_a_restart(stage):
    @workflow
    def fails(ctx: Context):
        yield sleep(1)
        raise ZeroDivisionError("by nothing")

    @workflow
    def sleeps(ctx: Context):
        yield sleep(1000)

    app = stage.open()
    app.start(fails(), id="f")
    app.start(sleeps(), id="c").cancel()
    app.run_until_idle()
    stage.clock.advance(1)
    app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    with pytest.raises(InstanceFailedError) as failed:
        app.get("f").result(0)
    assert repr(failed.value.__cause__) == "ZeroDivisionError('by nothing')"
    with pytest.raises(InstanceCancelledError):
        app.get("c").result(0)
