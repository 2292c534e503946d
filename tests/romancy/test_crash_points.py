"""Every crash point has its turn, in every order; what came of each is told, and a broken promise is found."""

import random
import re
import shutil
import sqlite3
import time
import warnings
from collections import Counter
from contextlib import contextmanager

import pytest
from hypothesis import example, find, given, settings
from hypothesis import strategies as st

from romancy import (
    Context,
    Flow,
    RetryPolicy,
    activity,
    gather,
    race,
    recur,
    session,
    sleep,
    start,
    workflow,
)
from romancy.errors import (
    ActivityInterrupted,
    DefinitionError,
    InstanceCancelledError,
    InstanceFailedError,
    InstanceStuckError,
    SerializationError,
)
from romancy.testing import BrokenPromise, EndlessError, Sandbox, crash_points, crashes, lives, run_with_crashes
from romancy.testing.strategies import completion_orders, crash_schedules


class Declined(Exception):
    """No."""


def undo(number: int, *, result: str) -> None: ...


@activity(compensate=undo)
def do(number: int) -> str:
    return f"done {number}"


@activity(raises=Declined, retry=RetryPolicy(max_attempts=1))
def decline() -> None:
    raise Declined


@activity(at_most_once=True)
def fire() -> None: ...


@activity
def move(amount: int) -> None:
    session().execute("update account set balance = balance + ?", [amount])


@activity(timeout=5, retry=RetryPolicy(max_attempts=2, initial_delay=1, jitter=False))
def slow() -> str:
    return "slow"


@workflow
def one(ctx: Context) -> Flow[str]:
    return (yield from do(1))


@workflow
def saga(ctx: Context) -> Flow[None]:
    yield do(1)
    yield gather(do(2), do(3))
    yield decline()


@workflow
def sides(ctx: Context) -> Flow[list[str]]:
    return list((yield from gather(do(1), do(2), do(3))))


@workflow
def first_of(ctx: Context) -> Flow[int]:
    winner = yield from race(do(1), sleep(5))
    return winner.index


@workflow
def fires(ctx: Context) -> Flow[str]:
    try:
        yield fire()
    except ActivityInterrupted:
        return "interrupted"
    return "fired"


@workflow
def moves(ctx: Context) -> Flow[None]:
    yield move(10)
    yield sleep(days=1)
    yield move(-3)


@workflow
def family(ctx: Context) -> Flow[str]:
    told = yield from one()
    yield start(first_of())
    return told


@workflow
def rounds(ctx: Context, number: int) -> Flow[int]:
    yield do(number)
    if number < 3:
        yield recur(number + 1)
    return number


@workflow
def cancelled_by_itself(ctx: Context) -> Flow[None]:
    child = yield from start(sleeper())
    yield do(1)
    raise InstanceCancelledError(child)


@workflow
def sleeper(ctx: Context) -> Flow[None]:
    yield sleep(days=1)


@workflow
def ticks_for_ever(ctx: Context) -> Flow[None]:
    while True:
        yield sleep(1)


@workflow
def by_chance(ctx: Context) -> Flow[str]:
    if random.random() < 0.5:  # romancy: ignore[ROM111] found by the crash points
        yield slow()
    return (yield from do(1))


@workflow
def by_the_clock(ctx: Context) -> Flow[int]:
    yield do(1)
    return time.monotonic_ns()  # romancy: ignore[ROM102] found by the crash points


@workflow
def slowly(ctx: Context) -> Flow[str]:
    return (yield from slow())


@workflow
def many(ctx: Context, number: int) -> Flow[int]:
    for each in range(number):
        yield do(each)
    return number


@workflow
def wide(ctx: Context, number: int) -> Flow[int]:
    yield gather(*[do(each) for each in range(number)])
    return number


@workflow
def waits_twice(ctx: Context) -> Flow[None]:
    yield one()
    yield gather(sleep(1), sleep(2))
    yield sleep(3)


@workflow
def wakes_at_once(ctx: Context) -> Flow[None]:
    yield gather(*[sleep(1) for _ in range(4)])


@workflow
def works_after_a_child(ctx: Context) -> Flow[str]:
    yield do(1)
    return (yield from one())


@workflow
def parent_of_chance(ctx: Context) -> Flow[int]:
    return (yield from by_the_clock().options(id="thekid"))


@workflow
def does_beside_a_failure(ctx: Context) -> Flow[None]:
    yield gather(decline(), do(1))


