"""No power cut takes back what was acknowledged; and the cuts are real, since careless engines do not survive them."""

from __future__ import annotations

from pathlib import Path

import pytest

from romancy.history import Event
from romancy.store.sqlite.transaction import SqliteRecording
from tests.crash.power.adapter import CarelessConnection, Connection, HastyConnection
from tests.crash.power.campaign import Campaign, Plan
from tests.crash.power.scripts import SCRIPTS, Script

BY_NAME = {script.name: script for script in SCRIPTS}


def found(script: Script, folder: Path, make: type[Connection] = Connection) -> str:
    return "\n".join(Campaign(script, folder, Plan(share=0.2), make).run().faults)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_what_was_acknowledged_survives_power_cuts_and_everything_ends_right(script: Script, folder: Path) -> None:
    report = Campaign(script, folder, Plan(share=0.2, draws=2, second=0.005)).run()
    assert report.faults == []
    assert report.recovered >= 100
    assert report.tails >= 15


def test_a_short_run_survives_a_cut_at_each_of_its_places(folder: Path) -> None:
    report = Campaign(BY_NAME["payments"], folder, Plan()).run()
    assert report.faults == []
    assert report.recovered >= 250


def test_a_second_cut_during_the_recovery_is_survived_as_well(folder: Path) -> None:
    report = Campaign(BY_NAME["retries"], folder, Plan(share=0.04, second=0.2, share_again=0.4)).run()
    assert report.faults == []
    assert report.second >= 100


def test_synchronous_normal_loses_what_was_acknowledged(folder: Path) -> None:
    assert "was acknowledged and is lost" in found(BY_NAME["orders"], folder, CarelessConnection)


def test_a_commit_that_is_acknowledged_before_it_is_made_is_lost(folder: Path) -> None:
    assert "was acknowledged and is lost" in found(BY_NAME["orders"], folder, HastyConnection)


def test_rows_that_are_committed_apart_from_their_record_are_there_without_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SqliteRecording.record

    def record_apart(recording: SqliteRecording, event: Event) -> int:
        recording.handle.conn.execute("commit")
        recording.handle.conn.execute("begin immediate")
        return record(recording, event)

    monkeypatch.setattr(SqliteRecording, "record", record_apart)
    assert "rows without a completion Counter({('o1', '2'): 1})" in found(BY_NAME["orders"], folder)


def test_what_is_found_is_found_again_under_the_same_seed(folder: Path) -> None:
    reports = []
    for name in ("one", "other"):
        (folder / name).mkdir()
        reports.append(Campaign(BY_NAME["orders"], folder / name, Plan(share=0.1), CarelessConnection).run())
    assert reports[0].faults
    figures = [(report.places, report.images, report.recovered, len(report.faults)) for report in reports]
    assert figures[0] == figures[1]
