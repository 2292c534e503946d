"""Cancelling: durable, once, whatever the instance is doing, and with a chance to clean up."""

import threading

import pytest

from romancy import Context, RetryPolicy, Romancy, activity, activity_context, gather, recur, sleep, workflow
from romancy.errors import InstanceCancelledError, UnknownInstanceError, WorkflowCancelled
from romancy.history import ActivityCompleted, CancelRequested
from tests.romancy.conftest import ENDED

ran = []


@pytest.fixture(autouse=True)
def nothing_ran():
    ran.clear()


@activity
def note(text: str) -> str:
    ran.append(text)
    return text


@workflow
def long_sleep(ctx: Context):
    yield sleep(1000)
    return "slept"


def kinds(handle, kind):
    return [event for event in handle.history() if isinstance(event, kind)]


def test_a_pending_instance_is_cancelled_before_it_does_anything(stage):
    @workflow
    def acts(ctx: Context):
        yield note("ran")

    app = stage.open()
    handle = app.start(acts())
    assert handle.status == "pending"
    handle.cancel()
    app.run_until_idle()
    assert handle.status == "cancelled"
    assert ran == []


def test_a_sleeping_instance_is_cancelled_at_once(app):
    handle = app.start(long_sleep())
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    assert handle.status == "cancelled"
    with pytest.raises(InstanceCancelledError):
        handle.result(0)


def test_an_instance_between_two_attempts_is_cancelled_and_attempts_no_more(stage, app):
    @activity(retry=RetryPolicy(initial_delay=50, jitter=False))
    def flaky() -> None:
        ran.append("attempt")
        raise OSError

    @workflow
    def tries(ctx: Context):
        yield flaky()

    handle = app.start(tries())
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    stage.clock.advance(500)
    app.run_until_idle()
    assert handle.status == "cancelled"
    assert ran == ["attempt"]


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled"])
def test_cancelling_what_has_ended_changes_nothing(stage, app, ending):
    @workflow
    def ends(ctx: Context):
        if ending == "failed":
            raise ValueError
        yield sleep(1)

    handle = app.start(ends())
    app.run_until_idle()
    if ending == "cancelled":
        handle.cancel()
    stage.clock.advance(1)
    app.run_until_idle()
    before = handle.history()
    handle.cancel()
    app.run_until_idle()
    assert handle.status == ending
    assert handle.history() == before


def test_cancelling_five_times_is_cancelling_once(app):
    handle = app.start(long_sleep())
    app.run_until_idle()
    for _ in range(5):
        handle.cancel()
    app.run_until_idle()
    assert len(kinds(handle, CancelRequested)) == 1
    assert handle.status == "cancelled"


def test_an_unknown_id_is_an_error(app):
    with pytest.raises(UnknownInstanceError):
        app.get("nobody")


def test_a_request_survives_a_crash_before_it_is_delivered(stage):
    app = stage.open()
    app.start(long_sleep(), id="s")
    app.run_until_idle()
    app.get("s").cancel()
    stage.kill(app)
    app = stage.open()
    app.run_until_idle()
    assert app.get("s").status == "cancelled"


def test_a_client_without_a_worker_can_cancel(stage):
    worker = stage.open(worker_id="worker")
    worker.start(long_sleep(), id="s")
    worker.run_until_idle()
    client = stage.open(worker_id="client")
    client.get("s").cancel()
    worker.run_until_idle()
    assert worker.get("s").status == "cancelled"


def test_cancel_against_complete_ends_in_one_terminal_state(stage):
    """The activity cancels the instance that waits for it, so that both reach the same turn."""
    app = stage.open()

    @activity
    def cancels_its_own() -> str:
        app.get("self").cancel()
        return "done"

    @workflow
    def asks(ctx: Context):
        return (yield cancels_its_own())

    handle = app.start(asks(), id="self")
    app.run_until_idle()
    assert handle.status == "completed"
    assert handle.result(0) == "done"
    assert stage.sql("select count(*) from inbox") == [(0,)]
    assert not kinds(handle, CancelRequested)


