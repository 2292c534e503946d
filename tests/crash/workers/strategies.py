"""Plans, as Hypothesis draws and shrinks them: fewest moves, shortest stretches, nearest processes first."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.crash.workers.connections import AFTER, BEFORE
from tests.crash.workers.moves import (
    CLIENT,
    JUMPS,
    LENGTHS,
    Cancel,
    Close,
    Fail,
    Go,
    Kill,
    Move,
    Pass,
    Plan,
    Restart,
    Skew,
    Start,
)
from tests.crash.workers.workload import KINDS

_kinds, _numbers = st.sampled_from(list(KINDS)), st.integers(1, 3)


def _moves(workers: int) -> st.SearchStrategy[Move]:
    worker, anybody = st.integers(0, workers - 1), st.integers(CLIENT, workers - 1)
    going = st.builds(Go, anybody, st.integers(0, 3), st.integers(1, 12) | st.integers(1, 150))
    return st.one_of(
        *[going] * 6,
        st.builds(Pass, st.sampled_from(LENGTHS)),
        st.builds(Kill, anybody),
        st.builds(Restart, worker, renamed=st.booleans()),
        st.builds(Skew, worker, st.sampled_from(JUMPS)),
        st.builds(Fail, anybody, st.sampled_from([BEFORE, AFTER])),
        st.builds(Start, anybody, _kinds, _numbers),
        st.builds(Cancel, _kinds, _numbers),
        st.builds(Close, worker),
    )


@st.composite
def plans(draw: st.DrawFn, moves: int = 50) -> Plan:
    """Up to three workers, what they are to do, and what happens to them meanwhile."""
    hosts = draw(st.lists(st.sampled_from(["here", "there"]), min_size=1, max_size=3))
    anybody = st.integers(CLIENT, len(hosts) - 1)
    starts = draw(st.lists(st.builds(Start, anybody, _kinds, _numbers), min_size=1, max_size=4))
    rest = draw(st.lists(_moves(len(hosts)), max_size=moves))
    return Plan(
        tuple(hosts),
        (*starts, *rest),
        lease=draw(st.sampled_from([30.0, 6.0])),
        resident=draw(st.sampled_from([10_000, 1])),
        slots=draw(st.sampled_from([64, 1])),
        verify=draw(st.sampled_from([0.0, 1.0])),
        agree=draw(st.booleans()),
    )
