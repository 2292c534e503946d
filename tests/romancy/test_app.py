"""The app and its handles: starting once, finding again, waiting, closing and opening."""

import asyncio
import threading

import pytest

from romancy import Context, Romancy, activity, gather, sleep, workflow
from romancy.errors import (
    DefinitionError,
    InstanceExistsError,
    InstanceFailedError,
    InstanceStateError,
    SerializationError,
    StoreError,
    UnknownInstanceError,
)

DEADLINE = 30.0


@activity
def double(n: int) -> int:
    return 2 * n


@workflow
def doubled(ctx: Context, n: int):
    return (yield double(n))


@workflow
def other(ctx: Context, n: float):
    yield sleep(n)


@workflow
def breaks(ctx: Context):
    yield 7  # romancy: ignore[ROM405] the defect under test


# -- starting


def test_an_id_is_started_once_and_the_same_call_again_is_the_same_instance(stage, app):
    first = app.start(doubled(4), id="d")
    app.run_until_idle()
    again = app.start(doubled(4), id="d")
    app.run_until_idle()
    assert first.result(0) == again.result(0) == 8
    assert len(app.instances()) == 1
    assert len(first.history()) == 3


def test_the_same_id_with_other_input_or_another_workflow_is_a_conflict(app):
    app.start(doubled(4), id="d")
    with pytest.raises(InstanceExistsError, match=r"'d' exists already.*other input"):
        app.start(doubled(5), id="d")
    with pytest.raises(InstanceExistsError, match=r"workflow 'doubled', not 'other'"):
        app.start(other(4), id="d")
    assert len(app.instances()) == 1


def test_a_conflict_in_a_batch_leaves_the_others_started(app):
    app.start(doubled(1), id="taken")
    with pytest.raises(InstanceExistsError):
        app.start_many([doubled(5).options(id="a"), doubled(2).options(id="taken"), doubled(6).options(id="b")])
    app.run_until_idle()
    assert [app.get(id).result(0) for id in ("a", "taken", "b")] == [10, 2, 12]


def test_an_argument_that_cannot_be_carried_starts_nothing(app):
    with pytest.raises(SerializationError, match=r"args.n"):
        app.start_many([doubled(1), doubled("text")])
    assert app.instances() == []


def test_ids_are_random_unless_they_are_given(app):
    handles = app.start_many([doubled(1), doubled(1)])
    assert len({each.id for each in handles}) == 2


def test_start_many_keeps_the_order_of_its_calls(app):
    handles = app.start_many(doubled(n) for n in range(50))
    app.run_until_idle()
    assert [each.result(0) for each in handles] == [2 * n for n in range(50)]
    assert [each.id for each in app.instances()] == [each.id for each in handles]
    assert app.start_many([]) == []


@pytest.mark.parametrize("wrong", [None, double(1), doubled, sleep(1), gather()])
def test_what_is_no_call_of_a_workflow_is_not_started(app, wrong):
    with pytest.raises(DefinitionError, match=r"is not the call of a workflow"):
        app.start(wrong)


@pytest.mark.parametrize("id", ["", "x" * 1001, "a\0b", "\ud800", 7])
def test_an_id_that_a_database_cannot_hold_is_refused(app, id):
    with pytest.raises(DefinitionError, match="id"):
        app.start(doubled(1), id=id)


def test_an_acknowledged_start_survives_the_end_of_its_process(stage):
    app = stage.open()
    app.start(doubled(3), id="d")
    stage.kill(app)
    app = stage.open()
    app.run_until_idle()
    assert app.get("d").result(0) == 6


# -- finding


def test_an_unknown_id_is_an_error_everywhere(app):
    for ask in (app.get, app.retry):
        with pytest.raises(UnknownInstanceError, match="there is no instance 'nobody'"):
            ask("nobody")


def test_instances_are_listed_by_status_workflow_and_page(app):
    app.start_many([doubled(n).options(id=f"d{n}") for n in range(4)])
    app.start_many([other(10**6).options(id=f"o{n}") for n in range(3)])
    app.run_until_idle()

    def ids(**filters):
        return [each.id for each in app.instances(**filters)]

    assert ids() == ["d0", "d1", "d2", "d3", "o0", "o1", "o2"]
    assert ids(status="completed") == ["d0", "d1", "d2", "d3"]
    assert ids(status="waiting", limit=2) == ["o0", "o1"]
    assert ids(workflow="other", after="o0") == ["o1", "o2"]
    pages, last = [], None
    while page := ids(limit=3, after=last):
        pages.append(page)
        last = page[-1]
    assert pages == [["d0", "d1", "d2"], ["d3", "o0", "o1"], ["o2"]]


