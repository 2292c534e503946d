"""The command line, `romancy`; its commands stand in `working`, `reading` and `checking`."""

from romancy.cli import checking, reading, working
from romancy.cli.group import main

__all__ = ["checking", "main", "reading", "working"]
