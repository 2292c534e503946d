"""Attempts, retries, timeouts, at-most-once, and what an activity may raise."""

import asyncio
import threading
import time
import uuid
from datetime import timedelta

import pytest

from romancy import Context, RetryPolicy, Romancy, activity, activity_context, gather, race, session, sleep, workflow
from romancy.errors import (
    ActivityError,
    ActivityInterrupted,
    ActivityTimeoutError,
    DefinitionError,
    InstanceFailedError,
    TerminalError,
)
from romancy.history import ActivityCompleted, ActivityFailed, ActivityStarted, AttemptFailed

DEADLINE = 20.0


class Steady:
    """Chance that is always the same."""

    def __init__(self, drawn: float) -> None:
        self._drawn = drawn
        self._count = 0

    def random(self) -> float:
        return self._drawn

    def getrandbits(self, bits: int) -> int:
        self._count += 1
        return self._count


def of(handle, kind):
    return [event for event in handle.history() if isinstance(event, kind)]


def cause_of(handle):
    with pytest.raises(InstanceFailedError) as caught:
        handle.result(0)
    return caught.value.__cause__


def fails(times, error=ValueError, **retry):
    """A workflow whose activity fails that often, and the attempts that it saw."""
    attempts = []

    @activity(retry=RetryPolicy(**{"jitter": False, **retry}))
    def flaky() -> str:
        attempts.append(activity_context().attempt)
        if len(attempts) <= times:
            raise error(f"attempt {len(attempts)}")
        return "at last"

    @workflow
    def tries(ctx: Context):
        return (yield flaky())

    return tries, attempts


# -- retries


@pytest.mark.parametrize("times", [0, 1, 3])
def test_an_activity_that_fails_n_times_succeeds_in_attempt_n_plus_one(stage, app, times):
    tries, attempts = fails(times)
    handle = stage.finish(app, app.start(tries()), step=1.0)
    assert handle.result(0) == "at last"
    assert attempts == list(range(1, times + 2))
    assert [event.attempt for event in of(handle, AttemptFailed)] == attempts[:-1]
    assert of(handle, ActivityCompleted)[0].attempt == times + 1


def test_exhausted_retries_raise_the_last_error_after_exactly_max_attempts(stage, app):
    tries, attempts = fails(99, max_attempts=3)
    handle = stage.finish(app, app.start(tries()))
    assert repr(cause_of(handle)) == "ValueError('attempt 3')"
    assert attempts == [1, 2, 3]
    assert [event.attempt for event in of(handle, ActivityFailed)] == [3]


def test_the_default_is_five_attempts_one_second_doubling_within_five_minutes():
    policy = RetryPolicy()
    assert (policy.max_attempts, policy.initial_delay, policy.backoff) == (5, 1.0, 2.0)
    assert (policy.max_delay, policy.max_duration, policy.jitter) == (60.0, 300.0, True)

    @activity
    def unspecified():
        pass

    assert unspecified.definition.retry == policy


def test_back_off_doubles_up_to_its_longest_delay(stage, app):
    tries, _ = fails(99, max_attempts=6, initial_delay=1, backoff=2, max_delay=5)
    handle = stage.finish(app, app.start(tries()), step=1.0)
    assert [event.due - event.at for event in of(handle, AttemptFailed)] == [1, 2, 4, 5, 5]


def test_a_fixed_delay_is_a_backoff_of_one(stage, app):
    tries, _ = fails(99, max_attempts=4, initial_delay=7, backoff=1)
    handle = stage.finish(app, app.start(tries()), step=7.0)
    assert [event.due - event.at for event in of(handle, AttemptFailed)] == [7, 7, 7]


@pytest.mark.parametrize("drawn", [0.0, 0.5, 0.999])
def test_jitter_draws_evenly_between_nothing_and_the_whole_delay(stage, drawn):
    app = stage.open(chance=Steady(drawn))
    tries, _ = fails(99, max_attempts=4, initial_delay=10, jitter=True)
    handle = stage.finish(app, app.start(tries()), step=5.0)
    waited = [event.due - event.at for event in of(handle, AttemptFailed)]
    assert waited == pytest.approx([drawn * 10, drawn * 20, drawn * 40], abs=1e-5)


def test_no_attempt_starts_before_its_delay_is_over(stage, app):
    tries, attempts = fails(1, initial_delay=10)
    handle = app.start(tries())
    app.run_until_idle()
    assert handle.status == "waiting"
    for _ in range(3):
        stage.clock.advance(3.3)
        app.run_until_idle()
        assert attempts == [1]
    stage.clock.advance(0.2)
    app.run_until_idle()
    assert attempts == [1, 2]


