"""Which workflows a worker knows."""

from __future__ import annotations

import logging
import threading

from romancy import Context, Flow, workflow
from romancy.registry import Registry
from romancy.workflow import definitions


@workflow(name="twice")
def one(ctx: Context) -> Flow[None]:
    yield from ()


@workflow(name="twice")
def other(ctx: Context) -> Flow[None]:  # romancy: ignore[ROM704] the clash is what is tested
    yield from ()


@workflow
def afterwards(ctx: Context) -> Flow[None]:
    yield from ()


class Asking(logging.Handler):
    """While a registry takes in what was defined, and warns, another thread asks it for what comes later."""

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self.found: list[object] = []
        self._registry = registry
        self.thread = threading.Thread(target=lambda: self.found.append(registry.find("afterwards")))

    def emit(self, record: logging.LogRecord) -> None:
        self.thread.start()
        self.thread.join(0.5)  # it has to wait until all is taken in


def test_a_thread_that_asks_while_another_takes_in_what_was_defined_finds_it() -> None:
    mine = [each for each in definitions if each.fn.__module__ == __name__]
    assert [each.name for each in mine] == ["twice", "twice", "afterwards"]
    registry = Registry()
    asking = Asking(registry)
    logging.getLogger("romancy").addHandler(asking)
    try:
        assert registry.names()[-2:] == ["twice", "afterwards"]
    finally:
        logging.getLogger("romancy").removeHandler(asking)
    asking.thread.join()
    assert asking.found == [afterwards.definition]
