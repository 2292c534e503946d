"""What is said of a URL that is slightly wrong: what to write instead, and nothing of the password."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from romancy.cli import main
from romancy.errors import DefinitionError, StoreError
from romancy.store.address import address_of, masked
from romancy.store.opening import open_store
from romancy.store.postgres import PostgresStore
from romancy.store.postgres.server import Server

MISTAKES = [
    "postgresql://app:s3cr/3t@localhost/appdb",
    "postgresql://app:s3cr/3t@localhost/appdb?schema=shop",
    "postgresql://app:s3cr?3t@localhost/appdb",
    "postgresql://app:12?s3cr=3t@localhost/appdb",
    "postgresql://app:s3cr@3t@localhost/appdb",
    "postgresql://app:s3cr%zz3t@localhost/appdb",
    "postgresql://app@localhost:s3cr/3t",
    "postgresql://localhost/appdb?user=app;password=s3cr3t",
    "postgresql://localhost/appdb&password=s3cr3t",
    "postgresql://localhost/appdb?schema=x;password=s3cr3t",
    "postgresql://localhost/appdb?PASSWORD=s3cr3t",
    "postgresql://localhost/appdb?Passwd=s3cr@3t",
    "postgresql://localhost:x/appdb?password=s3cr@3t",
    "postgresql://localhost/appdb?s3cr3t",
    "postgresql:app:s3cr3t@localhost/appdb",
    "postgresql:/app:s3cr3t@localhost/appdb",
    "POSTGRESQL://app:s3cr3t@localhost/appdb",
    "host=localhost dbname=appdb password=s3cr3t",
    "password='s3cr 3t' host=localhost",
    "app:s3cr@3t://localhost/appdb",
]
PIECES = re.compile(r"s3|cr\b|3t")


@pytest.mark.parametrize("url", MISTAKES)
@pytest.mark.parametrize("words", [("doctor", "--json"), ("list",), ("migrate",)])
def test_a_mistaken_address_is_refused_with_a_remedy_and_without_a_piece_of_the_password(
    url: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [*words, "--db", url], prog_name="romancy")
    assert result.exit_code != 0
    assert not PIECES.search(result.output), result.output
    assert not PIECES.search(masked(url))
    assert any(remedy in result.output for remedy in ("%2F", "postgresql://", "remove or correct it")), result.output
    assert not list(tmp_path.iterdir()), "it is not taken for the name of a file"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cr#3t@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me@a:1,[::1]:2/db?connect_timeout=2", "postgresql://me@a:1,[::1]:2/db?connect_timeout=2"),
        ("postgresql:///db?host=%2Ftmp&user=me@here", "postgresql:///db?host=%2Ftmp&user=me@here"),
        ("postgresql://me:s3cr/3t@host:5/db?schema=a", "postgresql://***@host:5/db…"),
        ("postgresql://host/db?sslpassword=s3cr@3t", "postgresql://host/db?sslpassword=***"),
        ("postgresql://host/db?pass%77ord=s3cr3t", "postgresql://host/db?***"),
        ("orders.db", "orders.db"),
    ],
)
def test_of_an_address_is_shown_what_is_harmless(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_a_password_does_not_go_to_the_server_as_a_piece_of_another_option() -> None:
    with pytest.raises(DefinitionError, match="is no URL of a PostgreSQL database"):
        address_of("postgresql://localhost/appdb?user=app;password=s3cr3t")


def test_an_option_that_nobody_knows_is_named() -> None:
    with pytest.raises(DefinitionError, match=r"has the option bogus, which PostgreSQL does not know"):
        PostgresStore("postgresql://me:s3cr3t@host/db?connect_timeout=2&bogus=1")


@pytest.mark.parametrize(
    ("name", "told"),
    [("pg_foo", "begin with pg_ are the server's own"), ("a" * 80, "it has 80 bytes: write a name of at most 63")],
)
def test_a_name_of_a_schema_is_refused_for_what_is_wrong_with_it(name: str, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        address_of(f"postgresql://host/db?schema={name}")
    assert address_of(f"postgresql://host/db?schema={'a' * 63}").schema == "a" * 63


def test_the_server_s_own_words_are_shown_without_the_password() -> None:
    server = Server("postgresql://me:s3cr%2F3t@host/db")
    assert str(server.error(psycopg.OperationalError("odd value s3cr/3t"))).endswith("odd value ***")


def test_a_password_that_is_encoded_works(url: str) -> None:
    with closing(open_store(f"{url}&password=s3cr%2F%3F%40%233t")) as store:
        assert store.counts() == {}
        assert "s3cr" not in store.health()["path"]


def test_a_user_without_rights_is_told_who_can_help(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop role if exists nobody_much")
        connection.execute("create role nobody_much login")
    with pytest.raises(StoreError, match=r"permission denied.*let an owner of the database run romancy migrate"):
        PostgresStore(url.replace("user=postgres", "user=nobody_much"))
