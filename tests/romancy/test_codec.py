"""What the codec carries, what it refuses, and that reading a row never runs anything."""

import collections
import dataclasses
import enum
import json
import math
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as time_of_day
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from romancy.activity import activity
from romancy.codec import (
    CallCodec,
    activity_codec,
    decode_error,
    decode_failure,
    describe_error,
    encode_error,
    encode_failure,
    fingerprint,
    workflow_codec,
)
from romancy.errors import (
    ActivityError,
    ActivityInterrupted,
    DefinitionError,
    InstanceFailedError,
    SerializationError,
    TerminalError,
)
from romancy.workflow import Context, Flow, workflow

T = TypeVar("T")


def codec_of(annotation: Any) -> CallCodec:
    def fn(value):  # type: ignore[no-untyped-def]
        ...

    fn.__annotations__ = {"value": annotation, "return": annotation}
    return activity_codec(activity(fn).definition)


def returned(annotation: Any, value: Any) -> Any:
    codec = codec_of(annotation)
    text = codec.encode_result(value)
    json.loads(text)
    args, kwargs = codec.decode_arguments(codec.encode_arguments((value,), {}))
    assert kwargs == {}
    result = codec.decode_result(text)
    assert repr(args[0]) == repr(result)
    assert codec.encode_result(result) == text
    return result


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class Point(enum.Enum):
    ORIGIN = (0, 0)
    ONE = (1, 1)


