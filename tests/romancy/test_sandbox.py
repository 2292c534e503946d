"""An app for tests acts at once, lets virtual time pass while it waits, and says so when nothing would ever end it."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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
    sleep_until,
    start,
    workflow,
)
from romancy.errors import (
    DefinitionError,
    InstanceCancelledError,
    InstanceExistsError,
    InstanceFailedError,
    InstanceStuckError,
    UnknownInstanceError,
)
from romancy.testing import EndlessError, Sandbox, VirtualClock

STEADY = RetryPolicy(max_attempts=5, initial_delay=10, backoff=2, max_delay=1000, max_duration=10_000, jitter=False)


@activity
def double(number: int) -> int:
    return 2 * number


@activity(retry=STEADY)
def unsteady(number: int) -> int:
    raise ConnectionError(number)


@activity(timeout=5, retry=RetryPolicy(max_attempts=2, initial_delay=1, jitter=False))
def slow(number: int) -> int:
    return number


@activity
def put(name: str) -> None:
    session().execute("insert into thing values (?)", [name])


@activity
async def put_async(name: str) -> None:
    session().execute("insert into thing values (?)", [name])


@workflow
def slumber(ctx: Context, length: float) -> Flow[datetime]:
    yield sleep(length)
    return ctx.now()


@workflow
def until(ctx: Context, instant: datetime) -> Flow[datetime]:
    yield sleep_until(instant)
    return ctx.now()


@workflow
def tries(ctx: Context) -> Flow[int]:
    return (yield from unsteady(1))


@workflow
def works(ctx: Context, number: int) -> Flow[int]:
    return (yield from double(number))


@workflow
def slowly(ctx: Context) -> Flow[int]:
    return (yield from slow(1))


@workflow
def sides(ctx: Context) -> Flow[list[int]]:
    return list((yield from gather(double(1), double(2), double(3))))


@workflow
def first_of(ctx: Context) -> Flow[int]:
    winner = yield from race(double(1), sleep(5))
    return winner.index


@workflow
def family(ctx: Context) -> Flow[str]:
    yield slumber(60)
    return (yield from start(slumber(3600)))


@workflow
def rounds(ctx: Context, number: int) -> Flow[int]:
    yield double(number)
    if number < 3:
        yield recur(number + 1)
    return ctx.run


@workflow
def ticks_for_ever(ctx: Context) -> Flow[None]:
    while True:
        yield sleep(1)


@workflow
def spins_for_ever(ctx: Context) -> Flow[None]:
    yield recur()


@workflow
def puts(ctx: Context) -> Flow[None]:
    yield put("one")
    yield put_async("two")


@workflow
def waits_for_a_stranger(ctx: Context) -> Flow[None]:
    yield slumber(1)


@workflow
def by_chance(ctx: Context) -> Flow[float]:
    yield double(1)
    return random.random()  # romancy: ignore[ROM111] found by the sandbox


@workflow
def parent_of_chance(ctx: Context) -> Flow[float]:
    return (yield from by_chance().options(id="thekid"))


@workflow
def parent_of_many(ctx: Context) -> Flow[None]:
    yield gather(*[by_chance() for _ in range(5)])


@workflow
def grandparent_of_chance(ctx: Context) -> Flow[float]:
    return (yield from parent_of_chance())


# -- what is started runs at once


def test_what_is_started_runs_until_it_waits(romancy):
    done, asleep = romancy.start(works(2)), romancy.start(slumber(1))
    assert (done.status, asleep.status) == ("completed", "waiting")
    assert done.result() == 4


def test_what_is_started_together_runs_at_once_too(romancy):
    handles = romancy.start_many([works(each).options(id=f"w-{each}") for each in range(3)] + [slumber(1)])
    assert [each.status for each in handles] == ["completed"] * 3 + ["waiting"]
    assert [each.id for each in romancy.instances(status="completed")] == ["w-0", "w-1", "w-2"]
    assert romancy.get("w-2").result() == 4


def test_an_id_names_one_instance(romancy):
    assert romancy.run(works(2), id="w") == romancy.run(works(2), id="w") == 4
    assert romancy.effects == {"double": 1}
    with pytest.raises(InstanceExistsError):
        romancy.start(works(3), id="w")
    with pytest.raises(UnknownInstanceError):
        romancy.get("unknown")


def test_a_cancellation_is_carried_out_at_once(romancy):
    handle = romancy.start(slumber(100))
    handle.cancel()
    assert handle.status == "cancelled"
    with pytest.raises(InstanceCancelledError):
        handle.result()


def test_what_was_stuck_runs_at_once_when_it_is_retried(romancy):
    broken = [True]

    @workflow
    def mended(ctx: Context) -> Flow[int]:
        number = yield from double(1)
        return random.randrange(10**9) if broken else number  # romancy: ignore[ROM111] found by the sandbox

    handle = romancy.start(mended())
    assert handle.status == "stuck"
    broken.clear()
    assert romancy.retry(handle.id).status == "completed"
    assert handle.result() == 2 and romancy.effects["double"] == 1


def test_an_instance_that_would_end_otherwise_in_a_replay_is_stuck(romancy):
    with pytest.raises(InstanceStuckError, match="by_chance"):
        romancy.run(by_chance())


# -- time


@pytest.mark.parametrize(
    ("args", "parts", "seconds"),
    [
        ((90,), {}, 90),
        ((1.5,), {}, 1.5),
        ((timedelta(minutes=2),), {}, 120),
        ((), {"seconds": 5}, 5),
        ((), {"minutes": 5}, 300),
        ((), {"hours": 2}, 7200),
        ((), {"days": 3}, 3 * 86400),
        ((timedelta(days=1),), {"hours": 1, "minutes": 1, "seconds": 1}, 86400 + 3661),
        ((), {}, 0),
    ],
)
def test_time_advances_by_what_is_said(romancy, args, parts, seconds):
    begun, early, late = romancy.clock(), romancy.start(slumber(seconds)), romancy.start(slumber(seconds + 0.001))
    romancy.advance(*args, **parts)
    assert romancy.clock() - begun == pytest.approx(seconds, abs=1e-5)
    assert (early.status, late.status) == ("completed", "waiting")


def test_a_negative_length_turns_the_clock_back_and_no_timer_fires_early(romancy):
    handle = romancy.start(slumber(10))
    romancy.advance(-60)
    romancy.advance(69)
    assert handle.status == "waiting"
    romancy.advance(1)
    assert handle.status == "completed"


@pytest.mark.parametrize("length", ["5", None, float("nan"), float("inf"), 1e30, True])
def test_what_is_no_length_of_time_is_refused_and_no_time_passes(romancy, length):
    begun = romancy.clock()
    with pytest.raises(DefinitionError, match="no length of time"):
        romancy.advance(length)
    with pytest.raises(DefinitionError, match="no length of time"):
        romancy.advance(days=length)
    assert romancy.clock() == begun


def test_what_becomes_due_meanwhile_happens_at_its_own_instant(romancy):
    begun = romancy.clock.now()
    handles = [romancy.start(slumber(length)) for length in (30, 10, 20)]
    romancy.advance(hours=1)
    assert [each.result() - begun for each in handles] == [timedelta(seconds=each) for each in (30, 10, 20)]
    assert romancy.clock.now() - begun == timedelta(hours=1)


@pytest.mark.parametrize(("times", "length"), [(3, 0.1), (2, 0.3), (6, 0.3)])
def test_lengths_that_add_up_to_a_timer_let_it_fire(romancy, times, length):
    """Sums of floats are off by some hundred nanoseconds."""
    handle = romancy.start(slumber(times * length))
    for _ in range(times):
        romancy.advance(length)
    assert handle.status == "completed"


def test_a_clock_shows_what_it_was_told():
    clock = VirtualClock(datetime(2030, 1, 1, tzinfo=UTC))
    clock.advance(5)
    clock.advance(timedelta(minutes=1), seconds=1, minutes=2, hours=3, days=4)
    assert clock.now() == datetime(2030, 1, 5, 3, 3, 6, tzinfo=UTC)
    clock.advance(-1)
    assert clock.now().second == 5
    clock.advance_to(datetime(2029, 1, 1, tzinfo=UTC))
    clock.advance_to(clock() + 1.5)
    assert clock.now() == datetime(2029, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    with pytest.raises(DefinitionError, match="no length of time"):
        clock.advance(seconds=float("nan"))


def test_a_year_passes_while_a_result_is_waited_for(romancy):
    begun = romancy.clock.now()
    assert romancy.run(slumber(365 * 86400.0)) - begun == timedelta(days=365)


def test_an_instant_is_slept_until_and_one_that_has_passed_is_not(romancy):
    instant = datetime(2040, 2, 29, 12, tzinfo=UTC)
    assert romancy.run(until(instant)) == romancy.clock.now() == instant
    assert romancy.run(until(datetime(2001, 1, 1, tzinfo=UTC))) == instant


def test_the_clock_can_begin_at_an_instant():
    begun = datetime(2030, 1, 1, tzinfo=UTC)
    with Sandbox(clock=VirtualClock(begun)) as romancy:
        assert romancy.run(slumber(1)) == begun + timedelta(seconds=1)


def test_retries_come_when_their_back_off_is_over(romancy):
    handle = romancy.start(tries())
    for tried, delay in enumerate((10, 20, 40, 80), start=1):
        romancy.advance(delay - 0.01)
        assert romancy.effects["unsteady"] == tried
        romancy.advance(0.01)
        assert romancy.effects["unsteady"] == tried + 1
    assert handle.status == "failed"


def test_a_back_off_of_any_length_passes(romancy):
    """The length of a jittered one is no whole number of microseconds."""
    call = unsteady(1).options(retry=RetryPolicy(max_attempts=40, initial_delay=0.1, max_delay=9, max_duration=900))

    @workflow
    def jittered(ctx: Context) -> Flow[int]:
        return (yield from call)

    for _ in range(5):
        with pytest.raises(InstanceFailedError) as failed:
            romancy.run(jittered())
        assert isinstance(failed.value.__cause__, ConnectionError)
    assert romancy.effects["unsteady"] == 200


def test_a_fake_that_takes_too_long_times_out(romancy):
    romancy.replace(slow, lambda number: romancy.advance(6))
    begun = romancy.clock()
    with pytest.raises(InstanceFailedError, match="took over 5 s"):
        romancy.run(slowly())
    assert romancy.effects == {"slow": 2} and romancy.clock() - begun >= 11


def test_a_fake_that_is_slow_once_is_tried_again(romancy):
    lengths = [6, 4]

    def takes(number: int) -> int:
        romancy.advance(lengths.pop(0))
        return 10 * number

    romancy.replace(slow, takes)
    assert romancy.run(slowly()) == 10 and romancy.effects["slow"] == 2


def test_a_race_is_won_by_the_activity_or_by_the_timer(romancy):
    assert romancy.run(first_of()) == 0
    romancy.replace(double, lambda number: romancy.advance(6) or number)
    assert romancy.run(first_of()) == 1


def test_what_is_in_flight_completes_in_the_order_that_is_chosen():
    orders = set()
    for choices in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)):
        answers = iter(choices)
        with Sandbox(choose=lambda width: next(answers)) as romancy:  # noqa: B023 - it is used in this round alone
            assert romancy.run(sides(), id="s") == [2, 4, 6]
            orders.add(tuple(each.step for each in romancy.get("s").history() if hasattr(each, "step")))
    assert len(orders) == 6


# -- children, runs, tables


def test_children_are_waited_for_and_detached_ones_outlive_their_parent(romancy):
    begun = romancy.clock.now()
    detached = romancy.get(romancy.run(family()))
    assert (detached.workflow, detached.status) == ("slumber", "waiting")
    assert detached.result() - begun == timedelta(seconds=60 + 3600)


def test_a_workflow_that_recurs_ends_in_its_last_run(romancy):
    assert romancy.run(rounds(1)) == 3
    assert romancy.effects == {"double": 3}


def test_tables_can_be_made_and_read(romancy):
    romancy.sql("create table thing (name text)")
    romancy.run(puts())
    assert romancy.sql("select name from thing where name > ? order by name", ["a"]) == [("one",), ("two",)]


def test_a_file_keeps_what_happened(tmp_path: Path):
    clock = VirtualClock()
    with Sandbox(tmp_path / "app.db", clock=clock) as romancy:
        romancy.start(slumber(60), id="n")
    clock.advance(3600)
    with Sandbox(tmp_path / "app.db", clock=clock) as romancy:
        assert romancy.get("n").status == "waiting"
        romancy.advance()
        assert romancy.get("n").status == "completed"


def test_a_sandbox_can_be_opened_again(tmp_path: Path):
    romancy = Sandbox(tmp_path / "app.db")
    for number in (1, 2):
        with romancy:
            assert romancy.run(works(number)) == 2 * number
            assert romancy.sql("select count(*) from instance") == [(number,)]


def test_the_fixture_goes_together_with_a_file_of_another_sandbox(romancy, tmp_path: Path):
    romancy.replace(double, lambda number: number)
    with Sandbox(tmp_path / "app.db") as other:
        assert (romancy.run(works(5)), other.run(works(5))) == (5, 10)
        romancy.advance(hours=1)
        assert romancy.clock.now() - other.clock.now() == timedelta(hours=1)
    assert (romancy.effects, other.effects) == ({"double": 1}, {"double": 1})


# -- waiting


def test_a_timeout_is_virtual_and_the_instance_goes_on(romancy):
    begun, handle = romancy.clock(), romancy.start(slumber(100))
    with pytest.raises(TimeoutError, match="waiting still"):
        handle.result(timeout=40)
    assert romancy.clock() - begun == 40
    handle.result(timeout=60)


def test_a_wait_for_what_never_comes_says_so():
    with Sandbox(workflows=[waits_for_a_stranger]) as romancy:
        handle = romancy.start(waits_for_a_stranger())
        for _ in range(2):
            with pytest.raises(TimeoutError, match="nothing more will happen by itself"):
                handle.result()
        assert handle.status == "waiting"


def test_what_never_comes_is_named():
    unknown = pytest.raises(TimeoutError, match="is of workflow 'slumber', which this app does not know")
    with Sandbox(workflows=[waits_for_a_stranger]) as romancy, unknown:
        romancy.run(waits_for_a_stranger())
    for call in (parent_of_chance(), grandparent_of_chance()):
        with Sandbox() as romancy:
            handle = romancy.start(call)
            for _ in range(2):
                with pytest.raises(TimeoutError, match=r"waits for its child 'thekid', which is stuck: .*by_chance"):
                    handle.result()


def test_of_many_that_never_come_three_are_named(romancy):
    with pytest.raises(TimeoutError) as waits:
        romancy.run(parent_of_many(), id="p")
    assert str(waits.value).count("which is stuck") == 3 and str(waits.value).endswith("; and 2 more")


def test_a_workflow_without_an_end_is_given_up_and_named():
    with Sandbox(patience=50) as romancy:
        handle = romancy.start(ticks_for_ever(), id="ticks")
        with pytest.raises(EndlessError, match=r"ticks_for_ever 'ticks' \(run 1\).*result\(timeout=…\)"):
            handle.result()
        romancy.advance(200)
        with pytest.raises(TimeoutError, match="waiting still"):
            handle.result(timeout=200)
        handle.cancel()
        assert handle.status == "cancelled"


def test_a_workflow_that_goes_on_without_letting_time_pass_is_given_up_and_named():
    with Sandbox(patience=50) as romancy:
        for _ in range(2):
            with pytest.raises(EndlessError, match=r"at one instant.*spins_for_ever 'spins'"):
                romancy.start(spins_for_ever(), id="spins")
        with pytest.raises(EndlessError):
            romancy.advance(1)
        with pytest.raises(EndlessError):
            romancy.get("spins").result(timeout=5)


def test_patience_is_for_one_wait():
    with Sandbox(patience=50) as romancy:
        for _ in range(60):
            romancy.run(slumber(1))


def test_a_handle_can_be_awaited_and_virtual_time_passes(romancy):
    async def client():
        begun = romancy.clock.now()
        return await romancy.start(slumber(3600)) - begun

    assert asyncio.run(client()) == timedelta(hours=1)


def test_async_activities_run_with_and_without_a_loop_around_the_test(romancy):
    romancy.sql("create table thing (name text)")

    async def client():
        await romancy.start(puts())
        romancy.run(puts())

    asyncio.run(client())
    romancy.run(puts())
    assert len(romancy.sql("select * from thing")) == 6


def test_async_activities_share_an_event_loop_that_is_gone_with_the_sandbox():
    loops, ended = [], []

    async def lingers() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    @activity
    async def look() -> None:
        loops.append(asyncio.get_running_loop())
        loops.append(asyncio.ensure_future(lingers()))
        await asyncio.sleep(0)

    @workflow
    def looks(ctx: Context) -> Flow[None]:
        yield look()
        yield look()

    with Sandbox() as romancy:
        romancy.run(looks())
        assert loops[0] is loops[2] and not loops[0].is_closed()
    assert loops[0].is_closed() and ended == [True, True]


def test_an_interrupt_from_the_keyboard_ends_the_test_and_not_the_activity(romancy):
    def interrupted(number: int) -> int:
        raise KeyboardInterrupt

    romancy.replace(double, interrupted)
    with pytest.raises(KeyboardInterrupt):
        romancy.run(works(1))


def test_another_exit_in_an_activity_fails_the_workflow_as_it_does_in_a_worker(romancy):
    def exits(number: int) -> int:
        raise SystemExit(3)

    romancy.replace(double, exits)
    with pytest.raises(InstanceFailedError, match="SystemExit"):
        romancy.run(works(1))
    assert romancy.effects["double"] == 1


def test_an_activity_can_start_another_instance_and_wait_for_it(romancy):
    def through_the_app(number: int) -> int:
        return romancy.run(slumber(60)).minute

    romancy.replace(unsteady, through_the_app)
    assert romancy.run(tries()) == (romancy.clock.now()).minute
