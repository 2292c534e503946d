"""Values through the whole engine: what cannot be carried is named before anything is written, the rest comes back."""

import enum
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import attrs
import pydantic
import pytest

from romancy import Context, Flow, RetryPolicy, Romancy, activity, sleep, workflow
from romancy.errors import ActivityError, DefinitionError, InstanceFailedError, InstanceStuckError, SerializationError

ONCE = RetryPolicy(max_attempts=1)


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True)
class Line:
    start: Point
    end: Point | None = None


@attrs.frozen
class Order:
    id: UUID
    lines: tuple[Line, ...]
    paid: Decimal
    at: datetime
    colour: Colour = Colour.RED


class Customer(pydantic.BaseModel):
    name: str
    born: date


ORDER = Order(
    id=UUID(int=7),
    lines=(Line(Point(1, 2)), Line(Point(0, 0), Point(-1, -1))),
    paid=Decimal("10.50"),
    at=datetime(2024, 2, 29, 12, tzinfo=UTC),
)


def through(stage, annotation, value):
    """Carry a value as argument and as result of workflow and activity, over a crash."""
    seen = []

    @activity
    def echo(given: annotation) -> annotation:
        seen.append(given)
        return given

    @workflow
    def carries(ctx: Context, given: annotation) -> Flow[annotation]:
        got = yield echo(given)
        seen.append(got)
        yield sleep(10)
        return got

    app = stage.open()
    app.start(carries(value), id="v")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)
    app = stage.open()
    app.run_until_idle()
    seen.append(app.get("v").result(0))
    return seen


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Order, ORDER),
        (Customer, Customer(name="Ada", born=date(1815, 12, 10))),
        (dict[int, list[Path | None]], {1: [Path("/a"), None]}),
        (set[bytes], {b"\x00\xff", b""}),
        (int, 2**200),
        (float, float("inf")),
        (float, -0.0),
        (str, "NUL \0, half \ud83d, whole \U0001f600, e\u0301"),
        (timedelta | int, timedelta(days=-1, microseconds=1)),
        (Any, {"deep": [[[[None]]]]}),
    ],
    ids=["attrs", "pydantic", "int keys", "set", "large int", "infinity", "minus zero", "text", "union", "anything"],
)
def test_values_come_back_equal_everywhere_and_over_a_crash(stage, annotation, value):
    seen = through(stage, annotation, value)
    assert len(seen) == 4
    assert all(each == value and type(each) is type(value) for each in seen)


def test_ten_megabytes_pass(stage):
    text = "x" * 10_000_000
    assert all(each == text for each in through(stage, str, text))


def test_nan_comes_back_as_nan(stage):
    assert all(each != each for each in through(stage, float, float("nan")))


# -- what cannot be carried


@workflow
def takes_anything(ctx: Context, items: list[Any]):
    yield sleep(0)


def test_an_argument_of_a_start_is_refused_before_anything_is_written(stage, app):
    with pytest.raises(SerializationError) as caught:
        app.start(takes_anything([1, {"conn": threading.Lock()}]))
    assert caught.value.path == "args.items[1].conn"
    assert app.instances() == []


def test_an_argument_of_an_activity_is_an_error_at_its_yield_and_the_workflow_may_go_on(app):
    ran = []

    @activity
    def act(value: Any) -> None:
        ran.append(value)

    @workflow
    def tries(ctx: Context):
        try:
            yield act({"a": [object()]})  # romancy: ignore[ROM601] the defect under test
        except SerializationError as error:
            yield act(error.path)
            return error.path

    handle = app.start(tries())
    app.run_until_idle()
    assert handle.result(0) == "args.value.a[0]"
    assert ran == ["args.value.a[0]"]


def test_a_result_of_an_activity_is_refused_once_and_not_retried(app):
    ran = []

    @activity
    def act() -> dict[str, Any]:
        ran.append(1)
        return {"conn": threading.Lock()}

    @workflow
    def tries(ctx: Context):
        try:
            yield act()
        except SerializationError as error:
            return error.path

    handle = app.start(tries())
    app.run_until_idle()
    assert handle.result(0) == "result.conn"
    assert ran == [1]


def test_a_result_of_a_workflow_fails_it_with_the_path(app):
    @workflow
    def returns(ctx: Context):
        yield sleep(0)
        return {"items": [1, object()]}

    handle = app.start(returns())
    app.run_until_idle()
    with pytest.raises(InstanceFailedError) as caught:
        handle.result(0)
    assert caught.value.__cause__.path == "result.items[1]"


def test_an_argument_of_a_child_is_an_error_at_its_yield_and_creates_none(app):
    @workflow
    def parent(ctx: Context):
        try:
            yield takes_anything([object()])  # romancy: ignore[ROM601] the defect under test
        except SerializationError as error:
            return error.path

    handle = app.start(parent())
    app.run_until_idle()
    assert handle.result(0) == "args.items[0]"
    assert len(app.instances()) == 1


