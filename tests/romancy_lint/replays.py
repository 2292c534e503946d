"""Records and replays programs: `python replays.py record|replay FOLDER`, each in a process of its own.

What is recorded lies in the folder as `romancy export` writes it; a replay prints how each program ended.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

from romancy import Romancy, history
from romancy.cli import main as romancy
from romancy.errors import InstanceFailedError, RomancyError
from romancy.kernel import Execution, Raised, Returned, replay
from romancy.workflow import Context

WORDS = ["pear", "fig", "apple", "fig", "kiwi"]
EVENTS = {kind.kind: kind for kind in vars(history).values() if isinstance(getattr(kind, "kind", None), str)}


def programs(folder: Path) -> list[Any]:
    """The modules of a folder, imported."""
    sys.path.insert(0, str(folder))
    return [importlib.import_module(path.stem) for path in sorted(folder.glob("program_*.py"))]


def record(folder: Path) -> None:
    """Run every program once, on a file, and export what happened."""
    database = str(folder / "app.db")
    with Romancy(database) as app:
        handles = [app.start(module.main(WORDS), id=module.__name__) for module in programs(folder)]
        for handle in handles:
            try:
                handle.result(60)
            except InstanceFailedError:
                continue
    for handle in handles:
        output = str(folder / f"{handle.id}.json")
        romancy.main(["export", handle.id, "--db", database, "--output", output], standalone_mode=False)


def ending(told: dict[str, Any]) -> list[str]:
    """How an exported instance ended, and with what."""
    last = told["runs"][-1][-1]
    return [last["kind"], last.get("result") or json.loads(last["error"])["message"]]


def again(definition: Any, told: dict[str, Any]) -> list[str]:
    """How an exported instance ends when its code runs once more."""
    instance, events = told["instance"], told["runs"][-1]
    context = Context(instance["id"], instance["workflow"], seed=instance["seed"], run=instance["run"])
    try:
        execution = Execution(definition, context, instance["input"], strict=True)
        known = [EVENTS[event["kind"]](**{k: v for k, v in event.items() if k != "kind"}) for event in events]
        outcome = replay(execution, known)
        execution.close()
    except RomancyError as error:
        return [type(error).__name__, str(error)]
    match outcome:
        case Returned(result=result):
            return ["workflow_completed", result]
        case Raised(error=error):
            return ["workflow_failed", str(error)]
    return ["open", str(outcome)]


def main() -> None:
    command, folder = sys.argv[1], Path(sys.argv[2])
    logging.disable()
    if command == "record":
        record(folder)
        return
    found = {}
    for module in programs(folder):
        told = json.loads((folder / f"{module.__name__}.json").read_text())
        found[module.__name__] = [ending(told), again(module.main.definition, told)]
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
