"""The figures of power cuts, which add up."""

from __future__ import annotations

import attrs


@attrs.define
class PowerReport:
    """What a campaign did, and what it found.

    Attributes:
        runs: runs of a script whose journal was cut.
        places: at which the power was cut: after a write, a truncation, a sync, a link, an unlink or a fact that got
            out.
        images: what the disk may have kept, drawn there; alike ones are counted each time, and judged each time.
        recovered: the distinct ones, each taken up by a fresh engine and run to the end.
        second: those of them that a cut during a recovery left.
        tails: images whose write-ahead log was torn or overwritten in its last transaction, synced or not.
        seconds: how long it took.
        faults: what was wrong, with the place and the way to see it again.
    """

    runs: int = 0
    places: int = 0
    images: int = 0
    recovered: int = 0
    second: int = 0
    tails: int = 0
    seconds: float = 0.0
    faults: list[str] = attrs.field(factory=list)

    def add(self, other: PowerReport) -> None:
        """Add the figures of another campaign to these."""
        for field in attrs.fields(PowerReport):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def __str__(self) -> str:
        return (
            f"{self.runs} runs cut at {self.places} places: {self.images} images drawn, {self.recovered} distinct ones "
            f"recovered ({self.second} after a second cut), {self.tails} torn tails; "
            f"{self.recovered / self.seconds:.0f} a second for {self.seconds:.0f} s; faults: {len(self.faults)}"
        )
