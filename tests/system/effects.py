"""What activities did, as seen from outside: a file that only grows, by one JSON line as each body begins and ends.

The kernel copies a write page by page: a reader can come between two of them, and a kill can keep the second one out.
So each line is padded to a length that divides a page, which it then never crosses.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from romancy import activity_context

_LINE = 512
"""Bytes in a line, or in each part of a longer one."""


@attrs.define(kw_only=True)
class Body:
    """One execution of an activity's body; `ended` is None where its process died inside of it.

    `begun_at` is in seconds since the epoch; `begun` and `ended` are nanoseconds of the clock that all processes share.
    """

    key: str
    instance: str
    step: str
    attempt: int
    name: str
    pid: int
    begun_at: float
    begun: int
    ended: int | None = None
    raised: bool = False

    @property
    def call(self) -> tuple[str, str]:
        """The place in history that the body works for."""
        return self.instance, self.step


@contextmanager
def effect(file: str | Path, name: str) -> Iterator[None]:
    """Note that the running activity's body begins, and how it ends."""
    context = activity_context()
    line = {
        "key": uuid.uuid4().hex,
        "instance": context.instance_id,
        "step": context.step,
        "attempt": context.attempt,
        "name": name,
        "pid": os.getpid(),
    }
    append(file, {"phase": "begin", **line})
    try:
        yield
    except BaseException:
        append(file, {"phase": "raise", **line})
        raise
    append(file, {"phase": "end", **line})


def append(file: str | Path, line: dict[str, Any]) -> None:
    """Add one line by one write, which another process's line cannot cut in two and a kill cannot take back."""
    text = json.dumps({**line, "at": time.time(), "ns": time.monotonic_ns()}).encode()
    length = -(-(len(text) + 1) // _LINE) * _LINE
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, text.ljust(length - 1) + b"\n")
    finally:
        os.close(descriptor)


def read(file: Path) -> list[Body]:
    """The bodies so far, in the order in which they began."""
    bodies: dict[str, Body] = {}
    text = file.read_bytes() if file.exists() else b""
    for each in text[: text.rfind(b"\n") + 1].splitlines():
        line = json.loads(each)
        phase, at, ns = line.pop("phase"), line.pop("at"), line.pop("ns")
        if phase == "begin":
            bodies[line["key"]] = Body(**line, begun_at=at, begun=ns)
        else:
            bodies[line["key"]].ended = ns
            bodies[line["key"]].raised = phase == "raise"
    return list(bodies.values())


def counted(bodies: Iterable[Body]) -> Counter[str]:
    """How often each activity's body began, by name."""
    return Counter(each.name for each in bodies)


def overlapping(bodies: Iterable[Body], deaths: dict[int, int]) -> list[tuple[Body, Body]]:
    """Pairs of bodies that worked for one instance at one time in two processes.

    Args:
        bodies: all of them.
        deaths: when processes died, by process id, in nanoseconds: that is where their last bodies ended.
    """
    by_instance: dict[str, list[Body]] = {}
    for each in sorted(bodies, key=lambda body: body.begun):
        by_instance.setdefault(each.instance, []).append(each)
    pairs = []
    for group in by_instance.values():
        last: dict[int, Body] = {}
        for body in group:
            others = [other for pid, other in last.items() if pid != body.pid]
            pairs += [(other, body) for other in others if _end(other, deaths) > body.begun]
            kept = last.get(body.pid)
            if kept is None or _end(body, deaths) >= _end(kept, deaths):
                last[body.pid] = body
    return pairs


def _end(body: Body, deaths: dict[int, int]) -> int:
    return body.ended if body.ended is not None else deaths.get(body.pid, 1 << 63)
