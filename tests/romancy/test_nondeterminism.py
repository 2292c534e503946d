"""Code that no longer fits a history parks the instance, tells both sides, and goes on once it is mended."""

import importlib
import os
import random
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from romancy import Context, activity, gather, recur, sleep, start, workflow
from romancy.errors import InstanceStuckError, NondeterminismError
from romancy.history import Patched
from tests.romancy.histories import completed, execution, started

log = []
state = {"n": 0}


class Died(BaseException):
    pass


@pytest.fixture(autouse=True)
def fresh():
    log.clear()
    state["n"] = 0


def undo_book(n: int) -> None:
    log.append(f"undo {n}")


@activity(compensate=undo_book)
def book(n: int) -> int:
    log.append(f"book {n}")
    return n


@activity
def pay(n: int) -> int:
    log.append(f"pay {n}")
    return n


def define(body):
    return workflow(name="trip")(body)


def original(ctx: Context):
    yield book(1)
    yield pay(2)
    yield sleep(10)
    return "arrived"


def renamed(ctx: Context):
    yield book(1)
    yield book(2)
    yield sleep(10)


def reordered(ctx: Context):
    yield pay(2)
    yield book(1)
    yield sleep(10)


def other_type(ctx: Context):
    yield book(1)
    yield sleep(2)
    yield sleep(10)


def one_more_before(ctx: Context):
    yield sleep(0)
    yield book(1)
    yield pay(2)
    yield sleep(10)


def one_less(ctx: Context):
    yield book(1)
    yield sleep(10)


def early_return(ctx: Context):
    yield book(1)
    return "too soon"


def early_error(ctx: Context):
    yield book(1)
    raise ValueError("too soon")


def early_end_of_run(ctx: Context):
    yield book(1)
    yield recur()


def branch_instead(ctx: Context):
    yield gather(book(1), pay(2))
    yield sleep(10)


def detached_instead(ctx: Context):
    yield start(workflow(original)())
    yield pay(2)


CHANGES = [
    (renamed, "says activity completed 'pay' at step 2, but the code asks for activity 'book'"),
    (reordered, "says activity completed 'book' at step 1, but the code asks for activity 'pay'"),
    (other_type, "says activity completed 'pay' at step 2, but the code asks for a sleep"),
    (one_more_before, "says activity completed 'book' at step 1, but the code asks for a sleep"),
    (one_less, "says activity completed 'pay' at step 2, but the code asks for a sleep"),
    (early_return, 'but the code has ended already: it returned "too soon"'),
    (early_error, "at step 2, but "),
    (early_end_of_run, "but the code has ended already: it recurred"),
    (branch_instead, "says activity completed 'book' at step 1, but the code waits for step 1.1"),
    (detached_instead, "but the code asks for start of workflow 'original'"),
]


@pytest.mark.parametrize(("changed", "told"), CHANGES, ids=lambda each: getattr(each, "__name__", ""))
def test_changed_code_parks_the_instance_undoes_nothing_and_mended_code_goes_on(stage, changed, told):
    app = stage.open(workflows=[define(original)])
    handle = app.start(define(original)(), id="t")
    app.run_until_idle()
    recorded = handle.history()
    stage.kill(app)
    stage.clock.advance(10)

    app = stage.open(workflows=[define(changed)])
    app.run_until_idle()
    parked = app.get("t")
    assert parked.status == "stuck"
    with pytest.raises(InstanceStuckError) as caught:
        parked.result(0)
    assert told in caught.value.reason
    assert "romancy retry t" in str(caught.value)
    assert __file__ in caught.value.reason
    assert parked.history() == recorded, "nothing was lost or added"
    stage.kill(app)

    app = stage.open(workflows=[define(original)])
    app.run_until_idle()
    assert app.get("t").status == "stuck", "it waits to be asked for"
    app.retry("t")
    app.run_until_idle()
    assert app.get("t").result(0) == "arrived"
    assert log == ["book 1", "pay 2"]