class Right(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Item:
    name: str
    due: datetime | None = None
    kids: list["Item"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Money:
    amount: Decimal
    currency: str = "EUR"


@dataclasses.dataclass
class Counted:
    of: int
    twice: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.twice = self.of * 2


@attrs.frozen
class Card:
    number: str = attrs.field(converter=str.strip)
    _secret: int = 0
    seen: int = attrs.field(init=False, default=7)


@attrs.define
class Iban:
    number: str


@attrs.frozen
class Box(Generic[T]):
    held: T
    more: list[T] = attrs.Factory(list)


@attrs.frozen
class IntBox(Box[int]):
    pass


@attrs.define
class Node:
    value: int
    next: Optional["Node"] = None


class Pair(NamedTuple):
    left: int
    right: date = date(2020, 1, 1)


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    at: datetime
    tags: set[str] = set()
    called: int = pydantic.Field(alias="Called", default=1)


UserId = NewType("UserId", int)
Json = Union[None, bool, int, float, str, list["Json"], dict[str, "Json"]]


def named(each: object) -> str:
    """A name of a case that is the same in every process: sets have no order, and addresses differ."""
    text = repr(each)[:60]
    return type(each).__name__ if "{" in text or " at 0x" in text else text


ROUND_TRIPS: list[tuple[Any, Any]] = [
    (None, None),
    (int, 5),
    (int, True),
    (int, 2**64 + 1),
    (int, -(10**4200)),
    (float, 5),
    (float, -0.0),
    (float, math.inf),
    (str, "a\0b 😀 \u202e é é"),
    (str, "\ud800"),
    (Any, {"a": [1, 2.5, None, {"b": "\udfff"}], "": {}}),
    (list[int], [1, 2**70]),
    (dict[str, float], {"x": math.inf, "y": -math.inf}),
    (object, "x"),
    (Json, {"a": [1, {"b": None}]}),
    (Color, Color.RED),
    (Level, Level.HIGH),
    (Word, Word.YES),
    (Point, Point.ONE),
    (Right, Right.READ | Right.WRITE),
    (datetime, datetime(2024, 2, 29, 1, 2, 3, 4)),
    (datetime, datetime(2024, 2, 29, tzinfo=UTC)),
    (datetime, datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=-3, minutes=-7, seconds=-9)))),
    (date, date(2024, 2, 29)),
    (time_of_day, time_of_day(1, 2, 3, 4, tzinfo=UTC)),
    (timedelta, timedelta(days=-1, microseconds=3)),
    (timedelta, timedelta.max),
    (timedelta, timedelta.min),
    (Decimal, Decimal("1.10")),
    (Decimal, Decimal("-Infinity")),
    (UUID, UUID(int=5)),
    (bytes, b"\0\xff"),
    (bytearray, bytearray(b"x")),
    (Path, Path("/tmp/é")),
    (IPv4Address, IPv4Address("127.0.0.1")),
    (tuple[int, str], (1, "a")),
    (tuple[()], ()),
    (tuple[date, ...], (date(2020, 1, 1),)),
    (set[str], {"b", "a"}),
    (set, {1, "a", None}),
    (frozenset[tuple[int, str]], frozenset({(1, "a"), (2, "b")})),
    (collections.deque[int], collections.deque([1])),
    (Sequence[int], [1]),
    (Iterable[date], [date(2020, 1, 1)]),
    (Mapping[date, int], {date(2020, 1, 1): 1}),
    (dict[int, str], {1: "a", -2: "b"}),
    (dict[int | str, str], {1: "a", "1": "b"}),
    (dict[tuple[int, int], str], {(1, 2): "a"}),
    (dict[Color, int], {Color.RED: 1}),
    (dict[Level, int], {Level.LOW: 1}),
    (collections.defaultdict[str, list[int]], collections.defaultdict(list, a=[1])),
    (collections.OrderedDict[str, int], collections.OrderedDict(b=1, a=2)),
    (collections.Counter[str], collections.Counter("aab")),
    (Item, Item("a", datetime(2020, 1, 1), [Item("b")])),
    (Money, Money(Decimal("1.0"))),
    (Counted, Counted(3)),
    (Card, Card(" 1 ", 4)),
    (Box[int], Box(1, [2])),
    (Box[Box[date]], Box(Box(date(2020, 1, 1)))),
    (IntBox, IntBox(1, [2])),
    (Node, Node(1, Node(2, Node(3)))),
    (Pair, Pair(1)),
    (Movie, {"title": "x"}),
    (Movie, {"title": "x", "year": 1999}),
    (Model, Model(at=datetime(2020, 1, 1), tags={"a"}, Called=3)),
    (UserId, UserId(3)),
    (Annotated[int, "metres"], 3),
    (Literal["a", 1, None, Color.RED, b"x"], Color.RED),
    (Literal["a", 1, b"x"], b"x"),
    (Card | None, Card("1")),
    (Card | Iban, Iban("1")),
    (Card | Iban | None, None),
    (datetime | str, datetime(2020, 1, 1)),
    (datetime | str, "2020-01-01T00:00:00"),
    (date | datetime, datetime(2020, 1, 1)),
    (int | str, "5"),
    (bool | int, True),
    (list[Item] | None, [Item("a")]),
    (list[date] | list[int], [1]),
    (dict[str, int] | Card, {"$type": 1, "value": 2}),
    (set[Card] | str, {Card("1"), Card("2")}),
    (Box[int] | Box[str], Box("a")),
    (Literal["a"] | int, 3),
    (float | None, math.inf),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), ROUND_TRIPS, ids=named)
def test_a_value_comes_back_as_it_was_given(annotation: Any, value: Any) -> None:
    result = returned(annotation, value)
    assert result == value
    assert type(result) is type(value)


def test_nan_comes_back() -> None:
    assert math.isnan(returned(dict[str, float | None], {"a": math.nan, "b": None})["a"])
    assert math.isnan(returned(Any, [math.nan])[0])
    assert str(returned(Decimal, Decimal("sNaN12"))) == "sNaN12"


def test_negative_zero_keeps_its_sign() -> None:
    assert math.copysign(1, returned(float, -0.0)) == -1


def test_a_naive_fold_is_kept_and_an_aware_time_keeps_its_offset_only() -> None:
    assert returned(datetime, datetime(2024, 10, 27, 2, 30, fold=1)).fold == 1
    aware = datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris"))
    codec = codec_of(datetime)
    assert codec.encode_result(aware) == '"2024-10-27T02:30:00+01:00"'
    assert codec.decode_result(codec.encode_result(aware)).timestamp() == aware.timestamp()


