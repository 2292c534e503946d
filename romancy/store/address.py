"""What a database is named by: a path, `":memory:"`, or a URL, which is shown without its password.

A password that is written wrongly makes a URL mean something else. So what is shown of a URL is what is known to be
harmless, and not what is left once a password was found.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote

import attrs

from romancy.errors import DefinitionError

SCHEMA = "romancy"
"""The schema of PostgreSQL in which Romancy's tables stand, unless `?schema=` names another."""
LONGEST = 63
"""Bytes of the longest name of a schema."""

ENCODE = "in a password write % as %25, / as %2F, ? as %3F, @ as %40 and # as %23"
"""What to do about a URL that is not read as it was meant."""

_SHOWN = frozenset(
    (
        *("schema", "host", "hostaddr", "port", "dbname", "user", "application_name", "connect_timeout"),
        *("target_session_attrs", "load_balance_hosts", "sslmode", "sslrootcert", "sslcert", "channel_binding"),
        *("gssencmode", "client_encoding", "tcp_user_timeout", "keepalives", "keepalives_idle"),
        *("keepalives_interval", "keepalives_count"),
    )
)
"""The options of a URL whose values are shown."""
_HOST = r"(?:\[[0-9A-Fa-f:.%]*\]|[^\[\]:@/?#,;&=\s]*)(?::\d*)?"
_HOSTS = rf"{_HOST}(?:,{_HOST})*"
_PLACE = re.compile(
    rf"(?P<scheme>postgres(?:ql)?://)(?:(?P<user>[^:@/?\s]*)(?P<password>:[^@/?]*)?@)?(?P<hosts>{_HOSTS})"
    r"(?P<name>/[^@/?#;&=\s]*)?"
)
_TAIL = re.compile(rf"{_HOSTS}(?:/[^@/?#;&=\s]*)?")
_PASSWORD = re.compile(r"(?i)\b[\w-]*(?:pass|pwd|secret)[\w-]*\s*[=:].*", re.DOTALL)
_KEYWORDS = re.compile(r"(?i)\s*(?:host|hostaddr|port|dbname|user|password|passfile|service)\s*=")
_URL = re.compile(r"(?i)postgres(?:ql)?:")


@attrs.frozen
class Address:
    """A PostgreSQL URL without what is Romancy's own in it; `shown` keeps the password to itself."""

    url: str
    schema: str
    shown: str


def is_url(database: str) -> bool:
    """Whether this is the URL of a PostgreSQL database.

    Raises:
        DefinitionError: it is the URL of something else, or names a server in another way.
    """
    scheme, separator, _ = database.partition("://")
    if separator and scheme in ("postgresql", "postgres"):
        return True
    if _URL.match(database) or _KEYWORDS.match(database):
        raise DefinitionError(f"{masked(database)} is no file: name a server as postgresql://user@host:port/database")
    if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise DefinitionError(f"{scheme}:// databases are not supported: name a SQLite file or a postgresql:// URL")
    if separator:
        raise DefinitionError(f"{masked(database)} is no file: name a SQLite file or a postgresql:// URL")
    return False


def address_of(url: str) -> Address:
    """What a PostgreSQL URL says.

    Raises:
        DefinitionError: it cannot be what was meant, or its `?schema=` cannot be the name of a schema.
    """
    place, mark, query = url.partition("?")
    shown = masked(url)
    if not _PLACE.fullmatch(place) or not all(map(_is_option, query.split("&") if mark else ())):
        raise DefinitionError(
            f"{shown} is no URL of a PostgreSQL database: write postgresql://user:password@host:port/database, "
            f"and {ENCODE}"
        )
    options = parse_qsl(query, keep_blank_values=True)
    schema = dict(options).get("schema", SCHEMA)
    _refuse_schema(schema, shown)
    left = "&".join(f"{quote(key)}={quote(value)}" for key, value in options if key != "schema")
    return Address(f"{place}?{left}" if left else place, schema, shown)


def _is_option(text: str) -> bool:
    key, separator, value = text.partition("=")
    return not text or (bool(separator) and "?" not in key and not (";" in value and _PASSWORD.search(value)))


def _refuse_schema(schema: str, shown: str) -> None:
    if re.fullmatch(r"[a-z_][a-z0-9_]*", schema) is None:
        remedy = "write a name of lower-case letters, digits and underscores that begins with no digit"
    elif schema.startswith("pg_"):
        remedy = "names that begin with pg_ are the server's own: write another one"
    elif len(schema) > LONGEST:
        remedy = f"it has {len(schema)} bytes: write a name of at most {LONGEST}"
    else:
        return
    raise DefinitionError(f"?schema= in {shown}: {remedy}")


def masked(database: str) -> str:
    """The name of a database as it may be printed: without a password."""
    if "://" not in database and not _URL.match(database):
        return _PASSWORD.sub("***", database)
    place, mark, query = database.partition("?")
    found = _PLACE.fullmatch(place)
    pairs = [each.partition("=") for each in query.split("&")] if mark else []
    if found is None or ("@" in query and not all(key in _SHOWN or _PASSWORD.match(f"{key}=") for key, _, _ in pairs)):
        return _what_is_harmless(database)
    user = found["user"] or ""
    login = f"{user}:***@" if found["password"] else f"{user}@" if found["user"] is not None else ""
    left = "&".join(_shown_pair(key, value) for key, _, value in pairs)
    return f"{found['scheme']}{login}{found['hosts']}{found['name'] or ''}{mark}{left}"


def _shown_pair(key: str, value: str) -> str:
    if key in _SHOWN and not re.search(r"[;=&#\s]", value):
        return f"{key}={value}"
    return f"{key}=***" if re.fullmatch(r"[A-Za-z_]+", key) else "***"


def _what_is_harmless(url: str) -> str:
    """The scheme, and what comes behind the last `@` as far as it can be a place."""
    scheme = re.match(r"(?i)[a-z][a-z0-9+.-]*:(//)?", url)
    if scheme is None or not (scheme[1] or _URL.match(url)):
        return "***"
    start = scheme[0]
    before, at, behind = url.rpartition("@")
    tail = _TAIL.match(behind)
    place = tail[0] if at and "=" not in before and tail is not None else ""
    return f"{start}***{at}{place}{'' if place == behind else '…'}" if place else f"{start}***"
