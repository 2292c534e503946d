"""What the linter promises: a program without findings replays the same anywhere, and a planted defect is found."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import romancy_lint
from tests.romancy_lint import replays
from tests.romancy_lint.programs import ACTIVITIES, DEFECTS, SHOWN, Program, planted, sound

SCRIPT = Path(replays.__file__)
SOUND = [sound(number, random.Random(number)) for number in range(150)]
PLANTED = [
    planted(1000 + number, random.Random(f"{code} {defect} {turn}"), code, defect)
    for number, (code, defect, turn) in enumerate(
        (code, defect, turn) for code, defects in DEFECTS.items() for defect in defects for turn in range(4)
    )
]
ELSEWHERE = (
    {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "PLACE": "there", "LC_ALL": "C", "HOME": "/"},
    {"PYTHONHASHSEED": "3", "TZ": "America/St_Johns", "PLACE": "", "PYTHONOPTIMIZE": "1", "HOME": "/nowhere"},
    {"PYTHONHASHSEED": "4", "TZ": "UTC", "PLACE": "far", "PYTHONUTF8": "1", "PYTHONDEVMODE": "1"},
)
"""The settings of processes that replay what was recorded under others."""


def written(folder: Path, programs: Iterable[Program]) -> Path:
    folder.mkdir()
    (folder / "activities.py").write_text(ACTIVITIES)
    for program in programs:
        (folder / f"{program.name}.py").write_text(program.text)
    return folder


def run(command: str, folder: Path, cwd: Path, settings: dict[str, str], *more: str) -> str:
    """A process of its own, in another folder, under other settings."""
    cwd.mkdir()
    (cwd / "here.txt").write_text(cwd.name)
    (cwd / f"only-{cwd.name}").touch()
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **settings}
    arguments = [sys.executable, str(SCRIPT), command, str(folder), *more]
    done = subprocess.run(arguments, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def replayed(folder: Path, base: Path, *, times: int = len(ELSEWHERE)) -> dict[str, list[tuple[object, object]]]:
    """How each program ended when it was recorded and in each replay."""
    run("record", folder, base / "home", {"PYTHONHASHSEED": "1", "TZ": "Europe/Berlin", "PLACE": "here"}, "x")
    found: dict[str, list[tuple[object, object]]] = {}
    for number, settings in enumerate(ELSEWHERE[:times]):
        lines = run("replay", folder, base / f"away{number}", settings, f"y{number}").splitlines()
        for name, (recorded, again) in json.loads(lines[-1]).items():
            found.setdefault(name, []).append((recorded, again))
    return found


def test_a_program_without_findings_replays_the_same_under_other_settings(tmp_path: Path):
    folder = written(tmp_path / "programs", SOUND)
    assert [f"{f.filename}:{f.place.row}: {f.message}" for f in romancy_lint.check([folder])] == []
    found = replayed(folder, tmp_path)
    assert len(found) == len(SOUND)
    assert {str(name): pairs for name, pairs in found.items() if any(one != other for one, other in pairs)} == {}
    kinds = {recorded[0] for pairs in found.values() for recorded, _ in pairs}  # type: ignore[index]
    assert kinds == {"workflow_completed", "workflow_failed"}


@pytest.mark.parametrize("code", DEFECTS)
def test_a_planted_defect_is_found_and_nothing_else(tmp_path: Path, code: str):
    programs = [program for program in PLANTED if program.code == code]
    folder = written(tmp_path / "programs", programs)
    found = {(Path(f.filename).stem, f.place.row, f.code) for f in romancy_lint.check([folder])}
    assert found == {(program.name, program.row, code) for program in programs}


def test_a_planted_defect_that_shows_makes_the_replay_differ(tmp_path: Path):
    """Without this, replays that always agree would prove nothing."""
    programs = [program for program in PLANTED if program.code in SHOWN]
    folder = written(tmp_path / "programs", programs)
    found = replayed(folder, tmp_path, times=2)
    same = {name for name, pairs in found.items() if all(one == other for one, other in pairs)}
    assert {(p.code, p.text.splitlines()[p.row - 1]) for p in programs if p.name in same} == set()
