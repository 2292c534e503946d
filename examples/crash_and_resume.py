"""A process is killed in the middle of a workflow; another goes on, and nothing that was recorded runs again.

    python examples/crash_and_resume.py [DATABASE]

The script starts itself twice as a worker. The first worker kills itself with SIGKILL while it bakes, as a crash would.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid

from romancy import Context, Flow, Romancy, activity, workflow

STEPS = ("weigh", "knead", "bake", "cool", "sell")


@activity
def work(step: str) -> str:
    print(f"  process {os.getpid()} begins to {step}", flush=True)
    if step == os.environ.get("KILLED_AT"):
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{step} by {os.getpid()}"


@workflow
def bread(ctx: Context) -> Flow[list[str]]:
    done = []
    for step in STEPS:
        done.append((yield from work(step)))
    return done


def worker(database: str, instance_id: str) -> None:
    with Romancy(database) as app:
        app.run(bread(), id=instance_id)


def main() -> None:
    database = sys.argv[1] if len(sys.argv) > 1 else "crash_and_resume.db"
    instance_id = f"bread-{uuid.uuid4()}"
    for killed_at in ("bake", ""):
        command = [sys.executable, __file__, database, instance_id]
        ended = subprocess.run(command, env={**os.environ, "KILLED_AT": killed_at})
        print(f"the worker ended with code {ended.returncode}", flush=True)
    with Romancy(database, worker=False) as app:
        handle = app.get(instance_id)
        print(f"{handle.status}: {handle.result(timeout=1)}")


if __name__ == "__main__":
    worker(*sys.argv[1:3]) if len(sys.argv) > 2 else main()