def test_a_zone_without_an_offset_is_refused() -> None:
    with pytest.raises(SerializationError, match="no offset"):
        codec_of(time_of_day).encode_result(time_of_day(1, tzinfo=ZoneInfo("Europe/Paris")))


def test_what_only_a_protocol_is_declared_for_comes_back_as_a_list() -> None:
    codec = codec_of(Sequence[int])
    assert codec.decode_result(codec.encode_result((1, 2))) == [1, 2]
    assert codec_of(Any).decode_result(codec_of(Any).encode_result((1, (2,)))) == [1, [2]]


def test_subclasses_of_scalars_come_back_as_the_declared_class() -> None:
    assert codec_of(str).encode_result(Word.YES) == '"yes"'
    assert codec_of(int).encode_result(Level.HIGH) == "2"


@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (int, "5", "result"),
        (int, 5.0, "result"),
        (str, 5, "result"),
        (str, None, "result"),
        (bool, 1, "result"),
        (float, "1", "result"),
        (Item, {"name": "a"}, "result"),
        (Item, Money(Decimal(1)), "result"),
        (Item, Item("a", None, [Item(5)]), "result.kids[0].name"),  # type: ignore[arg-type]
        (Box[int], IntBox(1), "result"),
        (list[int], (1,), "result"),
        (list[int], [1, 2, "3"], "result[2]"),
        (Sequence[str], "abc", "result"),
        (tuple[int, str], (1,), "result"),
        (tuple[int, str], (1, 2), "result[1]"),
        (dict[str, int], {"a b": "x"}, "result['a b']"),
        (dict[str, int], {1: 1}, "result[1]"),
        (date, datetime(2020, 1, 1), "result"),
        (Literal[1], True, "result"),
        (Movie, {"year": 1}, "result"),
        (Movie, {"title": 1}, "result.title"),
        (Movie, {"title": "a", "other": 1}, "result"),
        (Card | Iban, "1", "result"),
        (dict, {"items": [0, {"conn": threading.Lock()}]}, "result.items[1].conn"),
        (Any, [lambda: None], "result[0]"),
        (Any, {"a": (x for x in ())}, "result.a"),
        (Any, [{"at": datetime(2020, 1, 1)}], "result[0].at"),
        (Any, [Color.RED], "result[0]"),
        (Any, [UUID(int=1)], "result[0]"),
        (Any, [Item("a")], "result[0]"),
        (Any, [{1: 2}], "result[0]"),
        (Any, [Word.YES], "result[0]"),
        (Any, {"n": [10**4300]}, "result.n[0]"),
        (set, {(1, 2)}, "result{a member}"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_where_it_stands(annotation: Any, value: Any, path: str) -> None:
    with pytest.raises(SerializationError) as refused:
        codec_of(annotation).encode_result(value)
    assert refused.value.path == path
    with pytest.raises(SerializationError) as refused:
        codec_of(annotation).encode_arguments((value,), {})
    assert refused.value.path == path.replace("result", "args.value")


@pytest.mark.parametrize("value", [threading.Lock(), object(), sys, len, sys.stdout, (x for x in ())])
def test_what_can_never_be_carried_is_refused_without_advice(value: Any) -> None:
    with pytest.raises(SerializationError, match="cannot be carried"):
        codec_of(Any).encode_result(value)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (Item("a"), "-> Item"),
        (Card("1"), "-> Card"),
        (Color.RED, "-> Color"),
        (datetime(2020, 1, 1), "-> datetime"),
        ({1}, "-> set"),
        (b"x", "-> bytes"),
        (Decimal(1), "-> Decimal"),
        ({1: 2}, r"-> dict\[int"),
        (Pair(1), "-> Pair"),
        (Path("x"), "-> Path"),
    ],
)
def test_a_missing_annotation_is_named_with_what_to_write(value: Any, advice: str) -> None:
    @activity
    def reserve(item):  # type: ignore[no-untyped-def]
        ...

    codec = activity_codec(reserve.definition)
    with pytest.raises(DefinitionError, match=rf"reserve\(\) \(.*test_codec.py:\d+\) returned .*{advice}"):
        codec.encode_result(value)
    with pytest.raises(DefinitionError, match=r"reserve\(\) .* was given .* `item: "):
        codec.encode_arguments((value,), {})


