"""Beside an event loop that runs on this thread, where no second one can: a notebook, an async test."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def is_in_a_loop() -> bool:
    """Whether an event loop runs on this thread."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def aside(run: Callable[[], T]) -> T:
    """Run something on another thread, in a copy of this one's context, and wait for it."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, run).result()
