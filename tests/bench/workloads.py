"""What is measured: each function runs one piece of work on a real file and returns its figures."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from romancy import Context, Flow, Romancy, activity, sleep_until, workflow
from romancy.codec import fingerprint, workflow_codec
from romancy.history import ActivityCompleted, Event, WorkflowStarted
from romancy.kernel import Execution, replay
from romancy.store import NewInstance, SqliteStore, Tick, WorkerIdentity


@activity
def act(i: int) -> dict[str, int]:
    return {"i": i}


@workflow
def in_order(ctx: Context, steps: int) -> Flow[int]:
    total = 0
    for i in range(steps):
        result = yield from act(i)
        total += result["i"]
    return total


@activity
def wait(seconds: float) -> None:
    time.sleep(seconds)


@workflow
def waiting_in_order(ctx: Context, steps: int, seconds: float) -> Flow[None]:
    for _ in range(steps):
        yield wait(seconds)


@workflow
def sleeper(ctx: Context, until: float) -> Flow[float]:
    yield sleep_until(datetime.fromtimestamp(until, UTC))
    return ctx.now().timestamp() - until


def bare_commits(folder: Path, batch: int, rows: int) -> float:
    """Rows a second into one bare table, one commit for every `batch` rows: the limit of disk and SQLite."""
    path = folder / f"limit-{time.monotonic_ns()}.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(
        "create table h (instance text, seq int, kind text, data text, primary key (instance, seq)) without rowid"
    )
    began = time.perf_counter()
    for first in range(0, rows, batch):
        connection.execute("begin immediate")
        for seq in range(first, first + batch):
            connection.execute("insert into h values (?, ?, ?, ?)", ("wf-1", seq, "done", '{"r": 1}'))
        connection.execute("commit")
    rate = rows / (time.perf_counter() - began)
    connection.close()
    return rate


def sequential(app: Romancy, steps: int) -> float:
    """Steps a second of one instance with its activities in order."""
    began = time.perf_counter()
    app.run(in_order(steps))
    return steps / (time.perf_counter() - began)


def many(app: Romancy, instances: int, steps: int) -> float:
    """Steps a second of many instances at once."""
    began = time.perf_counter()
    for handle in app.start_many([in_order(steps) for _ in range(instances)]):
        handle.result()
    return instances * steps / (time.perf_counter() - began)


def start_to_result(app: Romancy, times: int) -> float:
    """The median of seconds from starting a one-activity instance to its result."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        app.run(in_order(1))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def sleeping(folder: Path, instances: int, *, awake: int, seconds: float) -> dict[str, float]:
    """Memory of a worker with many sleeping instances, and how late the few of them wake that are due soon.

    Args:
        folder: where the file goes.
        instances: how many sleep for a day.
        awake: how many more wake up, evenly over `seconds` from when all are asleep.
        seconds: the length of that.
    """
    before = _resident_megabytes()
    with Romancy(folder / "sleeping.db") as app:
        began = time.perf_counter()
        for count in _batches(instances, 5000):
            app.start_many([sleeper(time.time() + 86_400) for _ in range(count)])
        app.run_until_idle()
        started = instances / (time.perf_counter() - began)
        memory = _resident_megabytes()
        first = time.time() + 1
        due = app.start_many([sleeper(first + seconds * i / awake) for i in range(awake)])
        late = sorted(handle.result() for handle in due)
        return {
            "started_per_s": started,
            "megabytes": memory,
            "megabytes_before": before,
            "late_ms_median": 1e3 * statistics.median(late),
            "late_ms_max": 1e3 * late[-1],
            "late_ms_min": 1e3 * late[0],
        }


def replays(folder: Path, events: int) -> dict[str, float]:
    """Seconds to read a history from the file and to replay it."""
    store = SqliteStore(str(folder / f"replay-{events}.db"))
    number, text = _record(store, events)
    began = time.perf_counter()
    told = store.load(number, 1)
    loaded = time.perf_counter()
    execution = Execution(in_order.definition, Context("replay", "in_order", seed="0"), text)
    replay(execution, told)
    done = time.perf_counter()
    assert list(execution.pending) == [str(events)]
    execution.close()
    store.close()
    return {"load_s": loaded - began, "replay_s": done - loaded, "total_s": done - began}


def bench_worker() -> WorkerIdentity:
    """Whoever measures."""
    return WorkerIdentity(id="bench", host="bench", pid=0, born="")


def _record(store: SqliteStore, events: int) -> tuple[int, str]:
    text = workflow_codec(in_order.definition).encode_arguments((events,), {})
    token = store.register(bench_worker(), 0.0, 1e12)
    new = NewInstance(id="replay", workflow="in_order", version="", input=text, seed="0", at=1.0)
    number = store.create([new], owner=None, now=1.0)[0].instance.number
    rows = [(number, 1, seq, event) for seq, event in enumerate(_events(events))]
    store.commit(token, Tick(1.0, rows))
    return number, text


def _events(count: int) -> Iterator[Event]:
    yield WorkflowStarted(at=1.0)
    for i in range(count - 1):
        yield ActivityCompleted(
            at=1.0 + i,
            step=str(i + 1),
            name="act",
            attempt=1,
            result=f'{{"i":{i}}}',
            started=1.0 + i,
            fingerprint=fingerprint(f'{{"i":{i}}}'),
        )


def _batches(total: int, size: int) -> Iterator[int]:
    while total > 0:
        yield min(total, size)
        total -= size


def _resident_megabytes() -> float:
    """What the operating system has in memory for this process."""
    fields: Any = Path("/proc/self/statm").read_text("ascii").split()
    return int(fields[1]) * 4096 / 1e6
