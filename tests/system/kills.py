"""Workers are killed and stopped at random moments for a while, and what they did is held against what they recorded.

    python -m tests.system.kills --seconds 60 --workers 3 --seed 1

Exits with 1 and names what is wrong, when anything is. The same seed draws the same work and the same order of kills;
what a kill hits depends on the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs

from romancy import Handle
from romancy.calls import CallWorkflow
from romancy.errors import InstanceFailedError, TerminalError
from romancy.history import ActivityCompleted
from tests.system.effects import Body, overlapping
from tests.system.programs import launching, many, parent, slow_total, squares, transfers, trip
from tests.system.stage import Program, Stage, completions

ACCOUNTS = 5
ACTIVITIES = 4
"""How many activities a worker runs at once."""
AHEAD = 40
"""How many instances are kept unfinished."""
WIDTH = 8
"""How many members a gather has at most."""
LEASE = 3.0
"""Seconds; workers that are stopped are so for longer, and go on when others have taken over."""
PEACE = 60.0
"""Seconds that everything may take to finish after the last kill."""


@attrs.define
class Storm:
    """What a while of kills came to."""

    seed: int
    kills: int = 0
    pauses: int = 0
    instances: int = 0
    completions: int = 0
    bodies: int = 0
    duplicates: int = 0
    interrupted: int = 0
    budget: int = 0
    slowest_recovery_ms: int = 0
    problems: list[str] = attrs.field(factory=list)


@attrs.frozen
class Job:
    """An instance, and what has to come of it."""

    handle: Handle[Any]
    expected: Any


def run(
    folder: Path,
    *,
    seconds: float,
    workers: int,
    seed: int,
    pauses: float = 0.0,
    opened: Callable[[Path], Stage] = Stage,
) -> Storm:
    """Kill workers of one database for so many seconds, let the rest finish in peace, and check everything.

    Args:
        folder: an empty one.
        seconds: how long to kill.
        workers: how many processes share the work.
        seed: of the work and the kills.
        pauses: how often, from 0 to 1, a kill comes together with the stop of another worker for longer than its lease.
        opened: makes the stage.
    """
    storm, chance = Storm(seed), random.Random(seed)
    with opened(folder) as stage:
        stage.open_bank(ACCOUNTS)
        jobs = _kill_for(stage, storm, chance, seconds, workers, pauses)
        until = time.monotonic() + PEACE
        for job in jobs:
            _check_end(stage, storm, job, until)
        _check_bank(stage, storm)
        _check_bodies(stage, storm, jobs)
        if stage.is_damaged():
            storm.problems.append("the database is damaged")
        storm.problems += stage.complaints("UNIQUE constraint")
    return storm


def _kill_for(
    stage: Stage, storm: Storm, chance: random.Random, seconds: float, workers: int, pauses: float
) -> list[Job]:
    jobs: list[Job] = []
    programs = [_worker(stage, number) for number in range(workers)]
    paused: dict[Program, threading.Timer] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        unfinished = "select count(*) from instance where status not in ('completed', 'failed', 'cancelled')"
        room = AHEAD - stage.query(unfinished)[0][0]
        jobs += [_start(stage, chance, len(jobs) + number) for number in range(room)]
        number = chance.randrange(workers)
        _wait_until_it_works(stage, programs[number], paused)
        if chance.random() < pauses and not any(timer.is_alive() for timer in paused.values()):
            _wait_until_it_works(stage, programs[number - 1], paused)
            paused[programs[number - 1]] = _pause(programs[number - 1])
            storm.pauses += 1
        time.sleep(chance.uniform(0.0, 0.2))
        if programs[number].process.poll() is not None:
            storm.problems.append(f"a worker ended by itself: {programs[number].complained()}")
        stage.kill(programs[number])
        storm.kills += 1
        programs[number] = _worker(stage, number)
    for timer in paused.values():
        timer.join()
    storm.instances = len(jobs)
    return jobs


def _pause(program: Program) -> threading.Timer:
    """Stop a worker until its lease is over; it may hold the place of the writer, and this thread wait for that."""
    program.signal(signal.SIGSTOP)
    timer = threading.Timer(LEASE + 1.0, program.signal, [signal.SIGCONT])
    timer.start()
    return timer


def _worker(stage: Stage, number: int) -> Program:
    """A worker; every other one of them comes back under the name it had."""
    name = {"id": f"worker-{number}"} if number % 2 else {}
    return stage.work(activities=ACTIVITIES, lease=LEASE, **name)


def _wait_until_it_works(stage: Stage, program: Program, paused: dict[Program, threading.Timer]) -> None:
    """Wait for the worker's lease, unless it had one and stands still."""
    stage.wait_for(
        "the worker to take a lease",
        lambda: (
            program in paused
            or program.process.poll() is not None
            or stage.query("select 1 from worker where pid = ?", program.pid)
        ),
    )


