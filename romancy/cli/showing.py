"""One instance as `romancy show` tells of it, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs

from romancy import history
from romancy.cli.group import Mistake
from romancy.cli.shown import iso, length, local, one_line, pairs, stored, summary, table, until, visible
from romancy.cli.steps import HEADERS, Step, ending, error_fields, error_lines, steps
from romancy.cli.targets import load_workflows
from romancy.cli.waits import Wait, pending, waits
from romancy.errors import RomancyError, SerializationError
from romancy.history import Event
from romancy.registry import Registry
from romancy.store.protocol import TERMINAL, Instance, Reader

_WIDTH = 500


@attrs.frozen(kw_only=True)
class View:
    """What is shown of one run; `parent` is an id and a step, `damage` says why the history cannot be read."""

    now: float
    instance: Instance
    run: int
    parent: tuple[str, str] | None
    input: str
    result: str | None
    error: str | None
    rows: list[Step]
    waiting: list[Wait]
    damage: str = ""

    def table(self) -> str:
        """For people."""
        lines = [*self._heading(), *self._ending()]
        for place, wait in enumerate(self.waiting):
            lines.append(("" if place else "waits for", wait.line(self.now)))
        told = pairs(lines)
        return f"{told}\n\n{table(HEADERS, [each.cells(self.now) for each in self.rows])}" if self.rows else told

    def _heading(self) -> list[tuple[str, str]]:
        instance, now = self.instance, self.now
        version = f" (version {visible(instance.version)})" if instance.version else ""
        is_over = instance.status in TERMINAL
        lines = [
            ("id", visible(instance.id)),
            ("workflow", visible(instance.workflow) + version),
            ("status", instance.status),
            ("created", f"{local(instance.created)} ({until(instance.created, now)})"),
            ("duration", length(instance.changed - instance.created)) if is_over else ("changed", self._changed()),
        ]
        if self.parent is not None:
            lines.append(("parent", f"{visible(self.parent[0])}, step {visible(self.parent[1])}"))
        if instance.run > 1:
            lines.append(("run", f"{self.run} of {instance.run}"))
        return [*lines, ("input", one_line(self.input.strip(), _WIDTH))]

    def _changed(self) -> str:
        return f"{local(self.instance.changed)} ({until(self.instance.changed, self.now)})"

    def _ending(self) -> list[tuple[str, str]]:
        lines = []
        if self.result is not None:
            lines.append(("result", one_line(self.result.strip(), _WIDTH)))
        if self.error is not None:
            first, *undone = error_lines(self.error)
            lines += [] if self.instance.status == "cancelled" else [("error", first)]
            lines += [("error" if not lines else "", f"a compensation failed: {each}") for each in undone]
        if self.instance.error:
            lines.append(("error", one_line(self.instance.error)))
        return lines

    def _error(self) -> dict[str, str] | str | None:
        if self.error is None or self.instance.status == "cancelled":
            return self.instance.error
        return error_fields(self.error)

    def fields(self) -> dict[str, Any]:
        """For programs."""
        fields = {
            **summary(self.instance),
            "run": self.run,
            "runs": self.instance.run,
            "parent": None if self.parent is None else {"id": self.parent[0], "step": self.parent[1]},
            "input": stored(self.input),
            "result": None if self.result is None else stored(self.result),
            "error": self._error(),
            "compensation_errors": _undone(self.error),
            "waits_for": [{"what": each.what, "due": iso(each.due)} for each in self.waiting],
            "history": [each.fields() for each in self.rows],
        }
        return {**fields, "damage": self.damage} if self.damage else fields


def look(store: Reader, instance: Instance, run: int, module: str | None, now: float) -> View:
    """Read what is shown of a run.

    Args:
        store: where to read.
        instance: what to show.
        run: the number of its run.
        module: imported, if it is given, to say by a replay which calls are pending.
        now: seconds since the epoch.

    Raises:
        Mistake: the module does not define its workflow.
    """
    damage = ""
    events: list[Event] = []
    try:
        events = store.history(instance.number, run)
    except SerializationError as error:
        damage = str(error)
    rows = steps(events)
    is_last = run == instance.run
    waiting = waits(store, instance, rows, now) if is_last else []
    if module is not None and is_last:
        waiting = [each for each in waiting if each.due is None] + _replayed(module, instance, events)
    result, error_text = ending(events[-1] if events else None)
    parent = None if instance.parent is None else store.numbered(instance.parent.number)
    return View(
        now=now,
        instance=instance,
        run=run,
        parent=None if parent is None or instance.parent is None else (parent.id, instance.parent.step),
        input=_input(instance, events),
        result=result,
        error=error_text,
        rows=rows,
        waiting=waiting,
        damage=damage,
    )


def _input(instance: Instance, events: Sequence[Event]) -> str:
    first = events[0] if events else None
    return first.input if isinstance(first, history.WorkflowStarted) and first.input is not None else instance.input


def _replayed(module: str, instance: Instance, events: Sequence[Event]) -> list[Wait]:
    load_workflows(module)
    definition = Registry().find(instance.workflow)
    if definition is None:
        raise Mistake(f"{module} does not define workflow {instance.workflow!r}: import the module that does")
    try:
        return pending(definition, instance, events)
    except RomancyError as error:
        return [Wait(f"somebody to mend it, since a replay says: {one_line(str(error))}")]


def _undone(error: str | None) -> list[dict[str, str]]:
    members = None if error is None else stored(error)
    undone = members.get("compensation_errors", []) if isinstance(members, dict) else []
    return [error_fields(json.dumps(each)) for each in undone]
