"""What holds of workers that share a file holds of workers that share a server."""

from tests.system.test_stopped_workers import (
    test_a_worker_that_was_stopped_past_its_lease_works_on_under_a_new_one,
    test_a_worker_that_was_stopped_past_its_lease_writes_nothing_under_it,
    test_a_worker_whose_lease_ran_out_and_whom_nobody_replaced_keeps_its_work,
    test_sql_of_an_activity_that_comes_back_after_its_lease_is_not_applied_twice,
)
from tests.system.test_workers import (
    test_a_healthy_worker_keeps_its_instances_when_another_one_starts,
    test_a_killed_worker_that_is_started_again_goes_on_long_before_its_lease_is_over,
    test_a_worker_id_can_be_used_again_after_a_kill,
    test_a_worker_whose_name_a_living_one_took_ends_loudly_and_the_other_one_goes_on,
    test_the_instances_of_a_killed_worker_go_on_in_another_one,
    test_workers_that_share_a_file_run_each_activity_once,
    test_workers_that_start_together_share_the_instances,
)

__all__ = [
    "test_a_healthy_worker_keeps_its_instances_when_another_one_starts",
    "test_a_killed_worker_that_is_started_again_goes_on_long_before_its_lease_is_over",
    "test_a_worker_id_can_be_used_again_after_a_kill",
    "test_a_worker_that_was_stopped_past_its_lease_works_on_under_a_new_one",
    "test_a_worker_that_was_stopped_past_its_lease_writes_nothing_under_it",
    "test_a_worker_whose_lease_ran_out_and_whom_nobody_replaced_keeps_its_work",
    "test_a_worker_whose_name_a_living_one_took_ends_loudly_and_the_other_one_goes_on",
    "test_sql_of_an_activity_that_comes_back_after_its_lease_is_not_applied_twice",
    "test_the_instances_of_a_killed_worker_go_on_in_another_one",
    "test_workers_that_share_a_file_run_each_activity_once",
    "test_workers_that_start_together_share_the_instances",
]
