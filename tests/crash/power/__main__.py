"""`python -m tests.crash.power --seconds 60 --seed 1`: cut the power for a while, and say what came of it."""

from __future__ import annotations

import argparse
import json
import logging
import sys

import attrs

from tests.crash.power.campaign import cut_power


def main() -> int:
    """Print the figures, and each fault; exit with 1 where there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.power", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; the next ones follow (1)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    logging.getLogger("romancy").setLevel(logging.CRITICAL)  # workers that are gone are what this is about
    report = cut_power(options.seconds, options.seed)
    if options.json:
        print(json.dumps(attrs.asdict(report)))
    else:
        print("\n".join([*report.faults, str(report)]))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
