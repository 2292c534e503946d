"""The kernel: histories in, calls out."""

import pytest

from romancy import Context, activity, gather, race, recur, sleep, start, workflow
from romancy.errors import DefinitionError, NondeterminismError, TerminalError, WorkflowCancelled
from romancy.history import Patched, WorkflowCompleted
from romancy.kernel import Blocked, PendingActivity, PendingTimer, Raised, Recurred, Returned, replay
from tests.romancy.histories import (
    asks,
    attempt_failed,
    cancel,
    child_completed,
    completed,
    execution,
    failed,
    fed,
    fired,
    newly,
    started,
)


@activity
def quote(item):
    raise AssertionError("the kernel runs no activity")


@activity
def ship(item):
    raise AssertionError("the kernel runs no activity")


@workflow
def two_in_order(ctx: Context):
    first = yield quote("a")
    second = yield ship(first)
    return [first, second]


def test_the_start_asks_for_the_first_call_only():
    driven = fed(two_in_order)
    assert asks(driven) == {"1": "activity 'quote'"}
    assert newly(driven) == ["1"]


def test_each_completion_asks_for_the_next_call_with_its_result():
    driven = fed(two_in_order, completed("1", "quote", "cheap"))
    assert newly(driven) == ["2"]
    assert driven.pending["2"].arguments == '{"item":"cheap"}'


def test_the_last_completion_returns():
    driven = fed(two_in_order, completed("1", "quote", 1), completed("2", "ship", 2))
    assert driven.outcome == Returned("[1,2]")


def test_yield_from_a_call_is_the_same_as_yield():
    @workflow
    def from_call(ctx: Context):
        first = yield from quote("a")
        second = yield from ship(first)
        return [first, second]

    events = [completed("1", "quote", 1), completed("2", "ship", 2)]
    assert fed(from_call, *events).outcome == fed(two_in_order, *events).outcome == Returned("[1,2]")


def test_a_failure_is_raised_at_the_yield_and_can_be_caught_there():
    @workflow
    def catches(ctx: Context):
        try:
            yield quote("a")
        except ValueError as error:
            return [type(error).__name__, *error.args]

    driven = fed(catches, failed("1", "quote", ValueError("no", 7)))
    assert driven.outcome == Returned('["ValueError","no",7]')


def test_a_failure_that_nobody_catches_ends_the_workflow():
    outcome = fed(two_in_order, failed("1", "quote", TerminalError("gone"))).outcome
    assert isinstance(outcome, Raised)
    assert repr(outcome.error) == "TerminalError('gone')"


def test_a_failed_attempt_asks_again_at_its_due_time():
    driven = fed(two_in_order, attempt_failed("1", "quote", ValueError(), due=130.0, attempt=2))
    pending = driven.pending["1"]
    assert isinstance(pending, PendingActivity)
    assert (pending.attempt, pending.due) == (3, 130.0)
    assert newly(driven) == ["1"]


def test_a_timer_is_due_from_the_event_before_it():
    @workflow
    def naps(ctx: Context):
        yield quote("a")
        yield sleep(minutes=1)

    pending = fed(naps, completed("1", "quote", at=500.0)).pending["2"]
    assert isinstance(pending, PendingTimer)
    assert pending.due == 560.0


def test_a_replay_of_the_same_history_asks_for_the_same_and_ends_the_same():
    history = [started, completed("1", "quote", "x"), completed("2", "ship", "y")]
    for length in range(1, len(history) + 1):
        drives = [execution(two_in_order) for _ in range(2)]
        outcomes = [replay(each, history[:length]) for each in drives]
        assert asks(drives[0]) == asks(drives[1])
        assert type(outcomes[0]) is type(outcomes[1])
    assert outcomes == [Returned('["x","y"]')] * 2


def test_a_terminal_event_in_a_history_is_not_fed_to_the_code():
    history = [started, completed("1", "quote", 1), completed("2", "ship", 2), WorkflowCompleted(at=120.0, result="9")]
    assert replay(execution(two_in_order), history) == Returned("[1,2]")


def test_an_event_after_the_end_is_refused():
    driven = fed(two_in_order, completed("1", "quote", 1), completed("2", "ship", 2))
    with pytest.raises(NondeterminismError, match="has ended already"):
        driven.feed(completed("3", "ship", 3))


