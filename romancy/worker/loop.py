"""The loop: drain what finished, feed it to the executions, write it in one transaction, then hand out new calls.

One worker has one loop, and one thread at a time turns it. Advancing before the commit is safe since workflow code is
pure and nothing leaves before the commit. If the commit fails, the executions are dropped and replayed from what is
stored.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Union

import attrs

from romancy.errors import LeaseLostError, RomancyError, StoreError
from romancy.kernel import PendingChild
from romancy.registry import Registry
from romancy.store.protocol import Database, WorkerIdentity
from romancy.worker.activities import Executor, Flight
from romancy.worker.alarms import Alarm, Alarms
from romancy.worker.conclusion import conclude
from romancy.worker.intake import Beginning, Intake
from romancy.worker.leases import is_gone
from romancy.worker.mailbox import Mailbox
from romancy.worker.residents import Resident, Residents, due_of
from romancy.worker.turn import Ended, Rules, Turn

_LOG = logging.getLogger("romancy")

RECOVERIES = 10
"""How often an instance may be recovered from a dead worker without progress before it is parked."""
_PATIENCE = 5
"""How often in a row the database may fail before the loop gives up."""
_TRIAL = 1.0
"""Seconds between two instances that are suspected of killing their workers."""
_BATCH = 500
"""How many due instances are claimed at once."""
_POLL = 0.05
"""Seconds between two looks at what other processes did."""
_TURN = 0.01
"""Seconds between two claims of a worker among others, where they need not wait for each other to claim."""
_LOOK_AROUND = 0.25
"""Seconds between two looks for workers that died."""


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
        failure: why the loop gave up, once it has.
    """

    def __init__(self, store: Database, registry: Registry, worker: WorkerIdentity, options: Options) -> None:
        self.failure: StoreError | None = None
        self.messages: Mailbox[Message] = Mailbox()
        self.token = 0
        self._store = store
        self._registry = registry
        self._worker = worker
        self._options = options
        self._clock = options.clock
        self._executor: Executor
        self._residents = Residents(options.max_resident)
        self._intake = Intake(store, registry, self._residents, options.seed)
        self._beginnings: list[Beginning] = []
        self._starts: list[tuple[Resident, PendingChild]] = []
        self._again: list[Resident] = []
        self._landed: list[Flight] = []
        self._out: dict[Flight, None] = {}
        self._alarms = Alarms()
        self._next_due: float | None = None
        self._ask_due = True
        self._ask_letters = True
        self._must_reload = False
        self._failures = 0
        self._renew_at = 0.0
        self._look_at = 0.0
        self._polled_at = 0.0
        self._next_trial = 0.0
        self._claim_at = 0.0
        self._others = 0
        self._planned = 0.0
        self._turning: Turn | None = None
        self._baton = threading.Lock()
        self._leads = False
        self._kept: Flight | None = None
        self._rules: Rules
        self._stop: Stop | None = None

    # -- life

    def open(self, executor: Executor) -> None:
        """Take a lease, and free what dead workers left.

        Args:
            executor: where activities run; it reports what has landed in `messages`.
        """
        self._executor = executor
        self._register()

    def run(self) -> None:
        """Turn until stopped, or until the database fails for good; `failure` says which."""
        try:
            self._store.alert(self.messages.ring)
            while not self._is_done():
                self._wait()
                with self._baton:
                    self.turn()
        except StoreError as error:
            self._give_up(error)
        except BaseException as error:
            self._give_up(error)
            raise
        finally:
            self.close()

    def landed(self, flight: Flight) -> Flight | None:
        """An activity has ended, on the thread that calls this.

        Where it was the only one in flight, this thread turns the loop itself and runs the next one: a sequence of
        activities then costs no change of threads, which takes longer than the rest of a turn. The thread of the
        `async def` ones does not: it has others to attend to, and could not run a plain one.

        Returns:
            A flight for this thread to run next, if there is one.
        """
        if flight.pending.activity.is_async or len(self._out) != 1 or not self._baton.acquire(blocking=False):
            self.messages.put(flight)
            return None
        try:
            if not self.token or self.failure is not None:
                return None
            self._landed.append(flight)
            self._leads = True
            self.turn()
            if self._patience() < self._planned - self._clock():
                self.messages.ring()
            kept, self._kept = self._kept, None
            return kept
        except BaseException as error:
            self._give_up(error)
            self.messages.put(Stop(now=True))
            return None
        finally:
            self._leads = False
            self._baton.release()

    def close(self) -> None:
        """Hand back what this worker holds, and let go of its executions."""
        with self._baton:
            self._close()

    def _close(self) -> None:
        if self.failure is None and self.token:
            try:
                self._store.retire(self.token, self._clock())
            except StoreError as error:
                _LOG.warning("the lease could not be given back and will run out: %s", error)
        self.token = 0
        self._drain()
        self._refuse_beginnings(self.failure or StoreError("the worker has stopped: start it on another app"))
        for flight in self._out:
            flight.abandoned = True
            flight.tell()
        self._out.clear()
        self._residents.clear()
        self._executor.close()

    def driven(self) -> tuple[str, int] | None:
        """The instance whose code runs now, and the thread that runs it."""
        turning = self._turning
        return None if turning is None else turning.driven

    def is_idle(self) -> bool:
        """Whether nothing is left to do now, here or in the database."""
        now = self._clock()
        return (
            not (self._out or self._landed or self._starts or self._again or self._beginnings or self._ask_letters)
            and self.messages.empty()
            and self._alarms.first() > now
            and self._store.is_idle(self._registry.names(), now)
        )

    def next_instant(self) -> float:
        """When there will be something to do next, as far as this worker can know."""
        names = self._registry.names()
        due = _earlier(self._store.next_due(names), self._next_suspect(names))
        others = [lease.until for lease in self._store.leases() if lease.token != self.token]
        return min(self._alarms.first(), *others, float("inf") if due is None else due)

    def next_timer(self) -> float:
        """When the next timer or back-off of what this worker holds is due."""
        return self._alarms.first_timer()

    def _is_done(self) -> bool:
        return self._stop is not None and (self._stop.now or not (self._out or self._landed))

    def _give_up(self, error: BaseException) -> None:
        if isinstance(error, StoreError):
            self.failure = error
            _LOG.critical("the worker stops: %s", error)
        else:
            self.failure = StoreError(f"the worker ended by an error of its own: {error!r}")
            _LOG.critical("the worker stops", exc_info=error)

    def _refuse_beginnings(self, error: StoreError) -> None:
        for beginning in self._beginnings:
            beginning.created.set_exception(error)
        self._beginnings.clear()

    def _register(self) -> None:
        now = self._clock()
        self.token = self._intake.token = self._store.register(self._worker, now, now + self._options.lease)
        self._renew_at = now + self._options.lease / 3
        self._ask_due = self._ask_letters = True
        self._look_at = 0.0
        options = self._options
        self._rules = Rules(
            token=self.token,
            chance=options.chance,
            load=self._store.load,
            verify=options.verify,
            watch=options.watch,
        )

    # -- waiting

    def _wait(self) -> None:
        """Wait for a message, or for the next instant at which there is something to do."""
        patience = self._patience()
        self._planned = self._clock() + patience
        self.messages.wait(patience)

    def _patience(self) -> float:
        """Seconds until there is something to do, if no message comes before."""
        if self._failures:
            return 0.05 * 2.0**self._failures
        if self._again or self._starts or self._landed or self._must_reload:
            return 0.0
        now = self._clock()
        until = min(self._renew_at, self._look_at if self._options.polls else self._renew_at, self._alarms.first())
        if self._next_due is not None and self._stop is None:
            until = min(until, max(self._next_due, self._claim_at) if self._out else self._next_due)
        longest = _POLL if self._options.polls else 3600.0
        return min(max(until - now, 0.0), longest)

    def _take(self, message: Message) -> None:
        if type(message) is Flight:
            self._landed.append(message)
        elif type(message) is Beginning:
            self._beginnings.append(message)
        elif type(message) is Stop:
            self._stop = Stop(message.now or (self._stop is not None and self._stop.now))
        elif type(message) is Look:
            self._ask_letters = self._ask_due = True

    def _drain(self) -> None:
        messages = self.messages
        while not messages.empty():
            self._take(messages.take())

    # -- one turn

    def turn(self) -> bool:
        """Drain, feed, commit, hand out; returns whether anything happened.

        Raises:
            StoreError: the database failed several times in a row.
        """
        try:
            with self._store.exclusive(self._tell_overdue):
                self._drain()
                turn = self._turning = Turn(self._clock(), self._rules, stays=self._stop is None)
                self._housekeep(turn.now)
                happened = self._turn(turn)
            self._hand_out(turn)
            self._failures = 0
            return happened
        except LeaseLostError as error:
            _LOG.error("%s; this worker begins again under a new lease", error)
            self._forget(abandon=True)
            self._register()
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

    def _turn(self, turn: Turn) -> bool:
        if self._must_reload:
            self._intake.reload(turn, self._out)
            self._must_reload = False
        happened = bool(self._landed or self._beginnings or self._starts or self._again)
        self._feed_landed(turn)
        self._take_in(turn)
        for resident in self._again:
            if resident.is_owned:  # it may rest since, and be anybody's
                turn.touch(resident)
        self._read_letters(turn)
        self._fire(turn)
        tick = conclude(turn)
        if tick:
            self._store.commit(self.token, tick)
        self._clear_landed()
        self._again = turn.again
        return happened or bool(tick or turn.launches or turn.starts or turn.again)

    def _housekeep(self, now: float) -> None:
        if now >= self._renew_at:
            self._store.renew(self.token, now + self._options.lease)
            self._renew_at = now + self._options.lease / 3
        if self._options.polls and not (self._landed and self._polled_at <= now < self._polled_at + _POLL):
            self._polled_at = now
            if self._store.changed():
                self._ask_due = self._ask_letters = True
                self._options.look_for()
        if self._options.polls and now >= self._look_at:
            self._look_at = now + _LOOK_AROUND
            self._look_around(now)

    def _look_around(self, now: float) -> None:
        others = [lease for lease in self._store.leases() if lease.token != self.token]
        self._others = len(others)
        for lease in others:
            if is_gone(lease, self._worker, now):
                freed = self._store.take_over(lease.token, now, RECOVERIES, until=lease.until)
                if freed is None:
                    continue  # it came back while this one waited for its turn to write
                _LOG.warning("worker %s is gone: %d of its instances are taken over", lease.worker.id, freed)
                self._ask_due = True

    # -- what a turn feeds

    def _feed_landed(self, turn: Turn) -> None:
        """Those that recorded themselves come first: their places in the history are taken."""
        if len(self._landed) > 1:
            self._landed.sort(key=_recorded_first)
        for flight in self._landed:
            if flight.trouble is not None and not flight.abandoned:
                for each in [each for each in self._landed if each.trouble is not None and not each.abandoned]:
                    self._lose(each)  # all at once: it is one failure of the database
                raise flight.trouble
            resident = self._residents.get(flight.number)
            if resident is None or resident.run != flight.run:
                continue
            try:
                turn.landed(resident, flight)
            except RomancyError:
                raise
            except Exception as error:
                turn.broke(resident, error)

    def _lose(self, flight: Flight) -> None:
        """The database failed under an activity's session: as nothing was written, it is as if it had not run."""
        self._landed.remove(flight)
        self._out.pop(flight, None)
        self._executor.landed(flight)

    def _clear_landed(self) -> None:
        for flight in self._landed:
            self._out.pop(flight, None)
            self._executor.landed(flight)
        self._landed.clear()

    def _take_in(self, turn: Turn) -> None:
        """Instances come in: children, what clients start, and what is due."""
        room = self._room()
        left = self._intake.begin_children(turn, self._starts, room)
        self._starts.clear()
        left = self._intake.begin(turn, self._beginnings, room) or left
        self._beginnings.clear()
        self._ask_due = self._ask_due or left
        if self._stop is None:
            self._claim(turn)

    def _claim(self, turn: Turn) -> None:
        if self._ask_due:
            self._ask_due = False
            names = self._registry.names()
            self._next_due = _earlier(self._store.next_due(names), self._next_suspect(names))
        if self._next_due is None or self._next_due > turn.now or (self._out and turn.now < self._claim_at):
            return
        share = self._share()
        self._intake.claim(turn, share)
        if self._others:
            self._claim_at = turn.now + (_POLL if self._store.serial or share == 1 else _TURN)
        if self._next_trial <= turn.now:
            self._intake.claim(turn, 1, suspects=True)
            self._next_trial = turn.now + _TRIAL
        self._ask_due = self._ask_letters = True

    def _room(self) -> int:
        """How many more instances may begin here: with other workers about, no more than can run at once."""
        if self._stop is not None:
            return 0
        room = self._residents.room()
        return min(room, max(0, self._options.slots - len(self._out))) if self._others else room

    def _share(self) -> int:
        """How many due instances to claim at once: with other workers about, a part of what can run, then they have a
        turn."""
        room = max(1, self._residents.room())
        if not self._others:
            return min(_BATCH, room)
        return min(room, max(1, (self._options.slots - len(self._out)) // (2 * (self._others + 1))))

    def _next_suspect(self, names: list[str]) -> float | None:
        """One that may have killed its worker begins alone, so that it is known for it and the others are not."""
        due = self._store.next_due(names, suspects=True)
        return None if due is None else max(due, self._next_trial)

    def _read_letters(self, turn: Turn) -> None:
        if not self._ask_letters:
            return
        self._ask_letters = False
        for letter in self._store.letters(self.token):
            resident = self._residents.get(letter.instance)
            if resident is not None and resident.is_owned:
                turn.read(resident, letter)

    def _fire(self, turn: Turn) -> None:
        """Let timers fire in the order of their instants, those of this turn too where they are due already."""
        timers, turn.timers = turn.timers, []
        for resident, pending in timers:
            due = due_of(pending)
            if due is not None and due <= turn.now:
                self._alarms.arm(resident, pending)
            else:
                turn.timers.append((resident, pending))
        for alarm in self._alarms.ring(turn.now):
            if isinstance(alarm, Flight):
                self._overdue(turn, alarm)
            else:
                self._ring(turn, alarm)

    def _ring(self, turn: Turn, alarm: Alarm) -> None:
        resident, pending = self._residents.get(alarm.number), alarm.pending
        if resident is None or not resident.is_owned or resident.execution.pending.get(pending.step) is not pending:
            return
        due = due_of(pending)
        if due is not None and due <= turn.now:
            turn.fired(resident, pending)

    def _overdue(self, turn: Turn, flight: Flight) -> None:
        resident = self._residents.get(flight.number)
        if resident is None or resident.flights.get(flight.pending.step) is not flight:
            return
        # The time of an attempt runs from when a thread took it up.
        due = (turn.now if flight.started is None else flight.started) + (flight.pending.timeout or 0.0)
        if due > turn.now:
            self._alarms.watch(flight, due)
            return
        self._abandon(flight)
        turn.overdue(resident, flight)

    # -- what a turn hands out

    def _hand_out(self, turn: Turn) -> None:
        """After the commit: what was decided leaves the loop."""
        for flight in turn.abandoned:
            if flight in self._out:
                self._abandon(flight)
        for resident in turn.leaving:
            self._residents.drop(resident.number)
        for resident in turn.resting:
            self._residents.rest(resident)
        for state in turn.tick.states:
            self._next_due = _earlier(state.wake_at, self._next_due)
        if turn.tick.told:
            self._ask_letters = self._ask_due = True
        for resident, pending in turn.timers:
            if resident.is_owned:
                self._alarms.arm(resident, pending)
        self._starts += turn.starts
        if self._stop is None:
            for flight in turn.launches:
                self._launch(flight)
        for ended in turn.ended:
            self._options.announce(ended)

    def _launch(self, flight: Flight) -> None:
        self._out[flight] = None
        timeout = flight.pending.timeout
        if timeout is not None:
            self._alarms.watch(flight, self._clock() + timeout)
        if self._leads and self._kept is None and not flight.pending.activity.is_async:
            self._kept = flight
            self._executor.keep(flight)
        else:
            self._executor.submit(flight)

    def _tell_overdue(self) -> None:
        """While an activity's session keeps the loop from turning: tell those whose time is over."""
        now = self._clock()
        for flight in list(self._out):
            timeout, started = flight.pending.timeout, flight.started
            if timeout is not None and started is not None and now > started + timeout:
                flight.is_overdue = True
                flight.tell()

    def _abandon(self, flight: Flight) -> None:
        """Nobody waits for an activity any more: what it still does is its own affair."""
        flight.abandoned = True
        del self._out[flight]
        self._executor.abandon(flight)

    # -- trouble

    def _forget(self, *, abandon: bool) -> None:
        """Drop the executions; what is in flight goes on and is matched when they are back, unless it is given up."""
        self._residents.clear()
        self._starts.clear()
        self._again.clear()
        self._alarms.clear()
        self._ask_due = self._ask_letters = True
        if abandon:
            self._clear_landed()
            for flight in self._out:
                flight.abandoned = True
                self._executor.abandon(flight)
            self._out.clear()


def _earlier(one: float | None, other: float | None) -> float | None:
    return one if other is None or (one is not None and one <= other) else other


def _recorded_first(flight: Flight) -> tuple[bool, int]:
    return flight.recorded is None, flight.recorded or 0
