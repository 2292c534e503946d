"""Every invariant notices a file, or a log of effects, that was doctored to break it; as they were they break none."""

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from romancy import Romancy
from romancy.testing import VirtualClock
from tests.crash import driving, interpreter, invariants, records, revival
from tests.crash.driving import ROOT
from tests.crash.invariants import Acknowledged, Broken, Evidence, Invariant
from tests.crash.programs import Act, Block, Child, Saga, Scenario, Sleep

FAILS = Scenario(
    Block(
        (
            Act("transactional"),
            Act("once"),
            Child(Block((Act("plain"),))),
            Saga("works"),
            Saga("flaky"),
            Act("declared"),
        )
    )
)
ONE = "instance = (select number from instance where id = 'root')"


class Finished:
    """A file of a scenario that ended, its effects, and where it waited before."""

    def __init__(self, path: Path, scenario: Scenario) -> None:
        self.path = path
        self.effects: list[interpreter.Effect] = []
        self.acknowledged = [Acknowledged("start", ROOT)]
        clock = VirtualClock()
        with interpreter.telling(self.effects.append), Romancy(path, worker=False, clock=clock) as app:
            driving.begin(app, scenario)
            app.run_until_idle()
            self.earlier = records.read(path)
            driving.finish([app], clock, path)

    def evidence(self, path: Path, **changes: Any) -> Evidence:
        given = Evidence(
            path=path,
            records=records.read(path),
            effects=self.effects,
            acknowledged=self.acknowledged,
            earlier=self.earlier,
        )
        return attrs.evolve(given, **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("finished") / "app.db", FAILS)


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("waiting") / "app.db"
    with Romancy(path, worker=False, clock=VirtualClock()) as app:
        driving.begin(app, Scenario(Block((Child(Block((Sleep(60),))),))))
        app.run_until_idle()
    return path


def doctored(path: Path, folder: Path, statements: Sequence[str]) -> Path:
    copy = folder / "doctored.db"
    shutil.copyfile(path, copy)
    connection = sqlite3.connect(copy)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return copy


def check_broken(invariant: Invariant, evidence: Evidence) -> None:
    with pytest.raises(Broken) as caught:
        invariant(evidence)
    assert caught.value.invariant == invariant.__name__
    assert caught.value.evidence


