"""A fake stands in for an activity's body: by name or by activity, plain or async, with the activity's own rules."""

import asyncio
from functools import partial
from unittest.mock import AsyncMock, Mock

import pytest

from romancy import Context, Flow, RetryPolicy, activity, activity_context, session, workflow
from romancy.activity import definitions
from romancy.errors import ActivityError, DefinitionError, InstanceFailedError
from romancy.testing import Sandbox, crash_points


@pytest.fixture(autouse=True)
def own_activities(monkeypatch):
    """Tests may name their activities alike: each knows its own."""
    for name, known in definitions.items():
        own = {place: each for place, each in known.items() if each.fn.__module__ == __name__}
        monkeypatch.setitem(definitions, name, own or known)


class Declined(Exception):
    """Declared by `charge`."""


class Odd(Exception):
    """Declared by nobody."""


def give_back(item: str, *, result: str) -> None:
    raise AssertionError("fakes only")


@activity(compensate=give_back)
def take(item: str) -> str:
    raise AssertionError("fakes only")


@activity(raises=Declined, retry=RetryPolicy(max_attempts=3, jitter=False))
def charge(order_id: str, amount: int = 10) -> str:
    raise AssertionError("fakes only")


@activity
async def fetch(url: str, *, times: int = 1) -> bytes:
    raise AssertionError("fakes only")


@activity
def collect(order_id: str, /, *items: str) -> str:
    raise AssertionError("fakes only")


@activity
def list_all() -> list[str]:
    raise AssertionError("fakes only")


@workflow
def pay(ctx: Context, order_id: str) -> Flow[str]:
    return (yield from charge(order_id, 40))


@workflow
def load(ctx: Context) -> Flow[bytes]:
    return (yield from fetch("http://x", times=2))


@workflow
def buy(ctx: Context, item: str) -> Flow[str]:
    yield take(item)
    yield take(f"{item} again")
    return (yield from charge(item))


@workflow
def lists(ctx: Context) -> Flow[list[str]]:
    return (yield from list_all())


class Bank:
    """A payment provider that keeps what it was asked for, and takes each key once."""

    def __init__(self) -> None:
        self.asked = 0
        self.charged: dict[str, int] = {}

    def charge(self, order_id: str, amount: int) -> str:
        self.asked += 1
        self.charged.setdefault(activity_context().idempotency_key, amount)
        return f"receipt for {amount}"


async def fetched(url: str, *, times: int) -> bytes:
    await asyncio.sleep(0)
    return url.encode() * times


async def fetched_by_name(*, times: int, url: str) -> bytes:
    return await fetched(url, times=times)


class Fetches:
    async def __call__(self, url: str, *, times: int) -> bytes:
        return await fetched(url, times=times)


@pytest.mark.parametrize("key", ["charge", charge], ids=["name", "activity"])
@pytest.mark.parametrize(
    "fake",
    [
        lambda order_id, amount: f"{order_id} {amount}",
        lambda other, names: f"{other} {names}",
        lambda *args: f"{args[0]} {args[1]}",
        lambda *, order_id, amount: f"{order_id} {amount}",
        lambda *, amount, **k: f"{k['order_id']} {amount}",
        lambda **k: "{order_id} {amount}".format(**k),
        lambda order_id, *, amount: f"{order_id} {amount}",
        partial("{1} {2}{0}".format, ""),
    ],
)
def test_a_fake_takes_the_arguments_in_their_places(romancy, key, fake):
    romancy.replace(key, fake)
    assert romancy.run(pay("o-1")) == "o-1 40"


@pytest.mark.parametrize(
    "fake",
    [
        fetched,
        Fetches(),
        lambda url, times: url.encode() * times,
        lambda url, *, times: fetched(url, times=times),
        lambda *, url, times: fetched(url, times=times),
        fetched_by_name,
        lambda **k: k["url"].encode() * k["times"],
        AsyncMock(return_value=b"http://xhttp://x"),
        Mock(return_value=b"http://xhttp://x"),
    ],
)
def test_a_fake_of_an_async_activity_is_async_or_plain(romancy, fake):
    romancy.replace(fetch, fake)
    assert romancy.run(load()) == b"http://xhttp://x"

    async def client():
        return await romancy.start(load())

    assert asyncio.run(client()) == b"http://xhttp://x"


def test_a_plain_activity_has_an_async_fake(romancy):
    async def charged(order_id: str, amount: int) -> str:
        return "later"

    romancy.replace(charge, charged)
    assert romancy.run(pay("o-1")) == "later"


def test_an_activity_can_stand_in_for_another(romancy):
    @activity
    def charge_nobody(order_id: str, amount: int) -> str:
        return "free"

    romancy.replace("charge", charge_nobody)
    assert romancy.run(pay("o-1")) == "free" and romancy.effects == {"charge": 1}


def test_a_mock_knows_how_it_was_called(romancy):
    mock = Mock(return_value="receipt")
    romancy.replace(charge, mock)
    romancy.run(pay("o-1"))
    mock.assert_called_once_with("o-1", 40)
    (effect,) = romancy.effects.log
    assert (effect.name, effect.step, effect.attempt, effect.args) == ("charge", "1", 1, ("o-1", 40))


def test_the_latest_fake_counts(romancy):
    for answer in ("one", "two"):
        romancy.replace(charge, lambda *_, answer=answer: answer)
        assert romancy.run(pay("o-1")) == answer


