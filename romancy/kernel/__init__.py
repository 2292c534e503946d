"""The kernel: events in, calls out; pure, without clock, store, thread or log."""

from romancy.kernel.endings import instance_cancelled, instance_failed
from romancy.kernel.execution import Execution, replay
from romancy.kernel.outcomes import Blocked, Outcome, Raised, Recurred, Returned
from romancy.kernel.pending import Pending, PendingActivity, PendingChild, PendingTimer

__all__ = [
    "Blocked",
    "Execution",
    "Outcome",
    "Pending",
    "PendingActivity",
    "PendingChild",
    "PendingTimer",
    "Raised",
    "Recurred",
    "Returned",
    "instance_cancelled",
    "instance_failed",
    "replay",
]
