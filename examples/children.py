"""A workflow that runs others: each child is an instance of its own, with its own history, retries and outcome.

    python examples/children.py [DATABASE]

A parent that is killed finds its children again by their ids: none of them is started twice.
"""

from __future__ import annotations

import sys

from romancy import Context, Flow, Romancy, activity, gather, workflow
from romancy.errors import InstanceFailedError

SALES = {"north": [3, 4], "south": [5], "west": []}


@activity
def fetch(region: str) -> list[int]:
    return SALES[region]


@workflow
def regional(ctx: Context, region: str) -> Flow[float]:
    sales = yield from fetch(region)
    return sum(sales) / len(sales)  # fails where there are none


@workflow
def report(ctx: Context, regions: list[str]) -> Flow[dict[str, str]]:
    children = [regional(region).options(id=f"{ctx.instance_id}/{region}") for region in regions]
    outcomes = yield from gather(*children, return_exceptions=True)
    return {region: told(outcome) for region, outcome in zip(regions, outcomes, strict=True)}


def told(outcome: float | BaseException) -> str:
    match outcome:
        case InstanceFailedError():
            return f"failed: {outcome.__cause__}"
        case _:
            return f"mean {outcome}"


def main() -> None:
    with Romancy(sys.argv[1] if len(sys.argv) > 1 else "children.db") as app:
        for region, outcome in app.run(report(list(SALES)), id="report").items():
            print(f"{region}: {outcome}")
        for handle in app.instances():
            print(f"instance {handle.id}: {handle.status}")


if __name__ == "__main__":
    main()
