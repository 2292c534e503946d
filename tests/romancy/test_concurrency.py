"""gather and race, end to end: results in order, what waits does not stop what can go on, nothing outlives its join."""

import threading

import pytest

from romancy import Context, RetryPolicy, Romancy, activity, activity_context, gather, race, sleep, workflow
from romancy.errors import DefinitionError, WorkflowCancelled

ONCE = RetryPolicy(max_attempts=1)


@activity
def echo(value: int) -> int:
    return value


@activity(retry=ONCE)
def fail(why: str) -> int:
    raise ValueError(why)


def later(seconds, value):
    yield sleep(seconds)
    return (yield echo(value))


def result_of(stage, app, call, **options):
    return stage.finish(app, app.start(call), **options).result(0)


def test_results_come_in_the_order_of_the_members_whatever_finishes_first(stage, app):
    @workflow
    def fans(ctx: Context):
        return (yield gather(later(30, 1), echo(2), later(10, 3)))

    assert result_of(stage, app, fans(), step=10.0) == [1, 2, 3]


def test_a_thousand_branches(stage, app):
    @workflow
    def wide(ctx: Context):
        return (yield gather(*(later(n % 3, n) for n in range(1000))))

    assert result_of(stage, app, wide(), step=1.0) == list(range(1000))


def test_one_branch_that_waits_keeps_no_other_from_going_on(stage, app):
    @workflow
    def uneven(ctx: Context):
        return (yield gather(later(1000, 1), later(0, 2)))

    handle = app.start(uneven())
    app.run_until_idle()
    assert [event.step for event in handle.history()[1:]] == ["1.2.1", "1.2.2"]
    assert handle.status == "waiting"


@pytest.mark.parametrize("done", [0, 3, 7, 10])
def test_a_crash_with_k_of_n_done_runs_only_the_others(stage, done):
    ran = []

    @activity
    def count(n: int) -> int:
        ran.append(n)
        return n

    def branch(n):
        yield sleep(10 if n < done else 100)
        return (yield count(n))

    @workflow
    def fans(ctx: Context):
        return (yield gather(*(branch(n) for n in range(10))))

    app = stage.open()
    app.start(fans(), id="f")
    app.run_until_idle()
    stage.clock.advance(10)
    app.run_until_idle()
    assert ran == list(range(done))
    stage.kill(app)
    app = stage.open()
    assert stage.finish(app, app.get("f")).result(0) == list(range(10))
    assert ran == list(range(10))


def test_the_same_activity_with_the_same_arguments_twice_runs_twice(stage, app):
    ran = []

    @activity
    def count(n: int) -> int:
        ran.append(activity_context().step)
        return len(ran)

    @workflow
    def twins(ctx: Context):
        return (yield gather(count(1), count(1)))

    assert sorted(result_of(stage, app, twins())) == [1, 2]
    assert ran == ["1.1", "1.2"]


def test_joins_nest(stage, app):
    @workflow
    def nested(ctx: Context):
        def inner(base):
            return (yield gather(echo(base), later(5, base + 1)))

        winner = yield race(gather(inner(10), inner(20)), sleep(1000))
        return [winner.index, winner.value]

    assert result_of(stage, app, nested(), step=5.0) == [0, [[10, 11], [20, 21]]]


def test_a_gather_of_nothing_is_an_empty_list_and_a_race_of_nothing_is_refused(stage, app):
    @workflow
    def empty(ctx: Context):
        return (yield gather())

    assert result_of(stage, app, empty()) == []
    with pytest.raises(DefinitionError, match="never finish"):
        race()


@pytest.mark.parametrize("member", [None, 7, "text", [1], lambda: None])
def test_a_member_that_is_no_call_is_refused_where_it_is_given(member):
    with pytest.raises(DefinitionError, match="member 1 of gather"):
        gather(echo(1), member)


def test_the_first_failure_is_raised_and_the_siblings_are_cancelled_once(stage, app):
    cancelled = []

    def sibling(n):
        try:
            yield sleep(1000)
        except WorkflowCancelled:
            cancelled.append(n)
            raise

    @workflow
    def fails_fast(ctx: Context):
        try:
            yield gather(sibling(1), fail("first"), sibling(2), fail("second"))
        except ValueError as error:
            return str(error)

    assert result_of(stage, app, fails_fast()) == "first"
    assert cancelled == [1, 2]


def test_return_exceptions_gives_every_result_and_every_error(stage, app):
    @workflow
    def tolerant(ctx: Context):
        results = yield gather(echo(1), fail("no"), later(5, 3), return_exceptions=True)
        return [each if isinstance(each, int) else repr(each) for each in results]

    assert result_of(stage, app, tolerant(), step=5.0) == [1, "ValueError('no')", 3]


