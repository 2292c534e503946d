"""Durable workflows in plain Python generators, recorded in one SQLite file."""

from romancy import errors
from romancy.activity import Activity, ActivityContext, activity, activity_context, session
from romancy.app import Romancy
from romancy.calls import Call, Winner, gather, race, recur, sleep, sleep_until, start
from romancy.handle import Handle
from romancy.retry import RetryPolicy
from romancy.workflow import Context, Flow, Workflow, workflow

__all__ = [
    "Activity",
    "ActivityContext",
    "Call",
    "Context",
    "Flow",
    "Handle",
    "RetryPolicy",
    "Romancy",
    "Winner",
    "Workflow",
    "activity",
    "activity_context",
    "errors",
    "gather",
    "race",
    "recur",
    "session",
    "sleep",
    "sleep_until",
    "start",
    "workflow",
]