def test_cycles_and_depth_are_refused_with_their_path() -> None:
    loop: dict[str, Any] = {"a": [1]}
    loop["a"].append(loop)
    with pytest.raises(SerializationError, match=r"result.a\[1\]: contains itself"):
        codec_of(Any).encode_result(loop)
    ring = Node(1)
    ring.next = ring
    with pytest.raises(SerializationError, match=r"result\.next: contains itself"):
        codec_of(Node).encode_result(ring)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SerializationError, match="deeper than"):
        codec_of(Any).encode_result(deep)
    with pytest.raises(SerializationError, match="damaged"):
        codec_of(Any).decode_result("[" * 100_000)


def test_depth_beyond_orjson_is_written_by_the_standard_library() -> None:
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    text = codec_of(Any).encode_result(deep)
    assert text[0] == " "
    assert codec_of(Any).decode_result(text) == deep


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, math.nan, math.inf, "\ud800", {"a": [None, math.nan]}])
def test_a_text_beyond_orjson_begins_with_a_space(value: Any) -> None:
    assert codec_of(Any).encode_result(value)[0] == " "


def test_the_text_of_a_set_does_not_depend_on_the_hash_seed() -> None:
    code = "from tests.romancy.test_codec import *; print(codec_of(set[str]).encode_result(set('abcdefgh')))"
    texts = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}, stdout=-1).stdout
        for seed in ("1", "2")
    }
    assert texts == {b'["a","b","c","d","e","f","g","h"]\n'}


# --- arguments ---


@activity
def many(a: int, b: int = 2, *rest: date, flag: bool = False, **named: Item) -> None: ...


def test_arguments_by_name_and_by_position_give_one_text() -> None:
    @activity
    def two(a: int, b: int = 2) -> None: ...

    codec = activity_codec(two.definition)
    texts = {
        codec.encode_arguments((1, 3), {}),
        codec.encode_arguments((1,), {"b": 3}),
        codec.encode_arguments((), {"b": 3, "a": 1}),
    }
    assert texts == {'{"a":1,"b":3}'}
    assert codec.encode_arguments((1,), {}) == '{"a":1}'
    assert codec.decode_arguments('{"b":3,"a":1}') == ((1, 3), {})


def test_every_kind_of_parameter_comes_back() -> None:
    codec = activity_codec(many.definition)
    day = date(2020, 1, 1)
    text = codec.encode_arguments((1, 2, day, day), {"flag": True, "x": Item("a")})
    assert codec.decode_arguments(text) == ((1, 2, day, day), {"flag": True, "x": Item("a")})
    assert codec.decode_arguments(codec.encode_arguments((), {"a": 1, "flag": True})) == ((1,), {"flag": True})
    with pytest.raises(SerializationError, match=r"args.rest\[1\]"):
        codec.encode_arguments((1, 2, day, 3), {})
    with pytest.raises(SerializationError, match=r"args\.named"):
        codec.encode_arguments((1,), {"x": 3})


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1,), {"a": 1}), ((1, 2, 3), {}), ((1,), {"other": 1}), ((), {"b": 1})]
)
def test_arguments_that_do_not_fit_the_signature_name_it(args: Any, kwargs: Any) -> None:
    @activity
    def two(a: int, b: int = 2) -> None: ...

    with pytest.raises(DefinitionError, match=r"two\(\) \(.*:\d+\) does not take these arguments: .*write two\(a: int"):
        activity_codec(two.definition).encode_arguments(args, kwargs)


@pytest.mark.parametrize("text", ['{"a":1,"gone":2}', "{}", "[]", '{"a":"x"}', '{"a":', "", " ", '{"a":1,"rest":5}'])
def test_recorded_arguments_that_do_not_fit_any_more_are_refused(text: str) -> None:
    with pytest.raises(SerializationError, match="args"):
        activity_codec(many.definition).decode_arguments(text)


