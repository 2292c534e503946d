"""The same end in every mode: undisturbed, always replayed, crashed at every boundary, and with two workers."""

from collections import Counter

import pytest

from romancy.errors import InstanceFailedError
from romancy.history import ActivityCompleted, ActivityStarted, AttemptFailed
from tests.romancy.shapes import CORPUS, paid_once, runs

SHAPES = pytest.mark.parametrize(("shape", "ends"), CORPUS.values(), ids=CORPUS)


@pytest.fixture(autouse=True)
def nothing_ran(stage):
    runs.clear()
    stage.open().close()
    stage.sql("create table ledger (name text, amount integer)")


class Died(BaseException):
    pass


def end_of(handle):
    try:
        return handle.result(0)
    except InstanceFailedError as error:
        return error.__cause__


def check_end(handle, ends):
    end = end_of(handle)
    assert (type(end), getattr(end, "args", end)) == (type(ends), getattr(ends, "args", ends))


def completions(stage):
    """How many completions are recorded of each step."""
    return Counter(
        stage.sql(
            "select instance.id, history.run, history.step from history join instance on number = history.instance"
            " where kind = 'activity_completed'"
        )
    )


def check_records(stage):
    """Every step completed at most once, and what was paid in a session was paid once."""
    assert set(completions(stage).values()) <= {1}
    ledger = stage.sql("select name, amount from ledger")
    assert len(ledger) == len(set(ledger))
    assert stage.sql("select count(*) from inbox") == [(0,)]


def drive(stage, app):
    """Let time pass until no instance of the database has anything to do."""
    for _ in range(200):
        app.run_until_idle()
        if not stage.sql("select 1 from instance where status not in ('completed', 'failed', 'cancelled', 'stuck')"):
            return
        stage.clock.advance(1)
    raise AssertionError("it does not end")


@SHAPES
def test_undisturbed_every_activity_runs_once(stage, shape, ends):
    app = stage.open()
    handle = app.start(shape(), id="x")
    drive(stage, app)
    check_end(handle, ends)
    check_records(stage)
    attempts = Counter(
        (event.step, handle.id) for event in handle.history() if isinstance(event, (AttemptFailed, ActivityCompleted))
    )
    assert all(runs["x", app._stored("x").run, step] in (count, count + 1) for (step, _), count in attempts.items())


@SHAPES
def test_replayed_at_every_step_it_ends_the_same(stage, shape, ends):
    app = stage.open(max_resident=1, verify=1.0)
    handles = app.start_many([shape().options(id="x"), shape().options(id="y"), shape().options(id="z")])
    drive(stage, app)
    check_end(handles[0], ends)
    check_records(stage)
    assert {each.status for each in handles} == {handles[0].status}


class Fuse:
    """A boundary at which the process dies, once so many were passed."""

    def __init__(self) -> None:
        self.left = 10**9
        self.tag = ""

    def __call__(self, tag: str) -> None:
        self.left -= 1
        if self.left <= 0:
            self.tag = tag
            raise Died(tag)


@SHAPES
def test_crashed_once_at_any_boundary_it_ends_the_same_and_repeats_nothing_recorded(stage, shape, ends):
    fuse, at, tags = Fuse(), 0, set()
    app = stage.open(boundary=fuse)
    while not at or fuse.left <= 0:
        at += 1
        fuse.left = at
        try:
            app.start(shape(), id=f"x{at}")
            drive(stage, app)
        except Died:
            tags.add(fuse.tag)
            stage.kill(app)
            before, entered = completions(stage), Counter(runs)
            fuse.left = 10**9
            app = stage.open(boundary=fuse)
            handle = app.start(shape(), id=f"x{at}")
            drive(stage, app)
            assert before <= completions(stage), "a recorded completion was lost"
            assert not [step for step in before if runs[step] > entered[step]], "recorded, and run again"
            fuse.left = 0
        check_end(app.get(f"x{at}"), ends)
    fuse.left = 10**9
    assert at > 10
    assert tags >= stage.boundaries
    check_records(stage)
    assert handle.status in ("completed", "failed")


@SHAPES
def test_crashed_again_and_again_it_ends_the_same_and_repeats_nothing_recorded(stage, shape, ends):
    fuse, before, entered = Fuse(), Counter(), Counter()
    for life in range(8, 60):
        fuse.left = life
        try:
            app = stage.open(boundary=fuse)
            handle = app.start(shape(), id="x")
            drive(stage, app)
            break
        except Died:
            stage.kill(app)
        assert not [step for step in before if runs[step] > entered[step]], "recorded, and run again"
        assert before <= completions(stage), "a recorded completion was lost"
        before, entered = completions(stage), Counter(runs)
    else:
        raise AssertionError("it makes no progress")
    fuse.left = 10**9
    check_end(handle, ends)
    check_records(stage)


@SHAPES
def test_two_workers_end_it_the_same_and_share_nothing_twice(stage, shape, ends):
    one, two = stage.open(worker_id="one", max_resident=2), stage.open(worker_id="two", max_resident=2)
    one.start_many([shape().options(id="x"), *(shape().options(id=f"x{n}") for n in range(5))])
    for _ in range(400):
        happened = [one.pump(), two.pump()]
        if not any(happened):
            stage.clock.advance(1)
        if not stage.sql("select 1 from instance where status not in ('completed', 'failed')"):
            break
    check_end(two.get("x"), ends)
    check_records(stage)
    assert {each.status for each in one.instances(workflow=shape.__name__)} == {one.get("x").status}
    attempts = stage.sql(
        "select instance.id, history.run, step, count(*) from history join instance on number = history.instance"
        " where kind in ('activity_completed', 'attempt_failed', 'activity_failed') group by 1, 2, 3"
    )
    assert all(runs[id, run, step] == count for id, run, step, count in attempts), "no attempt ran on both"


def test_at_most_once_holds_at_every_boundary(stage):
    outcomes = set()
    for at in range(1, 60):
        count = 0

        def boundary(tag):
            nonlocal count
            count += 1
            if count >= at:  # noqa: B023
                raise Died(tag)

        app = stage.open(boundary=boundary)
        id = f"p{at}"
        try:
            app.start(paid_once(), id=id)
            app.run_until_idle()
        except Died:
            pass
        stage.kill(app)
        app = stage.open()
        handle = app.start(paid_once(), id=id)
        app.run_until_idle()
        started = [event for event in handle.history() if isinstance(event, ActivityStarted)]
        assert len(started) == 1
        assert runs[id, 1, "1"] <= 1
        outcomes.add((handle.result(0), runs[id, 1, "1"]))
        stage.kill(app)
    assert outcomes == {("charged", 1), ("charged, or unknown", 0), ("charged, or unknown", 1)}
