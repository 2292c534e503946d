"""Sequences of calls of the public API, with workers that work, die, stand still and come back between them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from romancy.errors import (
    InstanceCancelledError,
    InstanceExistsError,
    InstanceFailedError,
    InstanceStateError,
    RomancyError,
    UnknownInstanceError,
)
from romancy.testing.lives import workplace
from tests.crash.workers.connections import AFTER, BEFORE
from tests.crash.workers.examples import LONG
from tests.crash.workers.moves import CLIENT, JUMPS, LENGTHS, Cancel, Close, Fail, Pass, Plan, Skew, Start
from tests.crash.workers.snapshots import TERMINAL
from tests.crash.workers.workload import KINDS
from tests.crash.workers.world import World, world

WORKERS = 3
_workers = st.integers(0, WORKERS - 1)
PLACES = (
    *("before the body", "after the body", "before commit", "before 'commit'", "after commit", "before session"),
    *("before claim", "before create", "before renew", "before take over", "before 'select inbox.number"),
)
_places = st.sampled_from(PLACES)
_kinds, _numbers = st.sampled_from(list(KINDS)), st.integers(1, 3)


class Model:
    """What has to be there, of what clients were told; it knows no engine."""

    def __init__(self) -> None:
        self.started: dict[str, Start] = {}
        self.cancelled: set[str] = set()
        self.ended: dict[str, str] = {}

    def statuses(self, id: str) -> set[str]:
        """How an instance may stand, as far as was seen."""
        if id in self.ended:
            return {self.ended[id]}
        start = self.started[id]
        fails = any(isinstance(each, ValueError) for each in KINDS[start.kind].ends(start.n))
        return {
            *("pending", "running", "waiting", "failed" if fails else "completed"),
            *(("compensating",) if fails else ()),
            *(("cancelled",) if id in self.cancelled else ()),
        }

    def saw(self, id: str, status: str) -> None:
        """An end that was seen is final."""
        if status in TERMINAL:
            self.ended[id] = status

    def values(self, id: str) -> list[Any]:
        """The results that are right."""
        start = self.started[id]
        return KINDS[start.kind].ends(start.n)


class Workers(RuleBasedStateMachine):
    """Up to three workers and a client on one file."""

    ids = Bundle("ids")

    @initialize(elsewhere=st.booleans(), resident=st.sampled_from([10_000, 1]), slots=st.sampled_from([64, 1]))
    def begin(self, elsewhere: bool, resident: int, slots: int) -> None:
        hosts = ("here", "there" if elsewhere else "here", "here")
        plan = Plan(hosts, (), resident=resident, slots=slots, verify=1.0)
        self.stack = ExitStack()
        self.world: World = self.stack.enter_context(world(plan, self.stack.enter_context(workplace())))
        self.model = Model()
        self.world.kill(2)

    # -- the public API

    @rule(target=ids, kind=_kinds, n=_numbers)
    def start(self, kind: str, n: int) -> str:
        """Starting again what was started is the same instance."""
        command = Start(CLIENT, kind, n)
        handle = self.world.call(lambda app: app.start(KINDS[kind].call(n), id=command.id))
        assert handle.id == command.id
        self._started(command)
        return command.id

    @rule(target=ids, calls=st.lists(st.tuples(_kinds, _numbers), max_size=4))
    def start_many(self, calls: list[tuple[str, int]]) -> Any:
        commands = [Start(CLIENT, kind, n) for kind, n in calls]
        wanted = [KINDS[each.kind].call(each.n).options(id=each.id) for each in commands]
        handles = self.world.call(lambda app: app.start_many(wanted))
        assert [each.id for each in handles] == [each.id for each in commands]
        for command in commands:
            self._started(command)
        return multiple(*(each.id for each in commands))

    @rule(id=ids)
    def start_with_other_input(self, id: str) -> None:
        kind = self.model.started[id].kind
        refused = self._refusal(lambda app: app.start(KINDS[kind].call(9), id=id))
        assert isinstance(refused, InstanceExistsError)

    @rule(id=ids)
    def start_another_workflow(self, id: str) -> None:
        kind = "sums" if self.model.started[id].kind != "sums" else "pays"
        refused = self._refusal(lambda app: app.start(KINDS[kind].call(1), id=id))
        assert isinstance(refused, InstanceExistsError)

    @rule(id=ids)
    def cancel(self, id: str) -> None:
        self.model.cancelled.add(id)
        self.world.asked.append(Cancel(self.model.started[id].kind, self.model.started[id].n))
        self.world.call(lambda app: app.get(id).cancel())

    @rule(id=ids)
    def retry(self, id: str) -> None:
        refused = self._refusal(lambda app: app.retry(id))
        assert isinstance(refused, InstanceStateError)
        assert refused.status in self.model.statuses(id)

    @rule(id=ids)
    def ask_for_the_status(self, id: str) -> None:
        status = self.world.call(lambda app: app.get(id).status)
        assert status in self.model.statuses(id)
        self.model.saw(id, status)

    @rule(id=ids)
    def ask_for_the_result(self, id: str) -> None:
        self.check_result(id)

    @rule()
    def ask_for_what_nobody_started(self) -> None:
        assert isinstance(self._refusal(lambda app: app.get("nobody")), UnknownInstanceError)

    @rule(status=st.none() | st.sampled_from(["running", "waiting", "completed", "stuck"]))
    def list_instances(self, status: str | None) -> None:
        seen = self.world.call(lambda app: [each.id for each in app.instances(status=status)])
        roots = [id for id in seen if "/" not in id]
        assert roots == sorted(roots, key=list(self.model.started).index)
        if status is None:
            assert roots == list(self.model.started)

    # -- workers

    @rule(n=_workers)
    def work(self, n: int) -> None:
        """Turn until there is nothing to do."""
        for _ in range(3):
            for thread in range(len(self.world.processes[n].living)):
                self.world.go(n, thread, LONG)

    @rule(n=_workers, thread=st.integers(0, 2), boundaries=st.integers(1, 60))
    def step(self, n: int, thread: int, boundaries: int) -> None:
        """Go on for a while, and stand wherever that leads to, in a transaction too."""
        self.world.go(n, thread, boundaries)

    @rule(n=_workers)
    def crash(self, n: int) -> None:
        self.world.kill(n)

    @rule(n=_workers, place=_places)
    def crash_at(self, n: int, place: str) -> None:
        """Die where something is about to happen, in a transaction too."""
        if self._come(n, place):
            self.world.kill(n)

    @rule(n=_workers, place=_places)
    def stand_still_at(self, n: int, place: str) -> None:
        """Stand still past the lease while others work; it comes back whenever it is its turn again."""
        if self._come(n, place):
            self.stand_still_past_the_lease(n)

    def _come(self, n: int, place: str) -> bool:
        threads = range(len(self.world.processes[n].living))
        return any(self.world.go(n, thread, LONG, place) for thread in threads)

    @rule(n=_workers, when=st.sampled_from([BEFORE, AFTER]))
    def fail(self, n: int, when: str) -> None:
        """The disk fails once: with nothing done, or behind a commit that was."""
        self.world.play(Fail(n, when))

    @rule(n=_workers)
    def close_worker(self, n: int) -> None:
        self.world.play(Close(n))
        self.work(n)

    @rule(n=_workers, renamed=st.booleans())
    def restart(self, n: int, renamed: bool) -> None:
        self.world.restart(n, renamed=renamed)

    # -- time

    @rule(seconds=st.sampled_from(LENGTHS))
    def let_time_pass(self, seconds: float) -> None:
        self.world.play(Pass(seconds))

    @rule(n=_workers, seconds=st.sampled_from(JUMPS))
    def set_a_clock(self, n: int, seconds: float) -> None:
        self.world.play(Skew(n, seconds))

    @rule(n=_workers)
    def stand_still_past_the_lease(self, n: int) -> None:
        self.world.play(Pass(31))
        for other in range(WORKERS):
            if other != n:
                self.work(other)

    # -- what holds

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        if not hasattr(self, "model"):
            return
        rows = {row.id: row for row in self.world.judge.now.rows.values()}
        assert set(self.model.started) == {id for id in rows if "/" not in id}
        for id in self.model.started:
            assert rows[id].status in self.model.statuses(id) | {"stuck"}
            self.model.saw(id, rows[id].status)

    def check_result(self, id: str) -> None:
        """A result is right, or there is none yet."""
        try:
            value = self.world.call(lambda app: app.get(id).result(0))
        except TimeoutError:
            assert id not in self.model.ended
        except InstanceFailedError as error:
            assert [str(each) for each in self.model.values(id)] == [str(error.__cause__)]
            self.model.saw(id, "failed")
        except InstanceCancelledError:
            assert id in self.model.cancelled
            self.model.saw(id, "cancelled")
        else:
            assert value in self.model.values(id)
            self.model.saw(id, "completed")

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            self.world.heal()
            self.world.finish()
            for id in self.model.started:
                self.check_result(id)
                assert id in self.model.ended

    def _started(self, command: Start) -> None:
        if command.id not in self.model.started:
            self.model.started[command.id] = command
            self.world.asked.append(command)
            self.world.processes[CLIENT].acknowledged.append(command)

    def _refusal(self, does: Any) -> Exception | None:
        try:
            self.world.call(does)
        except RomancyError as error:
            return error
        return None
