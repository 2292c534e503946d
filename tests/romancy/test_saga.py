"""Compensation: what completed is undone, last first, each once, whatever happens in between."""

import pytest

from romancy import Context, RetryPolicy, activity, activity_context, gather, sleep, workflow
from romancy.errors import DefinitionError, InstanceCancelledError, InstanceFailedError
from romancy.history import ActivityCompleted, CompensationStarted

ONCE = RetryPolicy(max_attempts=1)
log = []


@pytest.fixture(autouse=True)
def fresh_log():
    log.clear()


def undo(name: str, *, result: str) -> None:
    log.append(f"undo {name} ({result})")


@activity(compensate=undo)
def do(name: str) -> str:
    log.append(f"do {name}")
    return f"did {name}"


@activity(compensate=undo, retry=ONCE)
def fail(name: str) -> str:
    log.append(f"fail {name}")
    raise ValueError(name)


@workflow
def three_then_fail(ctx: Context):
    for name in "abc":
        yield do(name)
    yield fail("d")


def failure(handle):
    with pytest.raises(InstanceFailedError) as caught:
        handle.result(0)
    return caught.value


def test_a_failure_undoes_what_completed_in_reverse_and_not_what_failed(stage, app):
    handle = stage.finish(app, app.start(three_then_fail()))
    assert log[4:] == ["undo c (did c)", "undo b (did b)", "undo a (did a)"]
    assert repr(failure(handle).__cause__) == "ValueError('d')"
    assert failure(handle).compensation_errors == ()


def test_success_undoes_nothing(stage, app):
    @workflow
    def succeeds(ctx: Context):
        yield do("a")
        return "fine"

    assert stage.finish(app, app.start(succeeds())).result(0) == "fine"
    assert log == ["do a"]


def test_an_instance_is_compensating_from_before_the_first_compensation(stage, app):
    seen = []

    def watched(*, result: None) -> None:
        seen.append(app.get("w").status)

    @activity(compensate=watched)
    def begin() -> None:
        pass

    @workflow
    def fails(ctx: Context):
        yield begin()
        raise ValueError

    handle = stage.finish(app, app.start(fails(), id="w"))
    assert seen == ["compensating"]
    assert [type(each) for each in handle.history()].count(CompensationStarted) == 1


def test_parallel_activities_are_undone_in_reverse_order_of_completion(stage, app):
    @workflow
    def fans(ctx: Context):
        yield gather(slow("a", 3), slow("b", 1), slow("c", 2))
        raise ValueError

    def slow(name, seconds):
        yield sleep(seconds)
        return (yield do(name))

    stage.finish(app, app.start(fans()), step=1.0)
    assert log == ["do b", "do c", "do a", "undo a (did a)", "undo c (did c)", "undo b (did b)"]


def test_what_is_in_flight_when_a_member_fails_is_recorded_and_undone(stage, app):
    @workflow
    def fans(ctx: Context):
        yield gather(fail("a"), do("b"), do("c"))

    stage.finish(app, app.start(fans()))
    assert sorted(log[:3]) == ["do b", "do c", "fail a"]
    assert log[3:] == ["undo c (did c)", "undo b (did b)"]


def test_an_error_that_is_caught_undoes_nothing(stage, app):
    @workflow
    def catches(ctx: Context):
        yield do("a")
        try:
            yield fail("b")
        except ValueError:
            return "went on"

    assert stage.finish(app, app.start(catches())).result(0) == "went on"
    assert log == ["do a", "fail b"]


def test_an_error_that_is_raised_again_is_compensated(stage, app):
    @workflow
    def reraises(ctx: Context):
        yield do("a")
        try:
            yield fail("b")
        except ValueError as error:
            raise RuntimeError("again") from error

    handle = stage.finish(app, app.start(reraises()))
    assert log[-1] == "undo a (did a)"
    assert repr(failure(handle).__cause__) == "RuntimeError('again')"


