"""PostgreSQL keeps the contract of stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from romancy.store.postgres import PostgresStore
from romancy.testing.contract import StoreContract


class TestPostgres(StoreContract):
    @pytest.fixture(autouse=True)
    def _database(self, url: str) -> None:
        self.url = url

    def open(self, tmp_path: Path) -> PostgresStore:
        return PostgresStore(self.url)