def test_a_second_completion_of_a_step_is_refused():
    driven = fed(two_in_order, completed("1", "quote", 1))
    with pytest.raises(NondeterminismError, match=r"activity completed 'quote' at step 1.*waits for step 2"):
        driven.feed(completed("1", "quote", 1))


def test_a_mismatch_names_both_sides_with_file_and_line():
    with pytest.raises(NondeterminismError) as caught:
        fed(two_in_order, completed("1", "ship", 1))
    line = two_in_order.fn.__code__.co_firstlineno + 2
    assert "the history says activity completed 'ship' at step 1" in str(caught.value)
    assert "the code asks for activity 'quote'" in str(caught.value)
    assert f"{__file__}:{line}" in str(caught.value)


def test_members_of_a_gather_are_asked_for_at_once_in_order():
    @workflow
    def gathers(ctx: Context):
        return (yield gather(quote("a"), ship("b"), quote("a")))

    driven = fed(gathers)
    assert newly(driven) == ["1.1", "1.2", "1.3"]
    for step, name in (("1.3", "quote"), ("1.1", "quote"), ("1.2", "ship")):
        driven.feed(completed(step, name, step))
    assert driven.outcome == Returned('["1.1","1.2","1.3"]')


def test_a_generator_in_a_gather_is_a_branch_with_steps_of_its_own():
    def both(item):
        first = yield quote(item)
        return (yield ship(first))

    @workflow
    def branches(ctx: Context):
        return (yield gather(both("a"), both("b"), quote("c")))

    driven = fed(branches)
    assert sorted(newly(driven)) == ["1.1.1", "1.2.1", "1.3"]
    driven.feed(completed("1.2.1", "quote", "b1"))
    assert newly(driven) == ["1.2.2"]
    for step, name in (("1.2.2", "ship"), ("1.3", "quote"), ("1.1.1", "quote"), ("1.1.2", "ship")):
        driven.feed(completed(step, name, step))
    assert driven.outcome == Returned('["1.1.2","1.2.2","1.3"]')


def test_a_branch_goes_on_while_another_waits():
    def slow():
        yield sleep(hours=1)
        return "slow"

    def fast():
        for item in range(3):
            yield quote(item)
        return "fast"

    @workflow
    def uneven(ctx: Context):
        return (yield gather(slow(), fast()))

    driven = fed(uneven, *(completed(f"1.2.{n}", "quote") for n in (1, 2, 3)))
    assert asks(driven) == {"1.1.1": "a sleep"}
    driven.feed(fired("1.1.1"))
    assert driven.outcome == Returned('["slow","fast"]')


def test_joins_nest_in_any_order():
    @workflow
    def nested(ctx: Context):
        return (yield gather(gather(quote(1), quote(2)), gather(), gather(gather(quote(3)))))

    driven = fed(nested)
    assert newly(driven) == ["1.1.1", "1.1.2", "1.3.1.1"]
    for step in ("1.3.1.1", "1.1.2", "1.1.1"):
        driven.feed(completed(step, "quote", step))
    assert driven.outcome == Returned('[["1.1.1","1.1.2"],[],[["1.3.1.1"]]]')


def test_a_gather_of_nothing_returns_at_once():
    @workflow
    def nothing(ctx: Context):
        return (yield gather())

    assert fed(nothing).outcome == Returned("[]")


def test_the_first_completion_wins_a_race_whatever_its_index():
    @workflow
    def races(ctx: Context):
        winner = yield race(quote("a"), ship("b"))
        return [winner.index, winner.value]

    assert fed(races, completed("1.2", "ship", "parcel")).outcome == Returned('[1,"parcel"]')


def test_a_late_completion_of_a_loser_changes_nothing():
    @workflow
    def races_on(ctx: Context):
        winner = yield race(quote("a"), ship("b"))
        return [winner.value, (yield quote("next"))]

    driven = fed(races_on, completed("1.2", "ship", "parcel"), completed("1.1", "quote", "late"))
    assert asks(driven) == {"2": "activity 'quote'"}
    driven.feed(completed("2", "quote", "then"))
    assert driven.outcome == Returned('["parcel","then"]')


def test_a_loser_that_reports_after_the_code_has_ended_changes_nothing():
    @workflow
    def ends_at_once(ctx: Context):
        return (yield race(quote("a"), ship("b"))).index

    history = [completed("1.2", "ship"), completed("1.1", "quote")]
    assert fed(ends_at_once, *history).outcome == Returned("1")
    assert replay(execution(ends_at_once), [started, *history]) == Returned("1")
    with pytest.raises(NondeterminismError, match="has ended already"):
        fed(ends_at_once, *history, completed("1.1", "quote"))


