"""SQL that an activity does through `session()` and its recorded result are one: both are there or neither."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from romancy.history import ActivityCompleted
from tests.system.programs import transfers
from tests.system.stage import Stage

ACCOUNTS = 5


@pytest.mark.parametrize("seed", [1, 2])
def test_each_transfer_is_applied_as_often_as_it_is_recorded_at_whatever_place_its_worker_is_killed(
    stage: Stage, seed: int
) -> None:
    chance = random.Random(seed)
    stage.open_bank(ACCOUNTS)
    handles = stage.client.start_many([transfers(60, ACCOUNTS).options(id=f"bank-{number}") for number in range(4)])
    kills = 0
    while any(handle.status != "completed" for handle in handles):
        begun = len(stage.bodies())
        worker = stage.work(activities=4)
        _let_it_begin(stage, begun + chance.randint(0, 40))
        time.sleep(chance.random() * 0.01)
        if worker.process.poll() is None:
            stage.kill(worker)
            kills += 1
        _assert_balanced(stage)
    moved = sum(handle.result(1) for handle in handles)
    assert stage.query("select sum(amount), count(*) from transfer") == [(moved, 4 * 60)]
    assert kills >= 3
    print(f"{kills} kills, {len(stage.bodies())} bodies for {4 * 60} transfers")


def _let_it_begin(stage: Stage, bodies: int) -> None:
    """Wait until so many transfers were begun by all workers so far, or nothing is left to do."""
    stage.wait_for(
        f"{bodies} bodies",
        lambda: (
            len(stage.bodies()) >= bodies or stage.query("select 1 from instance where status != 'completed'") == []
        ),
    )


def _assert_balanced(stage: Stage) -> None:
    assert stage.query("select sum(balance) from account") == [(ACCOUNTS * 1000,)]
    journal = Counter(stage.query("select instance, step from transfer"))
    recorded = Counter(
        stage.query(
            "select instance.id, step from history join instance on instance.number = history.instance where kind = ?",
            ActivityCompleted.kind,
        )
    )
    assert journal == recorded
    assert set(journal.values()) <= {1}