def test_a_retry_with_code_that_is_still_wrong_parks_it_again(stage):
    app = stage.open(workflows=[define(original)])
    app.start(define(original)(), id="t")
    app.run_until_idle()
    stage.kill(app)
    app = stage.open(workflows=[define(renamed)])
    stage.clock.advance(10)
    app.run_until_idle()
    app.retry("t")
    app.run_until_idle()
    assert app.get("t").status == "stuck"


def test_other_arguments_only_warn(stage, caplog):
    def other_arguments(ctx: Context):
        yield book(1)
        yield pay(99)
        yield sleep(10)
        return "arrived"

    app = stage.open(workflows=[define(original)])
    app.start(define(original)(), id="t")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)
    app = stage.open(workflows=[define(other_arguments)])
    app.run_until_idle()
    assert app.get("t").result(0) == "arrived"
    assert [r.getMessage() for r in caplog.records if "other arguments" in r.getMessage()]


def test_other_arguments_are_an_error_where_it_is_strict():
    driven = execution(define(original), strict=True)
    driven.feed(started)
    event = completed("1", "book", 1, undo="undo_book")
    wrong = type(event)(**{**{f: getattr(event, f) for f in event.__slots__ if f != "__weakref__"}, "fingerprint": 1})
    with pytest.raises(NondeterminismError, match="other arguments"):
        driven.feed(wrong)


def test_an_error_that_comes_only_on_replay_is_told_as_what_it_is(stage):
    def fragile(ctx: Context):
        yield book(1)
        if ctx.is_replaying:
            raise RuntimeError("only now")
        yield pay(2)
        yield sleep(10)

    app = stage.open(workflows=[define(original)])
    app.start(define(original)(), id="t")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)
    app = stage.open(workflows=[define(fragile)])
    app.run_until_idle()
    assert app.get("t").status == "stuck"
    assert log == ["book 1", "pay 2"]


# -- patched


def test_an_old_instance_takes_the_old_side_and_a_new_one_the_new(stage):
    def patched(ctx: Context):
        yield book(1)
        if ctx.patched("pay twice"):
            yield pay(2)
        yield pay(2)
        yield sleep(10)
        return "new" if ctx.patched("pay twice") else "old"

    app = stage.open(workflows=[define(original)])
    app.start(define(original)(), id="old")
    app.run_until_idle()
    stage.kill(app)
    app = stage.open(workflows=[define(patched)])
    app.start(define(patched)(), id="new")
    app.run_until_idle()
    stage.kill(app)
    app = stage.open(workflows=[define(patched)])
    stage.clock.advance(10)
    app.run_until_idle()
    assert app.get("old").result(0) == "old"
    assert app.get("new").result(0) == "new"
    assert len([event for event in app.get("new").history() if isinstance(event, Patched)]) == 1
    assert not [event for event in app.get("old").history() if isinstance(event, Patched)]


@pytest.mark.parametrize("crashes", [False, True], ids=["let go", "and its worker died when it woke"])
def test_an_old_instance_that_waits_at_its_first_step_takes_the_old_side(stage, crashes):
    def first_waits(ctx: Context):
        yield sleep(10)
        return "old"

    def patched(ctx: Context):
        if ctx.patched("pay first"):
            yield pay(1)
        yield sleep(10)
        return "new" if ctx.patched("pay first") else "old"

    app = stage.open(workflows=[define(first_waits)])
    app.start(define(first_waits)(), id="old")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)
    if crashes:

        def boundary(tag: str) -> None:
            if tag == "after claim":
                raise Died

        app = stage.open(workflows=[define(patched)], boundary=boundary)
        with pytest.raises(Died):
            app.run_until_idle()
        stage.kill(app)
    app = stage.open(workflows=[define(patched)])
    app.start(define(patched)(), id="new")
    app.run_until_idle()
    assert app.get("old").result(0) == "old"
    stage.clock.advance(10)
    app.run_until_idle()
    assert app.get("new").result(0) == "new"
    assert log == ["pay 1"]


