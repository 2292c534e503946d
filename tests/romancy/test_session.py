"""`session()`: what an activity writes through it commits together with its recorded result, or not at all."""

import threading
import time

import pytest

from romancy import Context, RetryPolicy, Romancy, activity, gather, race, session, sleep, workflow
from romancy.errors import ActivityError, ActivityTimeoutError, InstanceFailedError
from romancy.history import ActivityCompleted

ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(autouse=True)
def account(stage):
    stage.open().close()
    stage.sql("create table account (id text primary key, balance integer)")
    stage.sql("insert into account values ('a', 100), ('b', 0)")


def balances(stage):
    return dict(stage.sql("select id, balance from account"))


def move(id, amount):
    session().execute("update account set balance = balance + ? where id = ?", [amount, id])


@activity(retry=ONCE)
def deposit(id: str, amount: int) -> int:
    move(id, amount)
    return amount


@workflow
def transfer(ctx: Context, amount: int):
    yield deposit("a", -amount)
    yield deposit("b", amount)
    return amount


class Died(BaseException):
    pass


def cause_of(handle):
    with pytest.raises(InstanceFailedError) as caught:
        handle.result(0)
    return caught.value.__cause__


def test_what_it_writes_is_there_with_its_result(stage, app):
    handle = app.start(transfer(30))
    app.run_until_idle()
    assert handle.result(0) == 30
    assert balances(stage) == {"a": 70, "b": 30}


def test_the_effect_and_its_record_are_there_together_at_every_boundary(stage):
    at, left = 0, 1
    while left <= 0 or not at:
        at += 1
        left = at

        def boundary(tag):
            nonlocal left
            left -= 1
            if left <= 0:
                raise Died

        app = stage.open(boundary=boundary)
        id = f"t{at}"
        try:
            app.start(transfer(1), id=id)
            app.run_until_idle()
        except Died:
            pass
        died = left <= 0
        stage.kill(app)
        recorded = stage.sql("select count(*) from history where kind = 'activity_completed' and step = '1'")[0][0]
        credited = stage.sql("select count(*) from history where kind = 'activity_completed' and step = '2'")[0][0]
        assert balances(stage) == {"a": 100 - recorded, "b": credited}
        app = stage.open()
        handle = app.start(transfer(1), id=id)
        app.run_until_idle()
        assert handle.result(0) == 1
        assert balances(stage) == {"a": 100 - at, "b": at}
        stage.kill(app)
        left = 0 if died else 1
    assert at > 12


def test_a_failure_rolls_back_what_it_wrote(stage, app):
    @activity(retry=ONCE)
    def half() -> None:
        move("a", -50)
        raise ValueError("after the debit")

    @workflow
    def fails(ctx: Context):
        yield half()

    handle = app.start(fails())
    app.run_until_idle()
    assert repr(cause_of(handle)) == "ValueError('after the debit')"
    assert balances(stage) == {"a": 100, "b": 0}


def test_each_failed_attempt_is_rolled_back_and_the_last_one_counts(stage, app):
    attempts = []

    @activity(retry=RetryPolicy(jitter=False))
    def flaky() -> None:
        attempts.append(1)
        move("a", -10)
        if len(attempts) < 3:
            raise OSError

    @workflow
    def tries(ctx: Context):
        yield flaky()

    stage.finish(app, app.start(tries()))
    assert balances(stage)["a"] == 90


def test_a_result_that_cannot_be_carried_rolls_back(stage, app):
    @activity(retry=ONCE)
    def odd() -> dict:
        move("a", -10)
        return {"lock": threading.Lock()}

    @workflow
    def tries(ctx: Context):
        yield odd()

    handle = app.start(tries())
    app.run_until_idle()
    assert "result.lock" in str(cause_of(handle))
    assert balances(stage)["a"] == 100


def test_an_sql_error_is_the_activity_s_own(stage, app):
    @activity(retry=ONCE)
    def wrong() -> None:
        session().execute("update nowhere set x = 1")

    @workflow
    def tries(ctx: Context):
        try:
            yield wrong()
        except ActivityError as error:
            return [error.type_name, error.message]

    handle = app.start(tries())
    app.run_until_idle()
    assert handle.result(0) == ["sqlite3.OperationalError", "no such table: nowhere"]


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_an_activity_that_ends_the_transaction_itself_is_told_so(stage, app, ending):
    @activity(retry=ONCE)
    def meddles() -> None:
        move("a", -10)
        getattr(session().conn, ending)()

    @workflow
    def tries(ctx: Context):
        yield meddles()

    @workflow
    def healthy(ctx: Context):
        return (yield deposit("b", 5))

    handle, other = app.start(tries()), app.start(healthy())
    app.run_until_idle()
    assert "leave commit and rollback to Romancy" in str(cause_of(handle))
    assert other.result(0) == 5
    assert not [event for event in handle.history() if isinstance(event, ActivityCompleted)]


def test_calling_it_again_gives_the_same_transaction(stage, app):
    @activity
    def twice() -> bool:
        move("a", -1)
        move("b", 1)
        return session() is session()

    @workflow
    def asks(ctx: Context):
        return (yield twice())

    handle = app.start(asks())
    app.run_until_idle()
    assert handle.result(0) is True
    assert balances(stage) == {"a": 99, "b": 1}


def test_an_activity_sees_what_it_wrote_before_others_do(stage, app):
    seen = []

    @activity
    def looks() -> int:
        move("a", -1)
        seen.append(balances(stage)["a"])
        return next(iter(session().query("select balance from account where id = 'a'")))["balance"]

    @workflow
    def asks(ctx: Context):
        return (yield looks())

    handle = app.start(asks())
    app.run_until_idle()
    assert handle.result(0) == 99
    assert seen == [100]


