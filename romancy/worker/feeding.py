"""What happened to whom: landed flights, letters and alarms reach the turn while the resident they concern is there."""

from __future__ import annotations

from collections.abc import Iterable

from romancy.errors import RomancyError
from romancy.store.protocol import Letter
from romancy.worker.activities import Flight
from romancy.worker.alarms import Alarm, Alarms
from romancy.worker.flights import Flights
from romancy.worker.residents import Residents, due_of
from romancy.worker.turn import Turn


def feed_landed(turn: Turn, residents: Residents, flights: Flights) -> None:
    """Those that recorded themselves come first: their places in the history are taken.

    Raises:
        StoreError: the database failed under one of them.
    """
    landed = flights.landed
    if len(landed) > 1:
        landed.sort(key=_recorded_first)
    for flight in landed:
        if flight.trouble is not None and not flight.abandoned:
            flights.lose_troubled()
            raise flight.trouble
        resident = residents.get(flight.number)
        if resident is None or resident.run != flight.run:
            continue
        try:
            turn.landed(resident, flight)
        except RomancyError:
            raise
        except Exception as error:
            turn.broke(resident, error)


def feed_letters(turn: Turn, residents: Residents, letters: Iterable[Letter]) -> None:
    """Those of others stay where they are."""
    for letter in letters:
        resident = residents.get(letter.instance)
        if resident is not None and resident.is_owned:
            turn.read(resident, letter)


def feed_alarms(turn: Turn, residents: Residents, alarms: Alarms, flights: Flights) -> None:
    """Timers fire in the order of their instants, those of this turn too where they are due already."""
    if turn.timers:
        timers, turn.timers = turn.timers, []
        for resident, pending in timers:
            due = due_of(pending)
            if due is not None and due <= turn.now:
                alarms.arm(resident, pending)
            else:
                turn.timers.append((resident, pending))
    for alarm in alarms.ring(turn.now):
        if isinstance(alarm, Flight):
            _overdue(turn, residents, alarms, flights, alarm)
        else:
            _fire(turn, residents, alarm)


def _fire(turn: Turn, residents: Residents, alarm: Alarm) -> None:
    resident, pending = residents.get(alarm.number), alarm.pending
    if resident is None or not resident.is_owned or resident.execution.pending.get(pending.step) is not pending:
        return
    due = due_of(pending)
    if due is not None and due <= turn.now:
        turn.fired(resident, pending)


def _overdue(turn: Turn, residents: Residents, alarms: Alarms, flights: Flights, flight: Flight) -> None:
    resident = residents.get(flight.number)
    if resident is None or resident.flights.get(flight.pending.step) is not flight:
        return
    # The time of an attempt runs from when a thread took it up.
    due = (turn.now if flight.started is None else flight.started) + (flight.pending.timeout or 0.0)
    if due > turn.now:
        alarms.watch(flight, due)
        return
    flights.abandon(flight)
    turn.overdue(resident, flight)


def _recorded_first(flight: Flight) -> tuple[bool, int]:
    return flight.recorded is None, flight.recorded or 0
