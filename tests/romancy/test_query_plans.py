"""What a worker asks again and again is answered by an index, however many instances wait."""

from pathlib import Path

import pytest

from romancy.store import SqliteStore


@pytest.mark.parametrize(("suspects", "index"), [(False, "instance_due"), (True, "instance_suspect")])
def test_what_is_due_next_is_found_by_an_index(tmp_path: Path, suspects: bool, index: str) -> None:
    store = SqliteStore(str(tmp_path / "app.db"))
    asked: list[str] = []
    store._reader.set_trace_callback(asked.append)
    assert store.next_due(["order"], suspects=suspects) is None
    store._reader.set_trace_callback(None)
    plan = [row[-1] for row in store._reader.execute(f"explain query plan {asked[-1]}")]
    assert len(plan) == 1
    assert index in plan[0]
    store.close()
