"""The project keeps its own rules: nothing in it would replay differently, save what it says it does on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

import romancy_lint

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["romancy", "examples", "tests"])
def test_the_repository_is_clean(folder: str):
    found = romancy_lint.check([ROOT / folder])
    assert [f"{f.filename}:{f.place.row}: {f.code} {f.message}" for f in found] == []


def test_the_examples_are_looked_at_and_not_skipped(tmp_path: Path):
    text = (ROOT / "examples" / "order_saga.py").read_text()
    spoilt = tmp_path / "order_saga.py"
    spoilt.write_text(text + "\n\n@workflow\ndef spoilt(ctx: Context) -> Flow[None]:\n    yield 7\n")
    assert [finding.code for finding in romancy_lint.check([spoilt])] == ["ROM405"]
