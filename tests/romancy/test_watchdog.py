"""Workflow code that does not yield is named, since nothing else of its worker goes on meanwhile."""

import logging
import threading

from romancy import Context, Romancy, activity, workflow
from romancy.worker.watchdog import Watchdog

released = threading.Event()


@activity
def nothing() -> None:
    return None


@workflow
def endless(ctx: Context):
    while not released.is_set():  # romancy: ignore[ROM205, ROM303] the loop that a watchdog is for
        pass
    yield nothing()


class Heard(logging.Handler):
    """Waits for a record that holds a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.record: logging.LogRecord | None = None
        self.arrived = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self.text in record.getMessage():
            self.record = record
            self.arrived.set()


def test_code_that_does_not_yield_is_named_with_the_place_where_it_stands():
    released.clear()
    heard = Heard("does not yield")
    log = logging.getLogger("romancy")
    log.addHandler(heard)
    try:
        with Romancy(":memory:") as app:
            handle = app.start(endless(), id="e-1")
            watchdog = Watchdog(app._loop.driven, patience=0.02)
            watchdog.start()
            assert heard.arrived.wait(20)
            watchdog.stop()
            released.set()
            assert handle.result(timeout=20) is None
    finally:
        released.set()
        log.removeHandler(heard)
    assert "'e-1'" in heard.record.getMessage()
    assert "test_watchdog.py" in heard.record.getMessage()


def test_code_that_yields_is_not_named(caplog):
    turns = iter([tuple(turn) for turn in (["a", 1], ["a", 1])] + [None])
    seen = threading.Event()

    def driven():
        turn = next(turns, ...)
        if turn is ...:
            seen.set()
            return None
        return turn

    watchdog = Watchdog(driven, patience=0.001)
    watchdog.start()
    assert seen.wait(20)
    watchdog.stop()
    assert caplog.records == []
