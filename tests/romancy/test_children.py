"""Child workflows: their results and failures, their ids, and what becomes of them when a parent ends."""

import pytest

from romancy import Context, Flow, RetryPolicy, activity, gather, race, recur, sleep, start, workflow
from romancy.errors import (
    DefinitionError,
    InstanceCancelledError,
    InstanceExistsError,
    InstanceFailedError,
    UnknownInstanceError,
)
from romancy.history import ChildCompleted, WorkflowRecurred


@workflow
def child_doubles(ctx: Context, value: int | None):
    yield sleep(0)
    return None if value is None else value * 2


@workflow
def child_sleeps(ctx: Context, seconds: float):
    yield sleep(seconds)
    return ctx.instance_id


@workflow
def child_explodes(ctx: Context, why: str):
    yield sleep(0)
    raise ValueError(why)


@pytest.mark.parametrize(("value", "result"), [(21, 42), (None, None)])
def test_the_result_of_a_child_comes_back_at_the_yield(app, value, result):
    @workflow
    def parent(ctx: Context):
        return (yield child_doubles(value))

    handle = app.start(parent())
    app.run_until_idle()
    assert handle.result(0) == result


def test_the_result_of_a_child_is_decoded_by_its_annotation(app):
    @workflow
    def pairs(ctx: Context) -> Flow[tuple[int, ...]]:
        yield sleep(0)
        return (1, 2)

    @workflow
    def parent(ctx: Context):
        return type((yield pairs())).__name__

    handle = app.start(parent())
    app.run_until_idle()
    assert handle.result(0) == "tuple"


def test_the_failure_of_a_child_is_raised_with_its_cause_and_can_be_caught(app):
    @workflow
    def parent(ctx: Context):
        try:
            yield child_explodes("bang")
        except InstanceFailedError as error:
            return [error.instance_id, repr(error.__cause__)]

    handle = app.start(parent(), id="p")
    app.run_until_idle()
    assert handle.result(0) == ["p/1", "ValueError('bang')"]


def test_the_failure_of_a_child_that_nobody_catches_fails_the_parent(app):
    @workflow
    def parent(ctx: Context):
        yield child_explodes("bang")

    handle = app.start(parent(), id="p")
    app.run_until_idle()
    with pytest.raises(InstanceFailedError) as caught:
        handle.result(0)
    assert isinstance(caught.value.__cause__, InstanceFailedError)
    assert repr(caught.value.__cause__.__cause__) == "ValueError('bang')"


def test_the_id_of_a_child_follows_from_its_parent_and_step(app):
    @workflow
    def parent(ctx: Context):
        yield child_doubles(1)
        yield gather(child_doubles(2), child_doubles(3))

    app.start(parent(), id="p")
    app.run_until_idle()
    assert sorted(each.id for each in app.instances(workflow="child_doubles")) == ["p/1", "p/2.1", "p/2.2"]


def test_a_child_may_have_an_id_of_its_own(app):
    @workflow
    def parent(ctx: Context):
        return (yield child_doubles(4).options(id="mine"))

    handle = app.start(parent())
    app.run_until_idle()
    assert handle.result(0) == app.get("mine").result(0) == 8


def test_an_id_that_belongs_to_another_instance_is_a_clear_error_in_the_parent(app):
    @workflow
    def parent(ctx: Context):
        try:
            yield child_doubles(1).options(id="taken")
        except InstanceExistsError as error:
            return str(error)

    app.start(child_doubles(1), id="taken")
    handle = app.start(parent())
    app.run_until_idle()
    assert "'taken' exists already" in handle.result(0)


def test_two_children_of_one_id_collide_and_the_first_lives(app):
    @workflow
    def parent(ctx: Context):
        results = yield gather(
            child_doubles(1).options(id="same"), child_doubles(1).options(id="same"), return_exceptions=True
        )
        return [getattr(each, "reason", each) for each in results]

    handle = app.start(parent())
    app.run_until_idle()
    assert handle.result(0) == [2, "another caller started it"]


def test_a_crash_before_and_after_the_start_makes_one_child(stage):
    @workflow
    def parent(ctx: Context):
        return (yield child_sleeps(50))

    app = stage.open()
    app.start(parent(), id="p")
    for _ in range(20):
        app.pump()
        stage.kill(app)
        app = stage.open()
    stage.finish(app, app.get("p"))
    assert app.get("p").result(0) == "p/1"
    assert [each.id for each in app.instances()] == ["p", "p/1"]
    assert sum(isinstance(event, ChildCompleted) for event in app.get("p").history()) == 1


