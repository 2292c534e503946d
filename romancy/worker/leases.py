"""Who a worker is, and how another one can tell that it is gone, and frees what it held."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from pathlib import Path

from romancy.errors import LeaseLostError
from romancy.store.protocol import Database, Lease, WorkerIdentity

_LOG = logging.getLogger("romancy")

RECOVERIES = 10
"""How often an instance may be recovered from a dead worker without progress before it is parked."""


def this_worker(worker_id: str | None) -> WorkerIdentity:
    """This process as a worker.

    Args:
        worker_id: a name of the user's choice, which no two living workers share; None for a unique one.
    """
    pid = os.getpid()
    return WorkerIdentity(
        id=worker_id or f"{socket.gethostname()}-{pid}-{uuid.uuid4().hex[:8]}",
        host=_host(),
        pid=pid,
        born=_born(pid) or "",
    )


def is_gone(lease: Lease, me: WorkerIdentity, now: float) -> bool:
    """Whether the holder of a lease will not come back: its time is over, or its process on this host has ended."""
    if lease.until < now:
        return True
    worker = lease.worker
    return worker.host == me.host and worker.pid != me.pid and _born(worker.pid) != worker.born


def free_the_dead(store: Database, token: int, me: WorkerIdentity, now: float) -> tuple[int, bool]:
    """Free what other workers hold that are gone.

    Args:
        store: where the leases are.
        token: that of this worker.
        me: this worker.
        now: seconds since the epoch.

    Returns:
        How many others there were, and whether something was freed.
    """
    has_freed = False
    others = [lease for lease in store.leases() if lease.token != token]
    for lease in others:
        if is_gone(lease, me, now):
            freed = store.take_over(lease.token, now, RECOVERIES, until=lease.until)
            if freed is None:
                continue  # it came back while this one waited for its turn to write
            _LOG.warning("worker %s is gone: %d of its instances are taken over", lease.worker.id, freed)
            has_freed = True
    return len(others), has_freed


def refuse_namesake(store: Database, me: WorkerIdentity, now: float) -> None:
    """Of two living workers of one name the newcomer works, and the other one, which has lost its lease to it, ends.

    If it began again instead, each would take the lease from the other for ever.

    Raises:
        LeaseLostError: another worker works under this name.
    """
    for lease in store.leases():
        other = lease.worker
        if other.id == me.id and not is_gone(lease, me, now):
            raise LeaseLostError(
                f"another worker took the name {me.id!r} (process {other.pid} on {other.host.partition('/')[0]}), "
                f"and this one ends: give each living worker a worker_id of its own"
            )


def _host() -> str:
    """This machine since its last start, and the process namespace in it: where a process id means one process."""
    parts = [socket.gethostname(), _first_line("/proc/sys/kernel/random/boot_id")]
    try:
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append("")
    return "/".join(parts)


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError:
        return ""


def _born(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None when there is none or it only waits to be reaped."""
    stat = _first_line(f"/proc/{pid}/stat")
    if stat:
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    if Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""
