"""Money moved through session(): the SQL of a transfer commits together with its record, or not at all.

    python examples/bank_transfer.py [DATABASE]

Whatever is killed at whatever instant, no transfer is lost or made twice, and the sum of all accounts stays the same.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from romancy import Context, Flow, RetryPolicy, Romancy, activity, gather, session, workflow

NAMES = ["ada", "bob", "cyd", "dan", "eve"]


class NotEnoughMoney(Exception):
    """The account would fall below zero."""


@dataclass(frozen=True)
class Transfer:
    source: str
    target: str
    amount: int


@activity
def open_accounts(names: list[str], balance: int) -> None:
    session().execute("create table if not exists account (name text primary key, balance integer not null)")
    for name in names:
        session().execute("insert into account values (?, ?)", [name, balance])


@activity(raises=NotEnoughMoney, retry=RetryPolicy(non_retryable=(NotEnoughMoney,)))
def move(transfer: Transfer) -> None:
    add = "update account set balance = balance + ? where name = ? returning balance"
    (left,) = session().execute(add, [-transfer.amount, transfer.source]).fetchone()
    if left < 0:
        raise NotEnoughMoney(f"{transfer.source} lacks {-left}")  # rolls the debit back
    session().execute(add, [transfer.amount, transfer.target]).fetchone()


@activity
def balances() -> dict[str, int]:
    return dict(session().execute("select name, balance from account order by name").fetchall())


@workflow
def payday(ctx: Context, names: list[str], balance: int, transfers: list[Transfer]) -> Flow[tuple[int, dict[str, int]]]:
    yield from open_accounts(names, balance)
    outcomes = yield from gather(*[move(transfer) for transfer in transfers], return_exceptions=True)
    refused = sum(isinstance(outcome, NotEnoughMoney) for outcome in outcomes)
    return refused, (yield from balances())


def main() -> None:
    transfers = [Transfer(NAMES[n % 5], NAMES[(n * n + 1) % 5], 7 * n % 60) for n in range(120)]
    with Romancy(sys.argv[1] if len(sys.argv) > 1 else "bank_transfer.db") as app:
        refused, after = app.run(payday(NAMES, 100, transfers), id="payday")
        print(f"{len(transfers) - refused} transfers made, {refused} refused for want of money")
        print(f"balances {after}: {sum(after.values())} in all, {100 * len(NAMES)} before")


if __name__ == "__main__":
    main()
