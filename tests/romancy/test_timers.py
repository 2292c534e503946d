"""Timers: once, never early, in order of their instants, whatever the clock and the process do."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from romancy import Context, Flow, RetryPolicy, activity, gather, race, sleep, sleep_until, workflow
from romancy.errors import DefinitionError
from romancy.history import TimerFired

order = []


@pytest.fixture(autouse=True)
def fresh_order():
    order.clear()


def fired(handle):
    return [event for event in handle.history() if isinstance(event, TimerFired)]


@workflow
def naps(ctx: Context, name: str, seconds: float):
    yield sleep(seconds)
    order.append(name)  # romancy: ignore[ROM302] tells the test what ran
    return name


@workflow
def waits_until(ctx: Context, instant: datetime) -> Flow[datetime]:
    yield sleep_until(instant)
    return ctx.now()


def test_a_timer_fires_once_and_never_early(stage, app):
    handle = app.start(naps("a", 100))
    app.run_until_idle()
    for _ in range(10):
        stage.clock.advance(9.99)
        app.run_until_idle()
        assert handle.status == "waiting"
    stage.clock.advance(0.1)
    app.run_until_idle()
    stage.clock.advance(1000)
    app.run_until_idle()
    assert len(fired(handle)) == 1
    assert order == ["a"]


def test_timers_of_one_tick_fire_in_the_order_of_their_instants(stage, app):
    app.start_many([naps(name, seconds) for name, seconds in (("c", 30), ("a", 10), ("b", 20))])
    app.run_until_idle()
    stage.clock.advance(100)
    app.run_until_idle()
    assert order == ["a", "b", "c"]


def test_timers_of_one_instance_fire_in_the_order_of_their_instants(stage, app):
    def branch(name, seconds):
        yield sleep(seconds)
        order.append(name)  # romancy: ignore[ROM302] tells the test what ran

    @workflow
    def fans(ctx: Context):
        yield gather(branch("c", 30), branch("a", 10), branch("b", 20), branch("a too", 10))

    handle = app.start(fans())
    app.run_until_idle()
    stage.clock.advance(100)
    app.run_until_idle()
    assert handle.status == "completed"
    assert order == ["a", "a too", "b", "c"]


@pytest.mark.parametrize("seconds", [0, -1, -1e9])
def test_a_length_of_nothing_or_less_fires_at_once(app, seconds):
    handle = app.start(naps("now", seconds))
    app.run_until_idle()
    assert handle.result(0) == "now"


@pytest.mark.parametrize("length", [timedelta(hours=1), timedelta(days=365)])
def test_long_sleeps_end_to_the_second(stage, app, length):
    @workflow
    def sleeps(ctx: Context) -> Flow[datetime]:
        yield sleep(length)
        return ctx.now()

    before = stage.clock.now()
    handle = app.start(sleeps())
    app.run_until_idle()
    stage.clock.advance(length - timedelta(seconds=1))
    app.run_until_idle()
    assert handle.status == "waiting"
    stage.clock.advance(1)
    app.run_until_idle()
    assert handle.result(0) - before == length


def test_the_parts_of_a_length_are_added():
    assert sleep(1, minutes=1, hours=1, days=1).seconds == 90061
    assert sleep(timedelta(minutes=2)).seconds == 120


@pytest.mark.parametrize("length", ["5", None, True, float("nan"), float("inf")])
def test_what_is_no_length_of_time_is_refused(length):
    with pytest.raises(DefinitionError):
        sleep(length)


def test_a_sleep_of_no_length_is_refused():
    with pytest.raises(DefinitionError, match="say how long"):
        sleep()


@pytest.mark.parametrize("before", [timedelta(seconds=1), timedelta(days=400)])
def test_an_instant_that_has_passed_fires_at_once(stage, app, before):
    handle = app.start(waits_until(stage.clock.now() - before))
    app.run_until_idle()
    assert handle.status == "completed"


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(DefinitionError, match="time zone"):
        sleep_until(datetime(2030, 1, 1))


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2024, 2, 29, 23, 30, tzinfo=UTC),
        datetime(2024, 3, 31, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2024, 7, 1, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
    ],
    ids=["leap day", "hour that is skipped", "first of two", "second of two", "odd offset"],
)
def test_an_instant_means_the_same_in_every_zone(stage, app, instant):
    stage.clock.advance(instant.timestamp() - stage.clock() - 60)
    handle = app.start(waits_until(instant))
    app.run_until_idle()
    stage.clock.advance(59)
    app.run_until_idle()
    assert handle.status == "waiting"
    stage.clock.advance(1)
    app.run_until_idle()
    assert handle.result(0).timestamp() == instant.timestamp()


@pytest.mark.parametrize("down", [5.0, 50.0, 500.0])
def test_the_instant_is_kept_over_a_crash_before_and_after_it(stage, down):
    app = stage.open()
    app.start(naps("a", 100), id="n")
    app.run_until_idle()
    began = stage.clock()
    stage.kill(app)
    stage.clock.advance(down)
    app = stage.open()
    app.run_until_idle()
    assert app.get("n").status == ("completed" if down > 100 else "waiting")
    stage.clock.advance(max(0.0, began + 100 - stage.clock()))
    app.run_until_idle()
    assert app.get("n").result(0) == "a"
    assert order == ["a"]


def test_a_crash_before_the_timer_was_stored_takes_the_length_from_the_recorded_event(stage):
    @activity
    def act():
        pass

    @workflow
    def acts_then_naps(ctx: Context):
        yield act()
        yield sleep(100)

    app = stage.open()
    app.start(acts_then_naps(), id="n")
    app.run_until_idle()
    at = app.get("n").history()[-1].at
    stage.kill(app)
    stage.clock.advance(40)
    app = stage.open()
    app.run_until_idle()
    assert stage.sql("select wake_at from instance") == [(at + 100,)]


def test_thousands_that_are_overdue_at_the_start_all_fire_and_a_new_one_is_not_starved(stage):
    app = stage.open()
    handles = app.start_many([naps(str(n), 10 + n % 7) for n in range(2000)])
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(1000)
    app = stage.open()
    fresh = app.start(naps("fresh", 0))
    pumps = 0
    while fresh.status != "completed":
        app.pump()
        pumps += 1
        assert pumps < 50
    app.run_until_idle()
    assert all(app.get(each.id).status == "completed" for each in handles)
    assert len(order) == 2001


def test_a_clock_that_jumps_back_delays_a_timer_and_never_fires_it_twice(stage, app):
    handle = app.start(naps("a", 100))
    app.run_until_idle()
    stage.clock.advance(-3600)
    app.run_until_idle()
    assert handle.status == "waiting"
    stage.clock.advance(3600 + 100)
    app.run_until_idle()
    stage.clock.advance(-50)
    app.run_until_idle()
    stage.clock.advance(500)
    app.run_until_idle()
    assert order == ["a"]


def test_times_in_a_history_never_run_backwards(stage, app):
    @workflow
    def naps_twice(ctx: Context):
        yield sleep(10)
        yield sleep(10)
        return ctx.now().timestamp()

    handle = app.start(naps_twice())
    app.run_until_idle()
    stage.clock.advance(10)
    app.run_until_idle()
    stage.clock.advance(-1000)
    app.run_until_idle()
    stage.clock.advance(2000)
    app.run_until_idle()
    times = [event.at for event in handle.history()]
    assert times == sorted(times)
    assert handle.status == "completed"


def test_a_clock_that_jumps_forward_fires_what_is_due_then(stage, app):
    handles = app.start_many([naps("a", 100), naps("b", 10**6)])
    app.run_until_idle()
    stage.clock.advance(days=3)
    app.run_until_idle()
    assert [each.status for each in handles] == ["completed", "waiting"]


def test_the_recorded_winner_of_timer_against_activity_stays_the_winner(stage):
    @activity(retry=RetryPolicy(max_attempts=1))
    def act():
        stage.clock.advance(50)
        return "activity"

    @workflow
    def both(ctx: Context):
        winner = yield race(act(), sleep(50))
        order.append(winner.index)  # romancy: ignore[ROM302] tells the test what ran
        yield sleep(10)
        return winner.index

    app = stage.open()
    app.start(both(), id="r")
    app.run_until_idle()
    stage.kill(app)
    app = stage.open()
    stage.clock.advance(10)
    app.run_until_idle()
    assert app.get("r").result(0) == order[0]
    assert len(set(order)) == 1
    assert len(order) == 2


def test_a_race_against_a_deadline_records_the_deadline_before_it_is_reported(stage, app):
    stored = []

    @activity
    def report():
        stored.extend(stage.sql("select kind from history where kind = 'timer_fired'"))

    @workflow
    def with_deadline(ctx: Context):
        winner = yield race(sleep(1000), sleep(10))
        yield report()
        return winner.index

    handle = app.start(with_deadline())
    app.run_until_idle()
    stage.clock.advance(10)
    app.run_until_idle()
    assert handle.result(0) == 1
    assert stored == [("timer_fired",)]
    stage.clock.advance(2000)
    app.run_until_idle()
    assert len(fired(handle)) == 1
