"""Settings: the defaults, `[tool.romancy-lint]` of the closest pyproject.toml, and what the command line adds."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

DEFAULT_EXCLUDE = (
    ".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".romancy_lint_cache", "__pycache__", "__pypackages__", "node_modules", "site-packages", "build", "dist", ".eggs",
)  # fmt: skip
OUTPUT_FORMATS = ("full", "concise", "json", "json-lines", "github", "gitlab", "junit", "sarif")


class ConfigError(Exception):
    """A setting that cannot be followed; the message is one line for the user."""


@dataclass(frozen=True)
class Config:
    """Every setting, with its default."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    extend_exclude: tuple[str, ...] = ()
    src: tuple[str, ...] = (".", "src")
    cache_dir: str = ".romancy_lint_cache"
    output_format: str = "full"
    deterministic: tuple[str, ...] = ()
    nondeterministic: Mapping[str, str] = field(default_factory=dict)
    workflow_decorators: tuple[str, ...] = ()
    activity_decorators: tuple[str, ...] = ()
    root: Path = field(default_factory=Path.cwd)

    @property
    def words(self) -> tuple[bytes, ...]:
        """A module that holds none of these words defines no workflow."""
        decorators = (*self.workflow_decorators, *self.activity_decorators)
        return (b"romancy", *(name.partition(".")[0].encode() for name in decorators))


def load(start: Path, explicit: Path | None = None) -> Config:
    """The settings that hold in a folder: of the file named, or of the closest pyproject.toml with our table."""
    candidates = [explicit] if explicit else [folder / "pyproject.toml" for folder in (start, *start.parents)]
    for path in candidates:
        if path.is_file():
            table = _table(path)
            if table is not None:
                return _from_table(table, path)
            if explicit is None and (path.parent / ".git").exists():
                return Config(root=path.parent)
        elif explicit is not None:
            raise ConfigError(f"{path}: no such file")
    return Config(root=start)


def _table(path: Path) -> dict[str, Any] | None:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    tool = data.get("tool", {})
    table = tool.get("romancy-lint") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.romancy-lint] must be a table")
    return table


def _from_table(table: dict[str, Any], path: Path) -> Config:
    known = {f.name.replace("_", "-"): f.name for f in fields(Config) if f.name != "root"}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{path}: unknown setting `{key}`{suggestion(key, known)}")
        values[known[key]] = _checked(key, value, path)
    config = Config(root=path.parent, **values)
    check_codes(config, str(path))
    return config


def _checked(key: str, value: Any, path: Path) -> Any:
    if key in ("cache-dir", "output-format"):
        if not isinstance(value, str):
            raise ConfigError(f"{path}: `{key}` must be a string")
        if key == "output-format" and value not in OUTPUT_FORMATS:
            raise ConfigError(f"{path}: `{key}`: unknown output format `{value}`{suggestion(value, OUTPUT_FORMATS)}")
        return value
    if key == "per-file-ignores":
        if not isinstance(value, dict) or not all(_is_strings(codes) for codes in value.values()):
            raise ConfigError(f"{path}: `{key}` must map patterns to lists of codes")
        return {pattern: tuple(codes) for pattern, codes in value.items()}
    if key == "nondeterministic":
        return _nondeterministic(value, path)
    if not _is_strings(value):
        raise ConfigError(f"{path}: `{key}` must be a list of strings")
    return tuple(value)


def _nondeterministic(value: Any, path: Path) -> dict[str, str]:
    """Names alone belong to ROM202; a table says the rule of each."""
    if _is_strings(value):
        return dict.fromkeys(value, "ROM202")
    if isinstance(value, dict) and all(isinstance(code, str) for code in value.values()):
        return dict(value)
    raise ConfigError(f"{path}: `nondeterministic` must be a list of names or map names to codes")


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, when something is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


def check_codes(config: Config, origin: str) -> None:
    """Refuses codes and prefixes that no rule has."""
    from romancy_lint.rules import RULES

    codes = [rule.code for rule in RULES]
    for key, code in _named_codes(config):
        if code != "ALL" and not (code.startswith("ROM") and any(known.startswith(code) for known in codes)):
            raise ConfigError(f"{origin}: `{key}`: unknown rule `{code}`{suggestion(code, codes)}")


def _named_codes(config: Config) -> Iterator[tuple[str, str]]:
    """Every code that a setting names, with the setting."""
    lists = {"select": config.select, "ignore": config.ignore, "extend-select": config.extend_select}
    tables = {"per-file-ignores": chain.from_iterable(config.per_file_ignores.values())}
    for key, several in {**lists, **tables, "nondeterministic": config.nondeterministic.values()}.items():
        yield from ((key, code) for code in several)


def selected(config: Config) -> frozenset[str]:
    """The codes that are on."""
    from romancy_lint.rules import RULES

    def matching(prefixes: Iterable[str]) -> set[str]:
        return {r.code for r in RULES for p in prefixes if p == "ALL" or r.code.startswith(p)}

    on = matching(config.select) if config.select else {r.code for r in RULES if r.default}
    on |= matching(config.extend_select)
    off = {p: matching([p]) for p in config.ignore}
    exact = {p for p in (*config.select, *config.extend_select) if len(p) == len("ROM101")}
    for prefix, codes in off.items():
        on -= codes - (exact if len(prefix) < len("ROM101") else set())
    # What cannot be parsed was not checked: that is never left out by choosing other rules.
    return frozenset(on if "ROM000" in config.ignore else on | {"ROM000"})


def with_options(config: Config, **changes: Any) -> Config:
    """The settings with those that were given replaced."""
    return replace(config, **{key: value for key, value in changes.items() if value is not None})
