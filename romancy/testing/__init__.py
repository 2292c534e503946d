"""What tests of workflows and of stores need."""

from romancy.testing.clock import VirtualClock
from romancy.testing.crashes import Crash, crash_points, run_with_crashes
from romancy.testing.effects import Effect, Effects
from romancy.testing.replays import replays
from romancy.testing.sandbox import Sandbox
from romancy.testing.trials import BrokenPromise

__all__ = [
    "BrokenPromise",
    "Crash",
    "Effect",
    "Effects",
    "Sandbox",
    "VirtualClock",
    "crash_points",
    "replays",
    "run_with_crashes",
]
