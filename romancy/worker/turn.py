"""One turn of the loop, between its reads and its writes: events are delivered, and what is asked for then is noted.

Nothing here touches a thread or the clock. What a turn decides leaves the process only after its `tick` is committed:
`launches` are handed out, `starts` created, `ended` announced.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import current_thread, get_ident, main_thread

import attrs

from romancy import history
from romancy.activity import ActivityContext
from romancy.errors import ActivityInterrupted, ActivityTimeoutError, RomancyError
from romancy.history import Event
from romancy.kernel import Blocked, Outcome, Pending, PendingActivity, PendingChild, PendingTimer, Raised, Returned
from romancy.store.protocol import Instance, Letter, State, Tick, Told
from romancy.worker import facts
from romancy.worker.activities import Flight
from romancy.worker.letters import from_child
from romancy.worker.residents import Resident

_LOG = logging.getLogger("romancy")


@attrs.frozen(kw_only=True)
class Rules:
    """What a turn needs to know beside events: the lease it writes under, chance, and how much to watch."""

    token: int
    chance: Callable[[], float]
    load: Callable[[int, int], list[Event]]
    verify: float = 0.0
    watch: Callable[[], AbstractContextManager[object]] | None = None


@attrs.frozen
class Ended:
    """An instance that goes no further by itself."""

    id: str
    status: str
    number: int
    run: int
    event: Event | None


class Turn:
    """What happens to residents between two commits, and what follows from it.

    Args:
        now: seconds since the epoch.
        rules: of this worker.
        stays: whether what it decides will be handed out, as it is not when the worker is about to stop.

    Attributes:
        driven: the instance whose code runs, and the thread that runs it.
        tick: what to write.
        launches: activities to begin; `abandoned` are those that nobody waits for any more.
        starts: instances to create, with the callers.
        timers: pending calls that are due by the clock.
        touched: residents of which something is to be written; `parked` are those that cannot go on, and why.
        resting: residents that wait for what is not here; those `leaving` have come to an end, told of in `ended`.
        again: residents to be concluded in the next turn as well.
    """

    def __init__(self, now: float, rules: Rules, *, stays: bool = True) -> None:
        self.now = now
        self.stays = stays
        self.driven: tuple[str, int] | None = None
        self.tick = Tick(now)
        self.launches: dict[Flight, None] = {}
        self.abandoned: list[Flight] = []
        self.starts: list[tuple[Resident, PendingChild]] = []
        self.timers: list[tuple[Resident, Pending]] = []
        self.ended: list[Ended] = []
        self.resting: list[Resident] = []
        self.leaving: list[Resident] = []
        self.again: list[Resident] = []
        self.touched: dict[Resident, None] = {}
        self.parked: dict[Resident, str] = {}
        self.rules = rules

    # -- what happened

    def touch(self, resident: Resident) -> None:
        """Conclude this one too."""
        self.touched[resident] = None

    def began(self, resident: Resident) -> None:
        """A resident was loaded or is owned again: see to everything that it waits for."""
        self.touch(resident)
        self._note_patches(resident, resident.execution.context.at)
        for pending in list(resident.execution.pending.values()):
            if pending.step in resident.flights or pending.step in resident.children:
                continue
            if pending.dropped and (not isinstance(pending, PendingChild) or pending.detached):
                continue
            if isinstance(pending, PendingActivity) and pending.interrupted:
                lost = ActivityInterrupted(pending.activity.name, "its worker ended before it reported back")
                self._attempt_failed(resident, pending, pending.attempt, lost, None, is_final=False)
            else:
                self._ready(resident, pending)

    def deliver(self, resident: Resident, event: Event, *, is_stored: bool = False) -> None:
        """Feed one event to a resident, and write it unless it is stored already."""
        if is_stored:
            resident.position += 1
        else:
            self.append(resident, event)
        self.touched[resident] = None
        outcome = self._fed(resident, event)
        if outcome is None:
            return
        execution = resident.execution
        if execution.warnings or execution.dropped or execution.context.fresh_patches:
            self._note(resident, event)
        if type(outcome) is Blocked:
            for pending in outcome.ready:
                self._ready(resident, pending)

    def _fed(self, resident: Resident, event: Event) -> Outcome | None:
        """What an event brought about; None where the instance is parked for it."""
        watch = self.rules.watch
        self.driven = (resident.id, get_ident())
        try:
            if watch is None:
                return resident.execution.feed(event)
            with watch():
                return resident.execution.feed(event)
        except RomancyError as error:
            self.park(resident, str(error))
        except KeyboardInterrupt as error:
            if current_thread() is main_thread():
                raise  # it may be somebody's Ctrl-C and not the workflow's doing
            self.broke(resident, error)
        except Exception as error:
            self.broke(resident, error)
        finally:
            self.driven = None
        return None

    def _note(self, resident: Resident, event: Event) -> None:
        """What an event brought about beside calls: warnings, changes that were passed, and calls that were dropped."""
        execution = resident.execution
        for warning in execution.warnings:
            _LOG.warning("instance %r: %s", resident.id, warning)
        execution.warnings.clear()
        self._note_patches(resident, event.at)
        for dropped in execution.dropped:
            self._dropped(resident, dropped)
        execution.dropped.clear()

    def _note_patches(self, resident: Resident, at: float) -> None:
        """Changes that were passed are written before the instance is let go, which says that its code has run."""
        fresh = resident.execution.context.fresh_patches
        for change in fresh:
            self.append(resident, history.Patched(at=at, change=change))
        fresh.clear()

    def append(self, resident: Resident, event: Event) -> None:
        """Write an event at the end of a resident's history."""
        self.tick.events.append((resident.number, resident.run, resident.position, event))
        resident.position += 1

    def at(self, resident: Resident) -> float:
        """The time of an event that happens now: no earlier than the last one's, also by a clock that was set back."""
        return max(self.now, resident.execution.context.at)

    def landed(self, resident: Resident, flight: Flight) -> None:
        """An attempt has ended."""
        step = flight.pending.step
        if resident.flights.get(step) is not flight:
            return
        del resident.flights[step]
        self.touch(resident)
        pending = resident.execution.pending.get(step)
        if not isinstance(pending, PendingActivity):
            return
        if flight.completed is not None:
            if flight.recorded == resident.position:
                self.deliver(resident, flight.completed, is_stored=True)
            return
        started = flight.started if flight.started is not None else self.now
        if flight.is_overdue or (pending.timeout is not None and flight.finished - started > pending.timeout):
            self._timed_out(resident, pending, flight)
        elif flight.error is not None:
            self._attempt_failed(resident, pending, flight.attempt, flight.error, started, is_final=flight.is_final)
        else:
            flight.workflow = resident.execution.context
            self.deliver(resident, flight.completion(self.now))

    def overdue(self, resident: Resident, flight: Flight) -> None:
        """An attempt takes longer than it may: it is nobody's any more."""
        del resident.flights[flight.pending.step]
        self.touch(resident)
        pending = resident.execution.pending.get(flight.pending.step)
        if isinstance(pending, PendingActivity):
            self._timed_out(resident, pending, flight)

    def fired(self, resident: Resident, pending: Pending) -> None:
        """A timer or a back-off is over."""
        if isinstance(pending, PendingTimer):
            self.deliver(resident, history.TimerFired(at=self.at(resident), step=pending.step))
        elif pending.step not in resident.flights:
            self.touch(resident)
            self._ready(resident, pending)

    def read(self, resident: Resident, letter: Letter) -> None:
        """Deliver a letter, or drop it where nobody waits for it."""
        self.tick.delivered.append(letter.number)
        self.touch(resident)
        if letter.kind == "cancel":
            execution = resident.execution
            has_ended = isinstance(execution.outcome, (Returned, Raised))
            if not (has_ended or execution.cancel_requested or execution.settling or execution.compensating):
                self.deliver(resident, history.CancelRequested(at=self.at(resident)))
            return
        report = from_child(letter)
        if report is None:
            self.park(resident, f"inbox[{letter.number}]: {letter.kind[:80]!r} is no letter that can be read")
            return
        pending = resident.execution.pending.get(report.step)
        resident.children.pop(report.step, None)
        if report.run == resident.run and isinstance(pending, PendingChild):
            self.deliver(resident, facts.child_ended(pending, self.at(resident), report))

    def created(self, resident: Resident, pending: PendingChild, number: int) -> None:
        """The instance that a call asked for is there."""
        resident.starting.discard(pending.step)
        self.touch(resident)
        if pending.detached:
            self.deliver(resident, facts.child_started(pending, self.at(resident)))
            return
        resident.children[pending.step] = number
        if pending.dropped:
            self.tick.told.append(Told(number, "cancel", ""))

    def refused(self, resident: Resident, pending: PendingChild, error: RomancyError) -> None:
        """The id that a call asked for belongs to another instance."""
        resident.starting.discard(pending.step)
        self.deliver(resident, facts.child_refused(pending, self.at(resident), error))

    def refuse(self, instance: Instance, reason: str) -> None:
        """Park an instance whose execution cannot even be made."""
        self.tick.states.append(
            State(
                number=instance.number,
                status="stuck",
                run=instance.run,
                position=instance.position,
                keep=False,
                error=reason,
            )
        )
        self.ended.append(Ended(instance.id, "stuck", instance.number, instance.run, None))

    def park(self, resident: Resident, reason: str) -> None:
        """Let the instance wait for somebody to mend it."""
        self.parked[resident] = reason
        self.touch(resident)

    def broke(self, resident: Resident, error: BaseException) -> None:
        """An error that nobody foresaw concerns one instance: it is parked, and the others go on."""
        _LOG.error("instance %r is parked", resident.id, exc_info=error)
        self.park(resident, f"the engine met an error of its own: {type(error).__name__}: {error}")

    def abandon_flights(self, resident: Resident) -> None:
        """What a resident has in flight is nobody's any more."""
        for flight in resident.flights.values():
            self.launches.pop(flight, None)
            self.abandoned.append(flight)
        resident.flights.clear()

    # -- calls

    def _ready(self, resident: Resident, pending: Pending) -> None:
        if isinstance(pending, PendingActivity):
            if pending.due is None or pending.due <= self.now:
                self._launch(resident, pending)
            else:
                self.timers.append((resident, pending))
        elif isinstance(pending, PendingTimer):
            self.timers.append((resident, pending))
        elif pending.step not in resident.starting:
            resident.starting.add(pending.step)
            self.starts.append((resident, pending))

    def _launch(self, resident: Resident, pending: PendingActivity) -> None:
        step, attempt = pending.step, pending.attempt
        context = ActivityContext(resident.id, resident.workflow, step, attempt, resident.run)
        flight = Flight(
            resident.number, resident.run, pending, attempt, self.rules.token, context, resident.execution.context
        )
        resident.flights[step] = flight
        self.launches[flight] = None
        if pending.activity.at_most_once and self.stays:
            self.deliver(resident, facts.activity_started(pending, attempt, self.at(resident)))

    def _dropped(self, resident: Resident, pending: Pending) -> None:
        flight = resident.flights.get(pending.step)
        if flight is not None:
            flight.tell()
            if flight in self.launches:
                del self.launches[flight], resident.flights[pending.step]
        elif isinstance(pending, PendingChild) and not pending.detached:
            self.tick.told.append(Told(resident.number, "cancel", "", pending.child))

    def _timed_out(self, resident: Resident, pending: PendingActivity, flight: Flight) -> None:
        error = ActivityTimeoutError(pending.activity.name, f"attempt {flight.attempt} took over {pending.timeout:g} s")
        self._attempt_failed(resident, pending, flight.attempt, error, flight.started, is_final=False)

    def _attempt_failed(
        self,
        resident: Resident,
        pending: PendingActivity,
        attempt: int,
        error: BaseException,
        started: float | None,
        *,
        is_final: bool,
    ) -> None:
        first = pending.first_started if pending.first_started is not None else started
        elapsed = 0.0 if first is None else self.now - first
        delay = None
        if not is_final and not pending.dropped:
            delay = pending.retry.delay(attempt, elapsed, error, self.rules.chance)
        at = self.at(resident)
        if delay is None:
            self.deliver(resident, facts.activity_failed(pending, attempt, at, error, started))
        else:
            due = self.now + delay
            self.deliver(resident, facts.attempt_failed(pending, attempt, at, error, started, due))