ON_FILES: list[tuple[Invariant, list[str]]] = [
    (invariants.the_file_is_whole, ["delete from instance where id = 'root/3'"]),
    (invariants.the_file_is_whole, ["insert into inbox (instance, kind, data, at) values (77, 'cancel', '', 1.0)"]),
    (
        invariants.each_call_settles_once,
        [
            "insert into history select instance, run, seq + 1000, kind, step, name, attempt, fingerprint, data, "
            f"detail, started, due, at from history where kind = 'activity_completed' and {ONE} and step = '1'"
        ],
    ),
    (invariants.history_has_no_gap, [f"delete from history where seq = 3 and {ONE}"]),
    (invariants.history_has_no_gap, [f"update history set at = at - 9 where seq = 3 and {ONE}"]),
    (
        invariants.history_has_no_gap,
        [f"update history set kind = 'workflow_failed', step = null where seq = 3 and {ONE}"],
    ),
    (invariants.sql_commits_with_its_completion, ["delete from effect"]),
    (invariants.sql_commits_with_its_completion, ["insert into effect select * from effect"]),
    (invariants.sql_commits_with_its_completion, [f"update history set name = 'plain' where step = '1' and {ONE}"]),
    (
        invariants.compensation_reverses_completion,
        [
            "update history set name = case name when 'undo_works' then 'undo_flaky' else 'undo_works' end, "
            """data = case data when '"4"' then '"5"' else '"4"' end """
            f"where step like 'c%' and kind = 'activity_completed' and {ONE}"
        ],
    ),
    (invariants.compensation_reverses_completion, [f"delete from history where step = 'c2' and {ONE}"]),
    (
        invariants.compensation_reverses_completion,
        [f"delete from history where kind = 'compensation_started' and {ONE}"],
    ),
    (invariants.compensation_reverses_completion, [f"update history set step = 'c1' where step = 'c2' and {ONE}"]),
    (invariants.who_ended_holds_nothing, ["update instance set wake_at = 5.0 where id = 'root'"]),
    (invariants.who_ended_holds_nothing, ["update instance set owner = 1 where id = 'root'"]),
    (
        invariants.who_ended_holds_nothing,
        ["insert into inbox (instance, kind, data, at) select number, 'cancel', '', 1.0 from instance"],
    ),
    (invariants.who_ended_holds_nothing, ["update instance set status = 'completed' where id = 'root'"]),
    (invariants.an_owner_has_a_lease, ["update instance set owner = 99"]),
    (
        invariants.storage_stays_out_of_results,
        [
            """update history set data = '{"type": "E", "message": "database is locked"}' """
            f"where kind = 'activity_failed' and {ONE}"
        ],
    ),
    (
        invariants.storage_stays_out_of_results,
        ["update instance set error = 'sqlite3.OperationalError: disk I/O error'"],
    ),
    (invariants.nobody_is_stuck, ["update instance set status = 'stuck' where id = 'root'"]),
    (revival.replay_ends_as_recorded, [f"update history set name = 'flaky' where step = '1' and {ONE}"]),
    (revival.replay_ends_as_recorded, [f"update history set fingerprint = 5 where step = '1' and {ONE}"]),
    (
        revival.replay_ends_as_recorded,
        ["update history set data = '[\"other\"]' where kind = 'workflow_completed'"],
    ),
    (
        revival.replay_ends_as_recorded,
        [f"delete from history where kind = 'workflow_failed' and {ONE}"],
    ),
    (
        invariants.an_effect_is_behind_each_completion,
        [f"update history set step = '99' where step = '1' and {ONE}"],
    ),
    (invariants.at_most_once_is_started_first, ["delete from history where kind = 'activity_started'"]),
    (invariants.what_was_acknowledged_is_there, ["update instance set id = 'other' where id = 'root'"]),
    (invariants.history_only_grows, ["update instance set input = '{}' where id = 'root'"]),
    (invariants.history_only_grows, [f"update history set data = '[1]' where step = '1' and {ONE}"]),
    (invariants.history_only_grows, [f"delete from history where {ONE}"]),
]


@pytest.mark.parametrize(
    ("invariant", "statements"), ON_FILES, ids=[f"{each.__name__}-{n}" for n, (each, _) in enumerate(ON_FILES)]
)
def test_a_doctored_file_is_noticed(
    finished: Finished, tmp_path: Path, invariant: Invariant, statements: list[str]
) -> None:
    check_broken(invariant, finished.evidence(doctored(finished.path, tmp_path, statements)))


def test_a_byte_that_flipped_is_noticed(finished: Finished, tmp_path: Path) -> None:
    copy = doctored(
        finished.path,
        tmp_path,
        [
            "create index another on history (kind)",
            "pragma writable_schema = on",
            "update sqlite_schema set sql = 'create index another on history (step)' where name = 'another'",
        ],
    )
    check_broken(invariants.the_file_is_whole, finished.evidence(copy))


def test_work_left_over_in_a_finished_file_is_noticed(finished: Finished, tmp_path: Path) -> None:
    statements = ["insert into inbox (instance, kind, data, at) select number, 'cancel', '', 1.0 from instance"]
    evidence = finished.evidence(doctored(finished.path, tmp_path, statements))
    taken = attrs.evolve(evidence.records, letters={})
    check_broken(revival.a_fresh_engine_writes_nothing, attrs.evolve(evidence, records=taken))


UNWOKEN = [
    "update instance set wake_at = null where id = 'root/1'",
    "update instance set wake_at = wake_at + 1 where id = 'root/1'",
    "update instance set status = 'completed' where id = 'root/1'",
    "insert into inbox (instance, kind, data, at) select number, 'cancel', '', 1.0 from instance where id = 'root'",
    "delete from history where instance = (select number from instance where id = 'root')",
]


