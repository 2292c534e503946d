"""What is measured on PostgreSQL: beside the limit of the same server, by several workers, and with a big table."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click
import psycopg
from tabulate import tabulate

from romancy import Romancy
from romancy.store.postgres import PostgresStore
from tests.bench import workloads

ROOT = Path(__file__).parents[2]
PROCESSES = (1, 2, 4, 8)


@contextmanager
def database(url: str, place: Path | None = None) -> Iterator[str]:
    """The URL itself, or that of a server which is started for a while."""
    if url != "embedded":
        yield url
        return
    from tests.postgres.server import PostgresServer

    with tempfile.TemporaryDirectory(dir=place) as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder))
        try:
            yield server.fresh()
        finally:
            server.close()


def measure(url: str, rounds: int, big: bool, folder: Path | None = None) -> dict[str, Any]:
    """All figures of a database.

    Args:
        url: of an empty one, or `embedded` for a server that is started for this.
        rounds: how often each of the short measurements is taken.
        big: whether to fill a table with 1,100,000 instances as well.
        folder: where the files of a server go that is started for this.
    """
    with database(url, folder) as place:
        figures = one_worker(place, rounds)
        figures["processes"] = {count: several(place, count) for count in PROCESSES}
        if big:
            figures["big"] = big_table(place)
    return figures


def one_worker(url: str, rounds: int) -> dict[str, Any]:
    """One worker, in turns with bare commits."""
    taken: list[dict[str, float]] = []
    with Romancy(url) as app:
        workloads.sequential(app, 100)
        for round in range(rounds):
            click.echo(f"round {round + 1} of {rounds}", err=True)
            before = bare_commits(url, 1, 500)
            steps = workloads.sequential(app, 500)
            after = bare_commits(url, 1, 500)
            taken.append(
                {
                    "bare_1": (before + after) / 2,
                    "bare_100": bare_commits(url, 100, 20_000),
                    "sequential": steps,
                    "sequential_ratio": 2 * steps / (before + after),
                    "many": workloads.many(app, 200, 20),
                    "start_ms": 1e3 * workloads.start_to_result(app, 100),
                }
            )
    return {**{key: median(each[key] for each in taken) for key in taken[0]}, "rounds": taken}


def bare_commits(url: str, batch: int, rows: int) -> float:
    """Rows a second into one bare table, one commit for every `batch` rows: the limit of disk and server."""
    insert = "insert into h values (%s, %s, 'done', '{\"r\": 1}')"
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        connection.execute("drop table if exists h")
        connection.execute("create table h (i text, s int, k text, d jsonb, primary key (i, s))")
        began = time.perf_counter()
        for first in range(0, rows, batch):
            if batch == 1:
                cursor.execute(insert, ("wf-1", first))
                continue
            with connection.transaction():
                cursor.executemany(insert, [("wf-1", seq) for seq in range(first, first + batch)])
        return rows / (time.perf_counter() - began)


def several(url: str, count: int) -> dict[str, float]:
    """What so many worker processes do: steps a second of activities that do nothing, and of such that wait for
    something else as most do, and how many instances a second they can claim."""
    click.echo(f"{count} processes", err=True)
    return {
        "claims": claims(url, count),
        "steps": _steps(url, count, [workloads.in_order(20) for _ in range(400)], 20),
        "waits": _steps(url, count, [workloads.waiting_in_order(10, 0.05) for _ in range(256)], 10),
    }


def _steps(url: str, count: int, calls: list[Any], steps: int) -> float:
    with ExitStack() as stack, Romancy(url, worker=False) as client:
        for _ in range(count):
            stack.enter_context(_working(url))
        _wait(url, "select count(*) from romancy.worker", count)
        time.sleep(1.0)  # until they have noticed each other
        began = time.perf_counter()
        client.start_many(calls)
        _wait(url, "select count(*) from romancy.instance where status in ('pending', 'running', 'waiting')", 0)
        return len(calls) * steps / (time.perf_counter() - began)


@contextmanager
def _working(url: str) -> Iterator[None]:
    command = [
        sys.executable,
        "-c",
        "from romancy.cli import main; main()",
        "worker",
        "tests.bench.workloads",
        "--db",
        url,
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, sql: str, wanted: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(sql.encode()).fetchone() != (wanted,):
            time.sleep(0.002)


def claims(url: str, count: int, instances: int = 7_000) -> float:
    """Instances a second that so many processes claim, in batches of 7, with nothing else to do."""
    with psycopg.connect(url, autocommit=True) as connection, tempfile.TemporaryDirectory() as folder:
        _fill(connection, "claimed", instances, "pending", due=True)
        gate = Path(folder) / "gate"
        command = [sys.executable, "-m", "tests.postgres.processes.claimer", url]
        processes = [
            subprocess.Popen([*command, f"c-{n}", str(gate), "claimed"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
            for n in range(count)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        gate.touch()
        began = time.perf_counter()
        for process in processes:
            process.communicate()
        taken = time.perf_counter() - began
        connection.execute("delete from romancy.instance where workflow = 'claimed'")
        connection.execute("delete from romancy.worker")
        return instances / taken


def _fill(connection: psycopg.Connection[Any], workflow: str, count: int, status: str, *, due: bool | None) -> None:
    """Instances by the thousand; `due` says now, in a day, or never."""
    wake_at = {True: "1.0", False: "extract(epoch from now()) + 86400 + n", None: "null"}[due]
    connection.execute(
        f"""
        insert into romancy.instance (id, workflow, version, input, seed, status, wake_at, created, changed)
        select '{workflow}-{status}-' || n || '-' || extract(epoch from clock_timestamp()), '{workflow}', '', '{{}}',
               '', '{status}', {wake_at}, 1.0, 1.0 from generate_series(1, {count}) n
        """.encode()
    )


def big_table(url: str, finished: int = 1_000_000, waiting: int = 100_000, due: int = 1_000) -> dict[str, Any]:
    """The claim's plan and time among many instances."""
    click.echo(f"{finished + waiting + due:,} instances", err=True)
    with closing(PostgresStore(url)) as store, psycopg.connect(url, autocommit=True) as connection:
        _fill(connection, "big", finished, "completed", due=None)
        _fill(connection, "big", waiting, "waiting", due=False)
        _fill(connection, "big", due, "pending", due=True)
        now = store.clock()
        token = store.register(workloads.bench_worker(), now, now + 600)
        taken = []
        for _ in range(20):
            began = time.perf_counter()
            assert len(store.claim(token, ["big"], now, 20)) == 20
            taken.append(time.perf_counter() - began)
        asked = []
        for _ in range(20):
            began = time.perf_counter()
            store.next_due(["big"])
            asked.append(time.perf_counter() - began)
        plan = store.explain_claim(token, ["big"], now, 20)
    return {"claim_ms": 1e3 * median(taken), "next_due_ms": 1e3 * median(asked), "plan": plan}


