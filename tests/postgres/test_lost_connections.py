"""Whatever message a connection breaks at, every shape of workflow ends as if it had not, and nothing recorded is run
again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from romancy import Romancy
from romancy.history import WorkflowStarted
from romancy.store.postgres import PostgresStore
from romancy.store.protocol import Tick
from romancy.testing.contract import NOW, done, new, state, worker
from tests.postgres.stage import Stage
from tests.postgres.wire import HOWS, Wire, everywhere
from tests.romancy.shapes import CORPUS, runs
from tests.romancy.test_modes import check_end, check_records, completions, drive

SHAPES = ("sessions", "children", "compensation")


@pytest.fixture
def wire(stage: Stage) -> Iterator[Wire]:
    stage.open().close()
    stage.sql("create table ledger (name text, amount integer)")
    wire = Wire(stage.url)
    yield wire
    wire.close()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_cut_at_any_message_it_ends_the_same_and_repeats_nothing_recorded(
    stage: Stage, wire: Wire, shape: str, how: str
) -> None:
    workflow, ends = CORPUS[shape]
    app = Romancy(wire.url, worker_id="w", worker=False, clock=stage.clock)
    app.open()
    runs.clear()

    def run(at: int) -> bool:
        wire.cut(at, how)
        handle = app.start(workflow(), id=f"{how}-{at}")
        drive(stage, app)
        was_cut = wire.was_cut
        wire.cut(0, how)
        check_end(handle, ends)
        return was_cut

    places = everywhere(run)
    app.close()
    assert places > 10
    check_records(stage)
    recorded: Counter[Any] = completions(stage)
    again = {step: runs[step] for step in recorded if runs[step] > 1}
    if shape in ("children", "compensation"):
        assert not again, "only a session loses what it did when its connection breaks, and it was not recorded"


def test_a_start_whose_answer_was_lost_is_the_same_start(stage: Stage, wire: Wire) -> None:
    workflow, _ = CORPUS["activities in order"]
    app = Romancy(wire.url, worker_id="w", worker=False, clock=stage.clock)
    app.open()
    for how in HOWS:
        wire.cut(1, how)
        handle = app.start(workflow(), id=how)
        assert wire.was_cut
        assert handle.status == "pending"
    wire.cut(0, how)
    assert stage.sql("select id from instance order by number") == [(how,) for how in HOWS]
    app.close()


@pytest.mark.parametrize("how", HOWS)
def test_a_letter_is_left_once_whatever_message_the_connection_breaks_at(stage: Stage, wire: Wire, how: str) -> None:
    with closing(PostgresStore(wire.url)) as store:
        store.create([new("i")], owner=None, now=NOW)
        told = []

        def run(at: int) -> bool:
            wire.cut(at, how)
            told.append(store.tell("i", "note", str(at), NOW))
            was_cut = wire.was_cut
            wire.cut(0, how)
            return was_cut

        assert everywhere(run) >= 4
        (instance,) = store.instances()
        assert [each.data for each in store.unread(instance.number)] == [str(n + 1) for n in range(len(told))]
        assert set(told) == {"pending"}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("status", [None, "running", "waiting"])
def test_a_tick_is_written_once_whatever_message_the_connection_breaks_at(
    stage: Stage, wire: Wire, status: str | None, how: str
) -> None:
    with closing(PostgresStore(wire.url)) as store:
        token = store.register(worker(), NOW, NOW + 30)
        places = []

        def run(at: int) -> bool:
            instance = store.create([new(f"i-{at}")], owner=token, now=NOW)[0].instance
            tick = Tick(NOW, events=[(instance.number, 1, 1, done("1"))])
            if status is not None:
                tick.states.append(state(instance, status, position=2, keep=status == "running"))
            wire.cut(at, how)
            store.commit(token, tick)
            was_cut = wire.was_cut
            wire.cut(0, how)
            places.append(store.load(instance.number, 1))
            found = store.instance(f"i-{at}")
            assert found is not None
            assert (found.status, found.position) == ((status, 2) if status else ("running", 0))
            return was_cut

        assert not run(0), "undisturbed, so that what is sent once for each connection has been sent"
        assert everywhere(run) >= 1
        assert places == [[WorkflowStarted(at=NOW), done("1")]] * len(places)