@pytest.mark.parametrize("statement", UNWOKEN)
def test_an_instance_that_nobody_would_wake_is_noticed(waiting: Path, tmp_path: Path, statement: str) -> None:
    copy = doctored(waiting, tmp_path, [statement])
    check_broken(revival.who_waits_is_woken, Evidence(path=copy, records=records.read(copy)))


def test_an_attempt_that_is_to_begin_at_once_and_has_no_alarm_is_noticed(finished: Finished, tmp_path: Path) -> None:
    undone = [
        f"delete from history where seq > 0 and {ONE}",
        "update instance set status = 'waiting', wake_at = 9e9, error = null where id = 'root'",
    ]
    late = finished.evidence(doctored(finished.path, tmp_path, undone), earlier=None, now=8e9)
    check_broken(revival.who_waits_is_woken, late)
    revival.who_waits_is_woken(attrs.evolve(late, now=9e9))


def test_an_instance_that_waits_as_it_should_is_fine(waiting: Path) -> None:
    invariants.check(waiting)


def test_the_file_as_it_was_breaks_nothing(finished: Finished) -> None:
    evidence = finished.evidence(finished.path)
    for invariant in invariants.FINAL:
        invariant(evidence)
    invariants.what_is_recorded_never_runs_again(evidence, [])


def begin_of(finished: Finished, name: str) -> interpreter.Effect:
    return next(each for each in finished.effects if each.phase == "begin" and each.name == name)


def test_an_attempt_that_is_made_twice_without_a_crash_is_noticed(finished: Finished) -> None:
    twice = [*finished.effects, begin_of(finished, "transactional"), begin_of(finished, "saga_works")]
    evidence = finished.evidence(finished.path, effects=twice)
    check_broken(invariants.repeats_fit_the_crashes, evidence)
    check_broken(invariants.repeats_fit_the_crashes, attrs.evolve(evidence, crashes=1))
    invariants.repeats_fit_the_crashes(attrs.evolve(evidence, crashes=2))


def test_an_at_most_once_activity_that_is_entered_twice_is_noticed(finished: Finished) -> None:
    twice = [*finished.effects, begin_of(finished, "once")]
    check_broken(invariants.at_most_once_is_started_first, finished.evidence(finished.path, effects=twice, crashes=1))


def test_a_completion_without_its_effect_is_noticed(finished: Finished) -> None:
    begun = [each for each in finished.effects if each.phase == "begin"]
    check_broken(invariants.an_effect_is_behind_each_completion, finished.evidence(finished.path, effects=begun))


def test_a_key_that_changes_or_is_given_twice_is_noticed(finished: Finished) -> None:
    changed = attrs.evolve(begin_of(finished, "once"), key="other")
    check_broken(invariants.keys_are_stable, finished.evidence(finished.path, effects=[*finished.effects, changed]))
    shared = [attrs.evolve(each, key="one for all") for each in finished.effects]
    check_broken(invariants.keys_are_stable, finished.evidence(finished.path, effects=shared))


def test_what_is_recorded_and_runs_again_is_noticed(finished: Finished) -> None:
    evidence = finished.evidence(finished.path, earlier=records.read(finished.path))
    with pytest.raises(Broken, match="what_is_recorded_never_runs_again"):
        invariants.what_is_recorded_never_runs_again(evidence, [begin_of(finished, "once")])


@pytest.mark.parametrize(
    "told", [Acknowledged("start", "missing"), Acknowledged("end", ROOT, ["a value"]), Acknowledged("cancel", "root/9")]
)
def test_what_was_told_and_is_not_there_is_noticed(finished: Finished, told: Acknowledged) -> None:
    check_broken(invariants.what_was_acknowledged_is_there, finished.evidence(finished.path, acknowledged=[told]))


def test_a_cancellation_that_was_lost_is_noticed(waiting: Path) -> None:
    told = [Acknowledged("cancel", ROOT)]
    check_broken(
        invariants.what_was_acknowledged_is_there,
        Evidence(path=waiting, records=records.read(waiting), acknowledged=told),
    )