def test_a_workflow_leaves_out_its_context_and_returns_what_its_flow_says() -> None:
    @workflow
    def order(ctx: Context, item: Item) -> Flow[Money]:
        yield many(1)
        return Money(Decimal(1))

    codec = workflow_codec(order.definition)
    assert codec.decode_arguments(codec.encode_arguments((Item("a"),), {})) == ((Item("a"),), {})
    assert codec.decode_result(codec.encode_result(Money(Decimal(2)))) == Money(Decimal(2))
    assert workflow_codec(order.definition) is codec


def test_a_forward_reference_that_cannot_be_resolved_names_the_remedy() -> None:
    @activity
    def lost(item: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(DefinitionError, match=r"lost\(\) \(.*:\d+\).*'item'.*'Nowhere'.*top level"):
        activity_codec(lost.definition)


def test_a_forward_reference_is_resolved_through_the_closure() -> None:
    @dataclasses.dataclass
    class Local:
        n: int

    @activity
    def local(item: "Local") -> "Local":
        return Local(item.n)

    codec = activity_codec(local.definition)
    assert codec.decode_result(codec.encode_result(Local(1))) == Local(1)


class Plain:
    pass


@dataclasses.dataclass
class Fleeting:
    key: dataclasses.InitVar[int]


@pytest.mark.parametrize(
    "annotation", [Callable[[], int], Plain, threading.Thread, type[int], list[Plain], 5, Fleeting]
)
def test_an_annotation_that_cannot_be_carried_is_a_definition_error(annotation: Any) -> None:
    with pytest.raises(DefinitionError, match="annotation"):
        codec_of(annotation)


# --- older texts ---


def test_what_cannot_be_carried_is_told_with_whose_it_is() -> None:
    def price(n: int) -> int:
        return n

    codec = activity_codec(activity(price).definition)
    place = rf"in activity price\(\) \(.*test_codec.py:{price.__code__.co_firstlineno}\)$"
    with pytest.raises(SerializationError, match=rf"^args.n: is 'x' where int is declared, {place}"):
        codec.encode_arguments(("x",), {})
    with pytest.raises(SerializationError, match=rf"^result: is 'x' where int is declared, {place}"):
        codec.encode_result("x")


def test_fields_with_defaults_may_be_added_and_recorded_ones_must_stay() -> None:
    codec = codec_of(Item)
    assert codec.decode_result('{"name":"a"}') == Item("a")
    with pytest.raises(SerializationError, match="result: lacks the field name"):
        codec.decode_result("{}")
    with pytest.raises(SerializationError, match="'price', which is no field of Item"):
        codec.decode_result('{"name":"a","price":1}')
    with pytest.raises(SerializationError, match=r"result.kids\[0\].name"):
        codec.decode_result('{"name":"a","kids":[{"name":5}]}')


def test_a_member_that_was_alone_in_its_annotation_is_still_read() -> None:
    assert codec_of(Card | Iban).decode_result(codec_of(Iban).encode_result(Iban("1"))) in (Iban("1"), Card("1"))
    assert codec_of(datetime | str).decode_result('"2020-01-01T00:00:00"') == datetime(2020, 1, 1)


# --- Hypothesis ---

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters())
surrogates = st.text(st.characters(categories=["Cs", "L"]), max_size=5)
plain_json = st.recursive(
    scalars | surrogates | st.integers(-(2**80), 2**80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(plain_json)
def test_any_json_comes_back(value: Any) -> None:
    assert repr(returned(Any, value)) == repr(value)


TYPED: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (datetime, st.datetimes(timezones=st.none() | st.just(UTC), allow_imaginary=False)),
    (timedelta, st.timedeltas()),
    (Decimal, st.decimals(allow_nan=False)),
    (dict[int, set[bytes]], st.dictionaries(st.integers(), st.sets(st.binary(max_size=4), max_size=3), max_size=3)),
    (datetime | str | int | None, st.datetimes() | st.text(max_size=30) | st.integers() | st.none()),
    (
        list[Card | Iban | str],
        st.lists(st.builds(Iban, st.text()) | st.builds(Card, st.text()) | st.text(), max_size=4),
    ),
    (tuple[time_of_day, ...], st.lists(st.times(), max_size=3).map(tuple)),
    (Item, st.builds(Item, st.text(), st.none() | st.datetimes(), st.just([]))),
]


@pytest.mark.parametrize(("annotation", "values"), TYPED, ids=named)
def test_any_typed_value_comes_back(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    @settings(max_examples=60, deadline=None)
    @given(values)
    def check(value: Any) -> None:
        assert returned(annotation, value) == value

    check()


# --- errors ---


class SoldOut(Exception):
    def __init__(self, item: str, left: int, *, at: datetime) -> None:
        super().__init__(f"{item} is sold out")
        self.item = item
        self.left = left
        self.at = at

    at: datetime


class SoldOutToday(SoldOut):
    pass


@attrs.frozen
class Refused(Exception):
    reason: str
    amount: Decimal


@dataclasses.dataclass
class Late(Exception):
    until: date


class Unlucky(Exception):
    def __str__(self) -> str:
        raise SystemExit("broken")

    __repr__ = __str__


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def rebuilt(error: BaseException, *raises: type[Exception]) -> Exception:
    return decode_error(encode_error(caught(error), raises), raises)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a", 1, None),
        KeyError(("a", 1)),
        FileNotFoundError(2, "No such file", "x.txt"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ZeroDivisionError(),
        TimeoutError("slow"),
        TerminalError("no"),
        SerializationError("args.x", "why"),
        KeyError(datetime(2020, 1, 1)),
    ],
)
def test_builtin_and_own_exceptions_come_back_as_themselves(error: Exception) -> None:
    back = rebuilt(error)
    assert type(back) is type(error)
    assert (back.args, str(back)) == (error.args, str(error))
    assert back.__notes__[0].startswith("traceback of the activity:\nTraceback")
    if isinstance(error, FileNotFoundError):
        assert back.filename == "x.txt"  # type: ignore[attr-defined]


def test_declared_exceptions_come_back_with_their_attributes() -> None:
    at = datetime(2020, 1, 1)
    back = rebuilt(SoldOut("lamp", 0, at=at), SoldOut)
    assert type(back) is SoldOut
    assert (back.item, back.left, back.at, str(back)) == ("lamp", 0, at, "lamp is sold out")
    refused = rebuilt(Refused("no", Decimal("1.0")), Refused)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.amount, refused.args) == ("no", Decimal("1.0"), ("no", Decimal("1.0")))
    assert rebuilt(Late(date(2020, 1, 1)), Late) == Late(date(2020, 1, 1))


