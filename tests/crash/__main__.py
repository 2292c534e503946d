"""How Romancy is tested, in figures: `python -m tests.crash` runs what CI runs, `--seconds 600` draws more.

python -m tests.crash                          # as in CI, and fails below its least figures
python -m tests.crash --seconds 600 --seed 7   # other programs, cuts, kills and schedules until the time is over
python -m tests.crash --coverage               # and the branch coverage of kernel and store
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice

import attrs

from tests.crash.coverage import branches_covered
from tests.crash.figures import COUNT_OF_CANARIES, Found, Piece, drawn

PIECES = {"canaries": COUNT_OF_CANARIES, "images": 32, "kills": 3, "faults": 3, "power": 5, "schedules": 10}
"""How many pieces of each part CI runs; the long ones begin first."""
LEAST = {"crash points": 20_000, "power cuts": 1_000, "kills": 100, "runs with faults": 300, "schedules": 150}


def main() -> int:
    """Print the figures, and what was wrong; exit with 1 where anything was."""
    given = _arguments()
    begun = time.monotonic()
    pieces: Iterable[Piece] = _of_ci() if given.seconds is None else drawn(given.seed)
    until = None if given.seconds is None else begun + given.seconds
    found = _all(pieces, given.jobs, until)
    if given.seconds is None:
        found.problems += [
            f"too few: {found.counts[name]:,} {name}, and {least:,} are asked for"
            for name, least in LEAST.items()
            if found.counts[name] < least
        ]
    coverage = branches_covered() if given.coverage else {}
    seconds = time.monotonic() - begun
    print(_as_json(found, coverage, seconds) if given.json else told(found, coverage, seconds))
    return 1 if found.problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, help="go on for so long, with pieces drawn from the seed")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at work side by side")
    parser.add_argument("--coverage", action="store_true", help="measure branch coverage, too: some minutes more")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    return parser.parse_args()


def _of_ci() -> Iterator[Piece]:
    for part, count in PIECES.items():
        for number in range(count):
            yield Piece(part, number)


def _all(pieces: Iterable[Piece], jobs: int, until: float | None) -> Found:
    """Do the pieces side by side, as long as there is time, and add up what they found."""
    found, waiting = Found(), iter(pieces)
    with ProcessPoolExecutor(jobs) as pool:
        under_way: set[Future[Found]] = {pool.submit(piece.done) for piece in islice(waiting, jobs)}
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for each in done:
                _progress(found, each.result())
                if until is None or time.monotonic() < until:
                    under_way |= {pool.submit(piece.done) for piece in islice(waiting, 1)}
    return found


def _progress(found: Found, more: Found) -> None:
    found.add(more)
    for problem in more.problems:
        print(problem, file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        told = f"{found.counts['crash points']:,} crash points, {found.counts['power cuts']:,} power cuts"
        print(f"\r{told}, {len(found.canaries)} canaries ", end="", file=sys.stderr, flush=True)


def told(found: Found, coverage: dict[str, float], seconds: float) -> str:
    """The figures, for people."""
    rows = [(f"{count:,}", name) for name, count in sorted(found.counts.items())]
    if found.canaries:
        rows.append((f"{len(found.canaries)} of {COUNT_OF_CANARIES}", "canaries noticed"))
    rows += [(f"{share:.1%}", f"of the branches of {name} taken") for name, share in coverage.items()]
    rows += [(f"{seconds:.0f} s", "in all"), (str(len(found.problems)), "problems")]
    width = max(len(figure) for figure, _ in rows)
    lines = [f"{figure.rjust(width)}  {name}" for figure, name in rows]
    lines += [f"  {name}: noticed by {by!r}" for name, by in sorted(found.canaries.items())]
    return "\n".join([*lines, *found.problems])


def _as_json(found: Found, coverage: dict[str, float], seconds: float) -> str:
    return json.dumps({**attrs.asdict(found), "coverage": coverage, "seconds": round(seconds, 1)}, indent=2)


if __name__ == "__main__":
    sys.exit(main())