def compensations(crash) -> list[str]:
    steps = dict.fromkeys(each.step for each in crash.history if getattr(each, "name", "") == "undo")
    return [args[0] for step in steps for args in [steps_of(crash)[step]]]


LEAVES_ORDERS = pytest.mark.filterwarnings("ignore:crash_points tried")


def steps_of(crash) -> dict[str, tuple]:
    return {each.step: each.args or tuple(each.kwargs.values()) for each in crash.effects.log}


# -- which crashes there are


def test_a_crash_comes_after_each_commit_each_body_and_each_acknowledgement():
    places = [str(crash.boundaries[0]) for crash in crash_points(one())]
    assert [place.split(":")[0] for place in places] == [f"crash point {n}" for n in range(1, len(places) + 1)]
    for expected in ("after commit of 'create'", "the start was acknowledged", "after commit of a turn"):
        assert any(expected in place for place in places)
    assert places[-1].split(";")[0].endswith("after the result was read")
    assert any("before anything is recorded; last activity: do (instance 'crashed', step 1" in each for each in places)


def test_a_crash_before_the_record_repeats_the_activity_and_no_other_crash_does():
    repeated = [crash for crash in crash_points(one()) if crash.effects["do"] > 1]
    assert [crash.effects for crash in repeated] == [{"do": 2}]
    ((effect, count),) = repeated[0].effects.duplicates.items()
    assert (str(effect), count) == ("do (instance 'crashed', step 1, attempt 1)", 2)
    assert "before anything is recorded" in str(repeated[0])


def test_a_crash_before_the_start_was_stored_leaves_nothing_and_the_start_is_repeated():
    crash = next(iter(crash_points(one())))
    assert (crash.recorded, crash.result, crash.effects) == ([], "done 1", {"do": 1})


@LEAVES_ORDERS
def test_a_gather_of_three_completes_in_all_six_orders():
    orders = Counter(
        tuple(each.step for each in crash.history if each.kind == "activity_completed")
        for crash in crash_points(sides())
    )
    assert len(orders) == 6 and min(orders.values()) >= 1
    assert all(crash.result == ["done 1", "done 2", "done 3"] for crash in crash_points(sides(), orders=2))


@LEAVES_ORDERS
def test_fewer_orders_are_tried_where_fewer_are_wanted():
    one_order, two_orders = ([crash.at for crash in crash_points(first_of(), orders=orders)] for orders in (1, 2))
    assert one_order == two_orders[: len(one_order)] and len(one_order) < len(two_orders)


def test_orders_that_are_left_out_are_told_once_at_the_line_of_the_loop():
    with pytest.warns(UserWarning, match=r"tried 24 of the orders.*left others: orders=… tries more") as told:
        looked_at = {crash.at.partition("/")[2] for crash in crash_points(wide(5))}
    assert len(looked_at) == 24
    assert [each.filename for each in told] == [__file__]


def test_no_order_is_said_to_be_left_where_all_were_tried_or_one_crash_was():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len({crash.at.partition("/")[2] for crash in crash_points(wide(3), orders=6)}) == 6
        assert [crash.at for crash in crash_points(wide(5), at="3")] == ["3"]


def test_a_race_ends_both_ways():
    assert {crash.result for crash in crash_points(first_of())} == {0, 1}


def test_each_recovery_is_killed_too_with_a_depth_of_two():
    once, twice = list(crash_points(fires())), list(crash_points(fires(), depth=2))
    assert {len(crash.boundaries) for crash in twice} == {1, 2}
    assert len(twice) > 5 * len(once)
    assert {crash.result for crash in twice} == {"fired", "interrupted"}
    assert all(crash.effects["fire"] <= 1 for crash in twice)


def test_a_boundary_says_what_the_commit_recorded():
    told = [str(crash.boundaries[0]).partition(": ")[2] for crash in crash_points(waits_twice())]
    for step in ("2.1", "2.2", "3"):
        assert any(
            each.startswith(f"after commit of a turn that recorded timer_fired {step} of 'crashed'") for each in told
        )
    assert any(
        "recorded activity_completed 1 do of 'crashed/1', workflow_completed of 'crashed/1'" in each for each in told
    )
    assert any(
        re.match("after commit of 'claim';.*; last recorded: timer_fired 2.1 of 'crashed'$", each) for each in told
    )
    alike = [each for each, count in Counter(told).items() if count > 1]
    assert all("that changed nothing" in each for each in alike)