def test_no_attempt_starts_after_the_longest_duration(stage, app):
    tries, attempts = fails(99, max_attempts=100, initial_delay=10, backoff=1, max_duration=35)
    handle = stage.finish(app, app.start(tries()), step=10.0)
    assert attempts == [1, 2, 3, 4]
    assert handle.status == "failed"


def test_a_delay_past_every_float_is_the_longest_delay():
    policy = RetryPolicy(max_attempts=10**6, max_duration=float("inf"), jitter=False)
    assert policy.delay(5000, 0.0, ValueError(), lambda: 0.0) == 60.0


@pytest.mark.parametrize("error", [TerminalError, KeyError])
def test_a_terminal_or_listed_error_stops_at_once(stage, app, error):
    tries, attempts = fails(99, error=error, non_retryable=(LookupError,))
    handle = stage.finish(app, app.start(tries()))
    assert type(cause_of(handle)) is error
    assert attempts == [1]


def test_an_error_that_is_not_listed_is_retried(stage, app):
    tries, attempts = fails(1, error=OSError, non_retryable=[LookupError])
    assert stage.finish(app, app.start(tries())).result(0) == "at last"
    assert attempts == [1, 2]


@pytest.mark.parametrize("asked", [42, 42.0, timedelta(seconds=42)])
def test_retry_after_of_the_error_takes_the_place_of_the_delay(stage, app, asked):
    class Throttled(Exception):
        retry_after = asked

    tries, _ = fails(1, error=Throttled)
    handle = stage.finish(app, app.start(tries()), step=42.0)
    assert [event.due - event.at for event in of(handle, AttemptFailed)] == [42.0]


@pytest.mark.parametrize("nonsense", ["soon", -5, float("nan"), float("inf"), True, None])
def test_a_retry_after_that_is_no_length_of_time_is_ignored(nonsense):
    error = ValueError()
    error.retry_after = nonsense
    assert RetryPolicy(jitter=False).delay(1, 0.0, error, lambda: 0.0) == 1.0


@pytest.mark.parametrize(
    "option", [{"max_attempts": 0}, {"initial_delay": -1}, {"backoff": 0}, {"max_delay": -1}, {"max_duration": -0.5}]
)
def test_a_policy_that_makes_no_sense_is_refused(option):
    with pytest.raises(DefinitionError, match=next(iter(option))):
        RetryPolicy(**option)


def test_the_options_of_a_call_overrule_those_of_its_activity(stage, app):
    attempts = []

    @activity(retry=RetryPolicy(max_attempts=9))
    def never():
        attempts.append(1)
        raise ValueError("no")

    @workflow
    def once(ctx: Context):
        yield never().options(retry=RetryPolicy(max_attempts=1))

    handle = stage.finish(app, app.start(once()))
    assert handle.status == "failed"
    assert attempts == [1]


def test_back_off_in_progress_survives_a_restart(stage):
    tries, attempts = fails(1, initial_delay=100, max_delay=100)
    app = stage.open()
    app.start(tries(), id="t")
    app.run_until_idle()
    stage.clock.advance(60)
    stage.kill(app)
    app = stage.open()
    app.run_until_idle()
    assert attempts == [1], "it did not retry at once"
    stage.clock.advance(39)
    app.run_until_idle()
    assert attempts == [1]
    stage.clock.advance(1)
    app.run_until_idle()
    assert attempts == [1, 2], "it waited for what was left, and not for the whole delay again"


def test_recorded_attempts_are_counted_over_a_crash(stage):
    tries, attempts = fails(99, max_attempts=4, initial_delay=10, backoff=1)
    app = stage.open()
    app.start(tries(), id="t")
    app.run_until_idle()
    for _ in range(3):
        stage.kill(app)
        app = stage.open()
        stage.clock.advance(10)
        app.run_until_idle()
    assert attempts == [1, 2, 3, 4]
    assert app.get("t").status == "failed"


def test_an_attempt_that_a_crash_cut_off_is_not_counted(stage):
    tries, attempts = fails(1, max_attempts=2)
    app = stage.open()
    app.start(tries(), id="t")
    app.pump()
    stage.kill(app)
    app = stage.open()
    stage.finish(app, app.get("t"))
    assert app.get("t").result(0) == "at last"
    assert attempts == [1, 2]


# -- timeouts


