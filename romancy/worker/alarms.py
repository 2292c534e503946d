"""What is due when: the timers, back-offs and timeouts of what this worker owns."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

import attrs

from romancy.kernel import Pending
from romancy.worker.activities import Flight
from romancy.worker.residents import Resident, due_of


@attrs.frozen(eq=False)
class Alarm:
    """A pending call of a resident that is due; the number, not the resident, so that it can be let go of."""

    number: int
    pending: Pending


class Alarms:
    """A queue of instants. What was armed stays until its instant, also when nobody is interested any more."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Alarm | Flight]] = []
        self._count = itertools.count()

    def arm(self, resident: Resident, pending: Pending) -> None:
        """Ring when a pending call is due, if it ever is by the clock."""
        due = due_of(pending)
        if due is not None:
            self._push(due, Alarm(resident.number, pending))

    def watch(self, flight: Flight, due: float) -> None:
        """Ring when an attempt has had its time."""
        self._push(due, flight)

    def first(self) -> float:
        """The next instant."""
        return self._heap[0][0] if self._heap else float("inf")

    def first_timer(self) -> float:
        """The next instant that is no attempt's end."""
        return min((due for due, _, what in self._heap if isinstance(what, Alarm)), default=float("inf"))

    def ring(self, now: float) -> Iterator[Alarm | Flight]:
        """Take what is due, in the order of the instants, then of arming."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]

    def clear(self) -> None:
        """Forget all of it."""
        self._heap.clear()

    def _push(self, due: float, what: Alarm | Flight) -> None:
        heapq.heappush(self._heap, (due, next(self._count), what))
