"""An approval with a deadline: the first of an answer and a timer wins, and the other is told to stop.

    python examples/timers_and_race.py [DATABASE]

The timer is a row with an instant: a process that is killed and started again fires it when it is due, not later.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from romancy import Context, Flow, Romancy, activity, activity_context, race, sleep, workflow


@activity
def answer(file: str) -> str:
    while not activity_context().is_cancelled:
        if Path(file).exists():
            return Path(file).read_text("utf-8")
        time.sleep(0.05)
    return "nobody waits for it any more"


@workflow
def approval(ctx: Context, file: str, deadline: float) -> Flow[str]:
    first = yield from race(answer(file), sleep(deadline))
    if first.index == 0:
        return f"the answer is {first.value}"
    return f"no answer within {deadline:g} s"


def main() -> None:
    database = Path(sys.argv[1] if len(sys.argv) > 1 else "timers_and_race.db")
    given = database.with_suffix(".answer")
    with Romancy(database) as app:
        asked = app.start(approval(str(given), 60), id="with-an-answer")
        print(f"nobody asked: {app.run(approval('no such file', 0.3), id='without')}")
        given.write_text("yes", "utf-8")
        print(f"somebody asked: {asked.result()}")
    given.unlink()


if __name__ == "__main__":
    main()