def test_a_boundary_names_the_run_and_no_more_than_three_events():
    told = "\n".join(str(crash.boundaries[0]) for crash in crash_points(rounds(1)))
    assert ", workflow_recurred of 'crashed', workflow_started of 'crashed' (run 2); last activity: do (" in told
    assert (
        "recorded activity_completed 1 do of 'crashed' (run 2)" in told
        and "'crashed', run 2, step 1, attempt 1" in told
    )
    told = "\n".join(str(crash.boundaries[0]) for crash in crash_points(wakes_at_once()))
    assert (
        "recorded timer_fired 1.1 of 'crashed', timer_fired 1.2 of 'crashed', timer_fired 1.3 of 'crashed' and 2 more"
        in told
    )


def test_the_record_of_the_child_whose_activity_was_the_last_is_told_too():
    crashes = list(crash_points(works_after_a_child()))
    in_child = next(
        crash for crash in crashes if "'crashed/2', step 1, attempt 1) returned" in crash.boundaries[0].__str__()
    )
    assert (
        "recorded of 'crashed/2' when the crash came:\n  workflow_started\nrecorded of 'crashed/2' after it:\n"
        in str(in_child)
    )
    assert str(in_child).count("  activity_completed 1 do\n") == 2
    assert "recorded of" not in str(crashes[0])


def test_a_crash_shows_its_name_and_repeats_nothing_where_there_is_none():
    crash = run_with_crashes(fires(), [4, 3])
    assert repr(crash).startswith("<crash at='4.3': crash point 4") and "\n" not in repr(crash)
    assert "to repeat it alone: crash_points(…, at='4.3')" in str(crash)
    assert "to repeat" not in str(run_with_crashes(fires()))


def test_an_instance_can_have_an_id_of_its_own():
    assert {effect.instance_id for crash in crash_points(one().options(id="o-1")) for effect in crash.effects.log} == {
        "o-1"
    }


# -- what comes of them


def test_effects_count_no_name_that_no_activity_has():
    crash = next(crash_points(one()))
    assert (crash.effects["do"], crash.effects["fire"]) == (1, 0)
    with pytest.raises(KeyError, match="no activity 'fier' in this process; did you mean 'fire'"):
        assert crash.effects["fier"] <= 1
    with pytest.raises(KeyError, match="did you mean 'do'"):
        _ = crash.effects[do]
    assert crash.effects.get("fier") is None and "fier" not in crash.effects and list(crash.effects) == ["do"]
    assert crash.effects == {"do": 1} == crash.effects and crash.effects != {"do": 1, "fier": 0}
    for other in (Counter(do=1), Counter(do=1, fier=0)):
        assert crash.effects == other == crash.effects
    assert crash.effects != Counter(do=1, fier=1) != crash.effects


def test_an_activity_of_which_at_most_one_run_is_allowed_is_never_repeated():
    results = {(crash.result, crash.effects["fire"]) for crash in crash_points(fires())}
    assert results == {("fired", 1), ("interrupted", 0), ("interrupted", 1)}


def test_what_was_done_is_undone_once_in_reverse_order_of_completion_at_every_crash_point():
    for crash in crash_points(saga(), orders=2):
        assert crash.status == "failed"
        with pytest.raises(InstanceFailedError) as failed:
            _ = crash.result
        assert isinstance(failed.value.__cause__, Declined)
        done = [each.step for each in crash.history if getattr(each, "name", "") == "do"]
        assert compensations(crash) == [steps_of(crash)[step][0] for step in reversed(done)]
        assert sum(crash.effects.values()) <= 8


@LEAVES_ORDERS
def test_what_nobody_waited_for_any_more_is_undone_unless_a_crash_cut_it_off():
    cut_off = []
    for crash in crash_points(does_beside_a_failure(), orders=1):
        kinds = [each.kind for each in crash.recorded]
        if "activity_failed" in kinds and "activity_completed" not in kinds:
            cut_off.append(crash.effects)
        else:
            assert crash.effects["undo"] >= 1
    assert cut_off == [{"decline": 1}, {"decline": 1, "do": 1}]


def test_sql_through_the_session_is_there_once_at_every_crash_point():
    def accounts(app: Sandbox) -> None:
        app.sql("create table account (balance integer)")
        app.sql("insert into account values (100)")

    balances = [crash.sql("select balance from account") for crash in crash_points(moves(), prepare=accounts)]
    assert len(balances) > 10 and balances == [[(107,)]] * len(balances)