def test_an_error_of_the_workflow_itself_is_compensated_too(stage, app):
    @workflow
    def divides(ctx: Context):
        yield do("a")
        return 1 / 0

    stage.finish(app, app.start(divides()))
    assert log == ["do a", "undo a (did a)"]


def test_a_failing_compensation_is_retried_by_its_policy_and_the_rest_still_run(stage, app):
    attempts = []

    @activity(retry=RetryPolicy(max_attempts=3, jitter=False))
    def cannot(*, result: str) -> None:
        attempts.append(activity_context().attempt)
        raise OSError("still there")

    @activity(compensate=cannot)
    def sticky() -> str:
        return "stuck"

    @workflow
    def fails(ctx: Context):
        yield do("a")
        yield sticky()
        yield do("b")
        raise ValueError("reason")

    handle = stage.finish(app, app.start(fails()))
    assert handle.status == "failed"
    assert attempts == [1, 2, 3]
    assert log == ["do a", "do b", "undo b (did b)", "undo a (did a)"]
    assert repr(failure(handle).__cause__) == "ValueError('reason')"
    assert [repr(each) for each in failure(handle).compensation_errors] == ["OSError('still there')"]


def test_a_compensation_that_fails_once_is_not_visible_as_an_error(stage, app):
    attempts = []

    @activity(retry=RetryPolicy(max_attempts=3, jitter=False))
    def shaky() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("again")

    @activity(compensate=shaky)
    def act() -> None:
        pass

    @workflow
    def fails(ctx: Context):
        yield act()
        raise ValueError

    handle = stage.finish(app, app.start(fails()))
    assert len(attempts) == 2
    assert failure(handle).compensation_errors == ()


def test_a_crash_around_any_compensation_keeps_order_and_records_each_once(stage):
    app = stage.open()
    app.start(three_then_fail(), id="s")
    for _ in range(40):
        if not app.pump():
            break
        stage.kill(app)
        app = stage.open()
    handle = stage.finish(app, app.get("s"))
    undone = [event.name for event in handle.history() if isinstance(event, ActivityCompleted) and event.step[0] == "c"]
    assert undone == ["undo"] * 3
    order = list(dict.fromkeys(line for line in log if line.startswith("undo")))
    assert order == ["undo c (did c)", "undo b (did b)", "undo a (did a)"]


class Died(BaseException):
    pass


def test_a_completion_and_its_duty_to_be_undone_are_one_record(stage):
    """Whichever commit the process dies at, what is recorded as done is undone, and nothing else is."""
    at = 1
    finished = False
    while not finished:
        log.clear()
        count = 0

        def boundary(tag):
            nonlocal count
            count += 1
            if count >= at:  # noqa: B023
                raise Died

        app = stage.open(boundary=boundary, worker_id=f"dies {at}")
        id = f"s{at}"
        try:
            app.start(three_then_fail(), id=id)
            app.run_until_idle()
            finished = True
        except Died:
            pass
        stage.kill(app)
        stage.clock.advance(31)
        app = stage.open(worker_id=f"heir {at}")
        handle = stage.finish(app, app.start(three_then_fail(), id=id))
        done = {line.split()[1] for line in log if line.startswith("do ")}
        undone = [line.split()[1] for line in log if line.startswith("undo ")]
        assert handle.status == "failed"
        assert list(dict.fromkeys(undone)) == sorted(done, reverse=True) == ["c", "b", "a"]
        stage.kill(app)
        stage.clock.advance(31)
        at += 1
    assert at > 10


def test_cancelling_undoes_what_completed_and_ends_cancelled(stage, app):
    @workflow
    def waits(ctx: Context):
        yield do("a")
        yield sleep(1000)

    handle = app.start(waits())
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    assert handle.status == "cancelled"
    assert log == ["do a", "undo a (did a)"]
    with pytest.raises(InstanceCancelledError):
        handle.result(0)


