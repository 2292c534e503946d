"""What `romancy doctor` looks at of a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from romancy.cli.checks import FAIL, OK, WARN, Check

_MEGABYTE = 1_000_000
_OLDEST = 14


def server(health: dict[str, Any]) -> Iterator[Check]:
    """Whether the server keeps what it says it has committed, and has room for workers.

    Args:
        health: of the store.
    """
    size = health["bytes"] / _MEGABYTE
    told = f"{health['path']}, {size:.1f} MB, tables of version {health['version']} in schema {health['schema']}"
    yield Check("database", OK, told)
    settings = health["settings"]
    yield _version(settings.get("server_version", ""), health["server"])
    yield _durability(settings)
    yield _connections(health["connections"], int(settings.get("max_connections", 0)))
    if health["pooled"]:
        told = "a pooler stands between: no prepared statements and no listening, so wake-ups come up to 0.1 s later"
        yield Check("pooler", WARN, told)


def _version(version: str, full: str) -> Check:
    major = version.split(".")[0]
    if major.isdigit() and int(major) < _OLDEST:
        return Check("server", FAIL, f"PostgreSQL {version} lacks what Romancy needs: use {_OLDEST} or newer")
    return Check("server", OK, full.partition(" on ")[0])


def _durability(settings: dict[str, str]) -> Check:
    if settings.get("fsync") == "off":
        return Check("durability", FAIL, "fsync = off: a crash of the server's machine can damage everything")
    if settings.get("full_page_writes") == "off":
        return Check("durability", WARN, "full_page_writes = off: safe only where the file system writes whole pages")
    if settings.get("synchronous_commit") == "off":
        told = "synchronous_commit = off: workers set it to on, which a pooler may undo"
        return Check("durability", WARN, told)
    return Check("durability", OK, f"fsync = on, synchronous_commit = {settings.get('synchronous_commit', 'on')}")


def _connections(open_ones: int, most: int) -> Check:
    told = f"{open_ones} of {most} connections are open"
    if most and open_ones > 0.9 * most:
        return Check("connections", WARN, f"{told}: raise max_connections, or put PgBouncer between")
    return Check("connections", OK, told)