def test_patched_passes_verification_also_as_the_last_thing_that_is_asked(stage):
    @workflow
    def asks_last(ctx: Context):
        yield pay(1)
        return ctx.patched("late")

    app = stage.open(verify=1.0)
    handle = app.start(asks_last())
    app.run_until_idle()
    assert handle.result(0) is True


# -- verification


def clock_in_result(ctx: Context):
    yield pay(1)
    return time.monotonic_ns()


def random_branch(ctx: Context):
    yield pay(1)
    if state["n"]:
        yield pay(2)
    state["n"] += 1
    yield pay(3)


def random_argument(ctx: Context):
    yield pay(random.getrandbits(60))


def global_counter(ctx: Context):
    state["n"] += 1
    yield pay(1)
    return state["n"]


def memory_address(ctx: Context):
    yield pay(1)
    return f"{id(object())} {os.urandom(4)!r}"


@pytest.mark.parametrize("body", [clock_in_result, random_branch, random_argument, global_counter, memory_address])
def test_verification_catches_what_is_not_the_same_twice(stage, body):
    checked = define(body)
    app = stage.open(verify=1.0, workflows=[checked])
    handle = app.start(checked())
    app.run_until_idle()
    assert handle.status == "stuck"
    with pytest.raises(InstanceStuckError, match="verification"):
        handle.result(0)


def test_verification_leaves_deterministic_workflows_alone(stage):
    @workflow
    def honest(ctx: Context):
        first = yield gather(pay(1), pay(2))
        yield sleep(5)
        return [first, ctx.random.random(), str(ctx.uuid4()), ctx.now().isoformat()]

    @workflow
    def fails(ctx: Context):
        yield book(1)
        raise ValueError("as ever")

    app = stage.open(verify=1.0)
    handles = [app.start(honest()), app.start(fails())]
    for handle in handles:
        stage.finish(app, handle)
    assert [each.status for each in handles] == ["completed", "failed"]


def test_without_verification_nothing_is_run_twice(stage, app):
    entered = []

    @workflow
    def watched(ctx: Context):
        entered.append(1)
        yield pay(1)

    app.start(watched())
    app.run_until_idle()
    assert entered == [1]


# -- guard


def test_the_guard_parks_a_workflow_that_opens_a_file_at_that_line(stage, tmp_path):
    @workflow
    def reads(ctx: Context):
        yield pay(1)
        with open(tmp_path / "x") as file:  # noqa: PTH123  # romancy: ignore[ROM201] the guard finds it
            return file.read()

    app = stage.open(guard=True)
    handle = app.start(reads())
    app.run_until_idle()
    with pytest.raises(InstanceStuckError) as caught:
        handle.result(0)
    line = reads.fn.__code__.co_firstlineno + 3
    assert f"opens the file '{tmp_path / 'x'}' at {__file__}:{line}" in caught.value.reason


@pytest.mark.parametrize(
    ("reaches", "told"),
    [
        (lambda: socket.getaddrinfo("localhost", 80), "looks up the host 'localhost'"),
        (lambda: socket.socket(), "opens a socket"),
        (lambda: subprocess.run(["true"]), "starts the process 'true'"),
        (lambda: Path("missing").read_text(), "opens the file 'missing'"),
        (lambda: tempfile.TemporaryDirectory(), "makes the folder "),
    ],
)
def test_the_guard_names_the_line_of_the_users_code_and_not_one_of_a_library(stage, reaches, told):
    @workflow
    def calls(ctx: Context):
        yield pay(1)
        return reaches()

    app = stage.open(guard=True)
    handle = app.start(calls())
    app.run_until_idle()
    with pytest.raises(InstanceStuckError) as caught:
        handle.result(0)
    assert f"workflow code {told}" in caught.value.reason
    assert f" at {__file__}:{reaches.__code__.co_firstlineno}: do it in an @activity" in caught.value.reason


