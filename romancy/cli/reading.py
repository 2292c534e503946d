"""The commands that only look: list, show, export, doctor. They neither make a database nor change it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from romancy.cli.group import Failure, Mistake, main, reading, unknown, with_database, with_json
from romancy.cli.shown import iso, json_text, length, local, one_line, pairs, stored, table, until, visible
from romancy.errors import RomancyError, SerializationError
from romancy.history import Event
from romancy.store.protocol import STATUSES, TERMINAL, Instance, Reader


@main.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only those of this status.")
@click.option("--workflow", metavar="NAME", help="Only those of this workflow.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="At most so many; 0 for all.")
@click.option("--after", metavar="ID", help="Only those created after this one: the last of the page before.")
@with_database
@with_json
def list_(
    status: str | None, workflow: str | None, limit: int, after: str | None, database: str, as_json: bool
) -> None:
    """List instances in the order of their creation.

    \b
    Examples:
      romancy list
      romancy list --status completed --workflow order --limit 10
      romancy list --after o-1 --json
    """
    with reading(database) as store:
        if after is not None and store.instance(after) is None:
            raise unknown(after, database)
        found = store.instances(status=status, workflow=workflow, limit=limit + 1 if limit else None, after=after)
    shown = found[:limit] if limit else found
    if as_json:
        click.echo(json_text([_summary(each) for each in shown], indent=2))
    elif shown:
        now = time.time()
        headers = ("id", "workflow", "status", "created", "changed", "next", "error")
        click.echo(table(headers, [_cells(each, now) for each in shown]))
    else:
        click.echo("no instances", err=True)
    if len(found) > len(shown):
        click.echo(f"romancy: there are more; go on with --after {visible(shown[-1].id)}", err=True)


def _cells(instance: Instance, now: float) -> list[str]:
    return [
        *(visible(instance.id), visible(instance.workflow), instance.status),
        *(local(instance.created), until(instance.changed, now)),
        "" if instance.wake_at is None else until(instance.wake_at, now) if instance.wake_at > now else "due",
        one_line(instance.error or "", 60),
    ]


def _summary(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "workflow": instance.workflow,
        "version": instance.version,
        "status": instance.status,
        "run": instance.run,
        "created": iso(instance.created),
        "changed": iso(instance.changed),
        "wake_at": iso(instance.wake_at),
        "error": instance.error,
    }


@main.command()
@click.argument("instance_id", metavar="ID")
@click.option("--run", "run_number", type=click.IntRange(min=1), help="An earlier run; the last by default.")
@click.option("--import", "module", metavar="MODULE", help="Import its module, and replay to see what it waits for.")
@with_database
@with_json
def show(instance_id: str, run_number: int | None, module: str | None, database: str, as_json: bool) -> None:
    """Show an instance, its history, and what it waits for.

    \b
    Examples:
      romancy show o-1
      romancy show o-4 --import shop
      romancy show o-1 --json
    """
    now = time.time()
    with reading(database) as store:
        instance = _known(store, instance_id, database)
        run = instance.run if run_number is None else run_number
        if run > instance.run:
            raise Mistake(f"instance {instance_id!r} has {instance.run} runs and no run {run}")
        events, damage = _history(store, instance, run)
        told = _told(store, instance, run, events, module, now)
    if damage:
        told["damage"] = damage
    if as_json:
        click.echo(json_text(_for_programs(told), indent=2))
    else:
        _print(told, now)
    if damage:
        raise Failure(f"the history cannot be read: {damage}; restore a backup")


def _known(store: Reader, instance_id: str, database: str) -> Instance:
    instance = store.instance(instance_id)
    if instance is None:
        raise unknown(instance_id, database)
    return instance


def _history(store: Reader, instance: Instance, run: int) -> tuple[list[Event], str]:
    try:
        return store.history(instance.number, run), ""
    except SerializationError as error:
        return [], str(error)


def _told(
    store: Reader, instance: Instance, run: int, events: Sequence[Event], module: str | None, now: float
) -> dict[str, Any]:
    """What is shown of an instance, before it is written for people or for programs."""
    from romancy.cli.steps import ending, steps
    from romancy.cli.waits import waits

    rows = steps(events)
    result, error = ending(events[-1] if events else None)
    parent = None if instance.parent is None else store.numbered(instance.parent.number)
    waiting = waits(store, instance, rows, now) if run == instance.run else []
    if module is not None and run == instance.run:
        waiting = [each for each in waiting if each.due is None] + _replayed(module, instance, events)
    begun = getattr(events[0], "input", None) if events else None
    return {
        "instance": instance,
        "run": run,
        "parent": None if parent is None or instance.parent is None else (parent.id, instance.parent.step),
        "input": instance.input if begun is None else begun,
        "result": result,
        "error": error,
        "steps": rows,
        "waits_for": waiting,
    }


def _replayed(module: str, instance: Instance, events: Sequence[Event]) -> list[Any]:
    from romancy.cli.targets import load_workflows
    from romancy.cli.waits import Wait, pending
    from romancy.registry import Registry

    load_workflows(module)
    definition = Registry().find(instance.workflow)
    if definition is None:
        raise Mistake(f"{module} does not define workflow {instance.workflow!r}: import the module that does")
    try:
        return pending(definition, instance, events)
    except RomancyError as error:
        return [Wait(f"somebody to mend it, since a replay says: {one_line(str(error))}")]


def _print(told: dict[str, Any], now: float) -> None:
    from romancy.cli.steps import HEADERS, error_lines

    instance: Instance = told["instance"]
    version = f" (version {visible(instance.version)})" if instance.version else ""
    over = instance.changed if instance.status in TERMINAL else now
    rows = [
        ("id", visible(instance.id)),
        ("workflow", visible(instance.workflow) + version),
        ("status", instance.status),
        ("created", f"{local(instance.created)} ({until(instance.created, now)})"),
        ("duration" if instance.status in TERMINAL else "age", length(over - instance.created)),
    ]
    if told["parent"] is not None:
        rows.append(("parent", f"{visible(told['parent'][0])}, step {visible(told['parent'][1])}"))
    if instance.run > 1:
        rows.append(("run", f"{told['run']} of {instance.run}"))
    rows.append(("input", one_line(told["input"].strip(), 500)))
    if told["result"] is not None:
        rows.append(("result", one_line(told["result"].strip(), 500)))
    if told["error"] is not None:
        first, *undone = error_lines(told["error"])
        rows += [("error", first), *(("", f"a compensation failed: {each}") for each in undone)]
    if instance.error:
        rows.append(("error", one_line(instance.error)))
    for place, wait in enumerate(told["waits_for"]):
        rows.append(("" if place else "waits for", wait.line(now)))
    click.echo(pairs(rows))
    if told["steps"]:
        click.echo("\n" + table(HEADERS, [each.cells(now) for each in told["steps"]]))


def _for_programs(told: dict[str, Any]) -> dict[str, Any]:
    from romancy.cli.steps import error_fields

    instance: Instance = told["instance"]
    parent = told["parent"]
    fields = {
        **_summary(instance),
        "run": told["run"],
        "runs": instance.run,
        "parent": None if parent is None else {"id": parent[0], "step": parent[1]},
        "input": stored(told["input"]),
        "result": None if told["result"] is None else stored(told["result"]),
        "error": instance.error if told["error"] is None else error_fields(told["error"]),
        "compensation_errors": _undone(told["error"]),
        "waits_for": [{"what": each.what, "due": iso(each.due)} for each in told["waits_for"]],
        "history": [each.fields() for each in told["steps"]],
    }
    return {**fields, "damage": told["damage"]} if "damage" in told else fields


def _undone(error: str | None) -> list[dict[str, str]]:
    from romancy.cli.steps import error_fields

    members = None if error is None else stored(error)
    undone = members.get("compensation_errors", []) if isinstance(members, dict) else []
    return [error_fields(json.dumps(each)) for each in undone]


@main.command()
@click.argument("instance_id", metavar="ID")
@click.option("--output", metavar="FILE", help="A file to make; one that is there is not overwritten.")
@with_database
@click.option("--json", "_", is_flag=True, help="Accepted as everywhere; the output is JSON always.")
def export(instance_id: str, output: str | None, database: str, _: bool) -> None:
    """Print the history of an instance as JSON.

    It is enough to replay the instance elsewhere. It holds inputs, results and the seed of its random numbers as they
    are stored: keep it as secret as they are.

    \b
    Examples:
      romancy export o-1
      romancy export o-1 --output o-1.json
    """
    with reading(database) as store:
        instance = _known(store, instance_id, database)
        runs = [store.history(instance.number, number) for number in range(1, instance.run + 1)]
    import attrs

    told = {
        "instance": {
            "id": instance.id,
            "workflow": instance.workflow,
            "version": instance.version,
            "seed": instance.seed,
            "input": instance.input,
            "status": instance.status,
            "run": instance.run,
            "error": instance.error,
            "created": instance.created,
            "changed": instance.changed,
        },
        "runs": [[{"kind": event.kind, **attrs.asdict(event)} for event in events] for events in runs],
    }
    text = json_text(told, indent=2)
    if output is None:
        click.echo(text)
    else:
        _write(Path(output), text)


def _write(path: Path, text: str) -> None:
    """A new file that only its owner can read, whole or not at all."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            try:
                file.write(text + "\n")
                file.flush()
            except OSError:
                path.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise Mistake(f"{path} exists, and is not overwritten: name another file, or remove it") from None
    except OSError as problem:
        raise Mistake(f"cannot write {path}: {problem.strerror}") from None


@main.command()
@with_database
@with_json
def doctor(database: str, as_json: bool) -> None:
    """Examine the database and what runs on it.

    Exit status 1 when something is wrong.

    \b
    Examples:
      romancy doctor
      romancy doctor --json
    """
    from romancy.cli.doctor import FAIL, examine

    checks = examine(database, time.time())
    bad = [each for each in checks if each.status == FAIL]
    if as_json:
        told = [{"check": each.name, "status": each.status, "told": each.told} for each in checks]
        click.echo(json_text({"healthy": not bad, "checks": told}, indent=2))
    else:
        width = max(len(each.name) for each in checks)
        for each in checks:
            click.echo(f"{each.status.ljust(4)}  {each.name.ljust(width)}  {one_line(each.told)}")
    if bad:
        raise click.exceptions.Exit(1)
