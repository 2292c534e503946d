"""Make the histories of this version: `python -m tests.histories FOLDER`; those of earlier versions are kept."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from romancy.cli import main
from romancy.testing import Sandbox
from tests.histories import programs


def make(folder: Path) -> None:
    """Export one instance of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        database = Path(place) / "app.db"
        with Sandbox(database, workflows=programs.WORKFLOWS) as app:
            drive(app)
            for each in app.instances():
                target = folder / f"{each.workflow.removeprefix('kept_')}-{each.id.replace('/', '-')}.json"
                export(each.id, database, target)


def drive(app: Sandbox) -> None:
    """Bring about each way in which an instance can stand."""
    app.start(programs.order(["book", "lamp"], Decimal("12.50")), id="completed")
    app.start(programs.order(["piano"], Decimal(2000)), id="failed")
    app.start(programs.patience(datetime(2002, 2, 28, 12, tzinfo=UTC)), id="patient")
    app.start(programs.rounds(3), id="thrice")
    app.start(programs.parent("p"), id="parent")
    app.advance(hours=1)
    app.get("p-cancelled").cancel()
    app.advance(days=200)
    app.start(programs.order(["pen"], Decimal(7)), id="cancelled").cancel()
    app.advance(days=30)
    app.start(programs.order(["ink"], Decimal(7)), id="waiting")
    app.replace(programs.flaky, lambda instant: b"\x00\xff")
    app.start(programs.patience(datetime(2001, 1, 1, tzinfo=UTC)), id="not-so-patient").result()


def export(id: str, database: Path, target: Path) -> None:
    done = CliRunner().invoke(main, ["export", id, "--db", str(database), "--output", str(target)])
    if done.exit_code != 0:
        raise SystemExit(done.output)
    target.write_text(json.dumps(without_places(json.loads(target.read_text("utf-8"))), indent=2) + "\n", "utf-8")


def without_places(told: dict[str, Any]) -> dict[str, Any]:
    """Leave out the tracebacks: they name folders of the machine that made them, and lines of this version."""
    for event in (event for run in told["runs"] for event in run if "error" in event):
        error = json.loads(event["error"])
        event["error"] = json.dumps({**error, "traceback": ""}, ensure_ascii=False, separators=(",", ":"))
    return told


if __name__ == "__main__":
    make(Path(sys.argv[1]))
