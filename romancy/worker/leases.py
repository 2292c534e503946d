"""Who a worker is, and how another one can tell that it is gone."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

from romancy.store.protocol import Lease, WorkerIdentity


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