def test_a_subclass_of_a_declared_class_comes_back_as_that_class() -> None:
    error = SoldOutToday("lamp", 0, at=datetime(2020, 1, 1))
    back = rebuilt(error, Exception, SoldOut)
    assert type(back) is SoldOut
    assert str(back) == "lamp is sold out"
    assert "SoldOutToday" in back.__notes__[0]


@pytest.mark.parametrize(
    "error", [SoldOut("x", 1, at=datetime(2020, 1, 1)), SystemExit(3), KeyboardInterrupt(), StopIteration(1)]
)
def test_any_other_exception_comes_back_as_activity_error(error: BaseException) -> None:
    back = rebuilt(error)
    assert type(back) is ActivityError
    assert back.type_name.endswith(type(error).__qualname__)
    assert back.message == str(error)
    assert "Traceback" in back.traceback


def test_an_activity_error_keeps_what_it_says() -> None:
    error = ActivityInterrupted("a.B", "m", "t")
    assert repr(rebuilt(error)) == repr(error)


def test_a_failed_child_keeps_its_cause() -> None:
    error = InstanceFailedError("c", [ValueError("undo")])
    error.__cause__ = KeyError("k")
    back = rebuilt(error)
    assert str(back) == str(error)
    assert repr(back.__cause__) == "KeyError('k')"


