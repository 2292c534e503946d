"""When a worker does what nobody asks for, and how much of what is due it takes: pure, so time is a number here."""

import pytest

from romancy.worker.claims import Claims, earlier
from romancy.worker.timetable import POLL, Chore, Timetable


def seen_to(timetable: Timetable, now: float, *, is_pressed: bool = False) -> list[Chore]:
    chores = timetable.chores(now, is_pressed=is_pressed)
    for chore in chores:
        timetable.noted(chore, now)
    return chores


@pytest.fixture
def timetable() -> Timetable:
    timetable = Timetable(lease=30.0, polls=True)
    timetable.registered(100.0)
    return timetable


def test_a_lease_is_renewed_when_a_third_of_it_has_passed(timetable: Timetable) -> None:
    assert Chore.RENEW not in seen_to(timetable, 109.9)
    assert Chore.RENEW in seen_to(timetable, 110.0)
    assert Chore.RENEW not in seen_to(timetable, 119.9)


def test_a_lease_whose_renewal_failed_is_renewed_at_the_next_turn(timetable: Timetable) -> None:
    assert Chore.RENEW in timetable.chores(110.0, is_pressed=False)
    assert Chore.RENEW in timetable.chores(110.0, is_pressed=False)


def test_who_is_registered_looks_at_once_for_workers_that_died(timetable: Timetable) -> None:
    assert Chore.LOOK_AROUND in seen_to(timetable, 100.0)
    assert Chore.LOOK_AROUND not in seen_to(timetable, 100.2)
    timetable.registered(100.2)
    assert Chore.LOOK_AROUND in seen_to(timetable, 100.2)


def test_who_is_not_alone_looks_four_times_a_second_for_workers_that_died(timetable: Timetable) -> None:
    seen_to(timetable, 100.0)
    assert Chore.LOOK_AROUND not in seen_to(timetable, 100.2)
    assert Chore.LOOK_AROUND in seen_to(timetable, 100.25)
    assert Chore.LOOK_AROUND not in seen_to(timetable, 100.3)


def test_who_is_pressed_for_time_looks_now_and_then_at_what_others_wrote(timetable: Timetable) -> None:
    assert Chore.POLL in seen_to(timetable, 100.0, is_pressed=True)
    assert Chore.POLL not in seen_to(timetable, 100.0 + POLL / 2, is_pressed=True)
    assert Chore.POLL in seen_to(timetable, 100.0 + POLL / 2)
    assert Chore.POLL in seen_to(timetable, 100.0 + 2 * POLL, is_pressed=True)


def test_who_is_pressed_looks_when_the_clock_was_set_back(timetable: Timetable) -> None:
    seen_to(timetable, 100.0)
    assert Chore.POLL in seen_to(timetable, 40.0, is_pressed=True)


def test_who_is_alone_on_a_database_only_renews_its_lease() -> None:
    alone = Timetable(lease=30.0, polls=False)
    alone.registered(100.0)
    assert seen_to(alone, 105.0) == []
    assert seen_to(alone, 110.0) == [Chore.RENEW]


def test_who_is_alone_sleeps_until_its_lease_is_to_be_renewed_or_something_is_due() -> None:
    alone = Timetable(lease=30.0, polls=False)
    alone.registered(100.0)
    assert alone.patience(101.0, float("inf")) == 9.0
    assert alone.patience(101.0, 103.0) == 2.0
    assert alone.patience(101.0, 99.0) == 0.0


def test_who_is_not_alone_sleeps_no_longer_than_until_its_next_look(timetable: Timetable) -> None:
    seen_to(timetable, 100.0)
    assert timetable.patience(100.0, float("inf")) == POLL
    assert timetable.patience(100.0, 100.01) == pytest.approx(0.01)
    assert timetable.patience(100.25, float("inf")) == 0.0


def test_who_is_alone_takes_all_that_there_is_room_for() -> None:
    claims = Claims(slots=64)
    assert claims.room(free=10_000, out=64) == 10_000
    assert claims.share(free=100, out=64) == 100
    assert claims.share(free=10_000, out=0) == 500
    assert claims.share(free=0, out=0) == 1


def test_among_others_no_more_begin_than_can_run() -> None:
    claims = Claims(slots=64, others=1)
    assert claims.room(free=10_000, out=60) == 4
    assert claims.room(free=10_000, out=70) == 0
    assert claims.share(free=10_000, out=0) == 16
    assert claims.share(free=10_000, out=64) == 1


def test_who_is_alone_claims_again_at_once() -> None:
    claims = Claims(slots=64, next_due=10.0)
    claims.claimed(20.0, 16, is_serial=True)
    assert claims.next(out=3) == 10.0


@pytest.mark.parametrize(("share", "is_serial", "pause"), [(16, True, 0.05), (1, False, 0.05), (16, False, 0.01)])
def test_among_others_they_have_their_turn_while_something_runs_here(share: int, is_serial: bool, pause: float) -> None:
    claims = Claims(slots=64, others=1, next_due=10.0)
    claims.claimed(20.0, share, is_serial=is_serial)
    assert claims.next(out=3) == pytest.approx(20.0 + pause)
    assert claims.next(out=0) == 10.0


def test_nothing_is_claimed_where_nothing_is_due() -> None:
    claims = Claims(slots=64)
    assert claims.next(out=0) == float("inf")
    claims.sooner(30.0)
    claims.sooner(None)
    claims.sooner(40.0)
    assert claims.next(out=0) == 30.0


def test_a_second_between_two_suspects() -> None:
    claims = Claims(slots=64)
    assert claims.may_try(20.0)
    claims.tried(20.0)
    assert not claims.may_try(20.9)
    assert claims.trial(10.0) == 21.0
    assert claims.trial(50.0) == 50.0
    assert claims.trial(None) is None
    assert claims.may_try(21.0)


def test_the_earlier_of_two_instants_may_be_the_only_one() -> None:
    assert earlier(1.0, 2.0) == earlier(2.0, 1.0) == 1.0
    assert earlier(None, 2.0) == earlier(2.0, None) == 2.0
    assert earlier(None, None) is None
