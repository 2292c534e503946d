"""What clients do: each script is short enough for its journal to be cut at every place."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from tests.crash.power.client import Client
from tests.crash.power.workflows import careful, family, heavy, long_wait, order, persistent, rounds, trip


@attrs.frozen
class Script:
    """What a client does, and how each instance of it must end, with or without power cuts.

    Attributes:
        endings: for each instance its possible ends, a status and a value; the first one is that of a quiet run.
        checkpoint: pages after which SQLite moves the log to the main file; as the engine wants it by default.
        log_bytes: size of the log after which the engine does; its own by default.
    """

    name: str
    run: Callable[[Client], None]
    endings: dict[str, tuple[tuple[str, str], ...]]
    checkpoint: int | None = None
    log_bytes: int | None = None


def _orders(client: Client) -> None:
    client.start(o1=order("pen", 5), o2=order("cup", 6))
    client.settle()
    client.start(o3=order("hat", 7))
    client.settle()


def _payments(client: Client) -> None:
    client.start(p1=careful(3))
    client.start(p2=careful(4))
    client.settle()
    client.advance(61)
    client.settle()


def _retries(client: Client) -> None:
    client.start(r=persistent())
    client.finish(step=6.0)


def _children(client: Client) -> None:
    client.start(f=family())
    for _ in range(4):
        client.settle()
        client.advance(1.5)
    client.finish()


def _sagas(client: Client) -> None:
    client.start(t=trip())
    client.settle()
    client.start(w=long_wait())
    client.settle()
    client.cancel("w")
    client.settle()


def _recurring(client: Client) -> None:
    client.start(n=rounds(3))
    client.settle()


def _restarts(client: Client) -> None:
    client.start(p=careful(8))
    client.settle()
    client.restart()
    client.start(o=order("map", 9))
    client.settle()
    client.restart()
    client.finish()
    client.restart()


def _neighbours(client: Client) -> None:
    with client.beside() as other:
        other.start(o1=order("bag", 2), w=long_wait())
        client.settle()
        other.start(o2=order("box", 3))
        other.settle()
        other.cancel("w")
        client.start(o3=order("tin", 4))
    client.settle()


def _heavy(client: Client) -> None:
    client.start(h1=heavy(9), h2=heavy(5))
    client.settle()
    client.start(h3=heavy(2))
    client.settle()


def _done(value: object) -> tuple[tuple[str, str], ...]:
    return (("completed", repr(value)),)


def _paid(amount: int) -> tuple[tuple[str, str], ...]:
    return (("completed", repr(f"paid {amount}")), ("completed", repr("perhaps paid")))


def _ordered(item: str, amount: int) -> tuple[tuple[str, str], ...]:
    return _done(f"{item.upper()} {amount} {['INK', 1, 'PAPER']}")


SCRIPTS = (
    Script(
        "orders",
        _orders,
        {"o1": _ordered("pen", 5), "o2": _ordered("cup", 6), "o3": _ordered("hat", 7)},
        log_bytes=40_000,
    ),
    Script("payments", _payments, {"p1": _paid(3), "p2": _paid(4)}),
    Script("retries", _retries, {"r": _done(3)}),
    Script(
        "children",
        _children,
        {"f": _done("1 2 3"), "f/1.1": _done(1), "f/1.2": _done(2), "f/2": _done(3)},
        checkpoint=20,
    ),
    Script(
        "sagas",
        _sagas,
        {
            "t": (("failed", "ValueError('sold out')"),),
            "w": (("cancelled", ""), ("completed", repr("nobody came"))),
        },
    ),
    Script("recurring", _recurring, {"n": _done("zero")}, checkpoint=8),
    Script("restarts", _restarts, {"p": _paid(8), "o": _ordered("map", 9)}),
    Script(
        "neighbours",
        _neighbours,
        {
            "o1": _ordered("bag", 2),
            "o2": _ordered("box", 3),
            "o3": _ordered("tin", 4),
            "w": (("cancelled", ""), ("completed", repr("nobody came"))),
        },
    ),
    Script("heavy", _heavy, {"h1": _done(9 * 1024), "h2": _done(5 * 1024), "h3": _done(2 * 1024)}, log_bytes=100_000),
)