def test_a_sibling_that_fails_after_the_code_has_ended_changes_nothing():
    @workflow
    def ends_with_the_first(ctx: Context):
        try:
            yield gather(quote("a"), ship("b"))
        except ValueError as error:
            return str(error)

    history = [failed("1.1", "quote", ValueError("first")), failed("1.2", "ship", ValueError("second"))]
    assert fed(ends_with_the_first, *history).outcome == Returned('"first"')


def test_a_patch_that_is_recorded_behind_the_end_is_no_mismatch():
    @workflow
    def asks_last(ctx: Context):
        yield quote("a")
        return ctx.patched("late")

    history = [started, completed("1", "quote"), Patched(at=110.0, change="late")]
    assert replay(execution(asks_last), history) == Returned("true")


def test_a_failure_that_comes_first_is_what_the_race_raises():
    @workflow
    def races_to_fail(ctx: Context):
        yield race(quote("a"), sleep(5))

    outcome = fed(races_to_fail, failed("1.1", "quote", LookupError("lost"))).outcome
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, LookupError)


def test_a_losing_branch_cleans_up_before_the_race_returns():
    def careful():
        try:
            yield quote("slow")
        except WorkflowCancelled:
            yield ship("clean up")
            raise

    @workflow
    def waits_for_losers(ctx: Context):
        return (yield race(careful(), sleep(5))).index

    driven = fed(waits_for_losers, fired("1.2"))
    assert asks(driven) == {"1.1.2": "activity 'ship'"}
    driven.feed(completed("1.1.2", "ship"))
    assert driven.outcome == Returned("1")


def test_a_failing_member_cancels_the_other_branches_once_and_is_then_raised():
    told = []

    def sibling(name):
        try:
            yield sleep(100)
        except WorkflowCancelled:
            told.append(name)
            raise

    @workflow
    def fails_fast(ctx: Context):
        try:
            yield gather(sibling("a"), quote("x"), sibling("b"))
        except ValueError:
            return list(told)

    driven = fed(fails_fast, failed("1.2", "quote", ValueError()))
    assert driven.outcome == Returned('["a","b"]')
    assert told == ["a", "b"]


def test_return_exceptions_waits_for_all_and_puts_errors_among_the_results():
    @workflow
    def tolerant(ctx: Context):
        results = yield gather(quote("a"), ship("b"), return_exceptions=True)
        return [repr(each) for each in results]

    driven = fed(tolerant, failed("1.1", "quote", KeyError("k")))
    assert asks(driven) == {"1.2": "activity 'ship'"}
    driven.feed(completed("1.2", "ship", 1))
    assert driven.outcome == Returned('["KeyError(\'k\')","1"]')


def test_a_loser_that_was_not_issued_yet_never_runs():
    entered = []

    def immediate():
        entered.append("immediate")
        return "at once"
        yield

    def never():
        entered.append("never")
        yield quote("x")

    @workflow
    def first_of_two(ctx: Context):
        return (yield race(immediate(), never())).value

    driven = fed(first_of_two)
    assert driven.outcome == Returned('"at once"')
    assert entered == ["immediate"]
    assert driven.pending == {}


def test_cancellation_is_raised_at_the_current_yield():
    @workflow
    def tells_where(ctx: Context):
        yield quote("a")
        try:
            yield sleep(100)
        except WorkflowCancelled:  # romancy: ignore[ROM501] refuses to be cancelled on purpose
            return "cancelled in the sleep"

    assert fed(tells_where, completed("1", "quote"), cancel).outcome == Returned('"cancelled in the sleep"')


def test_cancellation_reaches_every_branch_before_the_workflow():
    order = []

    def branch(name):
        try:
            yield sleep(100)
        finally:
            order.append(name)

    @workflow
    def fans_out(ctx: Context):
        try:
            yield gather(branch("a"), gather(branch("b"), branch("c")))
        finally:
            order.append("workflow")

    outcome = fed(fans_out, cancel).outcome
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, WorkflowCancelled)
    assert order == ["a", "b", "c", "workflow"]


