"""What a database is named by: a path, `":memory:"`, or a URL, which is shown without its password."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote

import attrs

from romancy.errors import DefinitionError

SCHEMA = "romancy"
"""The schema of PostgreSQL in which Romancy's tables stand, unless `?schema=` names another."""


@attrs.frozen
class Address:
    """A PostgreSQL URL without what is Romancy's own in it; `shown` keeps the password to itself."""

    url: str
    schema: str
    shown: str


def is_url(database: str) -> bool:
    """Whether this is the URL of a PostgreSQL database.

    Raises:
        DefinitionError: it is the URL of something else.
    """
    scheme, separator, _ = database.partition("://")
    if separator and scheme not in ("postgresql", "postgres"):
        raise DefinitionError(f"{scheme}:// databases are not supported: name a SQLite file or a postgresql:// URL")
    return bool(separator)


def address_of(url: str) -> Address:
    """What a PostgreSQL URL says.

    Raises:
        DefinitionError: its `?schema=` cannot be the name of a schema.
    """
    place, _, query = url.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    schema = dict(options).get("schema", SCHEMA)
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema) or schema.startswith("pg_"):
        raise DefinitionError(
            f"?schema={schema!r} in {masked(url)}: write a name of lower-case letters, digits and underscores"
        )
    left = "&".join(f"{quote(key)}={quote(value)}" for key, value in options if key != "schema")
    return Address(f"{place}?{left}" if left else place, schema, masked(url))


def masked(database: str) -> str:
    """The name of a database as it may be printed: without a password."""
    if "://" not in database:
        return database
    shown = re.sub(r"(://[^:@/?]*):[^/?]*@", r"\1:***@", database)
    return re.sub(r"([?&][a-z]*password=)[^&]*", r"\1***", shown)
