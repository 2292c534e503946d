"""How a process is asked to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Another signal came, and the worker does not end.

    Attributes:
        number: of the signal.
        obstacle: what keeps it from ending.
    """

    def __init__(self, number: int, obstacle: str) -> None:
        super().__init__(obstacle)
        self.number = number
        self.obstacle = obstacle


@contextmanager
def asking_to_stop(stop: Callable[[bool], None]) -> Generator[list[int], None, None]:
    """While the block runs, SIGTERM and the first SIGINT ask to stop, and a further SIGINT asks to stop now.

    The block is given the numbers of the signals, which are noted as they come.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def handle(number: int, _: FrameType | None) -> None:
        stop(number == signal.SIGINT and signal.SIGINT in asked)
        asked.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