def test_a_status_that_does_not_exist_is_refused(app):
    with pytest.raises(DefinitionError, match=r"there is no status 'done'.*completed"):
        app.instances(status="done")


def test_statuses_follow_the_life_of_an_instance(stage, app):
    handle = app.start(other(10))
    seen = [handle.status]
    app.run_until_idle()
    seen.append(handle.status)
    stage.clock.advance(10)
    app.run_until_idle()
    seen.append(handle.status)
    assert seen == ["pending", "waiting", "completed"]


@pytest.mark.parametrize("status", ["pending", "waiting", "completed", "failed", "cancelled"])
def test_only_a_stuck_instance_can_be_retried(stage, app, status):
    call = {"failed": breaks(), "completed": doubled(1)}.get(status, other(100))
    handle = app.start(call, id="i")
    if status == "cancelled":
        handle.cancel()
    if status != "pending":
        app.run_until_idle()
    assert handle.status == status
    with pytest.raises(InstanceStateError, match=f"'i' is {status}: only a stuck instance"):
        app.retry("i")


def test_the_handle_of_an_unknown_workflow_s_result_is_a_clear_error(stage):
    app = stage.open()
    app.start(doubled(1), id="d")
    app.run_until_idle()
    narrow = stage.open(worker_id="narrow", workflows=[other])
    assert narrow.get("d").status == "completed"
    with pytest.raises(DefinitionError, match="'doubled' is not known here"):
        narrow.get("d").result(0)


# -- waiting


def test_a_result_that_does_not_come_in_time_is_a_timeout_and_the_instance_goes_on(stage, app):
    handle = app.start(other(10))
    app.run_until_idle()
    with pytest.raises(TimeoutError, match="is waiting still"):
        handle.result(0)
    stage.clock.advance(10)
    app.run_until_idle()
    assert handle.result(0) is None


def test_a_failed_result_raises_with_the_workflow_s_exception_as_its_cause(app):
    handle = app.start(breaks())
    app.run_until_idle()
    with pytest.raises(InstanceFailedError) as caught:
        handle.result(0)
    assert isinstance(caught.value.__cause__, DefinitionError)
    assert caught.value.instance_id == handle.id


def test_a_handle_is_awaitable_with_a_worker_in_the_background(tmp_path):
    async def main(app):
        handles = [app.start(doubled(n)) for n in range(5)]
        return await asyncio.gather(*handles)

    with Romancy(tmp_path / "app.db") as app:
        assert asyncio.run(asyncio.wait_for(main(app), DEADLINE)) == [0, 2, 4, 6, 8]


def test_a_handle_of_a_client_is_awaitable_while_a_worker_elsewhere_runs_it(tmp_path):
    async def main(client):
        return await client.start(doubled(21))

    path = tmp_path / "app.db"
    with Romancy(path, worker=False) as client, Romancy(path):
        assert asyncio.run(asyncio.wait_for(main(client), DEADLINE)) == 42


def test_a_client_waits_for_what_another_app_of_the_process_runs(tmp_path):
    path = tmp_path / "app.db"
    with Romancy(path, worker=False) as client, Romancy(path):
        assert client.run(doubled(4), timeout=DEADLINE) == 8