def test_a_child_that_completes_while_its_parent_is_not_loaded_wakes_it(stage):
    @workflow
    def parent(ctx: Context):
        return (yield child_sleeps(10))

    @workflow
    def unrelated(ctx: Context):
        yield sleep(1)

    first = stage.open(worker_id="first")
    first.start(parent(), id="p")
    first.run_until_idle()
    stage.kill(first)
    stage.clock.advance(60)
    children_only = stage.open(worker_id="second", workflows=[child_sleeps])
    children_only.run_until_idle()
    assert children_only.get("p/1").status == "completed"
    assert children_only.get("p").status == "waiting"
    everything = stage.open(worker_id="third", workflows=[child_sleeps, parent])
    everything.run_until_idle()
    assert everything.get("p").result(0) == "p/1"


def test_cancelling_a_parent_cancels_the_child_that_it_waits_for(stage, app):
    @workflow
    def parent(ctx: Context):
        return (yield child_sleeps(1000))

    handle = app.start(parent(), id="p")
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    assert [each.status for each in app.instances()] == ["cancelled", "cancelled"]
    assert app.get("p/1").status == "cancelled"


def test_a_child_that_is_cancelled_directly_is_an_error_in_its_parent(app):
    @workflow
    def parent(ctx: Context):
        try:
            yield child_sleeps(1000)
        except InstanceCancelledError as error:
            return error.instance_id

    handle = app.start(parent(), id="p")
    app.run_until_idle()
    app.get("p/1").cancel()
    app.run_until_idle()
    assert handle.result(0) == "p/1"


def test_a_child_that_lost_a_race_is_cancelled(stage, app):
    @workflow
    def parent(ctx: Context):
        return (yield race(child_sleeps(1000), sleep(10))).index

    handle = app.start(parent(), id="p")
    stage.finish(app, handle, step=10.0)
    assert handle.result(0) == 1
    assert app.get("p/1.1").status == "cancelled"


def test_a_detached_workflow_outlives_the_one_that_started_it(stage, app):
    @workflow
    def parent(ctx: Context):
        id = yield start(child_sleeps(1000))
        return id

    handle = app.start(parent(), id="p")
    app.run_until_idle()
    assert handle.result(0) == "p/1"
    handle.cancel()
    stage.clock.advance(1000)
    app.run_until_idle()
    assert app.get("p/1").result(0) == "p/1"


def test_a_detached_workflow_is_not_cancelled_with_the_one_that_started_it(stage, app):
    @workflow
    def parent(ctx: Context):
        yield start(child_sleeps(100).options(id="free"))
        yield sleep(5000)

    handle = app.start(parent())
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    assert handle.status == "cancelled"
    assert app.get("free").status == "waiting"


def test_starting_a_detached_workflow_that_is_there_already_returns_its_id(app):
    @workflow
    def parent(ctx: Context):
        return (yield start(child_doubles(1).options(id="shared")))

    handles = [app.start(parent()), app.start(parent())]
    app.run_until_idle()
    assert [each.result(0) for each in handles] == ["shared", "shared"]
    assert len(app.instances(workflow="child_doubles")) == 1


def test_only_the_call_of_a_workflow_can_be_started():
    @activity
    def act():
        pass

    with pytest.raises(DefinitionError, match="start\\(some_workflow"):
        start(act())


def test_a_hundred_generations_return_through_each_other(stage, app):
    @workflow
    def generation(ctx: Context, left: int):
        if left == 0:
            yield sleep(0)
            return 0
        return (yield generation(left - 1).options(id=f"{ctx.instance_id[:3]}-{left - 1}")) + 1

    handle = app.start(generation(100), id="top")
    app.run_until_idle()
    assert handle.result(0) == 100
    assert len(app.instances()) == 101


def test_an_id_that_grows_past_its_length_is_a_clear_error(stage, app):
    @workflow
    def deeper(ctx: Context):
        return (yield deeper())

    app.start(deeper(), id="x" * 980)
    app.run_until_idle()
    statuses = {each.status for each in app.instances()}
    assert statuses == {"failed"}


def test_a_thousand_children_of_one_parent_come_back_in_order(app):
    @workflow
    def parent(ctx: Context):
        return (yield gather(*(child_doubles(n) for n in range(1000))))

    handle = app.start(parent())
    app.run_until_idle()
    assert handle.result(0) == [2 * n for n in range(1000)]


# -- recur


