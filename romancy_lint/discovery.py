"""Which files are looked at: arguments, `exclude` and `.gitignore`, in a fixed order."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from romancy_lint.config import DEFAULT_EXCLUDE, Config, ConfigError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


def discover(paths: list[Path], config: Config) -> list[Path]:
    """The Python files below some paths, sorted; what the project excludes is left out though it is named."""
    found: dict[Path, None] = {}
    patterns = (*config.exclude, *config.extend_exclude)
    own = tuple(pattern for pattern in patterns if pattern not in DEFAULT_EXCLUDE)
    for path in paths:
        if path.is_file() and path.suffix == ".ipynb":
            raise ConfigError(f"{path}: notebooks are not read, only Python files")
        if path.is_file():
            if not _excluded_by_name(absolute(path), config.root, own):
                found[absolute(path)] = None
        elif path.is_dir():
            found.update(dict.fromkeys(_walk(absolute(path), config.root, patterns)))
        else:
            raise ConfigError(f"{path}: no such file or folder")
    return sorted(found)


def absolute(path: Path) -> Path:
    return Path(os.path.normpath(Path.cwd() / path))


def named(paths: Iterable[Path]) -> frozenset[Path]:
    """Those of some paths that are files."""
    return frozenset(absolute(path) for path in paths if path.is_file())


def _walk(top: Path, root: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    ignores = [spec for folder in reversed((top, *top.parents)) if (spec := _gitignore(folder)) is not None]
    repository = next((p for p in (top, *top.parents) if (p / ".git").exists()), top)
    ignores = [pair for pair in ignores if pair[0].is_relative_to(repository)]
    todo = [(top, ignores)]
    while todo:
        folder, specs = todo.pop()
        own = _gitignore(folder) if folder != top else None
        specs = [*specs, own] if own else specs
        with os.scandir(folder) as entries:
            for entry in entries:
                path = Path(entry.path)
                is_dir = entry.is_dir(follow_symlinks=False)
                if not is_dir and not entry.name.endswith((".py", ".pyw")):
                    continue
                if excluded(path, root, patterns) or _ignored(path, is_dir, specs):
                    continue
                if is_dir:
                    todo.append((path, specs))
                else:
                    yield path


def _excluded_by_name(path: Path, root: Path, patterns: tuple[str, ...]) -> bool:
    folders = (folder for folder in path.parents if folder != root and folder.is_relative_to(root))
    return any(excluded(part, root, patterns) for part in (path, *folders))


def excluded(path: Path, root: Path, patterns: tuple[str, ...]) -> bool:
    """Whether a name, or the path from the root of the project, matches a pattern."""
    relative = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    return any(
        path.name == p or fnmatch.fnmatch(path.name, p) or fnmatch.fnmatch(relative, p) or relative == p.rstrip("/")
        for p in patterns
    )


def _gitignore(folder: Path) -> tuple[Path, GitIgnoreSpec] | None:
    path = folder / ".gitignore"
    if not path.is_file():
        return None
    from pathspec import GitIgnoreSpec

    return folder, GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8", errors="replace").splitlines())


def _ignored(path: Path, is_dir: bool, specs: list[tuple[Path, GitIgnoreSpec]]) -> bool:
    """The closest `.gitignore` that has an opinion decides."""
    for folder, spec in reversed(specs):
        relative = path.relative_to(folder).as_posix() + ("/" if is_dir else "")
        verdict = spec.check_file(relative).include
        if verdict is not None:
            return bool(verdict)
    return False
