"""What the linter repaired runs: a file of many defects is fixed, lints clean, and survives the kill of its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import romancy_lint
from romancy import Romancy
from romancy.history import ActivityCompleted
from romancy_lint.rules import RULES

DEFECTIVE = '''\
"""Orders, as somebody would write them who has not read the manual."""
import json
import logging
import os
import random
import sys
import time
import uuid
from datetime import date, datetime, timezone
from pathlib import Path

from romancy import Context, Flow, Romancy, activity, sleep, workflow

log = logging.getLogger(__name__)
HERE = Path(__file__).parent


def noted(name):
    with (HERE / "effects.txt").open("a") as file:
        file.write(f"{os.getpid()} {name}\\n")


@activity
def reserve(item: str) -> str:
    noted(f"reserve {item}")
    return f"reserved {item}"


@activity
def hold(step: str) -> str:
    noted(f"hold {step}")
    gate = HERE / step
    while not gate.exists():
        time.sleep(0.005)
    return step


@activity
def prices(items: list[str]) -> list[int]:
    noted("prices")
    return (len(item) for item in items)


@activity
def is_open() -> bool:
    noted("is_open")
    return False


@activity
def close_shop():
    noted("close_shop")


@activity
def stamp(text: str) -> str:
    noted(f"stamp {text}")
    return text


def pair(first: str, second: str):
    one = yield reserve(first)
    two = yield reserve(second)
    return [one, two]


def shout(names: set[str]) -> str:
    return ",".join(names).upper()


def choose(options: list[str]) -> str:
    return random.choice(options)


def label() -> str:
    return f"{uuid.uuid4()} {time.time():.6f}"


@workflow
def order(ctx: Context, items: list[str], seen=[]) -> Flow[dict]:
    print("begins")
    log.info("begins with %d", len(items))
    began, today = time.time(), date.today()
    zone = datetime.now(timezone.utc)
    for item in set(items):
        yield reserve(item)
        seen.append(item)
    for number in {1, 2}:
        seen.append(str(number))
    by_length = [item for item in sorted(set(items), key=len)]
    lucky = random.random() + random.Random().random()
    tag = label()
    yield hold("first")
    time.sleep(0.05)
    if is_open():
        return {"open": True}
    reserve("extra")
    stamp.fn("by hand")
    both = pair("a", "b")
    yield reserve(both[0])
    again = yield pair("c", "d")
    list(pair("e", "f"))
    doubled = [(yield stamp(text)) for text in ("x", "y")]
    total = yield prices(item for item in items)
    yield close_shop
    try:
        yield hold("second")
    except:
        yield stamp("it failed")
    chosen = choose(items)
    day = datetime.fromtimestamp(0).day
    if not items:
        sys.exit("nothing to do")
    values = {
        "seen": seen, "by_length": by_length, "both": both, "again": again, "doubled": doubled, "total": total,
        "names": list(set(items)), "shout": shout(set(items)), "day": day, "lucky": lucky, "tag": tag, "chosen": chosen,
        "moments": [began, today.isoformat(), zone.isoformat()], "last": (yield stamp("end")),
    }
    raise StopIteration(values)


@workflow
async def waiting(ctx: Context, text: str):
    first = await stamp(text)
    return first + (await hold("second"))


if __name__ == "__main__":
    with Romancy(HERE / "app.db", verify=1.0) as app:
        handles = [app.start(order(["pear", "fig", "apple"]), id="o"), app.start(waiting("w"), id="w")]
        print(json.dumps([handle.result(60) for handle in handles]))
'''


def lint(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "romancy_lint", "check", "--no-cache", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@contextmanager
def running(script: Path, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    """The script in a process of its own, which is dead in the end."""
    env = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1"}
    out, err = (script.parent / f"{seed}.{name}" for name in ("out", "err"))
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, script], env=env, stdout=stdout, stderr=stderr)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(effect: str, folder: Path, count: int = 1) -> None:
    until = time.monotonic() + 30
    file = folder / "effects.txt"
    while not file.exists() or sum(line.endswith(f" {effect}") for line in file.read_text().splitlines()) < count:
        told = "".join(each.read_text() for each in folder.glob("*.err"))
        assert time.monotonic() < until, f"waited in vain for {effect}: {told}"
        time.sleep(0.01)


def test_a_repaired_file_is_clean_and_its_workflows_survive_a_kill(tmp_path: Path) -> None:
    script = tmp_path / "shop.py"
    script.write_text(DEFECTIVE)
    defects = romancy_lint.check([script])
    assert all(finding.fix is not None for finding in defects), [str(f.message) for f in defects if f.fix is None]
    kinds = {finding.code for finding in defects}
    fixable = {rule.code for rule in RULES if any(bad.fixed is not None for bad in rule.BAD)}
    assert fixable - kinds == {"ROM710"}, "every rule that can repair is at work here"

    assert lint(script).returncode == 1
    assert lint("--fix", "--unsafe-fixes", script).returncode == 0
    assert lint(script).returncode == 0
    repaired = script.read_text()
    assert lint("--fix", "--unsafe-fixes", script).returncode == 0
    assert script.read_text() == repaired, "repairing is a fixed point"

    with running(script, 1) as process:
        wait_for("hold first", tmp_path)
        wait_for("hold second", tmp_path)  # of the other workflow
        os.kill(process.pid, signal.SIGKILL)
    (tmp_path / "first").touch()
    with running(script, 2) as process:
        wait_for("hold second", tmp_path, 3)  # of both, and one of them again
        os.kill(process.pid, signal.SIGKILL)
    (tmp_path / "second").touch()
    with running(script, 3) as process:
        assert process.wait(60) == 0, (tmp_path / "3.err").read_text()

    value, other = json.loads((tmp_path / "3.out").read_text())
    with Romancy(tmp_path / "app.db", worker=False) as app:
        assert [app.get(id).status for id in "ow"] == ["completed", "completed"], "verified, and nothing is stuck"
        events = app.get("o").history()
    completed = [event.step for event in events if isinstance(event, ActivityCompleted)]
    assert len(set(completed)) == len(completed)
    assert value["chosen"] in ("pear", "fig", "apple")
    assert abs(value["moments"][0] - events[0].at) < 1e-5, "the recorded time, not that of the last process"
    assert abs(float(value["tag"].split()[1]) - events[3].at) < 1e-5
    expected = {
        "seen": ["apple", "fig", "pear", "1", "2"],
        "by_length": ["fig", "pear", "apple"],
        "both": ["reserved a", "reserved b"],
        "again": ["reserved c", "reserved d"],
        "doubled": ["x", "y"],
        "total": [4, 3, 5],
        "names": ["apple", "fig", "pear"],
        "shout": "APPLE,FIG,PEAR",
        "day": 1,
        "last": "end",
    }
    assert {key: value[key] for key in expected} == expected
    assert other == "wsecond"

    done = [line.partition(" ")[2] for line in (tmp_path / "effects.txt").read_text().splitlines()]
    assert {name for name in done if done.count(name) > 1} == {"hold first", "hold second"}, "what was cut off"
    assert "stamp by hand" in done and "reserve extra" in done and "stamp it failed" not in done
