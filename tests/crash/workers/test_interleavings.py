"""Workers on one file break no promise, whoever goes on at whichever boundary, dies there or stands still."""

import json
import sys

import pytest
from hypothesis import HealthCheck, given, settings

from tests.crash.workers.__main__ import main, told
from tests.crash.workers.breaks import BREAKS, Break, broken
from tests.crash.workers.campaign import run
from tests.crash.workers.examples import (
    A_LEASE_RENEWED_WHILE_ANOTHER_WORKER_WAITS_TO_TAKE_IT,
    A_LETTER_THAT_COMES_DURING_A_TURN,
    A_START_THAT_A_ZOMBIE_TAKES,
    A_ZOMBIE_IN_A_TRANSACTION,
    A_ZOMBIE_THAT_COMES_BACK_IN_ITS_TURN,
    LONG,
    TWO_SESSIONS_AND_A_CLOCK_SET_BACK_BETWEEN_THEM,
)
from tests.crash.workers.judge import Violation
from tests.crash.workers.moves import CLIENT, Cancel, Close, Go, Kill, Plan, Restart, Skew, Start, Until, drawn
from tests.crash.workers.strategies import plans
from tests.crash.workers.world import play

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@given(plans())
@settings(max_examples=120, derandomize=True, deadline=None, database=None, suppress_health_check=SLOW)
def test_no_schedule_breaks_a_promise(plan: Plan) -> None:
    play(plan)


def test_no_random_schedule_breaks_a_promise() -> None:
    report = run(seconds=600, seed=1, schedules=60)
    assert report.violations == {}
    course = report.course
    assert report.schedules == 60
    assert min(course.kills, course.restarts, course.skews, course.faults, course.lost, course.repeated) > 20
    assert min(course.closes, course.gave_up) > 5
    assert course.hand_overs > 4000
    assert course.waits > 200


def test_a_lease_that_is_renewed_while_another_worker_waits_to_take_it_is_left() -> None:
    assert play(A_LEASE_RENEWED_WHILE_ANOTHER_WORKER_WAITS_TO_TAKE_IT).taken_over == 0


def test_what_two_sessions_record_stands_in_the_order_of_time_though_the_clock_was_set_back() -> None:
    play(TWO_SESSIONS_AND_A_CLOCK_SET_BACK_BETWEEN_THEM)


def test_a_worker_that_stands_in_its_transaction_keeps_writers_waiting_until_it_dies() -> None:
    course = play(A_ZOMBIE_IN_A_TRANSACTION)
    assert course.waits > 0
    assert course.kills == 1


def test_a_worker_that_was_paused_past_its_lease_writes_nothing_under_it_and_goes_on() -> None:
    course = play(A_ZOMBIE_THAT_COMES_BACK_IN_ITS_TURN)
    assert course.lost == 1


@pytest.mark.parametrize("renamed", [False, True], ids=["under its name", "under another name"])
@pytest.mark.parametrize("hosts", [("here", "here"), ("here", "there")], ids=["beside", "elsewhere"])
def test_a_worker_that_was_killed_and_started_again_goes_on_with_what_it_held(
    hosts: tuple[str, str], renamed: bool
) -> None:
    held = (Start(0, "parents", 2), Go(0, 0, LONG), Go(0, 0, 40), Kill(0))
    course = play(Plan(hosts, (*held, Restart(0, renamed=renamed), Go(0, 0, LONG))))
    assert course.kills == 1
    assert course.lost == 0


def test_a_worker_that_starts_takes_nothing_from_one_that_is_well() -> None:
    busy = (Start(0, "fans", 2), Start(0, "parents", 2), Go(0, 0, LONG), Go(0, 0, 60))
    course = play(Plan(("here", "there", "here"), (*busy, Go(1, 0, LONG), Go(2, 0, LONG))))
    assert (course.taken_over, course.repeated) == (0, 0)


def test_two_processes_that_start_one_id_start_one_instance() -> None:
    begin = (Start(CLIENT, "sums", 2), Start(0, "sums", 2), Start(1, "sums", 2))
    racing = (Until(CLIENT, "before create"), Until(0, "before create"), Until(1, "before create"))
    assert play(Plan(("here", "here"), (*begin, *racing))).instances == 1


def test_a_clock_that_is_minutes_ahead_costs_others_their_leases_and_nobody_a_result() -> None:
    work = (Start(0, "parents", 2), Start(1, "fans", 1), Go(0, 0, LONG), Skew(1, 300), Go(1, 0, LONG), Go(0, 0, LONG))
    course = play(Plan(("here", "there"), (*work, Go(1, 0, LONG), Go(0, 0, LONG)), agree=False))
    assert course.lost > 0


def test_a_worker_that_is_closed_finishes_what_is_in_flight_and_hands_back_the_rest() -> None:
    finishing = tuple(Go(0, n % 4, 200) for n in range(40))
    course = play(Plan(("here", "there"), (Start(0, "parents", 3), Go(0, 0, LONG), Close(0), *finishing)))
    assert (course.closes, course.repeated, course.taken_over) == (1, 0, 0)


def test_a_cancellation_reaches_an_instance_whose_worker_dies_before_it_reads_it() -> None:
    asked = (Start(0, "naps", 1), Go(0, 0, LONG), Cancel("naps", 1), Go(CLIENT, 0, LONG), Kill(0))
    assert play(Plan(("here", "here"), asked)).kills == 1


def test_a_letter_that_comes_during_a_turn_wakes_the_instance_that_goes_to_rest_in_it() -> None:
    play(A_LETTER_THAT_COMES_DURING_A_TURN)


def test_a_start_that_is_taken_under_a_lost_lease_is_taken_again_under_the_next() -> None:
    course = play(A_START_THAT_A_ZOMBIE_TAKES)
    assert (course.lost, course.instances) == (1, 1)


def test_the_script_says_what_it_did(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["workers", "--seed", "3", "--schedules", "2", "--json"])
    assert main() == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["seed"], figures["schedules"], figures["violations"]) == (3, 2, {})
    assert figures["hand_overs"] > 20


def test_the_script_names_the_seed_that_broke_a_promise() -> None:
    with broken(next(each for each in BREAKS if each.name == "tokens are given again")):
        report = run(seconds=600, seed=5, schedules=1)
    assert list(report.violations) == [5]
    assert "seed 5: tokens:" in told(report)


@pytest.mark.parametrize("what", BREAKS, ids=lambda what: what.name)
def test_it_is_noticed_when(what: Break) -> None:
    plans = [what.shown_by] if what.shown_by is not None else [drawn(seed) for seed in range(100)]
    with broken(what), pytest.raises(Violation) as raised:
        for plan in plans:
            play(plan)
    assert raised.value.check in what.checks
