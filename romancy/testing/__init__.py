"""What tests of workflows and of stores need."""

from romancy.testing.clock import VirtualClock
from romancy.testing.crash import Crash
from romancy.testing.crashes import crash_points, run_with_crashes
from romancy.testing.effects import Effect, Effects
from romancy.testing.replays import replays
from romancy.testing.sandbox import EndlessError, Sandbox
from romancy.testing.trials import BrokenPromise

__all__ = [
    "BrokenPromise",
    "Crash",
    "Effect",
    "Effects",
    "EndlessError",
    "Sandbox",
    "VirtualClock",
    "crash_points",
    "replays",
    "run_with_crashes",
]