def test_a_cancelled_workflow_may_ask_for_more_to_clean_up():
    @workflow
    def cleans(ctx: Context):
        try:
            yield sleep(100)
        finally:
            yield ship("remains")

    driven = fed(cleans, cancel)
    assert asks(driven) == {"2": "activity 'ship'"}
    driven.feed(completed("2", "ship"))
    assert isinstance(driven.outcome, Raised)
    assert isinstance(driven.outcome.error, WorkflowCancelled)


def test_a_child_is_asked_for_under_an_id_that_every_replay_derives_again():
    @workflow
    def parent(ctx: Context):
        yield quote("a")
        return (yield two_in_order())

    for _ in range(2):
        driven = fed(parent, completed("1", "quote"))
        assert driven.pending["2"].child == "i-1/2"
    driven.feed(child_completed("2", "two_in_order", ["r"]))
    assert driven.outcome == Returned('["r"]')


def test_a_detached_start_is_asked_for_as_one():
    @workflow
    def starts(ctx: Context):
        return (yield start(two_in_order().options(id="own")))

    pending = fed(starts).pending["1"]
    assert (pending.child, pending.detached) == ("own", True)


def test_recur_ends_the_run_with_the_next_input():
    @workflow
    def counts(ctx: Context, n: int):
        yield quote(n)
        yield recur(n + 1)

    assert fed(counts, completed("1", "quote"), args=[4]).outcome == Recurred('{"n":5}')


def test_a_workflow_that_recurs_can_still_be_cancelled_at_that_yield():
    @workflow
    def recurs(ctx: Context):
        try:
            yield recur()
        except WorkflowCancelled:
            yield ship("cleanup")
            raise

    driven = fed(recurs, cancel)
    assert asks(driven) == {"2": "activity 'ship'"}
    driven.feed(completed("2", "ship"))
    assert isinstance(driven.outcome, Raised)
    assert isinstance(driven.outcome.error, WorkflowCancelled)


def test_recur_in_a_branch_is_refused():
    def branch():
        yield recur()

    @workflow
    def recurs_inside(ctx: Context):
        yield gather(branch(), quote("a"))

    outcome = fed(recurs_inside).outcome
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, DefinitionError)
    assert "only the workflow itself" in str(outcome.error)


def test_replaying_is_told_until_the_history_ends():
    seen = []

    @workflow
    def looks(ctx: Context):
        seen.append(ctx.is_replaying)
        yield quote("a")
        seen.append(ctx.is_replaying)
        yield quote("b")
        seen.append(ctx.is_replaying)

    driven = execution(looks)
    replay(driven, [started, completed("1", "quote")])
    driven.feed(completed("2", "quote"))
    assert seen == [True, True, False]


def test_now_random_and_uuid_are_the_same_at_every_replay_and_two_draws_differ():
    drawn = []

    @workflow
    def draws(ctx: Context):
        for _ in range(2):
            drawn.append((ctx.now(), ctx.random.random(), ctx.uuid4()))
            yield quote("a")

    history = (completed("1", "quote", at=123.0), completed("2", "quote"))
    fed(draws, *history)
    fed(draws, *history)
    assert drawn[:2] == drawn[2:]
    assert drawn[0][1:] != drawn[1][1:]
    assert drawn[1][0].timestamp() == 123.0


def test_a_call_does_nothing_until_it_is_yielded():
    @workflow
    def holds_back(ctx: Context):
        unused = quote("never")  # romancy: ignore[ROM401] the defect under test
        yield ship("a")
        return unused is not None

    assert asks(fed(holds_back)) == {"1": "activity 'ship'"}


def test_the_same_call_yielded_twice_is_two_steps():
    @workflow
    def twice(ctx: Context):
        call = quote("a")
        return [(yield call), (yield call)]

    driven = fed(twice, completed("1", "quote", 1), completed("2", "quote", 2))
    assert driven.outcome == Returned("[1,2]")


def test_a_thousand_members_are_asked_for_in_one_turn():
    @workflow
    def wide(ctx: Context):
        return len((yield gather(*(quote(n) for n in range(1000)))))

    driven = fed(wide)
    assert len(newly(driven)) == 1000
    for n in reversed(range(1000)):
        driven.feed(completed(f"1.{n + 1}", "quote", n))
    assert driven.outcome == Returned("1000")


def test_feeding_an_event_returns_what_became_ready_and_nothing_twice():
    @workflow
    def fans(ctx: Context):
        yield gather(quote("a"), quote("b"), quote("c"))

    driven = fed(fans)
    outcome = driven.feed(completed("1.2", "quote"))
    assert outcome == Blocked(())
