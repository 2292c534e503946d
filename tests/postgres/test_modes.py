"""Every shape of workflow ends on PostgreSQL as it does on SQLite, in every mode of running."""

from tests.romancy.test_modes import (
    nothing_ran,
    test_at_most_once_holds_at_every_boundary,
    test_crashed_again_and_again_it_ends_the_same_and_repeats_nothing_recorded,
    test_crashed_once_at_any_boundary_it_ends_the_same_and_repeats_nothing_recorded,
    test_replayed_at_every_step_it_ends_the_same,
    test_two_workers_end_it_the_same_and_share_nothing_twice,
    test_undisturbed_every_activity_runs_once,
)

__all__ = [
    "nothing_ran",
    "test_at_most_once_holds_at_every_boundary",
    "test_crashed_again_and_again_it_ends_the_same_and_repeats_nothing_recorded",
    "test_crashed_once_at_any_boundary_it_ends_the_same_and_repeats_nothing_recorded",
    "test_replayed_at_every_step_it_ends_the_same",
    "test_two_workers_end_it_the_same_and_share_nothing_twice",
    "test_undisturbed_every_activity_runs_once",
]
