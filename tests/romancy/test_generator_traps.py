"""What generators do that surprises: closing, delegation, PEP 479, and yields of the wrong thing."""

import gc
import re
import threading
import traceback

import pytest

from romancy import Context, RetryPolicy, Romancy, activity, gather, sleep, workflow
from romancy.errors import DefinitionError, InstanceFailedError, NondeterminismError, WorkflowCancelled
from romancy.kernel import Raised, Returned, replay
from tests.romancy.histories import asks, cancel, completed, execution, fed, started


@activity
def note(text):
    return text


def failure(driven):
    assert isinstance(driven.outcome, Raised), driven.outcome
    return driven.outcome.error


def test_closing_a_suspended_workflow_acts_on_nothing_that_its_finally_yields():
    reached = []

    @workflow
    def stubborn(ctx: Context):
        try:
            yield note("a")
        finally:
            reached.append("first")
            yield note("cleanup 1")
            reached.append("second")
            yield note("cleanup 2")

    driven = fed(stubborn)
    driven.close()
    assert reached[0] == "first"
    assert driven.pending == {}


def test_closing_swallows_what_a_finally_raises():
    @workflow
    def angry(ctx: Context):
        try:
            yield note("a")
        finally:
            raise RuntimeError("from finally")

    fed(angry).close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_closing_does_not_hang_on_a_generator_that_catches_everything_and_yields_for_ever():
    @workflow
    def immortal(ctx: Context):
        while True:
            try:
                yield note("again")
            except BaseException:
                continue

    driven = fed(immortal)
    driven.close()
    assert driven.pending == {}
    del driven
    gc.collect()


def test_closing_reaches_branches_too():
    closed = []

    def branch(name):
        try:
            yield note(name)
        finally:
            closed.append(name)

    @workflow
    def fans(ctx: Context):
        yield gather(branch("a"), branch("b"))

    fed(fans).close()
    assert sorted(closed) == ["a", "b"]


def test_an_evicted_workflow_runs_no_cleanup_activity_and_goes_on_later(stage):
    ran = []

    @activity
    def cleanup():
        ran.append("cleanup")

    @workflow
    def sleeper(ctx: Context, n: int):
        try:
            yield sleep(hours=1)
            return n
        finally:
            yield cleanup()

    app = stage.open(max_resident=1)
    handles = app.start_many([sleeper(n) for n in range(5)])
    app.run_until_idle()
    gc.collect()
    assert ran == []
    stage.clock.advance(hours=1)
    app.run_until_idle()
    assert [each.result() for each in handles] == [0, 1, 2, 3, 4]
    assert ran == ["cleanup"] * 5


def test_closing_the_app_runs_no_cleanup_activity(stage, app):
    ran = []

    @activity
    def undo():
        ran.append("undo")

    @workflow
    def guarded(ctx: Context):
        try:
            yield sleep(hours=1)
        finally:
            yield undo()

    app.start(guarded(), id="g")
    app.run_until_idle()
    app.close()
    gc.collect()
    assert ran == []
    assert stage.open().get("g").status == "waiting"


@pytest.mark.parametrize("depth", [3, 500])
def test_yield_from_through_many_levels_is_one_workflow(depth):
    def level(n):
        if n:
            return (yield from level(n - 1)) + 1
        yield note("bottom")
        return 0

    @workflow
    def deep(ctx: Context):
        return (yield from level(depth))

    assert fed(deep, completed("1", "note")).outcome == Returned(str(depth))


def test_a_mismatch_deep_inside_names_the_innermost_line():
    def inner():
        yield note("deep")

    def outer():
        yield from inner()

    @workflow
    def delegates(ctx: Context):
        yield from outer()

    with pytest.raises(NondeterminismError, match=f"{__file__}:{inner.__code__.co_firstlineno + 1}"):
        fed(delegates, completed("1", "other"))


def test_a_stop_iteration_raised_inside_is_an_error_and_no_return_value():
    @workflow
    def stops(ctx: Context):
        yield note("a")
        raise StopIteration("value")

    error = failure(fed(stops, completed("1", "note")))
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, StopIteration)


def test_next_of_an_empty_iterator_inside_a_workflow_is_an_error():
    @workflow
    def exhausts(ctx: Context):
        yield note("a")
        return next(iter(()))

    assert isinstance(failure(fed(exhausts, completed("1", "note"))), RuntimeError)


def test_a_workflow_that_returns_nothing_returns_none():
    @workflow
    def silent(ctx: Context):
        yield note("a")

    assert fed(silent, completed("1", "note")).outcome == Returned("null")