def test_the_guard_names_the_innermost_line_where_all_of_it_belongs_to_a_library(stage, tmp_path, monkeypatch):
    (tmp_path / "site-packages").mkdir()
    module = tmp_path / "site-packages" / "installed_workflow.py"
    module.write_text(
        "import socket\nfrom romancy import Context, sleep, workflow\n\n@workflow\n"
        "def installed(ctx: Context):\n    socket.getaddrinfo('localhost', 80)\n    yield sleep(0)\n"
    )
    monkeypatch.syspath_prepend(module.parent)
    app = stage.open(guard=True)
    handle = app.start(importlib.import_module("installed_workflow").installed())
    app.run_until_idle()
    with pytest.raises(InstanceStuckError) as caught:
        handle.result(0)
    assert re.search(rf"looks up the host 'localhost' at {re.escape(socket.__file__)}:\d+: ", caught.value.reason)


def test_the_guard_is_not_fooled_by_an_except(stage, tmp_path):
    @workflow
    def hides(ctx: Context):
        try:
            open(tmp_path / "x", "w")  # noqa: PTH123, SIM115  # romancy: ignore[ROM201] the guard finds it
        except BaseException:
            yield pay(1)
        return "hidden"

    app = stage.open(guard=True)
    handle = app.start(hides())
    app.run_until_idle()
    assert handle.status == "stuck"
    assert not (tmp_path / "x").exists()


def test_the_guard_lets_activities_and_imports_be(stage, tmp_path):
    @activity
    def writes() -> str:
        (tmp_path / "x").write_text("from an activity")
        return (tmp_path / "x").read_text()

    @workflow
    def fine(ctx: Context):
        import wave  # noqa: F401

        return (yield writes())

    app = stage.open(guard=True)
    handle = app.start(fine())
    app.run_until_idle()
    assert handle.result(0) == "from an activity"


def test_without_the_guard_a_workflow_may_do_so(stage, tmp_path):
    @workflow
    def reads(ctx: Context):
        yield pay(1)
        # romancy: ignore[ROM201] no guard, so it passes
        return (tmp_path / "missing").exists() or open(os.devnull).read()  # noqa: PTH123

    app = stage.open()
    handle = app.start(reads())
    app.run_until_idle()
    assert handle.result(0) == ""


def trip_that_fails(**options):
    @activity(**options)
    def seat(n: int) -> int:
        log.append(f"seat {n}")
        return n

    @workflow(name="trip")
    def trip(ctx: Context):
        yield seat(1)
        yield sleep(10)
        raise ValueError("too late")

    return trip


def undo_seat(n: int) -> None:
    log.append(f"undo seat {n}")


@pytest.mark.parametrize(
    ("now", "names"), [(None, "names no compensation: keep that one"), (undo_book, r"names undo_book\(\) .*: keep")]
)
def test_a_compensation_that_is_gone_or_another_one_parks_the_instance(stage, now, names):
    before = trip_that_fails(compensate=undo_seat)
    app = stage.open(workflows=[before])
    app.start(before(), id="t")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)

    app = stage.open(workflows=[trip_that_fails(compensate=now)])
    app.run_until_idle()
    with pytest.raises(InstanceStuckError, match=f"was to be undone by 'undo_seat' then, and the code {names}"):
        app.get("t").result(0)
    assert log == ["seat 1"]


def test_a_compensation_that_an_activity_got_later_undoes_nothing_that_ran_before(stage):
    before = trip_that_fails()
    app = stage.open(workflows=[before])
    app.start(before(), id="t")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)

    app = stage.open(workflows=[trip_that_fails(compensate=undo_seat)])
    app.run_until_idle()
    assert app.get("t").status == "failed"
    assert log == ["seat 1"]
