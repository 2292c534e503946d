"""An order whose card is declined: what was reserved is given back, last first.

    python examples/order_saga.py [DATABASE]
    romancy run examples/order_saga.py:order '["o-3", ["pen"], 40]'

Run it twice on one database: the second time no activity runs, the recorded outcomes come back.
"""

from __future__ import annotations

import sys

from romancy import Context, Flow, RetryPolicy, Romancy, activity, workflow
from romancy.errors import InstanceFailedError

LIMIT = 100


class CardDeclined(Exception):
    """The bank says no, and would say so again."""


def give_back(order_id: str, item: str, *, result: str) -> None:
    print(f"{order_id}: put {item} back on {result}", flush=True)


@activity(compensate=give_back)
def reserve(order_id: str, item: str) -> str:
    shelf = f"shelf {item[0].upper()}"
    print(f"{order_id}: reserved {item} on {shelf}", flush=True)
    return shelf


@activity(raises=CardDeclined, retry=RetryPolicy(non_retryable=(CardDeclined,)))
def charge(order_id: str, amount: int) -> str:
    if amount > LIMIT:
        print(f"{order_id}: the card was declined", flush=True)
        raise CardDeclined(f"{amount} is over the limit of {LIMIT}")
    print(f"{order_id}: charged {amount}", flush=True)
    return f"receipt for {amount}"


@workflow
def order(ctx: Context, order_id: str, items: list[str], amount: int) -> Flow[str]:
    for item in items:
        yield from reserve(order_id, item)
    receipt = yield from charge(order_id, amount)  # raises CardDeclined here; `except CardDeclined` would catch it
    return receipt


def main() -> None:
    with Romancy(sys.argv[1] if len(sys.argv) > 1 else "order_saga.db") as app:
        for order_id, amount in (("o-1", 40), ("o-2", 4000)):
            handle = app.start(order(order_id, ["book", "lamp"], amount), id=order_id)
            try:
                receipt = handle.result()
                print(f"{order_id} {handle.status}: {receipt}")
            except InstanceFailedError as failure:
                print(f"{order_id} {handle.status}: {type(failure.__cause__).__name__}: {failure.__cause__}")


if __name__ == "__main__":
    main()