def test_many_threads_may_use_one_app(tmp_path):
    results = {}

    with Romancy(tmp_path / "app.db") as app:

        def use(n):
            results[n] = [app.run(doubled(10 * n + m), timeout=DEADLINE) for m in range(5)]

        threads = [threading.Thread(target=use, args=[n]) for n in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(DEADLINE)
    assert results == {n: [2 * (10 * n + m) for m in range(5)] for n in range(8)}


# -- life


def test_a_closed_app_opens_again_and_goes_on(tmp_path):
    path = tmp_path / "app.db"
    with Romancy(path) as app:
        app.start(other(0.2), id="o")
        app.run(doubled(1), id="d", timeout=DEADLINE)
    with Romancy(path) as app:
        assert app.run(doubled(1), id="d", timeout=DEADLINE) == 2
        assert app.get("o").result(DEADLINE) is None
    with app:
        assert app.get("o").status == "completed"


def test_closing_twice_is_closing_once(tmp_path):
    app = Romancy(tmp_path / "app.db")
    app.open()
    app.close()
    app.close()


def test_closing_gives_every_lease_back(stage):
    app = stage.open()
    app.start(other(10))
    app.run_until_idle()
    app.close()
    assert stage.sql("select count(*) from worker") == [(0,)]
    assert stage.sql("select owner from instance") == [(None,)]


def test_somebody_who_waits_while_the_app_closes_is_told(tmp_path):
    app = Romancy(tmp_path / "app.db")
    app.open()
    handle = app.start(other(10**6))
    told = []

    def wait():
        try:
            handle.result(DEADLINE)
        except BaseException as error:
            told.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not app._waiters.ids():
        thread.join(0.001)
    app.close()
    thread.join(DEADLINE)
    assert isinstance(told[0], StoreError)


def test_pumping_beside_a_worker_in_the_background_is_refused(tmp_path):
    with Romancy(tmp_path / "app.db") as app, pytest.raises(RuntimeError, match="worker=False"):
        app.pump()


def test_run_until_idle_waits_for_the_worker_in_the_background(tmp_path):
    with Romancy(tmp_path / "app.db") as app:
        handles = app.start_many(doubled(n) for n in range(20))
        app.run_until_idle()
        assert {each.status for each in handles} == {"completed"}


def test_serving_until_idle_does_what_is_due_and_returns(tmp_path):
    path = tmp_path / "app.db"
    with Romancy(path, worker=False) as client:
        client.start_many([doubled(1).options(id="d"), other(10**6).options(id="o")])
    app = Romancy(path)
    app.serve(until_idle=True)
    assert [app.get(id).status for id in ("d", "o")] == ["completed", "waiting"]
    app.close()


def test_several_apps_on_one_file_share_the_work(stage):
    apps = [stage.open(worker_id=f"w{n}", max_resident=10) for n in range(4)]
    handles = apps[0].start_many(doubled(n) for n in range(40))
    while [each for each in apps if each.pump()]:
        pass
    assert [each.result(0) for each in handles] == [2 * n for n in range(40)]
    assert all(len(each.history()) == 3 for each in handles)


def test_an_app_in_memory_needs_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Romancy(":memory:") as app:
        assert app.run(doubled(5), timeout=DEADLINE) == 10
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"lease": 0},
        {"max_activities": 0},
        {"max_resident": 0},
        {"verify": 2},
        {"workflows": [double]},
        {"workflows": [7]},
    ],
    ids=str,
)
def test_an_option_that_makes_no_sense_is_refused(options):
    with pytest.raises(DefinitionError):
        Romancy(":memory:", **options)


def test_a_database_that_is_no_file_is_refused():
    with pytest.raises(DefinitionError, match="mysql"):
        Romancy("mysql://localhost/x")


def test_two_workflows_of_one_name_are_refused_where_they_are_listed():
    same = workflow(name="doubled")(other.fn)
    with pytest.raises(DefinitionError, match="both named 'doubled'"):
        Romancy(":memory:", workflows=[doubled, same])


def test_what_nobody_could_run_is_not_started():
    with Romancy(":memory:", workflows=[doubled]) as app:
        with pytest.raises(DefinitionError, match=r"other\(\) .* is not among workflows="):
            app.run(other(1), timeout=20)
        assert app.instances() == []


def test_one_call_is_not_taken_for_several(app):
    with pytest.raises(DefinitionError, match=r"write start\(doubled"):
        app.start_many(doubled(1))


def test_no_more_activities_run_at_once_than_allowed(tmp_path):
    busy, most, lock, gate = 0, 0, threading.Lock(), threading.Event()

    @activity
    def counts() -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
            if busy == 3:
                gate.set()
        assert gate.wait(DEADLINE)
        with lock:
            busy -= 1

    @workflow
    def fans(ctx: Context):
        yield gather(*(counts() for _ in range(30)))

    with Romancy(tmp_path / "app.db", max_activities=3) as app:
        app.run(fans(), timeout=DEADLINE)
    assert most == 3
