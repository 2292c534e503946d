"""Where an instance stands that a turn touched: what its row says then, and whether it stays, rests or leaves."""

from __future__ import annotations

from romancy import history
from romancy.history import Event
from romancy.kernel import Blocked, Raised, Recurred, Returned
from romancy.store.protocol import State, Tick
from romancy.worker import facts
from romancy.worker.letters import to_parent
from romancy.worker.residents import Resident
from romancy.worker.turn import Ended, Turn
from romancy.worker.verification import difference


def conclude(turn: Turn) -> Tick:
    """End a turn, once all that happened was delivered; returns what to write."""
    for resident in list(turn.touched):
        _conclude(turn, resident)
    return turn.tick


def _conclude(turn: Turn, resident: Resident) -> None:
    execution = resident.execution
    if execution.settling and resident not in turn.parked and not resident.is_busy and not resident.children:
        turn.deliver(resident, history.CompensationStarted(at=turn.at(resident)))
    if resident in turn.parked:
        _leave(turn, resident, "stuck", None, error=turn.parked[resident])
        return
    match execution.outcome:
        case Blocked():
            _blocked(turn, resident)
        case Recurred(input):
            _recurred(turn, resident, input)
        case ended:
            _ended(turn, resident, ended)


def _blocked(turn: Turn, resident: Resident) -> None:
    status = "compensating" if resident.execution.compensating else "running"
    due = None if resident.is_busy else resident.next_due()
    if resident.is_busy or (due is not None and due <= turn.now):
        if resident.stored != status:
            resident.stored = status
            turn.tick.states.append(_state(resident, status, keep=True))
        return
    if status == "running":
        status = "waiting"
    resident.stored = status
    retries = due is not None and resident.waits_only_for_retries()
    turn.tick.states.append(_state(resident, status, wake_at=due, retries=retries))
    turn.resting.append(resident)


def _ended(turn: Turn, resident: Resident, outcome: Returned | Raised) -> None:
    rules = turn.rules
    if rules.verify and rules.chance() < rules.verify:
        problem = difference(resident, outcome, _events(turn, resident))
        if problem is not None:
            _leave(turn, resident, "stuck", None, error=problem)
            return
    status, data, event = facts.workflow_ended(outcome, turn.at(resident))
    turn.append(resident, event)
    _leave(turn, resident, status, event)
    parent = resident.parent
    if parent is not None:
        turn.tick.told.append(to_parent(parent, status, data))


def _events(turn: Turn, resident: Resident) -> list[Event]:
    """The history of a run: what is stored, and what this turn adds."""
    stored = turn.rules.load(resident.number, resident.run)
    place = (resident.number, resident.run)
    added = turn.tick.events
    return stored + [event for number, run, seq, event in added if (number, run) == place and seq >= len(stored)]


def _leave(turn: Turn, resident: Resident, status: str, event: Event | None, *, error: str | None = None) -> None:
    turn.abandon_flights(resident)
    turn.tick.states.append(_state(resident, status, error=error))
    turn.ended.append(Ended(resident.id, status, resident.number, resident.run, event))
    turn.leaving.append(resident)


def _recurred(turn: Turn, resident: Resident, input: str) -> None:
    if resident in turn.again:
        return  # it recurs without waiting for anything: others get their turn first
    turn.abandon_flights(resident)
    at = turn.at(resident)
    turn.append(resident, history.WorkflowRecurred(at=at, input=input))
    resident.recur(input)
    turn.starts = [each for each in turn.starts if each[0] is not resident]  # the next run numbers steps anew
    turn.again.append(resident)
    turn.deliver(resident, history.WorkflowStarted(at=at, input=input))
    turn.tick.states.append(_state(resident, "running", keep=True))
    _conclude(turn, resident)


def _state(
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
