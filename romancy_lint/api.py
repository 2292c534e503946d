"""The linter as a library."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from romancy_lint.config import Config, check_codes, load
from romancy_lint.finding import Finding


def check(paths: Iterable[str | Path], config: Config | None = None) -> list[Finding]:
    """The findings of files and folders, sorted by path, row, column and code.

    Without a `config`, the settings of the closest pyproject.toml hold. Raises `ConfigError` for a path that does not
    exist and for settings that cannot be followed.
    """
    from romancy_lint.discovery import absolute, discover, named
    from romancy_lint.runner import run

    given = [Path(path) for path in paths]
    if config is None:
        first = absolute(given[0]) if given else Path.cwd()
        config = load(first if first.is_dir() else first.parent)
    check_codes(config, "config")
    return run(discover(given, config), config, named=named(given)).findings


def fix(source: str, *, unsafe: bool = False, filename: str = "workflow.py", config: Config | None = None) -> str:
    """The source with its fixable findings repaired; the same text when there is nothing to repair.

    `filename` says where the module lives, so that its imports of other modules are found. With `unsafe`, fixes that
    running instances may not replay are applied as well.
    """
    from romancy_lint.discovery import absolute
    from romancy_lint.fixes import fix_files

    path = absolute(Path(filename))
    done = fix_files([path], config or Config(), unsafe=unsafe, texts={path: source.encode()})
    return done.changed.get(path, source.encode()).decode()