@pytest.mark.parametrize("build", [lambda: _cycle(), lambda: _deep(100_000)], ids=["cycle", "depth"])
def test_a_cycle_or_endless_depth_is_refused_and_not_a_crash(app, build):
    with pytest.raises(SerializationError, match=r"contains itself|nested"):
        app.start(takes_anything(build()))


def _cycle():
    items: list[Any] = []
    items.append(items)
    return items


def _deep(levels):
    items: list[Any] = []
    for _ in range(levels):
        items = [items]
    return items


def test_a_missing_annotation_that_decoding_needs_says_what_to_write(app):
    @activity
    def act(when):
        return when

    @workflow
    def tries(ctx: Context):
        yield act(datetime(2024, 1, 1, tzinfo=UTC))

    handle = app.start(tries())
    app.run_until_idle()
    with pytest.raises(InstanceFailedError) as caught:
        handle.result(0)
    assert isinstance(caught.value.__cause__, DefinitionError)
    assert "write `when: datetime`" in str(caught.value.__cause__)


# -- exceptions


def test_an_exception_that_cannot_be_carried_is_recorded_nevertheless(stage, app):
    class Broken(Exception):
        def __init__(self):
            super().__init__(threading.Lock())
            self.lock = threading.Lock()

        def __str__(self):
            raise RuntimeError("no text either")

        __repr__ = __str__

    @activity(retry=ONCE, raises=Broken)
    def act() -> None:
        raise Broken

    @workflow
    def tries(ctx: Context):
        try:
            yield act()
        except (Broken, ActivityError) as error:
            told = type(error).__name__
        yield sleep(10)
        return told

    handle = app.start(tries(), id="t")
    app.run_until_idle()
    stage.clock.advance(10)
    app.run_until_idle()
    assert handle.result(0) == "Broken"


def test_a_declared_exception_keeps_its_attributes_over_a_crash(stage):
    class Declined(Exception):
        code: int

        def __init__(self, message, code):
            super().__init__(message, code)
            self.code = code

    @activity(retry=ONCE, raises=Declined)
    def pay() -> None:
        raise Declined("no funds", 402)

    seen = []

    @workflow
    def tries(ctx: Context):
        try:
            yield pay()
        except Declined as error:
            seen.append((error.args, error.code))
        yield sleep(10)

    app = stage.open()
    app.start(tries(), id="t")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)
    app = stage.open()
    app.run_until_idle()
    assert seen == [(("no funds", 402), 402)] * 2


# -- code that moved on


def versions(stage, old, new, *, result):
    """Record a result under the old class, and replay it under the new one."""

    def define(annotation, value):
        @activity(name="make")
        def make() -> annotation:
            return value

        @workflow(name="uses")
        def uses(ctx: Context):
            made = yield make()
            yield sleep(10)
            return repr(made)

        return uses

    app = stage.open()
    first = define(old, result)
    app.start(first(), id="u")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)
    app = stage.open(workflows=[define(new, None)])
    app.run_until_idle()
    return app.get("u")


@attrs.frozen
class One:
    a: int


def test_a_field_that_was_added_with_a_default_is_filled_in(stage):
    @attrs.frozen
    class Two:
        a: int
        b: str = "new"

    assert versions(stage, One, Two, result=One(5)).result(0).endswith("Two(a=5, b='new')")


def test_a_class_that_was_renamed_or_moved_is_no_matter(stage):
    @attrs.frozen
    class Renamed:
        a: int

    assert versions(stage, One, Renamed, result=One(5)).result(0).endswith("Renamed(a=5)")


@pytest.mark.parametrize("annotation", [str, list[int]])
def test_a_result_that_no_longer_fits_parks_the_instance_with_the_reason(stage, annotation):
    handle = versions(stage, One, annotation, result=One(5))
    assert handle.status == "stuck"
    with pytest.raises(InstanceStuckError, match="result"):
        handle.result(0)


def test_a_field_that_was_added_without_a_default_parks_the_instance(stage):
    @attrs.frozen
    class Needs:
        a: int
        b: str

    handle = versions(stage, One, Needs, result=One(5))
    with pytest.raises(InstanceStuckError, match=r"'b'|b"):
        handle.result(0)


def test_an_input_that_the_workflow_no_longer_takes_parks_the_instance(stage):
    @workflow(name="moved")
    def before(ctx: Context, n: int):
        yield sleep(10)

    @workflow(name="moved")
    def after(ctx: Context):
        yield sleep(10)

    app = stage.open()
    app.start(before(1), id="m")
    app.run_until_idle()
    stage.kill(app)
    stage.clock.advance(10)
    app = stage.open(workflows=[after])
    app.run_until_idle()
    with pytest.raises(InstanceStuckError, match=r"has no parameter 'n', which was recorded"):
        app.get("m").result(0)


def test_a_workflow_run_with_the_real_clock_carries_times_too(tmp_path):
    @workflow
    def tells(ctx: Context) -> Flow[datetime]:
        yield sleep(0)
        return ctx.now()

    with Romancy(tmp_path / "app.db") as app:
        told = app.run(tells(), timeout=30)
    assert told.tzinfo is not None
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=5)