def test_an_exception_that_cannot_be_carried_is_recorded_all_the_same() -> None:
    lock = threading.Lock()
    assert "lock" in rebuilt(ValueError(lock)).args[0]
    assert type(rebuilt(Unlucky(Unlucky()), Unlucky)) is Unlucky
    assert type(rebuilt(Unlucky())) is ActivityError
    cyclic = ValueError("a")
    cyclic.__cause__ = cyclic
    cyclic.args = (cyclic,)
    assert type(rebuilt(cyclic)) is ValueError
    huge = ValueError("x" * 50_000_000)
    assert len(encode_error(huge)) < 1_000_000
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert type(rebuilt(ValueError(deep, "\ud800", 10**5000, math.nan))) is ValueError


def test_a_long_traceback_keeps_its_last_frames() -> None:
    def dive(depth: int) -> None:
        if depth == 0:
            raise ValueError("bottom")
        dive(depth - 1)

    with pytest.raises(ValueError, match="bottom") as raised:
        dive(100)
    _, _, trace = describe_error(encode_error(raised.value))
    assert "bottom" in trace
    assert len(trace) < 9_000


def test_a_failure_keeps_the_errors_of_compensations() -> None:
    text = encode_failure(ValueError("a"), (), [encode_error(KeyError("k")), "damaged"])
    error, undone = decode_failure(text, ())
    assert repr(error) == "ValueError('a')"
    assert [type(each) for each in undone] == [KeyError, SerializationError]
    assert describe_error(text)[:2] == ("ValueError", "a")


DAMAGED = ["", "{", "null", "[]", "5", '{"type":1}', '{"type":"a","message":"b"}', "\x00", " NaN", "\ud800"]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_text_is_a_serialization_error(text: str) -> None:
    with pytest.raises(SerializationError):
        decode_error(text)
    with pytest.raises(SerializationError):
        decode_failure(text, ())
    assert describe_error(text)[0] == "damaged"


def test_a_stored_name_is_never_looked_up_elsewhere() -> None:
    for name in (
        "os.system",
        "builtins.eval",
        "eval",
        "SystemExit",
        "tests.romancy.test_codec.SoldOut",
        "subprocess.X",
    ):
        text = json.dumps({"type": name, "as": name, "message": "m", "traceback": "", "args": ["id"]})
        assert type(decode_error(text)) is ActivityError


def test_a_crafted_row_does_no_more_than_make_an_exception() -> None:
    name = f"{SoldOut.__module__}.SoldOut"
    row: dict[str, Any] = {"type": name, "as": name, "message": "m", "traceback": "t", "args": ["m"]}
    attributes = {"add_note": "x", "__class__": "x", "__notes__": [5, {}], "args": 5, "__dict__": {}, "at": []}
    back = decode_error(json.dumps({**row, "attributes": attributes}), (SoldOut,))
    assert (type(back), back.args) == (SoldOut, ("m",))
    nested: dict[str, Any] = {"type": "a", "message": "", "traceback": ""}
    for _ in range(250):
        nested = {**row, "as": "romancy.errors.InstanceFailedError", "cause": nested}
    decode_error(json.dumps(nested))
    for member in ("args", "typed", "attributes", "as", "cause", "errors", "compensation_errors"):
        for value in (5, None, "x", [], [5], {"0": 5}, {"0": {"$type": "list", "value": [[5]]}}, {"x": {}}):
            for cls in (name, "ValueError", "romancy.errors.InstanceFailedError", "romancy.errors.ActivityError"):
                text = json.dumps({**row, "as": cls, member: value})
                try:
                    assert isinstance(decode_error(text, (SoldOut,)), Exception)
                    decode_failure(text, (SoldOut,))
                except SerializationError as error:
                    assert "damaged" in error.reason


