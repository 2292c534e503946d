"""One server for a test process; each test gets a database of its own on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from romancy.workflow import definitions
from tests.postgres.server import PostgresServer
from tests.postgres.stage import Stage


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer(max_connections=200)
    yield server
    server.close()


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.fresh()


@pytest.fixture
def stage(url: str) -> Iterator[Stage]:
    """Tests may name their workflows alike: here only those of the shapes and of this folder are known."""
    everything = definitions[:]
    modules = ("tests.postgres", "tests.romancy.shapes", "tests.system.programs")
    definitions[:] = [
        each for each in everything if each.fn.__module__.startswith(modules) and "<locals>" not in each.fn.__qualname__
    ]
    stage = Stage(url)
    yield stage
    stage.close()
    definitions[:] = everything
