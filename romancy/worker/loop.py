"""The loop: drain what finished, feed it to the executions, write it in one transaction, then hand out new calls.

One worker has one loop, and one thread at a time turns it. Advancing before the commit is safe since workflow code is
pure and nothing leaves before the commit. If the commit fails, the executions are dropped and replayed from what is
stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Union

import attrs

from romancy.errors import LeaseLostError, SchemaError, StoreError
from romancy.kernel import PendingChild
from romancy.registry import Registry
from romancy.store.protocol import Database, WorkerIdentity
from romancy.worker.activities import Executor, Flight
from romancy.worker.alarms import Alarms
from romancy.worker.claims import Claims, earlier
from romancy.worker.conclusion import conclude
from romancy.worker.feeding import feed_alarms, feed_landed, feed_letters
from romancy.worker.flights import Flights
from romancy.worker.intake import Beginning, Intake
from romancy.worker.leases import free_the_dead, refuse_namesake
from romancy.worker.mailbox import Mailbox
from romancy.worker.residents import Resident, Residents
from romancy.worker.timetable import Chore, Timetable
from romancy.worker.turn import Ended, Rules, Turn

_LOG = logging.getLogger("romancy")

_PATIENCE = 5
"""How often in a row the database may fail before the loop gives up."""


@attrs.frozen
class Stop:
    """Begin nothing more; leave once nothing is in flight, or `now`."""

    now: bool


@attrs.frozen
class Look:
    """Something was written to the database beside the loop."""


Message = Union[Flight, Beginning, Stop, Look]


@attrs.define(kw_only=True)
class Options:
    """How a worker works: see `Romancy`, where they are set."""

    lease: float
    max_resident: int
    slots: int
    verify: float
    watch: Callable[[], AbstractContextManager[object]] | None
    clock: Callable[[], float]
    chance: Callable[[], float]
    seed: Callable[[], str]
    polls: bool
    announce: Callable[[Ended], None]
    look_for: Callable[[], None]


class Loop:
    """One worker's loop.

    Args:
        store: where everything is.
        registry: the workflows that this worker knows.
        worker: who this is.
        options: how it works.

    Attributes:
        messages: what others tell the loop.
        token: the lease under which it works; 0 while it has none.
        flights: the activities under way, once it is open.
        clock: seconds since the epoch.
    """

    def __init__(self, store: Database, registry: Registry, worker: WorkerIdentity, options: Options) -> None:
        self.messages: Mailbox[Message] = Mailbox()
        self.token = 0
        self.flights: Flights
        self.clock = options.clock
        self._store = store
        self._registry = registry
        self._worker = worker
        self._options = options
        self._residents = Residents(options.max_resident)
        self._intake = Intake(store, registry, self._residents, options.seed)
        self._beginnings: list[Beginning] = []
        self._starts: list[tuple[Resident, PendingChild]] = []
        self._again: list[Resident] = []
        self._alarms = Alarms()
        self._timetable = Timetable(options.lease, options.polls)
        self._claims = Claims(options.slots)
        self._ask_due = True
        self._ask_letters = True
        self._must_reload = False
        self._failures = 0
        self._turning: Turn | None = None
        self._rules: Rules
        self._stop: Stop | None = None

    # -- life

    def open(self, executor: Executor) -> None:
        """Take a lease, and free what dead workers left.

        Args:
            executor: where activities run; it reports what has landed in `messages`.
        """
        self.flights = Flights(executor)
        self._register()

    def listen(self) -> None:
        """Let the database tell what others write."""
        self._store.alert(self.messages.ring)

    def close(self, failure: StoreError | None = None) -> None:
        """Hand back what this worker holds, and let go of its executions.

        Args:
            failure: why it gave up, if it has; then nothing is handed back.
        """
        if failure is None and self.token:
            try:
                self._store.retire(self.token, self.clock())
            except StoreError as error:
                _LOG.warning("the lease could not be given back and will run out: %s", error)
        self.token = 0
        self._drain()
        self._refuse_beginnings(failure or StoreError("the worker has stopped: start it on another app"))
        self.flights.close()
        self._residents.clear()

    def is_done(self) -> bool:
        """Whether it was asked to stop, and may."""
        return self._stop is not None and (self._stop.now or not (self.flights.out or self.flights.landed))

    def _refuse_beginnings(self, error: StoreError) -> None:
        for beginning in self._beginnings:
            beginning.refuse(error)
        self._beginnings.clear()

    def _register(self) -> None:
        now = self.clock()
        self.token = self._intake.token = self._store.register(self._worker, now, now + self._options.lease)
        self._timetable.registered(now)
        self._ask_due = self._ask_letters = True
        options = self._options
        self._rules = Rules(
            token=self.token,
            chance=options.chance,
            load=self._store.load,
            verify=options.verify,
            watch=options.watch,
        )

    # -- seen from outside

    def driven(self) -> tuple[str, int] | None:
        """The instance whose code runs now, and the thread that runs it."""
        turning = self._turning
        return None if turning is None else turning.driven

    def is_failing(self) -> bool:
        """Whether the database failed, and has not answered since."""
        return self._failures > 0

    def is_idle(self) -> bool:
        """Whether nothing is left to do now, here or in the database."""
        now = self.clock()
        return (
            not (self.flights.out or self.flights.landed or self._ask_letters)
            and not (self._starts or self._again or self._beginnings)
            and self.messages.empty()
            and self._alarms.first() > now
            and self._store.is_idle(self._registry.names(), now)
        )

    def next_instant(self) -> float:
        """When there will be something to do next, as far as this worker can know."""
        due = self._look_up_due()
        others = [lease.until for lease in self._store.leases() if lease.token != self.token]
        return min(self._alarms.first(), *others, float("inf") if due is None else due)

    def next_timer(self) -> float:
        """When the next timer or back-off of what this worker holds is due."""
        return self._alarms.first_timer()

    def patience(self) -> float:
        """Seconds until there is something to do, if no message comes before."""
        if self._failures:
            return 0.05 * 2.0**self._failures
        if self._again or self._starts or self.flights.landed or self._must_reload:
            return 0.0
        until = self._alarms.first()
        if self._stop is None and self._claims.next_due is not None:
            until = min(until, self._claims.next(len(self.flights.out)))
        return self._timetable.patience(self.clock(), until)

    # -- one turn

    def turn(self) -> bool:
        """Drain, feed, commit, hand out; returns whether anything happened.

        Raises:
            StoreError: the database failed several times in a row, or the lease went to a worker of the same name.
        """
        try:
            with self._store.exclusive(self._tell_overdue):
                self._drain()
                turn = self._turning = Turn(self.clock(), self._rules, stays=self._stop is None)
                self._housekeep(turn.now)
                happened = self._turn(turn)
            self._hand_out(turn)
            self._failures = 0
            return happened
        except LeaseLostError as error:
            self._forget(abandon=True)
            refuse_namesake(self._store, self._worker, self.clock())
            _LOG.error("%s; this worker begins again under a new lease", error)
            self._register()
        except SchemaError:  # trying again makes no table older
            self._forget(abandon=False)
            raise
        except StoreError as error:
            self._forget(abandon=False)
            self._must_reload = True
            self._failures += 1
            if self._failures >= _PATIENCE:
                raise
            _LOG.error("the database failed, and what it holds is replayed: %s", error)
        except BaseException:
            self._forget(abandon=True)
            self._must_reload = True
            raise
        return True

    def _tell_overdue(self) -> None:
        """While an activity's session keeps the loop from turning, the others' time goes on."""
        self.flights.tell_overdue(self.clock())

    def _drain(self) -> None:
        messages = self.messages
        while not messages.empty():
            self._take(messages.take())

    def _take(self, message: Message) -> None:
        if type(message) is Flight:
            self.flights.landed.append(message)
        elif type(message) is Beginning:
            self._beginnings.append(message)
        elif type(message) is Stop:
            self._stop = Stop(message.now or (self._stop is not None and self._stop.now))
        elif type(message) is Look:
            self._ask_letters = self._ask_due = True

    def _housekeep(self, now: float) -> None:
        timetable = self._timetable
        for chore in timetable.chores(now, is_pressed=bool(self.flights.landed)):
            match chore:
                case Chore.RENEW:
                    self._store.renew(self.token, now + self._options.lease)
                    timetable.noted(chore, now)
                case Chore.POLL:
                    timetable.noted(chore, now)
                    self._poll()
                case Chore.LOOK_AROUND:
                    timetable.noted(chore, now)
                    self._claims.others, has_freed = free_the_dead(self._store, self.token, self._worker, now)
                    self._ask_due = self._ask_due or has_freed

    def _poll(self) -> None:
        if self._store.changed():
            self._ask_due = self._ask_letters = True
            self._options.look_for()

    def _turn(self, turn: Turn) -> bool:
        if self._must_reload:
            self._intake.reload(turn, self.flights.out)
            self._must_reload = False
        happened = bool(self.flights.landed or self._beginnings or self._starts or self._again)
        feed_landed(turn, self._residents, self.flights)
        self._take_in(turn)
        for resident in self._again:
            if resident.is_owned:  # it may rest since, and be anybody's
                turn.touch(resident)
        if self._ask_letters:
            self._ask_letters = False
            feed_letters(turn, self._residents, self._store.letters(self.token))
        feed_alarms(turn, self._residents, self._alarms, self.flights)
        tick = conclude(turn)
        if tick:
            self._store.commit(self.token, tick)
        self.flights.noted()
        self._again = turn.again
        return happened or bool(tick or turn.launches or turn.starts or turn.again)

    def _take_in(self, turn: Turn) -> None:
        """Instances come in: children, what clients start, and what is due."""
        if self._starts or self._beginnings:
            self._begin(turn)
        if self._stop is None:
            self._claim(turn)

    def _begin(self, turn: Turn) -> None:
        room = 0
        if self._stop is None:
            room = self._claims.room(self._residents.room(), len(self.flights.out))
        left = self._intake.begin_children(turn, self._starts, room)
        self._starts.clear()
        left = self._intake.begin(turn, self._beginnings, room) or left
        self._beginnings.clear()
        self._ask_due = self._ask_due or left

    def _claim(self, turn: Turn) -> None:
        claims, out = self._claims, len(self.flights.out)
        if self._ask_due:
            self._ask_due = False
            claims.next_due = self._look_up_due()
        if claims.next_due is None or claims.next(out) > turn.now:
            return
        share = claims.share(self._residents.room(), out)
        self._intake.claim(turn, share)
        claims.claimed(turn.now, share, is_serial=self._store.serial)
        if claims.may_try(turn.now):
            self._intake.claim(turn, 1, suspects=True)
            claims.tried(turn.now)
        self._ask_due = self._ask_letters = True

    def _look_up_due(self) -> float | None:
        names = self._registry.names()
        due = self._store.next_due(names)
        return earlier(due, self._claims.trial(self._store.next_due(names, suspects=True)))

    def _hand_out(self, turn: Turn) -> None:
        """After the commit: what was decided leaves the loop."""
        for flight in turn.abandoned:
            if flight in self.flights.out:
                self.flights.abandon(flight)
        for resident in turn.leaving:
            self._residents.drop(resident.number)
        for resident in turn.resting:
            self._residents.rest(resident)
        for state in turn.tick.states:
            self._claims.sooner(state.wake_at)
        if turn.tick.told:
            self._ask_letters = self._ask_due = True
        for resident, pending in turn.timers:
            if resident.is_owned:
                self._alarms.arm(resident, pending)
        self._starts += turn.starts
        if self._stop is None:
            for flight in turn.launches:
                timeout = flight.pending.timeout
                if timeout is not None:
                    self._alarms.watch(flight, self.clock() + timeout)
                self.flights.launch(flight)
        for ended in turn.ended:
            self._options.announce(ended)

    def _forget(self, *, abandon: bool) -> None:
        """Drop the executions; what is in flight goes on and is matched when they are back, unless it is given up."""
        self._residents.clear()
        self._starts.clear()
        self._again.clear()
        self._alarms.clear()
        self._ask_due = self._ask_letters = True
        if abandon:
            self.flights.abandon_all()
