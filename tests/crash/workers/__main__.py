"""`python -m tests.crash.workers`: random schedules of several workers on one file, for as long as there is time."""

from __future__ import annotations

import argparse
import json
import sys

from tests.crash.workers.campaign import Report, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.workers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=1, help="the first plan; a violation names its own")
    parser.add_argument("--schedules", type=int, help="how many plans at most; 1 plays a seed again")
    parser.add_argument("--moves", type=int, default=60, help="how long a plan is")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    given = parser.parse_args()
    report = run(given.seconds, given.seed, moves=given.moves, schedules=given.schedules)
    print(json.dumps(report.to_json()) if given.json else told(report))
    return 1 if report.violations else 0


def told(report: Report) -> str:
    """The figures, for people."""
    course = report.course
    lines = [
        f"{report.schedules} schedules from seed {report.seed} on in {report.seconds:.0f} s came to their right end: "
        f"{course.instances} instances, {course.commits} commits",
        f"{course.boundaries} boundaries, {course.hand_overs} hand-overs, {course.waits} waits for a lock",
        f"{course.kills} processes killed, {course.closes} closed and {course.restarts} begun again, "
        f"{course.skews} clocks set, {course.faults} statements failed, {course.gave_up} workers gave up",
        f"{course.taken_over} leases taken over, {course.lost} of them from workers that lived",
        f"{course.bodies} bodies of activities, {course.repeated} of them repeated what was in flight",
    ]
    lines += [f"seed {seed}: {violation}" for seed, violation in report.violations.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
