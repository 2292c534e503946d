"""SQLite keeps the contract of stores, on a file and in memory."""

import stat

import pytest

from romancy.errors import LeaseLostError, StoreError
from romancy.store import SqliteStore
from romancy.testing.contract import NOW, StoreContract, new, worker


class TestSqliteFile(StoreContract):
    def open(self, tmp_path):
        return SqliteStore(str(tmp_path / "store.db"))

    def test_another_process_s_commits_are_noticed_once(self, tmp_path, store):
        other = SqliteStore(str(tmp_path / "store.db"))
        store.changed()
        assert not store.changed()
        other.create([new("i")], owner=None, now=NOW)
        assert store.changed()
        assert not store.changed()
        other.close()

    def test_two_stores_on_one_file_claim_an_instance_once(self, tmp_path, store):
        other = SqliteStore(str(tmp_path / "store.db"))
        tokens = [each.register(worker(name), NOW, NOW + 30) for each, name in ((store, "a"), (other, "b"))]
        store.create([new(f"i-{n}") for n in range(10)], owner=None, now=NOW)
        claimed = store.claim(tokens[0], ["order"], NOW, 6) + other.claim(tokens[1], ["order"], NOW, 6)
        assert sorted(each.id for each in claimed) == [f"i-{n}" for n in range(10)]
        other.close()

    def test_a_zombie_is_fenced_by_the_one_that_took_over(self, tmp_path, store):
        other = SqliteStore(str(tmp_path / "store.db"))
        token = store.register(worker("zombie"), NOW, NOW + 30)
        store.create([new("i")], owner=token, now=NOW)
        assert other.take_over(token, NOW + 31, 10) == 1
        with pytest.raises(LeaseLostError):
            store.renew(token, NOW + 60)
        other.close()

    def test_what_was_committed_is_there_after_opening_again(self, tmp_path, store):
        store.create([new("i")], owner=None, now=NOW)
        again = SqliteStore(str(tmp_path / "store.db"))
        assert again.instance("i") == store.instance("i")
        again.close()

    def test_the_pragmas_that_durability_needs_are_set_and_the_file_is_private(self, tmp_path, store):
        pragmas = store.health()["pragmas"]
        assert (pragmas["journal_mode"], pragmas["synchronous"], pragmas["trusted_schema"]) == ("wal", 2, 0)
        assert stat.S_IMODE((tmp_path / "store.db").stat().st_mode) == 0o600

    def test_a_folder_is_no_database(self, tmp_path):
        with pytest.raises(StoreError, match="is a folder"):
            SqliteStore(str(tmp_path))


class TestSqliteInMemory(StoreContract):
    def open(self, tmp_path):
        return SqliteStore(":memory:")