def _start(stage: Stage, chance: random.Random, number: int) -> Job:
    size = chance.randint(1, WIDTH)
    sums = size * (size + 1) // 2
    work: list[tuple[CallWorkflow[Any], Any]] = [
        (many(size * 3), size * 3 * (size * 3 + 1) // 2),
        (slow_total(size, 0.05), sums),
        (squares([""] * size), [each * each for each in range(size)]),
        (parent([""] * size), sums),
        (transfers(size, ACCOUNTS), Ellipsis),
        (launching(""), ("launched", "interrupted launch")),
        (trip([str(each) for each in range(size)], [""] * size), TerminalError),
    ]
    call, expected = chance.choice(work)
    return Job(stage.client.start(call, id=f"job-{number}"), expected)


def _check_end(stage: Stage, storm: Storm, job: Job, until: float) -> None:
    """The result is that of a run without kills."""
    result: Any
    try:
        result = job.handle.result(max(0.0, until - time.monotonic()))
    except InstanceFailedError as failed:
        result = failed if failed.compensation_errors else type(failed.__cause__)
    except Exception as error:
        result = error
    expected = job.expected
    if expected is Ellipsis:
        ((expected,),) = stage.query("select sum(amount) from transfer where instance = ?", job.handle.id)
    if result != expected and not (isinstance(expected, tuple) and result in expected):
        storm.problems.append(f"{job.handle.id} came to {result!r} and not to {expected!r}")


def _check_bank(stage: Stage, storm: Storm) -> None:
    """Money is conserved, and each transfer is applied as often as it is recorded."""
    if stage.query("select sum(balance) from account") != [(ACCOUNTS * 1000,)]:
        storm.problems.append("money was made or lost")
    journal = Counter(stage.query("select instance, step from transfer"))
    recorded = Counter(
        stage.query(
            "select instance.id, step from history join instance on instance.number = history.instance "
            "where kind = ? and name = 'transfer'",
            ActivityCompleted.kind,
        )
    )
    wrong = [call for call in journal | recorded if journal[call] != recorded[call]]
    storm.problems += [f"the transfer {call} was not applied as often as it is recorded" for call in wrong]


def _check_bodies(stage: Stage, storm: Storm, jobs: list[Job]) -> None:
    """What is recorded is not run again, and only what was in flight at a kill is repeated."""
    bodies = stage.bodies()
    handles = [*stage.client.instances()]
    recorded = {(handle.id, step): event for handle in handles for step, event in completions(handle).items()}
    runs: dict[tuple[str, str], list[Body]] = {}
    late = stage.overtaken()
    for body in bodies:
        runs.setdefault(body.call, []).append(body)
    storm.completions, storm.bodies = len(recorded), len(bodies)
    storm.problems += [f"{call} is recorded and was never run" for call in recorded.keys() - runs.keys()]
    for call, group in runs.items():
        _check_call(stage, storm, call, group, recorded.get(call), late)
    storm.problems += [
        f"{one} and {other} overlap"
        for one, other in overlapping(bodies, stage.deaths)
        if one.pid not in late and other.pid not in late
    ]
    _check_budget(stage, storm, bodies, runs, {handle.id for handle in handles if handle.workflow == "squares"})


def _check_budget(
    stage: Stage, storm: Storm, bodies: list[Body], runs: dict[tuple[str, str], list[Body]], wide: set[str]
) -> None:
    """A killed worker leaves one activity of each of its instances in flight, or all members of a gather."""
    last = {body.instance: body for body in bodies}
    left = {(body.pid, body.instance) for body in bodies if last[body.instance].pid != body.pid}
    late = stage.overtaken()
    cut = [instance for pid, instance in left if pid in stage.deaths or pid in late]
    storm.budget = sum(WIDTH if instance in wide else 1 for instance in cut)
    repeated: Counter[tuple[int, str]] = Counter()
    for group in runs.values():
        repeated.update((one.pid, one.instance) for one, again in pairwise(group) if one.attempt == again.attempt)
    for (pid, instance), count in repeated.items():
        if count > (WIDTH if instance in wide else 1) * (1 + (pid in late)):
            storm.problems.append(f"{instance}: {count} activities of process {pid} were repeated")


def _check_call(
    stage: Stage,
    storm: Storm,
    call: tuple[str, str],
    group: list[Body],
    recorded: ActivityCompleted | None,
    late: set[int],
) -> None:
    """Check the bodies of one call; what a worker runs that was overtaken while it stood still, it may run too late."""
    by_attempt = Counter((body.attempt, body.pid) for body in group)
    repeated = len(group) - len({body.attempt for body in group})
    storm.duplicates += repeated
    storm.interrupted += sum(body.ended is None for body in group)
    if any(count > 1 for (_, pid), count in by_attempt.items() if pid not in late):
        storm.problems.append(f"{call}: one worker ran one attempt twice")
    in_time = [body for body in group if body.pid not in late]
    lived = [body for body in in_time[:-1] if body.pid not in stage.deaths]
    if any(body.attempt == in_time[-1].attempt for body in lived):
        storm.problems.append(f"{call}: repeated though the worker that ran it lived")
    if repeated and group[0].name == "launch":
        storm.problems.append(f"{call}: at most once, and run again")
    latest = None if recorded is None else recorded.at + stage.clock_error
    if latest is not None and any(body.begun_at > latest for body in group if body.pid not in late):
        storm.problems.append(f"{call}: run again after it was recorded")
    if recorded is not None and not any(body.ended and not body.raised for body in group):
        storm.problems.append(f"{call}: recorded, and no body of it ended")
    for before, after in pairwise(group):
        died = stage.deaths.get(before.pid)
        if died is not None and after.pid != before.pid:
            storm.slowest_recovery_ms = max(storm.slowest_recovery_ms, (after.begun - died) // 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--pauses", type=float, default=0.0, help="the share of kills that come with a stop")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which ends the workers too
    with tempfile.TemporaryDirectory() as folder:
        storm = run(
            Path(folder),
            seconds=arguments.seconds,
            workers=arguments.workers,
            seed=arguments.seed,
            pauses=arguments.pauses,
        )
    print(json.dumps(attrs.asdict(storm), indent=2))
    sys.exit(bool(storm.problems))


if __name__ == "__main__":
    main()
