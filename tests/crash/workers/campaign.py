"""Plays the plans of many seeds until the time is up, and counts what happened in them."""

from __future__ import annotations

import time
from typing import Any

import attrs

from tests.crash.workers.judge import Violation
from tests.crash.workers.moves import drawn
from tests.crash.workers.world import Course, play


@attrs.define
class Report:
    """What a campaign did, and the seeds whose plans broke a promise."""

    seed: int
    schedules: int = 0
    course: Course = attrs.field(factory=Course)
    violations: dict[int, str] = attrs.field(factory=dict)
    seconds: float = 0.0

    def add(self, course: Course) -> None:
        """Count one plan."""
        self.schedules += 1
        for field in attrs.fields(Course):
            setattr(self.course, field.name, getattr(self.course, field.name) + getattr(course, field.name))

    def to_json(self) -> dict[str, Any]:
        """All of it, flat."""
        own = {"seed": self.seed, "schedules": self.schedules, "seconds": round(self.seconds, 1)}
        return {**own, **attrs.asdict(self.course), "violations": self.violations}


def run(seconds: float, seed: int, *, moves: int = 60, schedules: int | None = None) -> Report:
    """Play the plans of one seed after another.

    Args:
        seconds: no further one begins after so many.
        seed: the first.
        moves: how long a plan is.
        schedules: no more than so many.
    """
    report = Report(seed)
    began = time.monotonic()
    tried = 0
    while time.monotonic() < began + seconds and (schedules is None or tried < schedules):
        try:
            report.add(play(drawn(seed + tried, moves=moves)))
        except Violation as violation:
            report.violations[seed + tried] = str(violation)
        tried += 1
    report.seconds = time.monotonic() - began
    return report
