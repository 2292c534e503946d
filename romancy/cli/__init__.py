"""The command line, `romancy`; its commands stand in `working` and `reading`."""

from romancy.cli import reading, working
from romancy.cli.group import main

__all__ = ["main", "reading", "working"]