@workflow
def child_counts(ctx: Context, n: int, until: int):
    yield sleep(1)
    if n < until:
        yield recur(n + 1, until=until)
    return [n, ctx.run, ctx.instance_id]


def test_recur_carries_its_arguments_into_a_fresh_history_under_the_same_id(stage, app):
    handle = stage.finish(app, app.start(child_counts(1, 4), id="c"), step=1.0)
    assert handle.result(0) == [4, 4, "c"]
    assert len(handle.history()) == 3
    assert len(app.instances()) == 1


def test_earlier_runs_stay_readable(stage, app):
    handle = stage.finish(app, app.start(child_counts(1, 3), id="c"), step=1.0)
    runs = [handle.history(run) for run in (1, 2, 3)]
    assert [type(each[-1]) is WorkflowRecurred for each in runs] == [True, True, False]
    assert runs[0][-1].input == '{"n":2,"until":3}'
    assert handle.history() == runs[2]


def test_a_crash_between_runs_loses_and_repeats_none(stage):
    app = stage.open()
    app.start(child_counts(1, 4), id="c")
    for _ in range(30):
        app.pump()
        stage.kill(app)
        stage.clock.advance(0.25)
        app = stage.open()
    handle = stage.finish(app, app.get("c"), step=1.0)
    assert handle.result(0) == [4, 4, "c"]
    assert [len(handle.history(run)) for run in (1, 2, 3, 4)] == [3, 3, 3, 3]


def test_what_answers_an_earlier_run_does_not_reach_the_next(stage, app):
    """A child that the first run raced away answers into the second, where its step means something else."""

    @workflow
    def races_on(ctx: Context, n: int):
        winner = yield race(child_sleeps(100), sleep(10))
        if n < 2:
            yield recur(n + 1)
        return winner.index

    handle = stage.finish(app, app.start(races_on(1), id="r"), step=5.0)
    assert handle.result(0) == 1
    assert sorted(each.id for each in app.instances()) == ["r", "r/1.1", "r~2/1.1"]
    assert stage.sql("select count(*) from inbox") == [(0,)]


def test_recurring_without_a_pause_lets_others_have_their_turn(app):
    @activity
    def act():
        return "ran"

    @workflow
    def spins(ctx: Context, n: int):
        if n < 200:
            yield recur(n + 1)
        return n

    @workflow
    def patient(ctx: Context):
        return (yield act())

    spinning, other = app.start(spins(0)), app.start(patient())
    for _ in range(20):
        app.pump()
    assert other.status == "completed"
    assert spinning.status == "running"
    app.run_until_idle()
    assert spinning.result(0) == 200


def test_recur_undoes_nothing_and_a_later_failure_undoes_only_its_own_run(stage, app):
    undone = []

    def undo(n: int) -> None:
        undone.append(n)

    @activity(compensate=undo, retry=RetryPolicy(max_attempts=1))
    def do(n: int) -> None:
        pass

    @workflow
    def fails_second(ctx: Context, n: int):
        yield do(n)
        if n == 1:
            yield recur(2)
        raise ValueError

    stage.finish(app, app.start(fails_second(1)))
    assert undone == [2]


def test_the_result_of_a_child_that_recurs_is_that_of_its_last_run(stage, app):
    @workflow
    def parent(ctx: Context):
        return (yield child_counts(1, 3))

    handle = stage.finish(app, app.start(parent(), id="p"), step=1.0)
    assert handle.result(0) == [3, 3, "p/1"]


def test_a_parent_that_ended_leaves_nothing_in_any_inbox(stage, app):
    @workflow
    def parent(ctx: Context):
        yield gather(child_sleeps(1000), child_sleeps(2000))

    handle = app.start(parent())
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    assert {each.status for each in app.instances()} == {"cancelled"}
    assert stage.sql("select count(*) from inbox") == [(0,)]


def test_an_unknown_child_id_is_an_unknown_instance(app):
    with pytest.raises(UnknownInstanceError, match="there is no instance 'p/1'"):
        app.get("p/1")


def test_a_child_is_of_the_workflow_that_was_called_though_another_has_its_name(app):
    @workflow(name="twin")
    def first(ctx: Context):
        yield sleep(0)
        return "first"

    @workflow(name="twin")
    def second(ctx: Context):
        yield sleep(0)
        return "second"

    @workflow
    def parent(ctx: Context):
        started = yield start(first())
        return (yield first()), started

    handle = app.start(parent())
    app.run_until_idle()
    result, started = handle.result(0)
    assert (result, app.get(started).result(0)) == ("first", "first")
