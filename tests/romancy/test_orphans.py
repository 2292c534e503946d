"""A child never outlives the call that asked for it, also where its parent was brought back from its history."""

import pytest

from romancy import Context, RetryPolicy, activity, gather, race, sleep, workflow
from romancy.errors import InstanceCancelledError, InstanceFailedError


@workflow
def sleeper(ctx: Context):
    yield sleep(days=1)
    return "slept"


@activity(retry=RetryPolicy(max_attempts=1))
def fails() -> None:
    raise ValueError("no")


def undo(*, result: str) -> None:
    return None


@activity(compensate=undo)
def done() -> str:
    return "done"


@workflow
def waits(ctx: Context):
    yield sleeper()


@workflow
def waits_and_undoes(ctx: Context):
    yield done()
    yield sleeper()


@workflow
def races(ctx: Context):
    winner = yield race(sleeper(), sleep(60))
    return winner.index


def failing(ctx: Context):
    yield sleep(60)
    yield fails()


@workflow
def gathers(ctx: Context):
    yield gather(sleeper(), failing(ctx))


def again(stage, app, how):
    if how == "restarted":
        stage.kill(app)
        return stage.open()
    return app


@pytest.mark.parametrize("how", ["resident", "evicted", "restarted"])
@pytest.mark.parametrize("parent", [waits, waits_and_undoes])
def test_cancelling_a_parent_cancels_its_child(stage, parent, how):
    app = stage.open(max_resident=1 if how == "evicted" else 100)
    app.start(parent(), id="p")
    app.run_until_idle()
    app = again(stage, app, how)
    app.get("p").cancel()
    app.run_until_idle()
    statuses = {each.id: each.status for each in app.instances()}
    assert set(statuses.values()) == {"cancelled"}, statuses
    with pytest.raises(InstanceCancelledError):
        app.get("p").result(0)


@pytest.mark.parametrize("how", ["resident", "evicted", "restarted"])
def test_a_child_that_lost_a_race_is_cancelled(stage, how):
    app = stage.open(max_resident=1 if how == "evicted" else 100)
    app.start(races(), id="p")
    app.run_until_idle()
    app = again(stage, app, how)
    stage.clock.advance(minutes=2)
    app.run_until_idle()
    assert {each.id: each.status for each in app.instances()} == {"p": "completed", "p/1.1": "cancelled"}


@pytest.mark.parametrize("how", ["resident", "evicted", "restarted"])
def test_a_child_whose_sibling_failed_is_cancelled(stage, how):
    app = stage.open(max_resident=1 if how == "evicted" else 100)
    app.start(gathers(), id="p")
    app.run_until_idle()
    app = again(stage, app, how)
    stage.clock.advance(minutes=2)
    app.run_until_idle()
    assert {each.id: each.status for each in app.instances()} == {"p": "failed", "p/1.1": "cancelled"}
    with pytest.raises(InstanceFailedError):
        app.get("p").result(0)


def test_what_the_parent_did_is_undone_after_its_child_has_ended(stage):
    app = stage.open()
    app.start(waits_and_undoes(), id="p")
    app.run_until_idle()
    app = again(stage, app, "restarted")
    app.get("p").cancel()
    app.run_until_idle()
    kinds = [event.kind for event in app.get("p").history()]
    assert kinds.index("child_cancelled") < kinds.index("compensation_started")
