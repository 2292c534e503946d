"""Runs a function of `programs` in a process of its own, and reads what it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DEADLINE = 90.0


def run(program: str, *arguments: object) -> Any:
    """What the program printed as its last line, which is JSON.

    Args:
        program: the name of a function of `programs`.
        arguments: texts for it.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.damage.programs", program, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
