"""Each test gets a stage of its own, and leaves no process behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres.processes.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, url: str) -> Iterator[Stage]:
    with Stage(tmp_path, url) as stage:
        yield stage