def test_children_and_detached_starts_survive_every_crash():
    for crash in crash_points(family(), orders=1):
        assert crash.result == "done 1"
        assert crash.effects["do"] <= 3
        assert crash.sql("select count(*) from instance") == [(3,)]


def test_runs_follow_each_other_through_every_crash():
    for crash in crash_points(rounds(1)):
        assert crash.result == 3 and crash.effects["do"] <= 4


def test_a_table_that_is_missing_is_said_to_belong_into_prepare(romancy):
    romancy.sql("create table account (balance integer)")
    romancy.run(moves())
    crash = next(crash_points(moves()))
    with pytest.raises(InstanceFailedError, match="no such table: account") as failed:
        _ = crash.result
    with pytest.raises(sqlite3.OperationalError) as missing:
        crash.sql("select * from account")
    for notes in (failed.value.__notes__, missing.value.__notes__):
        assert len(notes) == 1 and "prepare=lambda app: app.sql(…)" in notes[0]
    assert "prepare=lambda app: app.sql(…)" in str(crash)


def test_time_begins_anew_with_each_run_and_goes_on_after_the_crash():
    for crash in crash_points(moves(), prepare=lambda app: app.sql("create table account (balance integer)")):
        begun, ended = crash.history[0].at, crash.history[-1].at
        assert 86400 <= ended - begun < 86400 + 1


def test_a_fake_can_take_long_in_crash_points_too(romancy):
    romancy.replace(slow, lambda: romancy.advance(6) or "never")
    for crash in crash_points(slowly()):
        with pytest.raises(InstanceFailedError, match="took over 5 s"):
            _ = crash.result
    assert romancy.clock() == 1_000_000_000.0


def test_fakes_that_keep_something_begin_anew_with_each_run():
    kept = []

    def prepare(app: Sandbox) -> None:
        kept.clear()
        app.replace("do", lambda number: kept.append(number) or f"kept {len(kept)}")

    for crash in crash_points(one(), prepare=prepare):
        assert crash.result == f"kept {crash.effects['do']}" and len(kept) == crash.effects["do"]


def test_code_that_is_not_deterministic_is_stuck():
    for call in (by_chance(), by_the_clock()):
        with pytest.raises(InstanceStuckError, match=call.workflow.name):
            for crash in crash_points(call, depth=2):
                _ = crash.result


def test_an_instance_without_an_end_is_given_up():
    with pytest.raises(EndlessError, match="ticks_for_ever") as endless:
        list(crash_points(ticks_for_ever()))
    assert endless.value.__notes__ == ["no crash had come before"]


@pytest.mark.parametrize(
    ("attempt", "verb"),
    [
        (lambda **options: next(crash_points(many(60), **options)), "crash_points"),
        (lambda **options: run_with_crashes(many(60), [9], **options), "run_with_crashes"),
    ],
)
def test_how_much_is_waited_for_can_be_said(attempt, verb):
    with pytest.raises(EndlessError, match=rf"50 things happened.*{verb}\(…, patience=…\)"):
        attempt(patience=50)
    assert attempt(patience=500).result == 60


@pytest.mark.parametrize("call", [many(1200), wide(1200)], ids=["one after another", "at once"])
def test_a_workflow_of_many_activities_is_tried(call):
    crash = run_with_crashes(call, [1000])
    assert (crash.result, len(crash.boundaries)) == (1200, 1)
    assert next(crash_points(call)).result == 1200


def test_a_child_that_is_stuck_is_named_with_its_reason():
    with pytest.raises(TimeoutError, match=r"waits for its child 'thekid', which is stuck: .*by_the_clock"):
        _ = next(crash_points(parent_of_chance())).result


# -- one crash alone


@LEAVES_ORDERS
def test_a_crash_is_repeated_by_its_name():
    for call, depth in ((sides(), 1), (fires(), 2)):
        for crash in list(crash_points(call, depth=depth, orders=2))[7::9]:
            (again,) = crash_points(call, at=crash.at)
            assert (again.at, again.boundaries, again.history) == (crash.at, crash.boundaries, crash.history)
            assert again.effects == crash.effects and again.recorded == crash.recorded


@pytest.mark.parametrize("at", ["garbage", "1.", "-1", "0", "1/2/3", "1/-1", "1.5/x", "⅕"])
def test_what_names_no_crash_is_refused(at):
    with pytest.raises(DefinitionError, match="copy the `at` of a crash"):
        crash_points(one(), at=at)