def test_an_async_activity_has_a_session_too(stage, app):
    @activity
    async def pays() -> str:
        move("b", 7)
        return "paid"

    @workflow
    def asks(ctx: Context):
        return (yield pays())

    handle = app.start(asks())
    app.run_until_idle()
    assert handle.result(0) == "paid"
    assert balances(stage)["b"] == 7


def test_outside_of_an_activity_there_is_none(app):
    with pytest.raises(RuntimeError, match="body of an activity"):
        session()

    @workflow
    def misuses(ctx: Context):
        session()  # romancy: ignore[ROM413] the defect under test
        yield sleep(1)

    handle = app.start(misuses())
    app.run_until_idle()
    assert isinstance(cause_of(handle), RuntimeError)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("verb", ["start", "cancel", "retry"])
def test_asking_the_app_to_write_while_holding_it_is_refused_and_not_a_deadlock(stage, verb, background):
    app = Romancy(stage.database, worker=background)
    ask = {
        "start": lambda: app.start(transfer(1)),
        "cancel": lambda: app.get("t").cancel(),
        "retry": lambda: app.retry("t"),
    }[verb]

    @activity(retry=ONCE)
    def asks() -> None:
        move("a", -1)
        ask()

    @workflow
    def tries(ctx: Context):
        yield asks()

    with app:
        handle = app.start(tries(), id="t")
        app.run_until_idle()
        assert "holds session()" in str(cause_of(handle))
    assert balances(stage)["a"] == 100


def test_an_attempt_that_recorded_itself_before_it_was_abandoned_counts_however_long_it_took(stage, app):
    @activity(retry=ONCE, timeout=10)
    def slow() -> None:
        move("a", -10)
        stage.clock.advance(11)

    @workflow
    def tries(ctx: Context):
        try:
            yield slow()
        except ActivityTimeoutError:
            return "timed out"
        return "committed"

    handle = app.start(tries())
    app.run_until_idle()
    recorded = [event for event in handle.history() if isinstance(event, ActivityCompleted)]
    assert (handle.result(0), balances(stage)["a"], len(recorded)) == ("committed", 90, 1)


def test_a_worker_that_lost_its_lease_writes_nothing_through_it(stage):
    entered = []

    @activity
    def pays() -> str:
        entered.append(1)
        move("b", 1)
        return "paid"

    @workflow
    def asks(ctx: Context):
        return (yield pays())

    zombie = stage.open(worker_id="zombie")
    zombie.start(asks(), id="p")
    zombie.pump()
    stage.clock.advance(31)
    heir = stage.open(worker_id="heir")
    heir.run_until_idle()
    assert heir.get("p").result(0) == "paid"
    zombie.run_until_idle()
    assert balances(stage)["b"] == 1
    assert len(entered) == 2


@pytest.mark.parametrize("members", [2, 40])
def test_many_at_once_each_commit_once_and_none_is_lost(stage, members, caplog):
    @activity(retry=ONCE)
    def plain(n: int) -> int:
        return n

    @workflow
    def fans(ctx: Context):
        calls = [deposit("b", 1) if n % 2 else plain(n) for n in range(members)]
        return len((yield gather(*calls)))

    with Romancy(stage.database, max_activities=8) as app:
        handles = [app.start(fans()) for _ in range(4)]
        assert [each.result(60) for each in handles] == [members] * 4
    assert balances(stage)["b"] == 4 * (members // 2)
    assert not [record for record in caplog.records if "database failed" in record.getMessage()]


def test_one_that_reports_late_keeps_its_place_in_the_history(stage):
    """Between its commit and its report another one may commit: none of the two is lost."""
    committed, own = threading.Event(), threading.local()

    def clock():
        own.calls = getattr(own, "calls", 9) + 1
        if own.calls == 2:  # the first is the time of its event, the second that of its report
            committed.set()
            threading.Event().wait(0.2)
        return time.time()

    @activity(retry=ONCE)
    def reports_late() -> None:
        move("a", 1)
        own.calls = 0

    @activity(retry=ONCE)
    def commits_meanwhile() -> None:
        assert committed.wait(20)
        move("b", 1)

    @workflow
    def both(ctx: Context):
        yield gather(reports_late(), commits_meanwhile())
        return "both"

    with Romancy(stage.database, clock=clock) as app:
        assert app.run(both(), timeout=20) == "both"
    assert balances(stage) == {"a": 101, "b": 1}


def test_races_and_gathers_of_them_lose_no_event_no_lease_and_no_thread(stage, caplog):
    """Losers ask for a session after their instance has ended, and events record themselves in any order."""

    @workflow
    def mixes(ctx: Context):
        yield gather(*(deposit("b", 1) if n % 2 else plain(n) for n in range(60)))
        return (yield race(deposit("a", 1), deposit("b", 1), plain(3))).index

    @activity(retry=ONCE)
    def plain(n: int) -> int:
        return n

    with Romancy(stage.database, max_activities=16, verify=1.0) as app:
        handles = [app.start(mixes()) for _ in range(15)]
        assert {each.result(60) for each in handles} <= {0, 1, 2}
        events = [event for each in handles for event in each.history() if isinstance(event, ActivityCompleted)]
    paid = balances(stage)
    assert paid["a"] - 100 + paid["b"] == sum(event.name == "deposit" for event in events)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
