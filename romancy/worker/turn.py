"""One turn of the loop, between its reads and its writes: events are delivered, and what follows from them is noted.

Nothing here touches a thread or the clock. What a turn decides leaves the process only after its `tick` is committed:
`launches` are handed out, `starts` created, `ended` announced.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import current_thread, get_ident, main_thread

import attrs

from romancy import history
from romancy.activity import ActivityContext, declared_errors
from romancy.codec import encode_error, encode_failure
from romancy.errors import (
    ActivityInterrupted,
    ActivityTimeoutError,
    NondeterminismError,
    RomancyError,
    WorkflowCancelled,
)
from romancy.history import Event
from romancy.kernel import (
    Blocked,
    Execution,
    Outcome,
    Pending,
    PendingActivity,
    PendingChild,
    PendingTimer,
    Raised,
    Recurred,
    Returned,
    replay,
)
from romancy.store.protocol import Instance, Letter, State, Tick, Told
from romancy.worker.activities import Flight
from romancy.worker.residents import Resident
from romancy.workflow import Context

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
    """Deliver events to residents, then conclude: `tick` is what to write.

    Args:
        now: seconds since the epoch.
        rules: of this worker.
        stays: whether what it decides will be handed out, as it is not when the worker is about to stop.

    Attributes:
        driven: the instance whose code runs, and the thread that runs it.
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
        self._touched: dict[Resident, None] = {}
        self._parked: dict[Resident, str] = {}
        self._rules = rules

    # -- what happened

    def touch(self, resident: Resident) -> None:
        """Conclude this one too."""
        self._touched[resident] = None

    def began(self, resident: Resident) -> None:
        """A resident was loaded or is owned again: see to everything that it waits for."""
        self.touch(resident)
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
        execution = resident.execution
        if is_stored:
            resident.position += 1
        else:
            self._append(resident, event)
        self._touched[resident] = None
        watch = self._rules.watch
        self.driven = (resident.id, get_ident())
        try:
            if watch is None:
                outcome = execution.feed(event)
            else:
                with watch():
                    outcome = execution.feed(event)
        except RomancyError as error:
            self.park(resident, str(error))
            return
        except KeyboardInterrupt as error:
            if current_thread() is main_thread():
                raise  # it may be somebody's Ctrl-C and not the workflow's doing
            self.broke(resident, error)
            return
        except Exception as error:
            self.broke(resident, error)
            return
        finally:
            self.driven = None
        if execution.warnings:
            for warning in execution.warnings:
                _LOG.warning("instance %r: %s", resident.id, warning)
            execution.warnings.clear()
        if execution.context.fresh_patches:
            for change in execution.context.fresh_patches:
                self._append(resident, history.Patched(at=event.at, change=change))
            execution.context.fresh_patches.clear()
        if execution.dropped:
            for dropped in execution.dropped:
                self._dropped(resident, dropped)
            execution.dropped.clear()
        if type(outcome) is Blocked:
            for pending in outcome.ready:
                self._ready(resident, pending)

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
            self.deliver(resident, history.TimerFired(at=self._at(resident), step=pending.step))
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
                self.deliver(resident, history.CancelRequested(at=self._at(resident)))
            return
        told = _letter_of_a_child(letter)
        if told is None:
            self.park(resident, f"inbox[{letter.number}]: {letter.kind[:80]!r} is no letter that can be read")
            return
        run, step, status, data = told
        pending = resident.execution.pending.get(step)
        resident.children.pop(step, None)
        if run == resident.run and isinstance(pending, PendingChild):
            self.deliver(resident, _child_ended(pending, status, data, self._at(resident)))

    def created(self, resident: Resident, pending: PendingChild, number: int) -> None:
        """The instance that a call asked for is there."""
        resident.starting.discard(pending.step)
        self.touch(resident)
        if pending.detached:
            self.deliver(
                resident,
                history.ChildStarted(
                    at=self._at(resident),
                    step=pending.step,
                    name=pending.workflow.name,
                    child=pending.child,
                    fingerprint=pending.fingerprint,
                ),
            )
            return
        resident.children[pending.step] = number
        if pending.dropped:
            self.tick.told.append(Told(number, "cancel", ""))

    def refused(self, resident: Resident, pending: PendingChild, error: RomancyError) -> None:
        """The id that a call asked for belongs to another instance."""
        resident.starting.discard(pending.step)
        self.deliver(
            resident,
            history.ChildRefused(
                at=self._at(resident),
                step=pending.step,
                name=pending.workflow.name,
                child=pending.child,
                error=encode_error(error),
                fingerprint=pending.fingerprint,
            ),
        )

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
        self._parked[resident] = reason
        self.touch(resident)

    def broke(self, resident: Resident, error: BaseException) -> None:
        """An error that nobody foresaw concerns one instance: it is parked, and the others go on."""
        _LOG.error("instance %r is parked", resident.id, exc_info=error)
        self.park(resident, f"the engine met an error of its own: {type(error).__name__}: {error}")

    # -- what follows

    def conclude(self) -> Tick:
        """Say where every resident that was touched stands now; returns what to write."""
        for resident in list(self._touched):
            self._conclude(resident)
        return self.tick

    def _conclude(self, resident: Resident) -> None:
        execution = resident.execution
        if execution.settling and resident not in self._parked and not resident.is_busy and not resident.children:
            self.deliver(resident, history.CompensationStarted(at=self._at(resident)))
        if resident in self._parked:
            self._leave(resident, "stuck", None, error=self._parked[resident])
            return
        match execution.outcome:
            case Blocked():
                self._blocked(resident)
            case Recurred(input):
                self._recurred(resident, input)
            case ended:
                self._ended(resident, ended)

    def _blocked(self, resident: Resident) -> None:
        status = "compensating" if resident.execution.compensating else "running"
        due = None if resident.is_busy else resident.next_due()
        if resident.is_busy or (due is not None and due <= self.now):
            if resident.stored != status:
                resident.stored = status
                self.tick.states.append(self._state(resident, status, keep=True))
            return
        if status == "running":
            status = "waiting"
        resident.stored = status
        retries = due is not None and resident.waits_only_for_retries()
        self.tick.states.append(self._state(resident, status, wake_at=due, retries=retries))
        self.resting.append(resident)

    def _ended(self, resident: Resident, outcome: Outcome) -> None:
        if self._rules.verify and self._rules.chance() < self._rules.verify:
            problem = self._verify(resident, outcome)
            if problem is not None:
                self._leave(resident, "stuck", None, error=problem)
                return
        event: Event
        if isinstance(outcome, Returned):
            status, data = "completed", outcome.result
            event = history.WorkflowCompleted(at=self._at(resident), result=data)
        else:
            assert isinstance(outcome, Raised)
            data = _failure(outcome)
            if isinstance(outcome.error, WorkflowCancelled):
                status, event = "cancelled", history.WorkflowCancelled(at=self._at(resident), error=data)
            else:
                status, event = "failed", history.WorkflowFailed(at=self._at(resident), error=data)
        self._append(resident, event)
        self._leave(resident, status, event)
        parent = resident.parent
        if parent is not None:
            letter = {"run": parent.run, "step": parent.step, "status": status, "data": data}
            self.tick.told.append(Told(parent.number, "child", json.dumps(letter)))

    def _leave(self, resident: Resident, status: str, event: Event | None, *, error: str | None = None) -> None:
        self._abandon_flights(resident)
        self.tick.states.append(self._state(resident, status, error=error))
        self.ended.append(Ended(resident.id, status, resident.number, resident.run, event))
        self.leaving.append(resident)

    def _recurred(self, resident: Resident, input: str) -> None:
        if resident in self.again:
            return  # it recurs without waiting for anything: others get their turn first
        self._abandon_flights(resident)
        self._append(resident, history.WorkflowRecurred(at=self._at(resident), input=input))
        at = self._at(resident)
        resident.execution.close()
        resident.run += 1
        resident.position = 0
        resident.children.clear()
        resident.starting.clear()
        self.starts = [each for each in self.starts if each[0] is not resident]  # the next run numbers steps anew
        resident.stored = "running"
        context = Context(resident.id, resident.workflow, seed=resident.seed, run=resident.run)
        resident.execution = Execution(resident.definition, context, input)
        self.again.append(resident)
        self.deliver(resident, history.WorkflowStarted(at=at, input=input))
        self.tick.states.append(self._state(resident, "running", keep=True))
        self._conclude(resident)

    def _state(
        self,
        resident: Resident,
        status: str,
        *,
        keep: bool = False,
        retries: bool = False,
        wake_at: float | None = None,
        error: str | None = None,
    ) -> State:
        return State(
            number=resident.number,
            status=status,
            run=resident.run,
            position=resident.position,
            keep=keep,
            retries=retries,
            wake_at=wake_at,
            error=error,
        )

    def _append(self, resident: Resident, event: Event) -> None:
        self.tick.events.append((resident.number, resident.run, resident.position, event))
        resident.position += 1

    def _at(self, resident: Resident) -> float:
        return max(self.now, resident.execution.context.at)

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
            resident.number, resident.run, pending, attempt, self._rules.token, context, resident.execution.context
        )
        resident.flights[step] = flight
        self.launches[flight] = None
        if pending.activity.at_most_once and self.stays:
            name = pending.activity.name
            self.deliver(
                resident, history.ActivityStarted(at=self._at(resident), step=step, name=name, attempt=attempt)
            )

    def _dropped(self, resident: Resident, pending: Pending) -> None:
        flight = resident.flights.get(pending.step)
        if flight is not None:
            flight.tell()
            if flight in self.launches:
                del self.launches[flight], resident.flights[pending.step]
        elif isinstance(pending, PendingChild) and not pending.detached:
            self.tick.told.append(Told(resident.number, "cancel", "", pending.child))

    def _abandon_flights(self, resident: Resident) -> None:
        for flight in resident.flights.values():
            self.launches.pop(flight, None)
            self.abandoned.append(flight)
        resident.flights.clear()

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
            delay = pending.retry.delay(attempt, elapsed, error, self._rules.chance)
        at, step, name = self._at(resident), pending.step, pending.activity.name
        text = encode_error(error, pending.activity.raises)
        if delay is not None:
            failed = history.AttemptFailed(
                at=at, step=step, name=name, attempt=attempt, error=text, due=self.now + delay, started=started
            )
            self.deliver(resident, failed)
            return
        self.deliver(
            resident,
            history.ActivityFailed(
                at=at,
                step=step,
                name=name,
                attempt=attempt,
                error=text,
                started=started,
                fingerprint=pending.fingerprint,
            ),
        )

    # -- verification

    def _verify(self, resident: Resident, outcome: Outcome) -> str | None:
        """Replay a finished run and compare; returns what differs."""
        stored = self._rules.load(resident.number, resident.run)
        place = (resident.number, resident.run)
        events = stored + [
            event for number, run, seq, event in self.tick.events if (number, run) == place and seq >= len(stored)
        ]
        context = Context(resident.id, resident.workflow, seed=resident.seed, run=resident.run)
        try:
            execution = Execution(resident.definition, context, resident.execution.input, strict=True)
            again = replay(execution, events)
            execution.close()
        except NondeterminismError as error:
            return f"verification: {error}"
        if _shown(again) != _shown(outcome):
            return (
                f"verification: workflow {resident.definition.place} ended with {_shown(outcome)} and, replayed from "
                f"its history, with {_shown(again)}: something in it is not the same twice"
            )
        return None


