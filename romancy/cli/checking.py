"""The command that looks for damage: check. It neither mends anything nor takes anything away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from romancy.cli.group import main, opened_to_read, with_database, with_json
from romancy.cli.shown import json_text, one_line, table
from romancy.store.address import is_url

if TYPE_CHECKING:
    from romancy.store.findings import Finding

_WIDTH = 300


@main.command()
@with_database
@with_json
def check(database: str, as_json: bool) -> None:
    """Look for damage in every page, every history and every row.

    Each line says where, what, and what to do about it. Nothing is mended and nothing is taken away: an instance whose
    history is damaged is parked when a worker meets it, and the others go on. Exit status 1 when something is wrong.

    \b
    To mend: romancy export ID --rows saves what is stored of an instance, damaged or not. Then restore a backup, or
    mend the rows with SQL and let romancy retry ID take the instance up again. To restore, stop the workers, put the
    copy in the place of the file, and take away what ends in -wal and -shm beside it. On PostgreSQL the pages are the
    server's affair: see pg_amcheck.

    \b
    Examples:
      romancy check
      romancy check --json
    """
    found = _found_on_server(database) if is_url(database) else _found_in_file(database)
    if as_json:
        click.echo(json_text({"healthy": not found, "findings": [attrs.asdict(each) for each in found]}, indent=2))
    elif found:
        rows = [[one_line(cell, _WIDTH) for cell in attrs.astuple(each)] for each in found]
        click.echo(table(("where", "what", "remedy"), rows))
    else:
        click.echo("nothing is wrong")
    if found:
        raise click.exceptions.Exit(1)


def _found_in_file(path: str) -> list[Finding]:
    from romancy.store.sqlite.inspection import inspect

    if not Path(path).exists():
        with opened_to_read(path):
            pass
    return list(inspect(path))


def _found_on_server(url: str) -> list[Finding]:
    with opened_to_read(url) as store:
        from romancy.store.postgres import PostgresStore
        from romancy.store.postgres.inspection import inspect

        assert isinstance(store, PostgresStore)
        return list(inspect(store))