def test_a_crash_that_does_not_come_is_no_success():
    with pytest.raises(DefinitionError, match="there is no such crash point"):
        list(crash_points(one(), at="999"))


def test_a_schedule_beyond_the_end_is_cut_short():
    crash = run_with_crashes(fires(), [3, 99, 4])
    assert (len(crash.boundaries), crash.at, crash.result) == (1, "3", "fired")
    assert run_with_crashes(fires()).boundaries == ()
    assert str(run_with_crashes(fires(), [])).startswith("no crash\nit ended completed: 'fired'")


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: crash_points(one), r"give the call of a workflow"),
        (lambda: crash_points(do(1)), "give the call of a workflow"),
        (lambda: run_with_crashes(one, []), "run_with_crashes.*give the call of a workflow"),
        (lambda: crash_points(one(), depth=0), "depth=0"),
        (lambda: crash_points(one(), orders=0), "orders=0"),
        (lambda: crash_points(one(), orders=1.5), "orders=1.5"),
        (lambda: crash_points(one(), patience=0), "crash_points.*patience=0"),
        (lambda: run_with_crashes(one(), patience=None), "run_with_crashes.*patience=None"),
        (lambda: run_with_crashes(one(), [0]), r"schedule=\[0\].*1 or more"),
        (lambda: run_with_crashes(one(), 3), r"schedule=3\): write a list of whole numbers, 1 or more"),
        (lambda: run_with_crashes(one(), None), r"schedule=None\): write a list"),
        (lambda: run_with_crashes(one(), [1], [-1]), r"order=\[-1\].*0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(attempt, message):
    with pytest.raises(DefinitionError, match=message):
        attempt()


def test_an_input_that_cannot_be_carried_is_refused():
    with pytest.raises(SerializationError):
        list(crash_points(rounds(object())))


def test_nothing_is_left_on_the_disk(tmp_path, monkeypatch):
    made = []

    @contextmanager
    def workplace():
        folder = tmp_path / f"{len(made)}"
        made.append(folder)
        folder.mkdir()
        yield folder
        shutil.rmtree(folder)

    monkeypatch.setattr(crashes, "workplace", workplace)
    for crash in crash_points(one()):
        assert len(list(tmp_path.iterdir())) <= 4, crash
    del crash
    crashes.latest.clear()
    assert made and list(tmp_path.iterdir()) == []


# -- broken promises


def broken(monkeypatch, statement: str) -> None:
    """A disk that loses what matches."""
    copy = lives.copy

    def losing(database, target):
        copy(database, target)
        with sqlite3.connect(target) as connection:
            connection.execute(statement)

    monkeypatch.setattr(lives, "copy", losing)


def test_a_start_that_is_lost_is_found(monkeypatch):
    broken(monkeypatch, "delete from instance")
    with pytest.raises(BrokenPromise, match="the instance is gone") as found:
        list(crash_points(one()))
    notes = "\n".join(found.value.__notes__)
    assert "the start was acknowledged" in notes and "crash_points(…, at='3')" in notes


def test_an_activity_that_runs_too_often_is_found(monkeypatch):
    broken(monkeypatch, "delete from history")
    with pytest.raises(BrokenPromise, match=r"fire.*ran 2 times with 1 crashes") as found:
        list(crash_points(fires()))
    assert "last activity: fire" in "\n".join(found.value.__notes__)


# -- Hypothesis


@given(
    schedule=crash_schedules(), order=completion_orders(), numbers=st.lists(st.integers(1, 3), min_size=1, max_size=3)
)
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@example(schedule=[9, 9, 9], order=[2, 1], numbers=[1, 2, 3])
def test_schedules_are_drawn_with_the_input(schedule, order, numbers):
    with Sandbox() as romancy:
        romancy.replace(do, lambda number: f"faked {number}")
        crash = run_with_crashes(sides(), schedule, order)
        assert crash.result == ["faked 1", "faked 2", "faked 3"]
        assert crash.effects["do"] <= 3 + len(crash.boundaries) * 3


def test_schedules_shrink_to_the_first_crash_that_matters():
    shortest = find(
        crash_schedules(),
        lambda schedule: run_with_crashes(one(), schedule).effects["do"] > 1,
        settings=settings(deadline=None, derandomize=True, database=None),
    )
    assert shortest == [int(crash.at) for crash in crash_points(one()) if crash.effects["do"] > 1]