def test_decoding_opens_imports_and_executes_nothing() -> None:
    code = """
    import random, sys
    from tests.romancy.test_codec import *

    codecs = [codec_of(each) for each, _ in ROUND_TRIPS]
    rows = [c.encode_result(v) for c, (_, v) in zip(codecs, ROUND_TRIPS)]
    for c, row in zip(codecs, rows): c.decode_result(row)
    errors = [encode_error(caught(e), (SoldOut, Refused)) for e in (
        ValueError("a", b"b"), SoldOut("a", 1, at=datetime(2020, 1, 1)), OSError(2, "x", "/etc"), Refused("a", 1))]
    for row in errors: decode_error(row, (SoldOut, Refused))
    crafted = ['{"py/object":"os.system","py/reduce":["id"]}', '{"__reduce__":["os","system"]}', '{"lc":2,"id":["os"]}',
               '{"exc_module":"os","exc_type":"system","exc_message":["id"]}',
               '{"type":"os.system","as":"os.system","message":"id","traceback":"","args":["id"]}']
    happened = []
    watched = ("import", "open", "exec", "compile", "os.", "subprocess.", "socket.", "ctypes.", "marshal.", "pickle.")
    watching = False
    sys.addaudithook(lambda event, args: watching and event.startswith(watched) and happened.append((event, args)))
    chance = random.Random(7)
    def spoilt(row):
        cut = chance.randrange(len(row) + 1)
        return chance.choice([row, row[:cut], row[:cut] + chance.choice('{}[]",:0a ') + row[cut + 1:], row[cut:]])
    watching = True
    for _ in range(6000):
        text = spoilt(chance.choice(rows + errors + crafted))
        try: chance.choice(codecs).decode_result(text)
        except SerializationError: pass
        try: decode_error(text, (SoldOut, Refused)); decode_failure(text, (SoldOut,))
        except SerializationError: pass
        describe_error(text)
    watching = False
    print(happened[:5])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env={"PYTHONPATH": "."}
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# --- size and cost ---


def test_ten_megabytes_pass_in_well_under_a_second() -> None:
    rows = [{"id": i, "name": "x" * 80, "none": None, "tags": ["a", "b"]} for i in range(80_000)]
    for annotation in (Any, list[dict[str, Any]]):
        codec = codec_of(annotation)
        began = time.perf_counter()
        text = codec.encode_result(rows)
        assert codec.decode_result(text) == rows
        assert len(text) > 8_000_000
        assert time.perf_counter() - began < 30.0


def test_plain_values_do_without_cattrs_and_pydantic() -> None:
    code = """
    import sys
    from romancy.activity import activity
    from romancy.codec import activity_codec
    @activity
    def f(i: int, day: "list[str] | None" = None) -> dict: ...
    activity_codec(f.definition).encode_arguments((1,), {})
    print([name for name in ("cattrs", "pydantic") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], stdout=-1, env={"PYTHONPATH": "."}, text=True)
    assert done.stdout == "[]\n"


def test_members_of_a_union_are_told_apart_by_a_readable_tag() -> None:
    assert codec_of(Card | Iban).encode_result(Iban("1")) == '{"$type":"Iban","value":{"number":"1"}}'
    assert codec_of(Iban | None).encode_result(Iban("1")) == '{"number":"1"}'
    text = codec_of(list[Iban] | tuple[int, ...]).encode_result((1,))
    assert text == '{"$type":"tuple[int, ...]","value":[1]}'
    with pytest.raises(SerializationError):
        codec_of(Card | Iban).decode_result('{"$type":"os.system","value":"id"}')


def test_a_number_too_long_is_no_lack_of_an_annotation() -> None:
    with pytest.raises(SerializationError, match="result: has more than 4300 digits"):
        codec_of(Any).encode_result(10**4300)


def test_a_text_of_a_row_that_was_spoilt_is_a_serialization_error() -> None:
    for annotation, value in ROUND_TRIPS:
        codec = codec_of(annotation)
        text = codec.encode_result(value)
        for spoilt in (text[:-1], "{" + text, '{"$type":[],"value":{}}', '{"$type":"Card","value":5}', " NaN", "[[]]"):
            try:
                codec.decode_result(spoilt)
            except SerializationError as error:
                assert error.path.startswith("result")


def test_a_fingerprint_is_that_of_the_text() -> None:
    assert fingerprint("{}") == 2745614147
    assert fingerprint("\ud800") != fingerprint("{}")