def test_a_cancel_while_compensating_changes_nothing(stage, app):
    def slowly(name: str) -> None:
        log.append(f"undo {name}")
        app.get("s").cancel()

    @activity(compensate=slowly)
    def act(name: str) -> None:
        log.append(f"do {name}")

    @workflow
    def fails(ctx: Context):
        yield act("a")
        yield act("b")
        raise ValueError("first")

    handle = stage.finish(app, app.start(fails(), id="s"))
    assert handle.status == "failed"
    assert log == ["do a", "do b", "undo b", "undo a"]
    assert stage.sql("select count(*) from inbox") == [(0,)]


def test_a_compensation_error_of_a_cancelled_instance_is_visible(stage, app):
    @activity(retry=ONCE)
    def cannot() -> None:
        raise OSError("jammed")

    @activity(compensate=cannot)
    def act() -> None:
        pass

    @workflow
    def waits(ctx: Context):
        yield act()
        yield sleep(1000)

    handle = app.start(waits())
    app.run_until_idle()
    handle.cancel()
    stage.finish(app, handle)
    with pytest.raises(InstanceCancelledError) as caught:
        handle.result(0)
    assert [repr(each) for each in caught.value.compensation_errors] == ["OSError('jammed')"]


def test_arguments_and_result_of_a_compensation_are_the_recorded_ones(stage):
    given = []

    def undo_it(items: list[int], flag: bool = False, *, result: dict[str, int]) -> None:
        given.append((items, flag, result))

    @activity(compensate=undo_it)
    def do_it(items: list[int], flag: bool = False) -> dict[str, int]:
        items.append(99)
        return {"n": len(items)}

    @workflow
    def fails(ctx: Context):
        yield do_it([1, 2], flag=True)
        yield sleep(10)
        raise ValueError

    app = stage.open()
    app.start(fails(), id="f")
    app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    stage.clock.advance(10)
    stage.finish(app, app.get("f"))
    assert given == [([1, 2], True, {"n": 3})]


def test_a_child_compensates_before_the_earlier_steps_of_its_parent(stage, app):
    @workflow
    def child(ctx: Context):
        yield do("child 1")
        yield do("child 2")
        yield fail("child 3")

    @workflow
    def parent(ctx: Context):
        yield do("parent 1")
        yield child()

    stage.finish(app, app.start(parent()))
    undone = [line for line in log if line.startswith("undo")]
    assert undone == [
        "undo child 2 (did child 2)",
        "undo child 1 (did child 1)",
        "undo parent 1 (did parent 1)",
    ]


def test_a_compensation_that_code_lost_parks_the_instance_and_skips_nothing(stage):
    def define(compensate):
        @activity(name="book", compensate=compensate)
        def book() -> None:
            log.append("book")

        @workflow(name="booking")
        def booking(ctx: Context):
            yield book()
            yield sleep(10)
            raise ValueError

        return booking

    def unbook() -> None:
        log.append("unbook")

    app = stage.open()
    app.start(define(unbook)(), id="b")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)
    app = stage.open(workflows=[define(None)])
    app.run_until_idle()
    assert app.get("b").status == "stuck"
    assert log == ["book"]
    stage.kill(app)
    app = stage.open(workflows=[define(unbook)])
    app.retry("b")
    stage.finish(app, app.get("b"))
    assert app.get("b").status == "failed"
    assert log == ["book", "unbook"]


@pytest.mark.parametrize("compensate", [lambda: None, lambda a, b, c: None, lambda *, other: None])
def test_a_compensation_that_cannot_take_the_arguments_is_refused(compensate):
    with pytest.raises(DefinitionError, match="does not fit"):

        @activity(compensate=compensate)
        def act(a: int, b: int) -> None: ...


def test_what_cleans_up_in_the_workflow_runs_before_compensation(stage, app):
    @workflow
    def tidy(ctx: Context):
        try:
            yield do("a")
            raise ValueError
        finally:
            yield do("cleanup")

    stage.finish(app, app.start(tidy()))
    assert log == ["do a", "do cleanup", "undo cleanup (did cleanup)", "undo a (did a)"]
