"""Everything that can be found wrong with what stands on a server, row by row; nothing is written.

The server itself watches over its pages and the encoding of texts.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any

from romancy.store.findings import Finding, place_of, problems
from romancy.store.postgres.store import PostgresStore
from romancy.store.protocol import ACTIVE, STATUSES, Instance

_PAGE = 500
_MOST = 100
_MEND = "stop the workers, save the tables with pg_dump, and mend the rows with SQL"
_CHECKS = (
    (
        f"""
        select id, 'lease ' || owner || ', under which it is held, is missing' from romancy.instance
         where owner is not null and owner not in (select token from romancy.worker) limit {_MOST}
        """,
        "stop the workers, then set its owner to null and its wake_at to 0 with SQL",
    ),
    (
        f"""
        select id, 'it is ' || status || ', and nothing wakes it' from romancy.instance
         where owner is null and wake_at is null and status in ('{"', '".join(ACTIVE)}') limit {_MOST}
        """,
        "stop the workers, then set its wake_at to 0 with SQL",
    ),
    (
        f"""
        select id, 'its parent, instance ' || parent || ', is missing' from romancy.instance
         where parent is not null and parent not in (select number from romancy.instance) limit {_MOST}
        """,
        _MEND,
    ),
)
"""What concerns one instance each, and what to do about it."""
_ORPHANS = f"""
    select instance, count(*) from romancy.{{table}}
     where instance not in (select number from romancy.instance) group by instance limit {_MOST}
"""


def inspect(store: PostgresStore) -> Iterator[Finding]:
    """Look at every row.

    Args:
        store: of the database, which may be read-only.
    """
    for table in ("history", "inbox"):
        for number, rows in store.ask(_ORPHANS.format(table=table)):
            yield Finding(f"table {table}", f"{rows} rows of an instance {number} that is missing", _MEND)
    for sql, remedy in _CHECKS:
        for id, what in store.ask(sql):
            yield Finding(place_of(id), what, remedy)
    page: list[Instance] = store.instances(limit=_PAGE)
    while page:
        for instance in page:
            yield from _about(store, instance)
        page = store.instances(limit=_PAGE, after=page[-1].id)


def _about(store: PostgresStore, instance: Instance) -> Iterator[Finding]:
    where = place_of(instance.id)
    export = f"save its rows: {_command('export', store, instance.id, '--rows')}"
    if instance.status not in STATUSES:
        yield Finding(where, f"{instance.status!r} is no status", f"{export}; {_MEND}")
    for what in problems(instance, partial(store.history, instance.number)):
        yield Finding(where, what, f"{export}; restore a backup, or mend the rows, then retry it")
    if instance.status == "stuck":
        retry = _command("retry", store, instance.id)
        yield Finding(where, f"it is stuck: {instance.error}", f"mend what it is stuck on, then: {retry}")


def _command(verb: str, store: PostgresStore, id: str, *options: Any) -> str:
    return shlex.join(["romancy", verb, "--db", store.path, *options, "--", id])