@pytest.mark.parametrize(
    ("foreign", "advice"),
    [
        (7, "this is 7: compute it without yield"),
        (None, "this is None"),
        (note, r"call it, `yield note\(…\)`"),
        ((n for n in ()), "write `yield from <genexpr>"),
    ],
)
def test_a_yield_of_no_call_is_an_error_that_names_line_and_remedy(foreign, advice):
    @workflow
    def wrong(ctx: Context):
        yield foreign

    error = failure(fed(wrong))
    assert isinstance(error, DefinitionError)
    assert f"{__file__}:{wrong.fn.__code__.co_firstlineno + 2}" in str(error)
    assert re.search(advice, str(error))


def test_a_yield_of_no_call_fails_the_same_when_it_is_replayed():
    @workflow
    def caught(ctx: Context):
        try:
            yield "nothing"
        except DefinitionError:
            return (yield note("went on"))

    events = [started, completed("2", "note", "ok")]
    assert [replay(execution(caught), events) for _ in range(2)] == [Returned('"ok"')] * 2


def test_a_yield_in_except_base_exception_is_not_reached_by_closing():
    @workflow
    def broad(ctx: Context):
        try:
            yield note("a")
        except BaseException:
            yield note("handler")
            raise

    driven = fed(broad)
    assert asks(driven) == {"1": "activity 'note'"}
    driven.close()
    assert driven.pending == {}


def test_a_broad_except_does_not_see_that_the_workflow_waits(app):
    seen = []

    @workflow
    def suspicious(ctx: Context):
        try:
            yield sleep(hours=1)
        except BaseException as error:
            seen.append(error)
            raise

    app.start(suspicious())
    app.run_until_idle()
    assert seen == []


def test_a_return_inside_finally_swallows_the_error_as_in_any_python():
    @workflow
    def swallows(ctx: Context):
        try:
            yield note("a")
            raise ValueError("lost")
        finally:
            return "kept"  # noqa: B012

    assert fed(swallows, completed("1", "note")).outcome == Returned('"kept"')


def test_recursion_without_end_fails_the_workflow_and_not_the_worker(app):
    def again(n):
        return (yield from again(n + 1))

    @workflow
    def endless(ctx: Context):
        yield from again(0)

    @workflow
    def healthy(ctx: Context):
        return (yield note("fine"))

    bad = app.start(endless())
    app.run_until_idle()
    with pytest.raises(InstanceFailedError) as caught:
        bad.result(0)
    assert isinstance(caught.value.__cause__, RecursionError)
    good = app.start(healthy())
    app.run_until_idle()
    assert good.result(0) == "fine"


def test_one_generator_twice_in_a_gather_is_refused():
    def branch():
        yield note("a")

    same = branch()
    with pytest.raises(DefinitionError, match="stands twice"):
        gather(same, same)


def test_a_workflow_is_only_ever_driven_by_one_thread_at_a_time(tmp_path):
    threads, busy, overlaps = set(), threading.Lock(), []

    @workflow
    def watched(ctx: Context, steps: int):
        for _ in range(steps):
            if not busy.acquire(blocking=False):
                overlaps.append(ctx.instance_id)
            threads.add(threading.get_ident())
            busy.release()
            yield gather(note("a"), note("b"))
        return steps

    with Romancy(tmp_path / "app.db") as app:
        handles = [app.start(watched(20)) for _ in range(5)]
        assert [each.result(30) for each in handles] == [20] * 5
    assert overlaps == []


def test_an_error_thrown_in_carries_the_traceback_of_the_activity(app):
    notes = []

    @activity
    def explodes():
        deep = {}
        return deep["missing"]

    @workflow
    def reads(ctx: Context):
        try:
            yield explodes().options(retry=RetryPolicy(max_attempts=1))
        except KeyError as error:
            notes.append("".join(traceback.format_exception(error)))

    app.start(reads())
    app.run_until_idle()
    assert 'return deep["missing"]' in notes[0]


def test_cancellation_passes_an_except_exception():
    @workflow
    def greedy(ctx: Context):
        try:
            yield sleep(5)
        except Exception:
            return "swallowed"

    assert isinstance(failure(fed(greedy, cancel)), WorkflowCancelled)


# -- what is no workflow


def plain(ctx):
    return 1


async def coroutine(ctx):
    return 1


async def async_generator(ctx):
    yield 1


def without_context():
    yield 1


@pytest.mark.parametrize(
    ("fn", "advice"),
    [
        (plain, "is not a generator: write at least one `yield"),
        (coroutine, "is async: write `def coroutine"),
        (async_generator, "is async: write `def async_generator"),
        (without_context, r"takes no context: write `def without_context\(ctx: Context"),
        (int, "write a def"),
        (note, "is defined already"),
    ],
)
def test_what_cannot_be_a_workflow_is_refused_where_it_is_defined(fn, advice):
    with pytest.raises(DefinitionError, match=advice) as caught:
        workflow(fn)
    if fn not in (int, note):
        assert f"{__file__}:{fn.__code__.co_firstlineno}" in str(caught.value)


def test_a_generator_is_no_activity():
    with pytest.raises(DefinitionError, match="an activity is a plain function"):
        activity(without_context)