def slow(stage, seconds, **options):
    """A workflow whose activity takes that long by the clock."""
    attempts = []

    @activity(**options)
    def takes_long() -> str:
        attempts.append(activity_context().attempt)
        stage.clock.advance(seconds[min(len(attempts), len(seconds)) - 1])
        return f"attempt {len(attempts)}"

    @workflow
    def waits(ctx: Context):
        return (yield takes_long())

    return waits, attempts


def test_an_attempt_that_takes_too_long_counts_as_failed_and_its_result_is_dropped(stage, app):
    waits, attempts = slow(stage, [31, 1], timeout=30, retry=RetryPolicy(jitter=False))
    handle = stage.finish(app, app.start(waits()))
    assert handle.result(0) == "attempt 2"
    assert attempts == [1, 2]
    assert len(of(handle, AttemptFailed)) == 1


def test_an_attempt_within_its_timeout_is_kept(stage, app):
    waits, attempts = slow(stage, [29.9], timeout=timedelta(seconds=30))
    assert stage.finish(app, app.start(waits())).result(0) == "attempt 1"
    assert attempts == [1]


def test_timeouts_exhaust_the_attempts_and_are_raised_as_a_timeout(stage, app):
    waits, attempts = slow(stage, [31], timeout=30, retry=RetryPolicy(max_attempts=2))
    handle = stage.finish(app, app.start(waits()))
    error = cause_of(handle)
    assert type(error) is ActivityTimeoutError
    assert "takes_long" in str(error)
    assert attempts == [1, 2]


def test_the_timeout_of_a_call_overrules_that_of_its_activity(stage, app):
    @activity(timeout=1000, retry=RetryPolicy(max_attempts=1))
    def five_seconds():
        stage.clock.advance(5)

    @workflow
    def impatient(ctx: Context):
        try:
            yield five_seconds().options(timeout=2)
        except ActivityTimeoutError:
            return "timed out"

    assert stage.finish(app, app.start(impatient())).result(0) == "timed out"


@pytest.mark.parametrize("timeout", [0, -1, timedelta(0)])
def test_a_timeout_of_nothing_is_refused(timeout):
    with pytest.raises(DefinitionError, match="above zero"):
        activity(timeout=timeout)(lambda: None)


def wait_until(condition):
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, "it did not come about in time"
        threading.Event().wait(0.002)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_timed_out_attempt_is_told_and_its_late_result_changes_nothing(tmp_path, is_async):
    told, release = threading.Event(), threading.Event()

    if is_async:

        @activity(timeout=0.05, retry=RetryPolicy(max_attempts=1))
        async def stuck():
            try:
                await asyncio.sleep(DEADLINE)
            except asyncio.CancelledError:
                told.set()
                raise
    else:

        @activity(timeout=0.05, retry=RetryPolicy(max_attempts=1))
        def stuck():
            context = activity_context()
            wait_until(lambda: context.is_cancelled)
            told.set()
            release.wait(DEADLINE)
            return "too late"

    @workflow
    def tries(ctx: Context):
        try:
            yield stuck()
        except ActivityTimeoutError:
            return "timed out"

    with Romancy(tmp_path / "app.db") as app:
        handle = app.start(tries())
        assert handle.result(DEADLINE) == "timed out"
        assert told.wait(DEADLINE)
        before = handle.history()
        release.set()
        app.run_until_idle()
        assert handle.history() == before


def test_a_lost_race_tells_the_running_activity(tmp_path):
    told = threading.Event()

    @activity
    def long_running():
        context = activity_context()
        wait_until(lambda: context.is_cancelled)
        told.set()

    @activity
    def quick():
        return "quick"

    @workflow
    def racing(ctx: Context):
        return (yield race(long_running(), quick())).value

    with Romancy(tmp_path / "app.db") as app:
        assert app.run(racing(), timeout=DEADLINE) == "quick"
        assert told.wait(DEADLINE)


# -- at most once


def interrupted(stage, **options):
    """A workflow with an at-most-once activity, and the effects that it had."""
    effects = []

    @activity(at_most_once=True, **options)
    def charge() -> str:
        effects.append(activity_context().attempt)
        return "charged"

    @workflow
    def pays(ctx: Context):
        try:
            return (yield charge())
        except ActivityInterrupted as error:
            return f"unknown: {error.type_name}"

    return pays, effects


class Died(BaseException):
    pass


def test_an_interrupted_activity_that_may_run_once_is_raised_and_never_run_again(stage):
    pays, effects = interrupted(stage)
    dying = []

    def boundary(tag):
        if effects and tag == "before commit":
            dying.append(tag)
            raise Died

    app = stage.open(boundary=boundary)
    app.start(pays(), id="p")
    with pytest.raises(Died):
        app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    app.run_until_idle()
    assert app.get("p").result(0) == "unknown: charge"
    assert effects == [1]
    assert dying


