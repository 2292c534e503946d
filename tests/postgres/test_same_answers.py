"""The same calls of a store, in any order, get the same answers from PostgreSQL as from SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from romancy.errors import LeaseLostError, RomancyError
from romancy.history import ActivityCompleted, AttemptFailed, Event, TimerFired
from romancy.store import Database, Instance, Letter, NewInstance, Parent, SqliteStore, State, Tick, Told
from romancy.store.postgres import PostgresStore
from romancy.store.protocol import STATUSES
from romancy.testing.contract import worker
from tests.postgres.server import PostgresServer, query

IDS = ("a", "b", "c", "d", "Ü'\"")
WORKFLOWS = ("order", "trip")


@attrs.define
class Side:
    """One store, and what its own numbers stand for."""

    store: Database
    tokens: list[int] = attrs.field(factory=list)
    now: float = 1_000.0

    def token(self, place: int) -> int:
        return self.tokens[place % len(self.tokens)] if self.tokens else 10**9

    def lease(self, token: int | None) -> int | None:
        return None if token is None else self.tokens.index(token)

    def id_of(self, number: int) -> str:
        found = self.store.numbered(number)
        return "nobody" if found is None else found.id

    def told(self, instance: Instance) -> Any:
        """An instance without the numbers that its store drew."""
        return attrs.evolve(instance, number=0, owner=self.lease(instance.owner))

    def letter(self, letter: Letter) -> Any:
        return (self.id_of(letter.instance), letter.kind, letter.data, letter.at)

    def of(self, id: str) -> Instance | None:
        return self.store.instance(id)

    # -- what is called

    def register(self, name: int, until: float) -> Any:
        self.tokens.append(self.store.register(worker(f"w-{name}"), self.now, self.now + until))
        return sorted(self.tokens) == self.tokens

    def renew(self, place: int, until: float) -> Any:
        return self.store.renew(self.token(place), self.now + until)

    def retire(self, place: int) -> Any:
        return self.store.retire(self.token(place), self.now)

    def take_over(self, place: int, limit: int, seen: float | None) -> Any:
        """Take over what was seen to last until then, or so much less: it was renewed since."""
        token = self.token(place)
        until = next((each.until for each in self.store.leases() if each.token == token), 0.0)
        return self.store.take_over(token, self.now, limit, until=None if seen is None else until - seen)

    def create(self, ids: list[str], place: int | None, parent: str | None) -> Any:
        of = None if parent is None else self.of(parent)
        new = [
            NewInstance(
                id=id,
                workflow=WORKFLOWS[n % 2],
                version="1",
                input=f'{{"n":{n}}}',
                seed="5eed",
                at=self.now,
                parent=None if of is None else Parent(number=of.number, run=of.run, step="1.2"),
            )
            for n, id in enumerate(ids)
        ]
        created = self.store.create(new, owner=None if place is None else self.token(place), now=self.now)
        return [(attrs.evolve(self.told(each.instance), parent=None), each.existed) for each in created]

    def claim(self, place: int, workflows: tuple[str, ...], limit: int, suspects: bool) -> Any:
        claimed = self.store.claim(self.token(place), workflows, self.now, limit, suspects=suspects)
        return [each.id for each in claimed]

    def commit(self, place: int, changes: list[tuple[str, int, str, bool, float | None]], read: int) -> Any:
        token, tick = self.token(place), Tick(self.now)
        letters = self.store.letters(token)
        tick.delivered = [each.number for each in letters[:read]]
        for id, kind, status, keep, wake in changes:
            found = self.of(id)
            if found is None or found.owner != token:
                continue
            seq = len(self.store.history(found.number, found.run))
            events = _events(self.now, kind)
            tick.events += [(found.number, found.run, seq + n, event) for n, event in enumerate(events)]
            tick.states.append(
                State(
                    number=found.number,
                    status=status,
                    run=found.run,
                    position=seq + len(events),
                    keep=keep,
                    retries=kind == 1,
                    wake_at=None if wake is None else self.now + wake,
                    error="why" if status == "stuck" else None,
                )
            )
            if kind == 2:
                tick.told.append(Told(found.number, "note", "{}"))
            if kind == 3:
                tick.told.append(Told(found.number, "cancel", "", "c"))
        return self.store.commit(token, tick)

    def append(self, place: int, id: str, shift: int) -> Any:
        """Events alone, perhaps at a place that is taken."""
        found = self.of(id)
        if found is None:
            return None
        seq = max(0, len(self.store.history(found.number, found.run)) - shift)
        tick = Tick(self.now, [(found.number, found.run, seq, event) for event in _events(self.now, 0)])
        return self.store.commit(self.token(place), tick)

    def tell(self, id: str, data: str) -> Any:
        return self.store.tell(id, "note", data, self.now)

    def revive(self, id: str) -> Any:
        return self.store.revive(id, self.now)

    def record(self, place: int, id: str, ends: bool) -> Any:
        found = self.of(id)
        if found is None:
            return None
        with self.store.recording(self.token(place), found.number, found.run) as recording:
            return recording.record(_events(self.now, 0)[0]) if ends else None

    # -- what is seen

    def seen(self) -> Any:
        store = self.store
        everything = [self.of(id) for id in IDS]
        there = [each for each in everything if each is not None]
        return {
            "instances": [self._one(each) for each in there],
            "order": [each.id for each in store.instances(status=None, workflow=None, limit=None, after=None)],
            "leases": [(self.lease(each.token), each.worker, each.started, each.until) for each in store.leases()],
            "owned": [sorted(each.id for each in store.owned(token)) for token in self.tokens],
            "letters": [[self.letter(each) for each in store.letters(token)] for token in self.tokens],
            "counts": store.counts(),
            "due": [store.next_due(WORKFLOWS[:n], suspects=suspects) for n in (0, 1, 2) for suspects in (False, True)],
            "idle": [store.is_idle(WORKFLOWS[:n], self.now) for n in (0, 1, 2)],
            "ended": sorted(each.id for each in store.ended(IDS)),
            "lag": store.lag(self.now),
        }

    def _one(self, instance: Instance) -> Any:
        parent = instance.parent
        of = None if parent is None else (self.id_of(parent.number), parent.run, parent.step)
        return {
            "row": attrs.evolve(self.told(instance), parent=None),
            "parent": of,
            "history": self.store.history(instance.number, instance.run),
            "last": self.store.ending(instance.number, instance.run),
            "since": self.store.since(instance.number, instance.run, 1),
            "unread": [self.letter(each) for each in self.store.unread(instance.number)],
            "children": [each.id for each in self.store.children(instance.number, instance.run)],
        }


def _events(at: float, kind: int) -> list[Event]:
    text = '"\\u0000 é"'
    events: list[Event] = [
        ActivityCompleted(at=at, step="1", name="ship", attempt=1, result=text, started=at, fingerprint=2**32 - 1)
    ]
    if kind == 1:
        events.append(AttemptFailed(at=at, step="2", name="ship", attempt=1, error="{}", due=at + 1 / 3, started=at))
    if kind == 2:
        events = [TimerFired(at=at, step="3.1")]
    return events if kind < 3 else []


def _call(side: Side, name: str, values: tuple[Any, ...]) -> Any:
    try:
        return getattr(side, name)(*values)
    except LeaseLostError:
        return "the lease is lost"
    except RomancyError as error:
        return type(error).__name__


PLACES, SOME_IDS, LENGTHS = st.integers(0, 3), st.sampled_from(IDS), st.sampled_from([0.0, 0.5, 30.0])
CHANGES = st.tuples(
    SOME_IDS, st.integers(0, 3), st.sampled_from(STATUSES), st.booleans(), st.sampled_from([None, 0.0, 7.5])
)
CALLS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "register": st.tuples(st.integers(0, 2), LENGTHS),
    "renew": st.tuples(PLACES, LENGTHS),
    "retire": st.tuples(PLACES),
    "take_over": st.tuples(PLACES, st.integers(1, 5), st.sampled_from([None, 0.0, 10.0])),
    "create": st.tuples(st.lists(SOME_IDS, min_size=1, max_size=4), st.none() | PLACES, st.none() | SOME_IDS),
    "claim": st.tuples(PLACES, st.sampled_from([WORKFLOWS, WORKFLOWS[:1], ()]), st.integers(1, 4), st.booleans()),
    "commit": st.tuples(PLACES, st.lists(CHANGES, max_size=3, unique_by=lambda each: each[0]), st.integers(0, 2)),
    "append": st.tuples(PLACES, SOME_IDS, st.integers(0, 1)),
    "tell": st.tuples(SOME_IDS, st.sampled_from(["", '{"a":"\\u0000"}'])),
    "revive": st.tuples(SOME_IDS),
    "record": st.tuples(PLACES, SOME_IDS, st.booleans()),
}
STEPS = st.one_of(*(st.tuples(st.just(name), values) for name, values in CALLS.items()))
BEGINNING = [("register", (0, 30.0)), ("create", (["a", "b"], 0, None)), ("create", (["c"], None, "a"))]


@pytest.fixture(scope="module")
def sides(server: PostgresServer) -> Iterator[Callable[[], tuple[Side, Side]]]:
    """Two empty stores, again and again."""
    url = server.fresh()
    with closing(PostgresStore(url)) as postgres, closing(SqliteStore(":memory:")) as sqlite:

        def emptied() -> tuple[Side, Side]:
            for table in ("worker", "instance", "history", "inbox"):
                sqlite._connection.execute(f"delete from {table}")
                query(url, f"delete from romancy.{table}")
            return Side(sqlite), Side(postgres)

        yield emptied


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(calls=st.lists(STEPS, max_size=15))
def test_any_calls_get_the_same_answers(sides: Callable[[], tuple[Side, Side]], calls: list[Any]) -> None:
    one, other = sides()
    for name, values in [*BEGINNING, *calls]:
        assert _call(one, name, values) == _call(other, name, values), (name, values)
        one.now += 1.25
        other.now += 1.25
    assert one.seen() == other.seen()