def test_a_workflow_that_only_recurs_can_be_cancelled(stage, app):
    @workflow
    def spins(ctx: Context, n: int):
        yield recur(n + 1)

    handle = app.start(spins(0))
    for _ in range(5):
        app.pump()
    handle.cancel()
    for _ in range(5):
        app.pump()
    assert handle.status == "cancelled"


def test_a_workflow_may_catch_it_clean_up_with_activities_and_let_it_pass(app):
    @workflow
    def careful(ctx: Context):
        yield note("work")
        try:
            yield sleep(1000)
        except WorkflowCancelled:
            yield note("cleanup 1")
            yield gather(note("cleanup 2"), note("cleanup 3"))
            raise

    handle = app.start(careful())
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    assert handle.status == "cancelled"
    assert ran == ["work", "cleanup 1", "cleanup 2", "cleanup 3"]


def test_a_workflow_that_catches_it_and_returns_is_completed(app):
    @workflow
    def stays(ctx: Context):
        try:
            yield sleep(1000)
        except WorkflowCancelled:  # romancy: ignore[ROM501] goes on after a cancellation on purpose
            return "stayed"

    handle = app.start(stays())
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    assert handle.result(0) == "stayed"


def test_an_error_while_it_cleans_up_fails_the_instance(app):
    @workflow
    def clumsy(ctx: Context):
        try:
            yield sleep(1000)
        finally:
            raise OSError("cleanup")

    handle = app.start(clumsy())
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    assert handle.status == "failed"


def test_a_second_cancel_does_not_interrupt_the_cleanup(stage, app):
    @workflow
    def slow_cleanup(ctx: Context):
        try:
            yield sleep(1000)
        finally:
            yield sleep(100)
            yield note("cleaned")

    handle = app.start(slow_cleanup())
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    handle.cancel()
    app.run_until_idle()
    assert handle.status not in ENDED
    stage.clock.advance(100)
    app.run_until_idle()
    assert handle.status == "cancelled"
    assert ran == ["cleaned"]


def test_a_crash_in_the_cleanup_goes_on_with_the_cleanup(stage):
    @workflow
    def cleans(ctx: Context):
        try:
            yield sleep(1000)
        finally:
            yield note("one")
            yield sleep(10)
            yield note("two")

    app = stage.open()
    app.start(cleans(), id="c")
    app.run_until_idle()
    app.get("c").cancel()
    app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    stage.clock.advance(10)
    app.run_until_idle()
    assert app.get("c").status == "cancelled"
    assert ran == ["one", "two"]


def test_a_running_activity_is_told_and_what_it_returns_does_not_resume_the_workflow(tmp_path):
    begun, told = threading.Event(), threading.Event()

    @activity
    def works() -> str:
        begun.set()
        context = activity_context()
        deadline = threading.Event()
        for _ in range(10_000):
            if context.is_cancelled:
                told.set()
                return "too late"
            deadline.wait(0.002)
        return "never told"

    @workflow
    def waits(ctx: Context):
        return (yield works())

    with Romancy(tmp_path / "app.db") as app:
        handle = app.start(waits())
        assert begun.wait(20)
        handle.cancel()
        with pytest.raises(InstanceCancelledError):
            handle.result(20)
        assert told.wait(20)
        app.run_until_idle()
        assert handle.status == "cancelled"


def test_what_a_running_activity_completes_after_the_request_is_recorded_and_undone(tmp_path):
    begun, release = threading.Event(), threading.Event()

    def undo(*, result: str) -> None:
        ran.append(f"undo {result}")

    @activity(compensate=undo)
    def books() -> str:
        begun.set()
        assert release.wait(20)
        return "booked"

    @workflow
    def waits(ctx: Context):
        yield books()

    with Romancy(tmp_path / "app.db") as app:
        handle = app.start(waits())
        assert begun.wait(20)
        handle.cancel()
        while not kinds(handle, CancelRequested):
            release.wait(0.001)
        release.set()
        with pytest.raises(InstanceCancelledError):
            handle.result(20)
        assert [event.name for event in kinds(handle, ActivityCompleted)] == ["books", "undo"]
    assert ran == ["undo booked"]
