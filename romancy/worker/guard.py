"""The guard: while workflow code is driven, opening a file, a socket or a process raises at the place where it is done.

It is an audit hook of the interpreter (PEP 578), which cannot be taken away again; it costs nothing while no guarded
code runs. What `import` opens is let through.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from romancy.errors import NondeterminismError

_FORBIDDEN = {
    "open": "opens the file {0!r}",
    "os.listdir": "lists the folder {0!r}",
    "os.scandir": "lists the folder {0!r}",
    "os.remove": "removes the file {0!r}",
    "os.rename": "renames the file {0!r}",
    "os.mkdir": "makes the folder {0!r}",
    "os.rmdir": "removes the folder {0!r}",
    "os.system": "runs the command {0!r}",
    "os.exec": "becomes another process, {0!r}",
    "os.fork": "forks the process",
    "os.forkpty": "forks the process",
    "os.posix_spawn": "starts the process {0!r}",
    "subprocess.Popen": "starts the process {0!r}",
    "socket.__new__": "opens a socket",
    "socket.connect": "connects a socket to {1!r}",
    "socket.getaddrinfo": "looks up the host {0!r}",
    "sqlite3.connect": "opens the database {0!r}",
    "tempfile.mkstemp": "makes the file {0!r}",
    "tempfile.mkdtemp": "makes the folder {0!r}",
    "shutil.rmtree": "removes the folder {0!r}",
    "urllib.Request": "asks for {0!r}",
}

_LIBRARIES = (
    "<frozen ",
    f"{Path(threading.__file__).parent}{os.sep}",
    f"{Path(__file__).parents[1]}{os.sep}",
)
"""How the names of files begin that belong to Python, or to Romancy."""


class _Watched(threading.local):
    depth = 0
    broken: NondeterminismError | None = None


_watched = _Watched()
_installed: list[bool] = []


@contextmanager
def watch() -> Iterator[None]:
    """Let nothing that the block does on this thread reach outside of the process.

    Raises:
        NondeterminismError: the block tried, even when it caught the error where it was raised.
    """
    if not _installed:
        sys.addaudithook(_audit)
        _installed.append(True)
    _watched.depth += 1
    _watched.broken = None
    try:
        yield
    finally:
        _watched.depth -= 1
    if _watched.broken is not None:
        raise _watched.broken


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _watched.depth or event not in _FORBIDDEN or _is_of_the_interpreter(event, args):
        return
    told = _FORBIDDEN[event].format(*args, "", "")
    place = _place(sys._getframe(1))
    _watched.broken = NondeterminismError(f"workflow code {told} at {place}: do it in an @activity")
    raise _watched.broken


def _is_of_the_interpreter(event: str, args: tuple[Any, ...]) -> bool:
    """Whether the interpreter reads what belongs to it: a module, or the rules of a time zone."""
    zones = sys.modules.get("zoneinfo")
    if event == "open" and zones is not None and str(args[0]).startswith(tuple(zones.TZPATH)):
        return True
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _place(frame: FrameType) -> str:
    """Where the user's code does it: the innermost line of the workflow that belongs to no library, if there is one."""
    theirs: FrameType | None = frame
    while theirs is not None and not str(theirs.f_globals.get("__name__")).startswith("romancy.worker."):
        if not _is_of_a_library(theirs.f_code.co_filename):
            return f"{theirs.f_code.co_filename}:{theirs.f_lineno}"
        theirs = theirs.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_of_a_library(file: str) -> bool:
    return file.startswith(_LIBRARIES) or "site-packages" in file or "dist-packages" in file
