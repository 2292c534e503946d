"""Whatever clients call and workers suffer, in any order: what was said holds, and everything ends as it should."""

from hypothesis import HealthCheck, settings

from tests.crash.workers.machine import Workers

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

TestWorkers = Workers.TestCase
TestWorkers.settings = settings(
    max_examples=200, stateful_step_count=40, derandomize=True, deadline=None, database=None, suppress_health_check=SLOW
)
