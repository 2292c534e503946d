"""What runs an example as a process of its own, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No example asks a real model because of what the one who runs the tests has configured."""
    monkeypatch.delenv("ROMANCY_EXAMPLE_MODEL", raising=False)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[str]]:
    """Run an example to its end; returns the lines that it printed."""

    def run(name: str, *arguments: object) -> list[str]:
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()

    return run


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begin an example that somebody kills: what is still there when the test ends is killed then."""
    begun: list[subprocess.Popen[str]] = []

    def begin(name: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
