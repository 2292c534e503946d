"""What every store must do: inherit `StoreContract`, say how one is opened, and pytest runs the rest.

```python
class TestMyStore(StoreContract):
    def open(self, tmp_path): return MyStore(tmp_path / "app.db")
```
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from romancy.errors import LeaseLostError, RomancyError, UnknownInstanceError
from romancy.history import (
    ActivityCompleted,
    AttemptFailed,
    CancelRequested,
    CompensationStarted,
    Event,
    TimerFired,
    WorkflowCompleted,
    WorkflowStarted,
)
from romancy.store.protocol import (
    TERMINAL,
    Instance,
    NewInstance,
    Parent,
    Reader,
    State,
    Store,
    Tick,
    Told,
    WorkerIdentity,
)

NOW = 1_000.0


class ReadableStore(Store, Reader, Protocol):
    """Both protocols in one object, as the contract needs them."""


def worker(id: str = "w-1") -> WorkerIdentity:
    """Who a worker of that id is."""
    return WorkerIdentity(id=id, host="h", pid=1, born="b")


def new(
    id: str, *, workflow: str = "order", input: str = "{}", at: float = NOW, parent: Parent | None = None
) -> NewInstance:
    """An instance to be created."""
    return NewInstance(id=id, workflow=workflow, version="1", input=input, seed="5eed", at=at, parent=parent)


def state(instance: Instance, status: str, *, position: int = 1, keep: bool = False, **more: Any) -> State:
    """Where an instance stands after a tick."""
    return State(number=instance.number, status=status, run=1, position=position, keep=keep, **more)


def done(step: str, at: float = NOW) -> ActivityCompleted:
    """An activity returned."""
    return ActivityCompleted(at=at, step=step, name="ship", attempt=1, result='"ok"', started=at, fingerprint=7)


class StoreContract:
    """The promises of `Store` and `Reader`; a subclass opens the store that is to keep them."""

    def open(self, tmp_path: Path) -> ReadableStore:
        """A store without instances."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ReadableStore]:
        opened = self.open(tmp_path)
        yield opened
        opened.close()

    @pytest.fixture
    def token(self, store: ReadableStore) -> int:
        return store.register(worker(), NOW, NOW + 30)

    def begin(self, store: ReadableStore, token: int, id: str = "i") -> Instance:
        """An instance that this lease owns, with its first event."""
        return store.create([new(id)], owner=token, now=NOW)[0].instance

    # -- leases

    def test_a_token_is_never_given_twice(self, store: ReadableStore) -> None:
        tokens = []
        for each in ("a", "b", "a", "b"):
            tokens.append(store.register(worker(each), NOW, NOW + 30))
            store.retire(tokens[-1], NOW)
        assert sorted(set(tokens)) == tokens

    def test_a_held_lease_is_listed_with_its_worker_until_it_is_given_back(self, store: ReadableStore) -> None:
        token = store.register(worker("a"), NOW, NOW + 30)
        store.renew(token, NOW + 60)
        lease = store.leases()[0]
        assert (lease.token, lease.worker, lease.started, lease.until) == (token, worker("a"), NOW, NOW + 60)
        store.retire(token, NOW)
        assert store.leases() == []

    def test_registering_a_worker_again_ends_its_older_lease(self, store: ReadableStore, token: int) -> None:
        self.begin(store, token)
        again = store.register(worker(), NOW, NOW + 30)
        assert [lease.token for lease in store.leases()] == [again]
        assert [each.id for each in store.claim(again, ["order"], NOW, 10)] == ["i"]

    def test_every_write_under_a_lost_lease_is_refused_and_writes_nothing(
        self, store: ReadableStore, token: int
    ) -> None:
        instance = self.begin(store, token)
        store.take_over(token, NOW, 10)
        tick = Tick(NOW, events=[(instance.number, 1, 1, done("1"))], states=[state(instance, "completed")])
        with pytest.raises(LeaseLostError):
            store.commit(token, tick)
        with pytest.raises(LeaseLostError):
            store.renew(token, NOW + 60)
        with pytest.raises(LeaseLostError):
            store.claim(token, ["order"], NOW, 10)
        with pytest.raises(LeaseLostError):
            store.create([new("other")], owner=token, now=NOW)
        with pytest.raises(LeaseLostError), store.recording(token, instance.number, 1):
            raise AssertionError("the recording began")
        assert store.history(instance.number, 1) == [WorkflowStarted(at=NOW)]
        assert store.instance("other") is None

    def test_taking_over_frees_what_the_lease_held(self, store: ReadableStore, token: int) -> None:
        self.begin(store, token)
        assert store.take_over(token, NOW, 10) == 1
        freed = store.instance("i")
        assert freed is not None
        assert (freed.owner, freed.wake_at) == (None, NOW)

    def test_what_is_freed_stands_where_its_history_ends(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        store.commit(token, Tick(NOW, events=[(instance.number, 1, seq, done(str(seq))) for seq in (1, 2)]))
        store.take_over(token, NOW, 10)
        freed = store.instance("i")
        assert freed is not None
        assert freed.position == 3

    def test_a_lease_that_lasts_until_when_it_was_seen_to_is_taken_over_once(
        self, store: ReadableStore, token: int
    ) -> None:
        self.begin(store, token)
        assert store.take_over(token, NOW + 31, 10, until=NOW + 30) == 1
        assert store.take_over(token, NOW + 31, 10, until=NOW + 30) is None

    def test_a_lease_that_was_renewed_meanwhile_is_not_taken_over(self, store: ReadableStore, token: int) -> None:
        self.begin(store, token)
        store.renew(token, NOW + 61)
        assert store.take_over(token, NOW + 31, 10, until=NOW + 30) is None
        assert [lease.until for lease in store.leases()] == [NOW + 61]
        held = store.instance("i")
        assert held is not None
        assert (held.owner, held.recoveries) == (token, 0)

    def test_an_instance_that_is_recovered_too_often_without_progress_is_parked(self, store: ReadableStore) -> None:
        token = store.register(worker("w-0"), NOW, NOW + 30)
        self.begin(store, token)
        for generation in range(1, 4):
            store.take_over(token, NOW, 3)
            token = store.register(worker(f"w-{generation}"), NOW, NOW + 30)
            store.claim(token, ["order"], NOW, 10)
        parked = store.instance("i")
        assert parked is not None
        assert (parked.status, parked.owner, parked.wake_at) == ("stuck", None, None)
        assert parked.error

    def test_progress_begins_the_count_of_recoveries_again(self, store: ReadableStore) -> None:
        token = store.register(worker("w-0"), NOW, NOW + 30)
        instance = self.begin(store, token)
        for generation in range(1, 8):
            event = (instance.number, 1, generation, done(str(generation)))
            store.commit(token, Tick(NOW, events=[event], states=[state(instance, "running", keep=True)]))
            store.take_over(token, NOW, 3)
            token = store.register(worker(f"w-{generation}"), NOW, NOW + 30)
            assert [each.id for each in store.claim(token, ["order"], NOW, 10)] == ["i"]

    # -- instances

    def test_an_id_is_created_once_and_the_stored_instance_comes_back(self, store: ReadableStore) -> None:
        first, second = store.create([new("i"), new("i", input='{"n":2}')], owner=None, now=NOW)
        assert (first.existed, second.existed) == (False, True)
        assert second.instance == first.instance
        assert first.instance.input == "{}"

    def test_all_that_is_given_is_stored(self, store: ReadableStore) -> None:
        parent = Parent(number=5, run=2, step="4.1")
        store.create([new("i", input='{"n":1}', parent=parent)], owner=None, now=NOW)
        found = store.instance("i")
        assert found is not None
        assert (found.workflow, found.version, found.input, found.seed) == ("order", "1", '{"n":1}', "5eed")
        assert (found.status, found.run, found.position, found.owner) == ("pending", 1, 0, None)
        assert (found.parent, found.created, found.wake_at) == (parent, NOW, NOW)

    def test_an_instance_that_is_created_for_an_owner_begins_at_once(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        assert (instance.status, instance.owner) == ("running", token)
        assert store.history(instance.number, 1) == [WorkflowStarted(at=NOW)]
        assert [each.id for each in store.owned(token)] == ["i"]

    def test_an_unknown_id_is_none_to_read_and_an_error_to_tell(self, store: ReadableStore) -> None:
        assert store.instance("nobody") is None
        with pytest.raises(UnknownInstanceError):
            store.tell("nobody", "cancel", "", NOW)
        with pytest.raises(UnknownInstanceError):
            store.revive("nobody", NOW)

    @pytest.mark.parametrize(
        "id", ["x'); drop table instance; --", "%", "a_b", "\\", "\u00e9", "日本語", "-x", "../etc"]
    )
    def test_any_text_is_an_id(self, store: ReadableStore, id: str) -> None:
        store.create([new(id), new("other"), new("e\u0301")], owner=None, now=NOW)
        found = store.instance(id)
        assert found is not None
        assert found.id == id
        assert [each.id for each in store.ended([id])] == []

    # -- claims

    def test_what_is_due_is_claimed_once_earliest_first(self, store: ReadableStore, token: int) -> None:
        store.create([new("late", at=NOW + 5), new("early", at=NOW - 5)], owner=None, now=NOW - 5)
        other = store.register(worker("w-2"), NOW, NOW + 30)
        claimed = store.claim(token, ["order"], NOW + 10, 10)
        assert {each.id for each in claimed} == {"late", "early"}
        assert store.claim(other, ["order"], NOW + 10, 10) == []

    def test_a_claim_takes_no_more_than_asked_for_nor_other_workflows(self, store: ReadableStore, token: int) -> None:
        store.create([new(f"i-{n}") for n in range(5)] + [new("alien", workflow="other")], owner=None, now=NOW)
        first = store.claim(token, ["order"], NOW, 2)
        rest = store.claim(token, ["order"], NOW, 10)
        assert (len(first), len(rest)) == (2, 3)
        assert store.claim(token, [], NOW, 10) == []
        alien = store.instance("alien")
        assert alien is not None
        assert alien.owner is None

    def test_nothing_is_claimed_before_it_is_due(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        store.commit(token, Tick(NOW, states=[state(instance, "waiting", wake_at=NOW + 60)]))
        assert store.next_due(["order"]) == NOW + 60
        assert store.claim(token, ["order"], NOW + 59, 10) == []
        assert [each.id for each in store.claim(token, ["order"], NOW + 60, 10)] == ["i"]
        assert store.next_due(["order"]) is None
        assert store.next_due([]) is None

    # -- ticks

    def test_events_come_back_as_they_were_written(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        events: list[Event] = [
            AttemptFailed(at=NOW, step="1", name="ship", attempt=1, error="{}", due=NOW + 1.5, started=NOW - 1),
            ActivityCompleted(
                at=NOW,
                step="1",
                name="ship",
                attempt=2,
                result='{"a":"\\u0000é"}',
                fingerprint=2**32 - 1,
                compensation="u",
            ),
            TimerFired(at=NOW + 0.123456, step="2.1"),
            CancelRequested(at=NOW + 1),
            CompensationStarted(at=NOW + 2),
            WorkflowCompleted(at=NOW + 3, result="null"),
        ]
        tick = Tick(NOW, events=[(instance.number, 1, seq, event) for seq, event in enumerate(events, 1)])
        store.commit(token, tick)
        assert store.load(instance.number, 1) == [WorkflowStarted(at=NOW), *events]
        assert store.history(instance.number, 1) == store.load(instance.number, 1)
        assert store.ending(instance.number, 1) == events[-1]
        assert store.load(instance.number, 2) == []

    def test_a_tick_is_written_whole_or_not_at_all(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        taken = (instance.number, 1, 0, done("1"))
        tick = Tick(NOW, events=[(instance.number, 1, 1, done("1")), taken], states=[state(instance, "completed")])
        with pytest.raises(RomancyError):
            store.commit(token, tick)
        assert store.load(instance.number, 1) == [WorkflowStarted(at=NOW)]
        after = store.instance("i")
        assert after is not None
        assert after.status == "running"

    def test_a_place_in_a_history_is_taken_once(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        store.commit(token, Tick(NOW, events=[(instance.number, 1, 1, done("1"))]))
        with pytest.raises(RomancyError):
            store.commit(token, Tick(NOW, events=[(instance.number, 1, 1, done("2"))]))

    def test_the_end_of_an_instance_is_seen_by_its_readers(self, store: ReadableStore, token: int) -> None:
        instances = [self.begin(store, token, id) for id in (*TERMINAL, "running")]
        store.commit(token, Tick(NOW, states=[state(each, each.id, keep=each.id == "running") for each in instances]))
        assert {each.id for each in store.ended(["running", *TERMINAL, "nobody"])} == set(TERMINAL)
        assert store.counts() == {"running": 1, **dict.fromkeys(TERMINAL, 1)}

    def test_pages_come_in_the_order_of_creation_and_filters_narrow_them(
        self, store: ReadableStore, token: int
    ) -> None:
        store.create([new(f"i-{n}", workflow="ab"[n % 2]) for n in range(5)], owner=None, now=NOW)
        self.begin(store, token, "mine")

        def ids(**filters: Any) -> list[str]:
            options = {"status": None, "workflow": None, "limit": None, "after": None, **filters}
            return [each.id for each in store.instances(**options)]

        assert ids() == ["i-0", "i-1", "i-2", "i-3", "i-4", "mine"]
        assert ids(limit=2) == ["i-0", "i-1"]
        assert ids(after="i-1", limit=2) == ["i-2", "i-3"]
        assert ids(workflow="b") == ["i-1", "i-3"]
        assert ids(status="running") == ["mine"]
        assert ids(status="pending", workflow="a", after="i-0", limit=1) == ["i-2"]
        assert ids(limit=0) == []

    # -- letters

    def test_a_letter_waits_for_the_owner_and_is_read_in_order(self, store: ReadableStore, token: int) -> None:
        self.begin(store, token)
        assert store.tell("i", "cancel", "", NOW) == "running"
        store.tell("i", "child", '{"n":1}', NOW + 1)
        letters = store.letters(token)
        assert [(each.kind, each.data, each.at) for each in letters] == [
            ("cancel", "", NOW),
            ("child", '{"n":1}', NOW + 1),
        ]
        store.commit(token, Tick(NOW, delivered=[letters[0].number]))
        assert [each.kind for each in store.letters(token)] == ["child"]

    def test_a_letter_wakes_an_instance_that_sleeps(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        store.commit(token, Tick(NOW, states=[state(instance, "waiting", wake_at=NOW + 10**6)]))
        store.tell("i", "cancel", "", NOW + 5)
        assert [each.id for each in store.claim(token, ["order"], NOW + 5, 10)] == ["i"]

    def test_a_letter_that_came_while_an_instance_went_to_sleep_wakes_it(
        self, store: ReadableStore, token: int
    ) -> None:
        instance = self.begin(store, token)
        store.tell("i", "cancel", "", NOW)
        store.commit(token, Tick(NOW, states=[state(instance, "waiting", wake_at=NOW + 10**6)]))
        assert [each.id for each in store.claim(token, ["order"], NOW, 10)] == ["i"]

    def test_what_has_ended_gets_no_letter(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        store.commit(token, Tick(NOW, states=[state(instance, "completed", keep=True)]))
        assert store.tell("i", "cancel", "", NOW) == "completed"
        assert store.letters(token) == []

    def test_a_tick_can_tell_another_instance(self, store: ReadableStore, token: int) -> None:
        parent = self.begin(store, token, "parent")
        store.commit(token, Tick(NOW, told=[Told(parent.number, "child", "{}")]))
        assert [(each.instance, each.kind) for each in store.letters(token)] == [(parent.number, "child")]

    # -- stuck

    def test_only_a_stuck_instance_is_revived(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        assert store.revive("i", NOW) == "running"
        store.commit(token, Tick(NOW, states=[state(instance, "stuck", error="why")]))
        stuck = store.instance("i")
        assert stuck is not None
        assert (stuck.error, stuck.owner) == ("why", None)
        assert store.claim(token, ["order"], NOW, 10) == []
        assert store.revive("i", NOW) == "stuck"
        assert [each.id for each in store.claim(token, ["order"], NOW, 10)] == ["i"]

    # -- the transaction of an activity

    def test_a_recorded_event_takes_the_next_place(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        with store.recording(token, instance.number, 1) as recording:
            assert recording.record(done("1")) == 1
        assert store.load(instance.number, 1) == [WorkflowStarted(at=NOW), done("1")]

    def test_a_recording_that_fails_or_records_nothing_leaves_nothing(self, store: ReadableStore, token: int) -> None:
        instance = self.begin(store, token)
        with pytest.raises(ZeroDivisionError), store.recording(token, instance.number, 1) as recording:
            recording.record(done("1"))
            raise ZeroDivisionError
        with store.recording(token, instance.number, 1):
            pass
        assert store.load(instance.number, 1) == [WorkflowStarted(at=NOW)]

    # -- being idle

    def test_it_is_idle_when_nothing_could_go_on_now(self, store: ReadableStore, token: int) -> None:
        assert store.is_idle(["order"], NOW)
        instance = self.begin(store, token)
        assert not store.is_idle(["order"], NOW)
        store.commit(token, Tick(NOW, states=[state(instance, "waiting", wake_at=NOW + 60)]))
        assert store.is_idle(["order"], NOW)
        assert not store.is_idle(["order"], NOW + 60)
        assert store.is_idle(["another"], NOW + 60)

    # -- as it is stored

    def test_the_rows_of_an_instance_are_told_by_table_in_the_order_of_its_history(
        self, store: ReadableStore, token: int
    ) -> None:
        instance = self.begin(store, token)
        store.commit(token, Tick(NOW, events=[(instance.number, 1, seq, done(str(seq))) for seq in (1, 2)]))
        store.tell("i", "note", "é", NOW)
        rows = store.rows("i")
        assert [(each["id"], each["owner"], each["wake_at"], each["created"]) for each in rows["instance"]] == [
            ("i", token, None, NOW)
        ]
        assert [(each["seq"], each["kind"], each["step"]) for each in rows["history"]] == [
            (0, "workflow_started", None),
            *((seq, "activity_completed", str(seq)) for seq in (1, 2)),
        ]
        assert [(each["kind"], each["data"]) for each in rows["inbox"]] == [("note", "é")]
        assert store.rows("nobody") == {}

    def test_health_tells_where_the_data_is_and_that_it_is_whole(self, store: ReadableStore) -> None:
        health = store.health()
        assert health["integrity"] == []
        assert health["path"]