@pytest.mark.parametrize(("failures", "ends"), [(0, "completed"), (2, "completed"), (3, "failed")])
def test_a_tolerated_number_of_failures_is_a_few_lines_of_code(stage, app, failures, ends):
    @workflow
    def tolerates_two(ctx: Context, failures: int):
        calls = [fail(str(n)) if n < failures else echo(n) for n in range(5)]
        results = yield gather(*calls, return_exceptions=True)
        errors = [each for each in results if isinstance(each, BaseException)]
        if len(errors) > 2:
            raise errors[0]
        return len(results) - len(errors)

    assert stage.finish(app, app.start(tolerates_two(failures))).status == ends


def test_a_quorum_is_a_race_that_is_run_again(stage, app):
    @workflow
    def two_of_three(ctx: Context):
        left = {"a": 30.0, "b": 10.0, "c": 20.0}
        arrived = []
        while len(arrived) < 2:
            names = sorted(left)
            winner = yield race(*(sleep(left[name] - (10.0 * len(arrived))) for name in names))
            arrived.append(names[winner.index])
            del left[names[winner.index]]
        return arrived

    assert result_of(stage, app, two_of_three(), step=10.0) == ["b", "c"]


def test_the_first_success_is_a_race_of_branches_that_keep_their_failures(stage, app):
    def patient(call):
        try:
            return (yield call)
        except ValueError:
            yield sleep(10_000)

    @workflow
    def first_success(ctx: Context):
        return (yield race(patient(fail("a")), patient(echo(5)), patient(fail("b")))).value

    assert result_of(stage, app, first_success()) == 5


def test_a_race_gives_index_and_value_and_the_losers_result_is_dropped(stage, app):
    @workflow
    def racing(ctx: Context):
        winner = yield race(later(100, 1), later(10, 2))
        rest = yield echo(3)
        return [winner.index, winner.value, rest]

    handle = stage.finish(app, app.start(racing()), step=10.0)
    assert handle.result(0) == [1, 2, 3]
    stage.clock.advance(1000)
    app.run_until_idle()
    assert "1.1.1" not in [getattr(event, "step", None) for event in handle.history()]


def test_no_branch_outlives_its_join(stage, app):
    reached = []

    def cleans_up():
        try:
            yield sleep(1000)
        finally:
            yield sleep(50)
            reached.append("cleaned")

    @workflow
    def racing(ctx: Context):
        yield race(cleans_up(), sleep(10))
        reached.append("after the race")

    stage.finish(app, app.start(racing()), step=10.0)
    assert reached == ["cleaned", "after the race"]


def test_a_loser_that_fails_while_it_cleans_up_does_not_change_the_winner(stage, app):
    def bad_loser():
        try:
            yield sleep(1000)
        finally:
            raise OSError("cleanup")

    @workflow
    def racing(ctx: Context):
        return (yield race(bad_loser(), sleep(10))).index

    assert result_of(stage, app, racing(), step=10.0) == 1


def test_a_loser_that_returns_instead_of_giving_way_does_not_change_the_winner(stage, app):
    def stubborn():
        try:
            yield sleep(1000)
        except WorkflowCancelled:  # romancy: ignore[ROM501] refuses to be cancelled on purpose
            return "mine"

    @workflow
    def racing(ctx: Context):
        return (yield race(stubborn(), sleep(10))).index

    assert result_of(stage, app, racing(), step=10.0) == 1


def test_an_activity_that_cannot_be_called_fails_its_own_branch_only(stage, app):
    @workflow
    def mixed(ctx: Context):
        # romancy: ignore[ROM601] the defect under test
        results = yield gather(echo(1), echo(object()), echo(3), return_exceptions=True)
        return [type(each).__name__ for each in results]

    assert result_of(stage, app, mixed()) == ["int", "SerializationError", "int"]


def test_a_helper_that_yields_is_a_branch_without_any_decoration(stage, app):
    def helper(ctx, n):
        first = yield echo(n)
        return first + ctx.run

    @workflow
    def uses(ctx: Context):
        return (yield gather(helper(ctx, 1), helper(Context.current(), 2)))

    assert result_of(stage, app, uses()) == [2, 3]


def test_the_losers_of_races_cost_the_pool_no_thread(tmp_path):
    gates = [threading.Event() for _ in range(3)]

    @activity
    def loses(gate: int) -> None:
        gates[gate].wait(20)

    @workflow
    def races(ctx: Context, gate: int):
        return (yield race(loses(gate), echo(1))).value

    with Romancy(tmp_path / "app.db", max_activities=4) as app:
        for gate in range(3):
            assert [app.run(races(gate), timeout=10) for _ in range(3)] == [1, 1, 1]
            gates[gate].set()
            app.run_until_idle()