def test_a_declared_exception_comes_back_as_itself_and_another_as_an_activity_error(romancy):
    for error, kind in ((Declined("no"), Declined), (ValueError("no"), ValueError), (Odd("no"), ActivityError)):
        romancy.replace(charge, Mock(side_effect=error))
        with pytest.raises(InstanceFailedError) as failed:
            romancy.run(pay("o-1"))
        assert type(failed.value.__cause__) is kind and "no" in str(failed.value)
    assert romancy.effects["charge"] == 9


def test_a_flaky_fake_is_retried(romancy):
    romancy.replace(charge, Mock(side_effect=[ConnectionError(), ConnectionError(), "third time lucky"]))
    assert romancy.run(pay("o-1")) == "third time lucky"
    assert [each.attempt for each in romancy.effects.log] == [1, 2, 3] and not romancy.effects.duplicates


def test_an_assertion_in_a_fake_is_told(romancy):
    def charged(order_id: str, amount: int) -> str:
        raise AssertionError(f"{amount} is too much")

    romancy.replace(charge, charged)
    with pytest.raises(InstanceFailedError, match="AssertionError: 40 is too much"):
        romancy.run(pay("o-1"))


def test_a_fake_that_was_given_unchecked_is_called_as_the_activity_is():
    with Sandbox(fakes={"charge": lambda only: f"all of {only}"}) as romancy:
        romancy.replace("take", lambda item: item)
        assert romancy.run(buy("hat")) == "all of hat"


def test_a_fake_that_is_called_by_name_is_noted_as_the_activity_was_called(romancy):
    romancy.replace(charge, lambda **k: f"{sorted(k.items())}")
    assert romancy.run(pay("o-1")) == "[('amount', 40), ('order_id', 'o-1')]"
    (effect,) = romancy.effects.log
    assert (effect.args, effect.kwargs) == (("o-1", 40), {})


def test_a_result_that_is_none_of_the_activitys_type_is_refused(romancy):
    romancy.replace("charge", lambda order_id, amount: 5)
    with pytest.raises(InstanceFailedError, match="result: is 5 where str is declared"):
        romancy.run(pay("o-1"))


def test_a_fake_keeps_what_it_did_and_knows_the_key_of_the_attempt(romancy):
    bank, receipts = Bank(), 0
    romancy.replace(charge, bank.charge)
    for crash in crash_points(pay("o-1")):
        assert crash.result == "receipt for 40"
        assert crash.effects["charge"] <= 2
        receipts += 1
    assert bank.asked == receipts + 2  # once more where it was not recorded, and once in the run that found the points
    assert list(bank.charged.values()) == [40]  # the instance has the same id each time, and so has the key


def test_compensations_are_replaced_by_the_names_of_their_functions(romancy):
    given_back = []

    def give(item: str, *, result: str) -> None:
        given_back.append((item, result))

    romancy.replace("take", lambda item: f"the {item}")
    romancy.replace("give_back", give)
    romancy.replace("charge", Mock(side_effect=Declined("no")))
    with pytest.raises(InstanceFailedError):
        romancy.run(buy("hat"))
    assert given_back == [("hat again", "the hat again"), ("hat", "the hat")]


def test_a_fake_can_ask_for_the_session(romancy):
    romancy.sql("create table item (name text)")

    def listed() -> list[str]:
        session().execute("insert into item values ('one')")
        return [row["name"] for row in session().query("select name from item")]

    romancy.replace(list_all, listed)
    assert romancy.run(lists()) == ["one"]
    romancy.replace(list_all, Mock(side_effect=Exception("the table is full")))
    with pytest.raises(InstanceFailedError):
        romancy.run(lists())
    assert romancy.sql("select count(*) from item") == [(1,)]


def test_fakes_hold_for_crash_points_of_their_block_alone():
    with Sandbox() as outer:
        outer.replace("charge", lambda *_: "outer")
        with Sandbox() as inner:
            inner.replace("charge", lambda *_: "inner")
            assert {crash.result for crash in crash_points(pay("o"))} == {"inner"}
        assert {crash.result for crash in crash_points(pay("o"))} == {"outer"}
        assert outer.run(pay("o")) == "outer"
    with pytest.raises(InstanceFailedError, match="fakes only"):
        _ = next(iter(crash_points(pay("o")))).result


@pytest.mark.parametrize(
    ("key", "fake", "message"),
    [
        ("charge", lambda order_id: "", "cannot stand in for charge.*too many positional"),
        ("charge", lambda a, b, c: "", "cannot stand in for charge.*'c'"),
        ("charge", lambda *, order_id, price: "", "cannot stand in for charge.*'price'"),
        ("charge", lambda *, order_id: "", "cannot stand in for charge.*'amount'"),
        ("collect", lambda **k: "", "cannot stand in for collect.*too many positional"),
        ("fetch", lambda url: b"", "cannot stand in for fetch.*'times'"),
        ("give_back", lambda item: None, "cannot stand in for give_back.*'result'"),
        ("charge", "a receipt", "give a function"),
        ("charge", Declined("no"), "give a function that raises it"),
        ("charge", Declined, "give a function that raises it"),
        ("chrage", lambda *_: "", "no activity 'chrage'.*did you mean 'charge'"),
        ("qqqqqq", lambda *_: "", "no activity 'qqqqqq'.*import the module"),
        (charge.fn, lambda *_: "", "give an activity or its name"),
        (pay, lambda *_: "", "give an activity or its name"),
    ],
)
def test_what_cannot_stand_in_is_refused_at_once(romancy, key, fake, message):
    with pytest.raises(DefinitionError, match=message):
        romancy.replace(key, fake)


def test_fakes_are_gone_with_the_test_that_made_them(romancy):
    with pytest.raises(InstanceFailedError, match="fakes only"):
        romancy.run(pay("o-1"))