def test_an_interrupted_activity_that_never_began_is_raised_too(stage):
    pays, effects = interrupted(stage)
    app = stage.open()
    app.start(pays(), id="p")
    app.pump()
    assert [type(event) for event in app.get("p").history()][-1] is ActivityStarted
    stage.kill(app)
    app = stage.open()
    app.run_until_idle()
    assert app.get("p").result(0) == "unknown: charge"
    assert effects == []


def test_an_interrupted_activity_with_a_policy_is_attempted_again_under_a_new_start(stage):
    pays, effects = interrupted(stage, retry=RetryPolicy(max_attempts=2, jitter=False))
    app = stage.open()
    app.start(pays(), id="p")
    app.pump()
    stage.kill(app)
    app = stage.open()
    handle = stage.finish(app, app.get("p"))
    assert handle.result(0) == "charged"
    assert effects == [2]
    assert [event.attempt for event in of(handle, ActivityStarted)] == [1, 2]


def test_its_start_is_recorded_before_it_has_any_effect(stage, app):
    recorded = []

    @activity(at_most_once=True)
    def charge():
        recorded.extend(stage.sql("select kind from history where kind = 'activity_started'"))

    @workflow
    def pays(ctx: Context):
        yield charge()

    app.start(pays())
    app.run_until_idle()
    assert recorded == [("activity_started",)]


def test_without_a_policy_a_failure_of_an_activity_that_may_run_once_is_final(stage, app):
    attempts = []

    @activity(at_most_once=True)
    def charge():
        attempts.append(1)
        raise OSError("network")

    @workflow
    def pays(ctx: Context):
        yield charge()

    handle = stage.finish(app, app.start(pays()))
    assert isinstance(cause_of(handle), OSError)
    assert attempts == [1]


def test_an_at_most_once_activity_that_a_lost_lease_cut_off_is_raised_by_the_new_worker(stage):
    pays, effects = interrupted(stage)
    first = stage.open(worker_id="first")
    first.start(pays(), id="p")
    first.pump()
    stage.clock.advance(31)
    second = stage.open(worker_id="second")
    second.run_until_idle()
    assert second.get("p").result(0) == "unknown: charge"
    first.run_until_idle()
    ended = second.get("p").history()
    assert len([event for event in ended if isinstance(event, ActivityFailed)]) == 1
    assert not [event for event in ended if isinstance(event, ActivityCompleted)]
    assert effects == [1], "the first worker found out when it wanted to record it"


# -- what an activity may raise


@pytest.mark.parametrize(
    "error",
    [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError("none left"), RecursionError("deep")],
    ids=repr,
)
def test_whatever_an_activity_raises_fails_it_and_the_worker_goes_on(stage, app, error):
    @activity(retry=RetryPolicy(max_attempts=1))
    def raises():
        raise error

    @activity
    def fine():
        return "fine"

    @workflow
    def tries(ctx: Context):
        yield raises()

    @workflow
    def healthy(ctx: Context):
        return (yield fine())

    bad, good = app.start(tries()), app.start(healthy())
    stage.finish(app, bad)
    assert type(error).__name__ in str(cause_of(bad)) or type(cause_of(bad)) is type(error)
    assert good.result(0) == "fine"


def test_what_is_no_exception_is_not_retried(stage, app):
    attempts = []

    @activity(retry=RetryPolicy(max_attempts=5))
    def exits():
        attempts.append(1)
        raise SystemExit(1)

    @workflow
    def tries(ctx: Context):
        yield exits()

    assert stage.finish(app, app.start(tries())).status == "failed"
    assert attempts == [1]


@pytest.mark.parametrize("error", [StopIteration(1), StopAsyncIteration()], ids=repr)
def test_a_stop_iteration_of_an_activity_does_not_end_the_workflow(stage, app, error):
    @activity(retry=RetryPolicy(max_attempts=1))
    def stops():
        raise error

    @workflow
    def tries(ctx: Context):
        try:
            yield stops()
        except ActivityError as raised:
            return raised.type_name

    assert stage.finish(app, app.start(tries())).result(0) == type(error).__name__


