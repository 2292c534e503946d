"""The commands that only look: list, show, export, doctor. They neither make a database nor change it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from romancy.cli.group import (
    Failure,
    Mistake,
    answer,
    main,
    opened_to_read,
    prints_apart,
    unknown,
    with_database,
    with_json,
)
from romancy.cli.shown import json_text, local, one_line, summary, table, until, visible
from romancy.store.protocol import STATUSES, Instance, Reader


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
    with opened_to_read(database) as store:
        if after is not None and store.instance(after) is None:
            raise unknown(after, database)
        found = store.instances(status=status, workflow=workflow, limit=limit + 1 if limit else None, after=after)
        now = store.clock()
    shown = found[:limit] if limit else found
    if as_json:
        click.echo(json_text([summary(each) for each in shown], indent=2))
    elif shown:
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


@main.command()
@click.argument("instance_id", metavar="ID")
@click.option("--run", "run_number", type=click.IntRange(min=1), help="An earlier run; the last by default.")
@click.option("--import", "module", metavar="MODULE", help="Import its module, and replay to see what it waits for.")
@with_database
@with_json
@prints_apart
def show(instance_id: str, run_number: int | None, module: str | None, database: str, as_json: bool) -> None:
    """Show an instance, its history, and what it waits for.

    \b
    Examples:
      romancy show o-1
      romancy show o-4 --import shop
      romancy show o-1 --json
    """
    from romancy.cli.showing import look

    with opened_to_read(database) as store:
        instance = _known(store, instance_id, database)
        run = instance.run if run_number is None else run_number
        if run > instance.run:
            raise Mistake(f"instance {instance_id!r} has no run {run}: its last is {instance.run}")
        view = look(store, instance, run, module, store.clock())
    if as_json:
        answer(view.fields(), indent=2)
    else:
        click.echo(view.table())
    if view.damage:
        raise Failure(f"the history cannot be read: {view.damage}; restore a backup")


def _known(store: Reader, instance_id: str, database: str) -> Instance:
    instance = store.instance(instance_id)
    if instance is None:
        raise unknown(instance_id, database)
    return instance


@main.command()
@click.argument("instance_id", metavar="ID")
@click.option("--output", metavar="FILE", help="A file to make; one that is there is not overwritten.")
@click.option("--rows", "as_rows", is_flag=True, help="The rows as they are stored, of a damaged history too.")
@with_database
@click.option("--json", "_", is_flag=True, help="Accepted as everywhere; the output is JSON always.")
def export(instance_id: str, output: str | None, as_rows: bool, database: str, _: bool) -> None:
    """Print the history of an instance as JSON.

    It is enough to replay the instance elsewhere. It holds inputs, results and the seed of its random numbers as they
    are stored: keep it as secret as they are.

    \b
    Examples:
      romancy export o-1
      romancy export o-1 --output o-1.json
      romancy export o-1 --rows
    """
    with opened_to_read(database) as store:
        told = store.rows(instance_id) if as_rows else _histories(store, instance_id, database)
    if not told:
        raise unknown(instance_id, database)
    text = json_text(told, indent=2)
    if output is None:
        click.echo(text)
    else:
        _write(Path(output), text)


def _histories(store: Reader, instance_id: str, database: str) -> dict[str, Any]:
    instance = _known(store, instance_id, database)
    runs = [store.history(instance.number, number) for number in range(1, instance.run + 1)]
    import attrs

    return {
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
    from romancy.cli.checks import FAIL
    from romancy.cli.doctor import examine

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