def show(figures: dict[str, Any]) -> None:
    """Print the figures as tables."""
    rows = [
        ["bare commits of one row", f"{figures['bare_1']:,.0f}/s", "", "the limit"],
        ["bare commits of 100 rows", f"{figures['bare_100']:,.0f} rows/s", "", "the limit"],
        [
            "one instance, activities in order",
            f"{figures['sequential']:,.0f} steps/s",
            f"{figures['sequential_ratio']:.2f}",
            "≥ 0.6 of one-row commits",
        ],
        ["200 instances × 20 activities", f"{figures['many']:,.0f} steps/s", "", "≥ 10,000 steps/s"],
        ["one-activity instance, start to result", f"{figures['start_ms']:.2f} ms", "", ""],
    ]
    click.echo(tabulate(rows, headers=["work", "measured", "to the limit", "goal"], disable_numparse=True))
    processes = [
        [count, *(f"{each[name]:,.0f}" for name in ("waits", "steps", "claims"))]
        for count, each in figures["processes"].items()
    ]
    headers = ["worker processes", "steps of 50 ms/s", "steps of nothing/s", "claims/s"]
    click.echo("\n" + tabulate(processes, headers=headers, disable_numparse=True))
    if "big" in figures:
        big = figures["big"]
        click.echo(
            f"\nclaim of 20 among 1,101,000 instances: {big['claim_ms']:.2f} ms; next due: {big['next_due_ms']:.2f} ms"
        )
        click.echo("\n".join(big["plan"]))
