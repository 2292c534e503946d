"""Replays recorded histories with the code of today: what `romancy export` wrote still fits, or a test says where."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from romancy import history
from romancy.calls import WorkflowDefinition
from romancy.codec import describe_error, encode_error
from romancy.errors import DefinitionError, RomancyError, WorkflowCancelled
from romancy.history import Event
from romancy.kernel import Blocked, Execution, Outcome, Raised, Recurred, Returned, replay
from romancy.workflow import Context, Workflow

__tracebackhide__ = True
"""What does not replay, or is refused, is shown by pytest at the line of the test."""
_KINDS = {each.kind: each for each in get_args(Event)}


def replays(workflow: Workflow[Any, Any], *patterns: str | os.PathLike[str], strict: bool = False) -> int:
    """Replay histories of a workflow, and fail where the code asks for something else than they hold.

    Args:
        workflow: the workflow whose code is tried.
        patterns: files that `romancy export ID` wrote, or patterns of their names, such as `"tests/histories/*.json"`;
            they are looked for from the working directory on.
        strict: whether other arguments than the recorded ones are a difference, too.

    Returns:
        How many histories were replayed.

    Raises:
        AssertionError: some do not replay; all of them are listed, each with what differs.
        DefinitionError: there is no such file, or one that is no history of this workflow.
    """
    if not isinstance(workflow, Workflow):
        raise DefinitionError(f"replays({workflow!r}): give the workflow itself, such as replays(order, …)")
    files = list(dict.fromkeys(file for pattern in patterns for file in _files(pattern)))
    if not files:
        raise DefinitionError(f"replays({workflow.definition.name}, …): name at least one file")
    problems = [f"{file}: {problem}" for file in files for problem in _problems(workflow.definition, file, strict)]
    if problems:
        what = "1 recorded run does" if len(problems) == 1 else f"{len(problems)} recorded runs do"
        raise AssertionError("\n".join([f"{what} not replay with {workflow.definition.place}:", *problems]))
    return len(files)


def _files(pattern: str | os.PathLike[str]) -> list[Path]:
    if not isinstance(pattern, (str, os.PathLike)):
        raise DefinitionError(
            f"replays(…, {pattern!r}): give paths or patterns, one after the other: replays(…, *paths)"
        )
    named = os.fspath(pattern)
    if Path(named).is_dir():
        raise DefinitionError(f"replays(…, {named!r}): this is a folder: write {named!r} + '/*.json'")
    if Path(named).is_file():
        return [Path(named)]
    found = [Path(each) for each in sorted(glob.glob(named, recursive=True))]  # noqa: PTH207 - absolute patterns, too
    files = [each for each in found if not each.is_dir()]
    if not files:
        raise DefinitionError(f"replays(…, {named!r}): there is no such file below {Path.cwd()}")
    return files


def _problems(definition: WorkflowDefinition, file: Path, strict: bool) -> Iterator[str]:
    told = _read(file)
    instance = told["instance"]
    if instance["workflow"] != definition.name:
        raise DefinitionError(
            f"{file} is a history of workflow {instance['workflow']!r}, not {definition.name!r}: name only files of "
            f"this one, such as '{definition.name}-*.json'; a workflow that was renamed keeps its @workflow(name=…)"
        )
    for number, events in enumerate((_events(file, each) for each in told["runs"]), start=1):
        is_over = number < len(told["runs"]) or instance["status"] in ("completed", "failed", "cancelled")
        try:
            problem = _problem(definition, instance, number, events, strict, is_over=is_over)
        except RomancyError as error:
            problem = str(error)
        except Exception as error:
            problem = f"it is damaged: {type(error).__name__}: {error}"
        if problem is not None:
            yield f"run {number}: {problem}"


def _problem(
    definition: WorkflowDefinition,
    instance: dict[str, Any],
    run: int,
    events: list[Event],
    strict: bool,
    *,
    is_over: bool,
) -> str | None:
    if not events:
        return "it is over, and its history is empty" if is_over else None
    first = events[0]
    input = first.input if isinstance(first, history.WorkflowStarted) and first.input is not None else instance["input"]
    context = Context(instance["id"], definition.name, seed=instance["seed"], run=run)
    execution = Execution(definition, context, input, strict=strict)
    try:
        outcome = replay(execution, events, ran=instance["status"] == "waiting")
    finally:
        execution.close()
    recorded = _ended(events[-1])
    if recorded is None and (isinstance(outcome, Blocked) or instance["status"] in ("running", "stuck")):
        return None  # of one that runs, an activity with session() may have recorded itself before its workflow goes on
    now = _told(outcome)
    return None if now == recorded else f"it {recorded or 'had not ended'}, and replayed it {now}"


def _ended(event: Event) -> str | None:
    """How a run ended, as recorded, in the words of `_told`."""
    match event:
        case history.WorkflowCompleted(result=result):
            return f"returned {result}"
        case history.WorkflowFailed(error=error):
            kind, message, _ = describe_error(error)
            return f"raised {kind}: {message}"
        case history.WorkflowCancelled():
            return "was cancelled"
        case history.WorkflowRecurred(input=input):
            return f"recurred with {input}"
        case _:
            return None


def _told(outcome: Outcome) -> str:
    match outcome:
        case Returned(result):
            return f"returned {result}"
        case Raised(WorkflowCancelled()):
            return "was cancelled"
        case Raised(error):
            kind, message, _ = describe_error(encode_error(error))
            return f"raised {kind}: {message}"
        case Recurred(input):
            return f"recurred with {input}"
        case Blocked():
            return "waits"


def _read(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text("utf-8"))
        if not {"id", "workflow", "seed", "input", "status"} <= told["instance"].keys() or not told["runs"]:
            raise KeyError
    except OSError as problem:
        raise DefinitionError(f"{file} cannot be read: {problem.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DefinitionError(f"{file} is no history: write one with `romancy export ID --output {file}`") from None
    return dict(told)


def _events(file: Path, told: list[dict[str, Any]]) -> list[Event]:
    events = []
    for place, each in enumerate(told):
        try:
            fields = dict(each)
            events.append(_KINDS[fields.pop("kind")](**fields))
        except (KeyError, TypeError, ValueError):
            raise DefinitionError(f"{file}: event {place} is none of this version of Romancy: {each!r}") from None
    return events
