"""What tests of workflows and of stores need."""

from romancy.testing.clock import VirtualClock

__all__ = ["VirtualClock"]
