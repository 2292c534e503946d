"""How a process is asked to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def asking_to_stop(stop: Callable[[bool], None]) -> Generator[None, None, None]:
    """While the block runs, SIGTERM and the first SIGINT ask to stop, and a further SIGINT asks to stop now."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        stop(number == signal.SIGINT and signal.SIGINT in asked)
        asked.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
