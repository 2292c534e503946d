"""A real PostgreSQL server for tests, and what is shown on it."""
