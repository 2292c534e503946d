"""Measure Romancy beside the limit of this machine, in one run on a real file with synchronous=FULL.

usage: python -m tests.bench [--rounds 5] [--sleeping 100000] [--json FILE] [--folder FOLDER] [--database URL]

Rounds alternate between the limit and the work, so that ratios hold when the machine's speed drifts; figures are
medians.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from romancy import Romancy
from tests.bench import workloads


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each of the short measurements is taken.")
@click.option("--sleeping", default=100_000, show_default=True, help="How many instances sleep.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures to this file as well.")
@click.option(
    "--database", metavar="URL", help="Measure on this PostgreSQL, or on one that is started for it: `embedded`."
)
@click.option("--folder", type=click.Path(path_type=Path, exists=True), help="Where the files go: the disk to measure.")
def main(rounds: int, sleeping: int, output: Path | None, database: str | None, folder: Path | None) -> None:
    """Measure Romancy beside the limit of this machine."""
    if database is not None:
        from tests.bench import postgres

        figures = postgres.measure(database, rounds, bool(sleeping), folder)
        postgres.show(figures)
        if output is not None:
            output.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
        return
    with tempfile.TemporaryDirectory(dir=folder) as name:
        figures = _measure(Path(name), rounds, sleeping)
    _show(figures)
    if output is not None:
        output.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def _measure(folder: Path, rounds: int, sleeping: int) -> dict[str, Any]:
    taken: list[dict[str, float]] = []
    for round in range(rounds):
        click.echo(f"round {round + 1} of {rounds}", err=True)
        with Romancy(folder / f"bench-{round}.db") as app:
            workloads.sequential(app, 100)
            before = workloads.bare_commits(folder, 1, 1000)
            steps = workloads.sequential(app, 1000)
            after = workloads.bare_commits(folder, 1, 1000)
            taken.append(
                {
                    "bare_1": (before + after) / 2,
                    "bare_100": workloads.bare_commits(folder, 100, 20_000),
                    "sequential": steps,
                    "sequential_ratio": steps / ((before + after) / 2),
                    "many": workloads.many(app, 200, 20),
                    "start_ms": 1e3 * workloads.start_to_result(app, 200),
                }
            )
    figures: dict[str, Any] = {key: statistics.median(each[key] for each in taken) for key in taken[0]}
    figures["rounds"] = taken
    for events in (10_000, 100_000):
        click.echo(f"replay of {events} events", err=True)
        figures[f"replay_{events}"] = workloads.replays(folder, events)
    if sleeping:
        click.echo(f"{sleeping} sleeping instances", err=True)
        figures["sleeping"] = {"instances": sleeping, **workloads.sleeping(folder, sleeping, awake=1000, seconds=5.0)}
    figures["python"] = sys.version.split()[0]
    return figures


def _show(figures: dict[str, Any]) -> None:
    replayed = figures["replay_100000"]["total_s"]
    rows = [
        ["bare commits of one row", f"{figures['bare_1']:,.0f}/s", "", "the limit"],
        ["bare commits of 100 rows", f"{figures['bare_100']:,.0f} rows/s", "", "the limit"],
        [
            "one instance, 1,000 activities in order",
            f"{figures['sequential']:,.0f} steps/s",
            f"{figures['sequential_ratio']:.2f}",
            "≥ 0.75 of one-row commits",
        ],
        [
            "200 instances × 20 activities",
            f"{figures['many']:,.0f} steps/s",
            f"{figures['many'] / figures['bare_100']:.2f}",
            "≥ 40,000 steps/s",
        ],
        [
            "one-activity instance, start to result",
            f"{figures['start_ms']:.2f} ms",
            f"{figures['start_ms'] * figures['bare_1'] / 1e3:.1f} commits",
            "≤ 0.6 ms",
        ],
        ["replay of 10,000 events", f"{figures['replay_10000']['total_s']:.3f} s", "", ""],
        [
            "replay of 100,000 events",
            f"{replayed:.3f} s",
            f"{replayed / figures['replay_10000']['total_s']:.1f} × 10,000",
            "≤ 1 s, linear",
        ],
    ]
    if "sleeping" in figures:
        asleep = figures["sleeping"]
        rows += [
            [f"{asleep['instances']:,} sleeping instances", f"{asleep['megabytes']:.0f} MB", "", "≤ 200 MB"],
            [
                "lateness of wake-ups among them",
                f"{asleep['late_ms_median']:.1f} ms median, {asleep['late_ms_max']:.0f} ms at most",
                "",
                "never early",
            ],
        ]
    click.echo(tabulate(rows, headers=["work", "measured", "to the limit", "goal"], disable_numparse=True))


main()