def test_a_declared_class_comes_back_as_itself_and_any_other_as_text(stage, app):
    class Declined(Exception):
        pass

    class Unknown(Exception):
        pass

    @activity(retry=RetryPolicy(max_attempts=1), raises=Declined)
    def pay(how: str):
        raise Declined("no funds") if how == "declared" else Unknown("what")

    @workflow
    def tries(ctx: Context):
        told = []
        for how in ("declared", "other"):
            try:
                yield pay(how)
            except Declined as error:
                told.append(["itself", *error.args])
            except ActivityError as error:
                told.append([error.type_name.rpartition(".")[2], error.message, "raise Declined" in error.traceback])
        return told

    handle = stage.finish(app, app.start(tries()))
    assert handle.result(0) == [["itself", "no funds"], ["Unknown", "what", True]]


# -- keys and context


def test_the_idempotency_key_is_stable_over_attempts_and_crashes_and_differs_per_call(stage):
    keys = {}

    @activity(retry=RetryPolicy(max_attempts=3, initial_delay=10, backoff=1, jitter=False))
    def remote():
        context = activity_context()
        seen = keys.setdefault((context.instance_id, context.step), [])
        seen.append(context.idempotency_key)
        if len(seen) < 3:
            raise OSError("again")

    @workflow
    def calls(ctx: Context):
        yield remote()
        yield gather(remote(), remote())

    app = stage.open()
    app.start_many([calls().options(id="a"), calls().options(id="b")])
    for _ in range(8):
        app.run_until_idle()
        stage.kill(app)
        app = stage.open()
        stage.clock.advance(10)
    app.run_until_idle()
    assert sorted(keys) == [(id, step) for id in "ab" for step in ("1", "2.1", "2.2")]
    assert all(len(seen) == 3 and len(set(seen)) == 1 for seen in keys.values())
    distinct = {seen[0] for seen in keys.values()}
    assert len(distinct) == 6
    assert all(str(uuid.UUID(key)) == key for key in distinct)


def test_the_context_of_an_activity_tells_where_it_runs(app):
    @activity
    def looks():
        context = activity_context()
        return [context.instance_id, context.workflow_name, context.step, context.attempt, context.is_cancelled]

    @workflow
    def places(ctx: Context):
        yield sleep(0)
        return (yield gather(looks()))

    handle = app.start(places(), id="here")
    app.run_until_idle()
    assert handle.result(0) == [["here", "places", "2.1", 1, False]]


def test_outside_of_an_activity_there_is_no_context():
    with pytest.raises(RuntimeError, match="body of an activity"):
        activity_context()


def test_an_async_activity_runs_like_a_plain_one(stage, app):
    attempts = []

    @activity(retry=RetryPolicy(jitter=False))
    async def fetch(n: int) -> int:
        attempts.append(activity_context().attempt)
        if len(attempts) == 1:
            raise OSError("again")
        return n

    @workflow
    def fetches(ctx: Context):
        return (yield fetch(5))

    assert stage.finish(app, app.start(fetches())).result(0) == 5
    assert attempts == [1, 2]


def test_an_app_is_pumped_within_an_event_loop_that_runs_already(stage):
    @activity
    async def count() -> int:
        await asyncio.sleep(0)
        return len(session().execute("select 1 union select 2").fetchall())

    @workflow
    def counts(ctx: Context):
        return (yield gather(count(), count()))

    async def cell() -> object:
        app = stage.open()
        handle = app.start(counts())
        app.run_until_idle()
        return handle.result(0)

    assert asyncio.run(cell()) == [2, 2]


def test_an_activity_changes_its_own_copy_of_the_arguments(app):
    @activity
    def spoils(items: list[int]) -> int:
        items.clear()
        return len(items)

    @workflow
    def keeps(ctx: Context):
        items = [1, 2, 3]
        yield spoils(items)
        return items

    handle = app.start(keeps())
    app.run_until_idle()
    assert handle.result(0) == [1, 2, 3]


def test_an_activity_that_kills_its_worker_every_time_parks_its_instance_and_no_other(stage):
    @activity
    def deadly():
        return "never recorded"

    @activity
    def harmless():
        return "fine"

    @workflow
    def poison(ctx: Context):
        yield deadly()

    @workflow
    def healthy(ctx: Context):
        yield sleep(1000)
        return (yield harmless())

    app = stage.open(worker_id="first")
    app.start(poison(), id="bad")
    app.start(healthy(), id="good")
    for generation in range(10):
        app.pump()
        stage.kill(app)
        stage.clock.advance(31)
        app = stage.open(worker_id=f"worker {generation}")
    app.run_until_idle()
    bad = app.get("bad")
    assert bad.status == "stuck"
    stage.clock.advance(1000)
    app.run_until_idle()
    assert app.get("good").result(0) == "fine"
    app.retry("bad")
    stage.finish(app, bad)
    assert bad.status == "completed"
