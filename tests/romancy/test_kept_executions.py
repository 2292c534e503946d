"""A worker keeps executions that rest, and goes on with one only where nobody else did."""

import pytest

from romancy import Context, RetryPolicy, activity, activity_context, sleep, workflow

noted: list[str] = []


@activity
def note(what: str) -> None:
    noted.append(what)


@activity(retry=RetryPolicy(jitter=False))
def note_at_the_second_attempt(what: str) -> None:
    if activity_context().attempt == 1:
        raise OSError("not yet")
    noted.append(what)


@workflow
def sleeps(ctx: Context):
    yield sleep(60)
    yield note("first")
    yield note("second")


@workflow
def tries(ctx: Context):
    yield note_at_the_second_attempt("first")
    yield note("second")


@pytest.mark.parametrize("leaves", ["killed", "closed"])
@pytest.mark.parametrize("waits", [sleeps, tries], ids=["a timer", "another attempt"])
def test_it_is_not_taken_up_where_another_worker_went_on_with_it(stage, caplog, waits, leaves):
    noted.clear()
    one, other = stage.open(worker_id="one", lease=1000.0), stage.open(worker_id="other")
    handle = one.start(waits(), id="n")
    one.run_until_idle()
    stage.clock.advance(60)
    while noted != ["first"]:
        other.pump()
    if leaves == "closed":  # with an activity handed out
        other.close()
    else:
        stage.kill(other)
        stage.clock.advance(31)
    one.run_until_idle()
    assert handle.status == "completed"
    assert noted.count("first") == 1
    assert not [each for each in caplog.messages if "the database failed" in each]
