"""The watchdog: says which workflow keeps the loop from turning, and where it stands."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable

_LOG = logging.getLogger("romancy")

PATIENCE = 2.0
"""Seconds that workflow code may run between two yields before it is named."""


class Watchdog:
    """Looks now and then at what the loop drives, on a thread of its own.

    Args:
        driven: the id of the instance whose code runs now with the thread that runs it, or None.
        patience: seconds between two looks; code that is met twice is named.
    """

    def __init__(self, driven: Callable[[], tuple[str, int] | None], patience: float = PATIENCE) -> None:
        self._driven = driven
        self._patience = patience
        self._stopped = threading.Event()
        self._named: tuple[str, int] | None = None

    def start(self) -> None:
        """Look until stopped."""
        threading.Thread(target=self._run, name="romancy-watchdog", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        before = None
        while not self._stopped.wait(self._patience):
            now = self._driven()
            if now is not None and now is before and now is not self._named:
                self._named = now
                _LOG.error("%s", told(*now))
            before = now


def told(instance_id: str, thread: int) -> str:
    """What to say of workflow code that does not yield."""
    frame = sys._current_frames().get(thread)
    stack = "".join(traceback.format_stack(frame)[-6:]) if frame is not None else ""
    return (
        f"the workflow code of instance {instance_id!r} runs and does not yield, and no other instance of this worker "
        f"goes on meanwhile: move the work into an @activity\n{stack}"
    )
