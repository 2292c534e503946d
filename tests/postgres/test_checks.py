"""`romancy check` looks at every row of a database on a server."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest
from click.testing import CliRunner

from romancy.cli import main
from romancy.store.postgres import PostgresStore
from romancy.store.protocol import Tick
from romancy.testing.contract import NOW, done, new, worker
from tests.postgres.server import query


def check(url: str) -> tuple[int, list[dict[str, Any]]]:
    """How `romancy check` ends, and what it finds."""
    result = CliRunner().invoke(main, ["check", "--db", url, "--json"], prog_name="romancy")
    return result.exit_code, json.loads(result.stdout)["findings"]


DAMAGES = {
    "delete from romancy.worker": "is missing",
    "update romancy.instance set owner = null": "it is running, and nothing wakes it",
    "update romancy.instance set parent = 99": "its parent, instance 99, is missing",
    "update romancy.instance set status = 'odd'": "'odd' is no status",
    "update romancy.instance set status = 'completed'": "it is completed, and its history does not end so",
    "update romancy.instance set input = '{'": "its input is no JSON",
    "update romancy.history set data = '{' where seq = 1": "history[1].result: it is no JSON",
    "delete from romancy.history where seq = 0": "history[0]",
    "update romancy.history set kind = 'odd' where seq = 1": "run 1: ",
    "delete from romancy.instance": "2 rows of an instance",
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.items())
def test_a_check_tells_what_is_wrong_with_rows(url: str, damage: str, told: str) -> None:
    with closing(PostgresStore(url)) as store:
        token = store.register(worker(), NOW, NOW + 30)
        instance = store.create([new("i")], owner=token, now=NOW)[0].instance
        store.commit(token, Tick(NOW, events=[(instance.number, 1, 1, done("1"))]))
        assert check(url) == (0, [])
        query(url, damage)
        status, found = check(url)
        assert status == 1
        assert [each for each in found if told in each["what"]], found
        assert all(each["remedy"] for each in found)
