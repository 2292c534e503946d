"""mypy and pyright agree with every line of these files: what should be known is, what should be refused is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
SUBJECT = HERE / "public_types.py"
SUBJECTS = (SUBJECT, HERE / "testing_types.py")


def check(tool: str, subject: Path) -> subprocess.CompletedProcess[str]:
    command = {
        "mypy": ["mypy", "--strict", "--config-file", str(PROJECT / "pyproject.toml")],
        "pyright": ["pyright", "--pythonpath", sys.executable],
    }[tool]
    return subprocess.run(
        [sys.executable, "-m", *command, str(subject)],
        cwd=PROJECT,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("subject", SUBJECTS, ids=[each.stem for each in SUBJECTS])
@pytest.mark.parametrize("tool", ["mypy", "pyright"])
def test_the_public_types_are_what_they_say(tool: str, subject: Path) -> None:
    pytest.importorskip(tool)
    done = check(tool, subject)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tool", ["mypy", "pyright"])
def test_a_type_that_is_not_what_it_says_is_found(tool: str, tmp_path: Path) -> None:
    """The check can fail: a wrong assertion and an ignore that is not needed are both reported."""
    pytest.importorskip(tool)
    text = SUBJECT.read_text("utf-8")
    wrong = text.replace("assert_type(price, int)", "assert_type(price, str)").replace(
        '    yield quote("plain")\n', '    yield quote("plain")  # type: ignore[misc]\n'
    )
    subject = tmp_path / "wrong_types.py"
    subject.write_text(wrong, "utf-8")
    done = check(tool, subject)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [number for number, line in enumerate(wrong.splitlines(), 1) if "price, str" in line or "[misc]" in line]
    assert all(f":{number}:" in done.stdout for number in lines[:2])
