"""What holds for all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Processes that tests start can be interrupted, also where whoever started the tests ignores that himself."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
