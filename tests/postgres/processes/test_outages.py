"""The server goes away for a while: nothing that was acknowledged is lost, and nobody has to be started again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from romancy import Handle
from romancy.errors import StoreError
from tests.postgres.processes.stage import Stage
from tests.postgres.server import PostgresServer
from tests.system.effects import overlapping
from tests.system.programs import slow_total, transfers
from tests.system.stage import completions


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop; transfers between the same accounts wait for each other but shortly."""
    server = PostgresServer(deadlock_timeout="50ms")
    yield server
    server.close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_is_stopped_under_load_loses_nothing_that_was_acknowledged(
    own_server: PostgresServer, tmp_path: Path, mode: str
) -> None:
    with Stage(tmp_path, own_server.fresh()) as stage:
        stage.open_bank(accounts=4)
        workers = [stage.work(activities=4, lease=2.0) for _ in range(2)]
        stage.wait_for_leases(2)
        acknowledged: list[Handle[int]] = []
        is_over = threading.Event()

        def start() -> None:
            while not is_over.is_set() and len(acknowledged) < 60:
                try:
                    acknowledged.append(stage.client.start(slow_total(4, 0.01)))
                    acknowledged.append(stage.client.start(transfers(2, 4)))
                except StoreError:
                    continue  # it says so: this one may have to be started again

        starting = threading.Thread(target=start)
        starting.start()
        stage.wait_for("some of it to be done", lambda: len(stage.bodies()) > 20)
        own_server.stop(mode)
        is_away = threading.Event()
        assert not is_away.wait(2.5), "longer than the leases"
        own_server.start()
        stage.wait_for("starts after it", lambda: len(acknowledged) >= 60)
        is_over.set()
        starting.join()
        results = [handle.result(60) for handle in acknowledged]
        assert len(results) >= 60
        assert all(handle.status == "completed" for handle in acknowledged)
        assert all(completions(handle) for handle in acknowledged), "no step was recorded twice"
        complaints = "".join(worker.complained() for worker in workers)
        assert [worker.process.poll() for worker in workers] == [None, None], complaints
        assert stage.query("select sum(balance) from account") == [(4000,)]
        moved = stage.query("select coalesce(sum(amount), 0) from transfer")[0][0]
        assert moved == sum(results[1::2]), "each transfer was applied as often as it was recorded"
        assert not overlapping(stage.bodies(), {})


def test_workers_whose_leases_ran_out_while_the_server_was_away_do_not_take_over_from_each_other(
    own_server: PostgresServer, tmp_path: Path
) -> None:
    with Stage(tmp_path, own_server.fresh()) as stage:
        for number in range(3):
            stage.work(id=f"w-{number}", lease=1.0)
        stage.wait_for_leases(3)
        before = stage.query("select token, id from worker order by token")
        own_server.stop()
        is_away = threading.Event()
        assert not is_away.wait(2.0), "longer than the leases"
        own_server.start()
        until = "select min(until) - extract(epoch from clock_timestamp()) from worker"
        stage.wait_for("all leases to be renewed", lambda: stage.query(until)[0][0] > 0)
        assert stage.query("select token, id from worker order by token") == before
