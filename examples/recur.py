"""A loop that may poll for years: `recur` begins the next run under the same id, so that no history grows long.

    python examples/recur.py [DATABASE]

Earlier runs stay readable.
"""

from __future__ import annotations

import sys

from romancy import Context, Flow, Romancy, activity, recur, sleep, workflow

POLLS_PER_RUN = 10


@activity
def progress(poll: int) -> int:
    return min(100, 4 * poll)


@workflow
def watch(ctx: Context, poll: int) -> Flow[str]:
    for number in range(poll, poll + POLLS_PER_RUN):
        percent = yield from progress(number)
        if percent == 100:
            return f"done at poll {number}, in run {ctx.run}"
        yield from sleep(0.01)
    return (yield from recur(poll + POLLS_PER_RUN))


def main() -> None:
    with Romancy(sys.argv[1] if len(sys.argv) > 1 else "recur.db") as app:
        handle = app.start(watch(0), id="watch")
        print(handle.result())
        for run in (1, 2, 3):
            print(f"run {run} has {len(handle.history(run))} events")


if __name__ == "__main__":
    main()