def _letter_of_a_child(letter: Letter) -> tuple[int, str, str, str] | None:
    """What a child tells: the run and step of the call, how it ended, and its result or failure."""
    try:
        told = json.loads(letter.data) if letter.kind == "child" else None
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    run, step, status, data = (told.get(key) for key in ("run", "step", "status", "data"))
    if not isinstance(run, int) or not isinstance(step, str) or not isinstance(data, str):
        return None
    return (run, step, status, data) if status in ("completed", "failed", "cancelled") else None


def _child_ended(pending: PendingChild, status: str, data: str, at: float) -> Event:
    step, name, child, fingerprint = pending.step, pending.workflow.name, pending.child, pending.fingerprint
    if status == "completed":
        return history.ChildCompleted(at=at, step=step, name=name, child=child, result=data, fingerprint=fingerprint)
    kind = history.ChildFailed if status == "failed" else history.ChildCancelled
    return kind(at=at, step=step, name=name, child=child, error=data, fingerprint=fingerprint)


def _failure(outcome: Raised) -> str:
    raises = tuple(declared_errors)
    return encode_failure(outcome.error, raises, [encode_error(each, raises) for each in outcome.compensation_errors])


def _shown(outcome: Outcome) -> str:
    match outcome:
        case Returned(result):
            return result
        case Raised(error):
            return f"{type(error).__name__}: {error}"
        case Recurred(input):
            return f"recur with {input}"
        case Blocked():
            return "no end: it waits"
