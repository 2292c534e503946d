"""The research agent asks a real model through the `llm` package, where that is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("llm_echo", reason="needs the packages llm and llm-echo")


def test_the_agent_asks_the_model_that_the_environment_names(
    run: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROMANCY_EXAMPLE_MODEL", "echo")
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    told = run("research_agent", "clay tablets", "research")
    assert told[:3] == [f"asking for {role}, attempt 1" for role in ("research", "analysis", "synthesis")]
    answer = json.loads((tmp_path / "research" / "clay-tablets" / "research.md").read_text("utf-8"))
    assert answer["prompt"] == "What is known of clay tablets?"


def test_a_model_that_does_not_exist_is_asked_once(
    run: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROMANCY_EXAMPLE_MODEL", "no such model")
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    told = run("research_agent", "clay tablets", "research")
    assert told[0] == "asking for research, attempt 1"
    assert len(told) == 2 and told[1].startswith("gave up: ")
