"""Hypothesis strategies: crashes, to be drawn together with the inputs of a workflow."""

from __future__ import annotations

from hypothesis import strategies as st


def crash_schedules(max_crashes: int = 3, max_point: int = 40) -> st.SearchStrategy[list[int]]:
    """Schedules for `run_with_crashes`, which shrink to fewer and earlier crashes.

    Args:
        max_crashes: how many crashes at most.
        max_point: the highest number of a crash point; a life that has fewer ends by itself.
    """
    return st.lists(st.integers(1, max_point), max_size=max_crashes)


def completion_orders(max_choices: int = 10, max_width: int = 4) -> st.SearchStrategy[list[int]]:
    """Orders for `run_with_crashes`, which shrink to that in which the calls were made.

    Args:
        max_choices: for how many choices at most.
        max_width: how many things there are to choose from at most; of fewer, the last is taken.
    """
    return st.lists(st.integers(0, max_width - 1), max_size=max_choices)
