"""The names of romancy that the linter knows, written down so that neither package imports the other."""

from __future__ import annotations

PACKAGE = "romancy"

#: What makes a durable call (or what may be yielded like one), and its kind.
CALLS = {
    "sleep": "timer",
    "sleep_until": "timer",
    "gather": "gather",
    "race": "race",
    "wait_event": "event",
    "receive": "channel",
    "start": "child",
    "recur": "recur",
    "send": "channel",
    "send_event": "event",
    "publish": "channel",
}

#: What only an activity may use.
ACTIVITY_ONLY = frozenset({"romancy.session", "romancy.activity_context"})

#: What belongs to the program around the workflows.
APPLICATION = frozenset({"romancy.Romancy", "romancy.RomancyApp"})

CONTEXT = "romancy.Context"

#: Attributes of the context and what they are.
CONTEXT_ATTRIBUTES = {
    "random": "random.Random",
    "log": "romancy.Logger",
    "instance_id": "builtins.str",
    "workflow_name": "builtins.str",
}

#: Methods of the context and what they return.
CONTEXT_METHODS = {"now": "datetime.datetime", "uuid4": "uuid.UUID", "patched": "builtins.bool"}

#: Methods of a call object that keep it a call object.
CALL_METHODS = frozenset({"options", "with_options"})

#: What `from romancy import *` brings.
PUBLIC = frozenset(CALLS) | frozenset(
    [
        "Context",
        "Flow",
        "Romancy",
        "RetryPolicy",
        "activity",
        "activity_context",
        "gather",
        "race",
        "session",
        "sleep",
        "workflow",
        "Call",
        "Winner",
    ]
)
