"""The PostgreSQL store: many workers, on many machines, on one database; it needs `romancy[postgres]`."""

from romancy.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
