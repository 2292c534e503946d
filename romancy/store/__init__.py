"""Where instances are kept: the protocol, and SQLite behind it."""

from romancy.store.protocol import (
    Created,
    Database,
    Instance,
    Lease,
    Letter,
    NewInstance,
    Parent,
    Reader,
    Recording,
    State,
    Store,
    Tick,
    Told,
    WorkerIdentity,
)
from romancy.store.sqlite import SqliteStore

__all__ = [
    "Created",
    "Database",
    "Instance",
    "Lease",
    "Letter",
    "NewInstance",
    "Parent",
    "Reader",
    "Recording",
    "SqliteStore",
    "State",
    "Store",
    "Tick",
    "Told",
    "WorkerIdentity",
]
