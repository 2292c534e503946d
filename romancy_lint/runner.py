"""From files to findings: prefilter, group what imports each other, analyse each group or take it from the cache."""

from __future__ import annotations

import fnmatch
import gc
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from romancy_lint import strangers, suppression
from romancy_lint.analysis.engine import Engine
from romancy_lint.cache import Cache, digest
from romancy_lint.config import Config, selected
from romancy_lint.finding import Finding
from romancy_lint.imports import closure
from romancy_lint.project import Project, shown
from romancy_lint.rules import RULES
from romancy_lint.source import DecodeError, decode, is_python, is_text

T = TypeVar("T")


@dataclass
class Report:
    """The findings of a run, and what the run looked at."""

    findings: list[Finding]
    files: int = 0
    silenced: int = 0
    paths: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Modules that have to be analysed together: those that mention the language, and all they import."""

    roots: tuple[Path, ...]
    files: tuple[Path, ...]


def run(
    files: list[Path],
    config: Config,
    *,
    cache: Cache | None = None,
    jobs: int = 1,
    texts: dict[Path, bytes] | None = None,
    named: frozenset[Path] = frozenset(),
) -> Report:
    """Checks files; the same findings in the same order for every number of jobs.

    Of those that do not mention the language, only the `named` ones are parsed: to look for others takes time.
    """
    return with_room(lambda: _run(files, config, cache or Cache(None), jobs, texts, named))


def with_room(work: Callable[[], T]) -> T:
    """Runs deep recursion where it cannot overflow: on a thread with a large stack."""
    result: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            result.append(work())
        except BaseException as error:
            failure.append(error)

    collected = gc.isenabled()
    gc.disable()  # syntax trees are millions of objects that live to the end: collecting them takes a third of the time
    limit, size = sys.getrecursionlimit(), threading.stack_size(512 * 1024 * 1024)
    sys.setrecursionlimit(max(limit, 30_000))
    try:
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
        if collected:
            gc.enable()
    if failure:
        raise failure[0]
    return result[0]


def _run(
    files: list[Path],
    config: Config,
    cache: Cache,
    jobs: int,
    texts: dict[Path, bytes] | None,
    named: frozenset[Path],
) -> Report:
    project = project_for(config, texts)
    roots = _prefiltered(files, project, config, named | frozenset(texts or ()))
    groups = _groups(project, roots, cache)
    on = selected(config)
    keys = [_key(project, group, config, on) for group in groups]
    known: list[Any] = [cache.get(key) for key in keys]
    todo = [n for n, entry in enumerate(known) if entry is None]
    for number, found in zip(todo, _analyse_all([groups[n] for n in todo], project, config, jobs), strict=True):
        known[number] = found
        cache.put(keys[number], found)
    findings = {Finding.from_dict(data): None for entry in known for data in entry}
    report = _finish(list(findings), project, groups, config, on, len(files))
    together = {shown(path): frozenset(group.files) for group in groups for path in group.files}
    report.findings = strangers.told(report.findings, files, together, project)
    return report


def project_for(config: Config, texts: dict[Path, bytes] | None = None) -> Project:
    return Project(config.root, [config.root / folder for folder in config.src], texts)


def _prefiltered(files: list[Path], project: Project, config: Config, named: frozenset[Path]) -> list[Path]:
    """The files that mention the language, and those that cannot be read."""
    words = config.words
    found = []
    for path in files:
        try:
            data = project.read(path)
        except OSError:
            found.append(path)
            continue
        if any(word in data for word in words) or not (is_python(data) if path in named else is_text(data)):
            found.append(path)
        else:
            project.forget(path)
    return found


def _groups(project: Project, roots: list[Path], cache: Cache) -> list[Group]:
    """Roots whose closures share a file belong together."""
    names_of = _cached_names(project, roots, cache)
    before = set(names_of)
    closures = {root: closure(project, root, names_of) for root in roots}
    if set(names_of) != before:
        _keep_names(project, names_of, cache)
    owner: dict[Path, int] = {}
    merged: dict[int, tuple[list[Path], set[Path]]] = {}
    for number, root in enumerate(roots):
        mine: tuple[list[Path], set[Path]] = ([root], set(closures[root]))
        for other in sorted({owner[path] for path in closures[root] if path in owner}):
            several, files = merged.pop(other)
            mine = ([*several, *mine[0]], mine[1] | files)
        merged[number] = mine
        owner.update(dict.fromkeys(mine[1], number))
    return [Group(tuple(sorted(r)), tuple(sorted(f))) for r, f in merged.values()]


def _cached_names(project: Project, roots: list[Path], cache: Cache) -> dict[Path, list[tuple[int, str]]]:
    """What files import, as far as their content was seen before."""
    kept = cache.get("imports")
    names_of: dict[Path, list[tuple[int, str]]] = {}
    if not isinstance(kept, dict):
        return names_of
    todo = list(roots)
    while todo:
        path = todo.pop()
        entry = kept.get(digest(_bytes(project, path)))
        if path in names_of or entry is None:
            continue
        names_of[path] = [(level, name) for level, name in entry]
        found = (project.find(path, name, level) for level, name in names_of[path])
        todo.extend(p for p in found if p is not None and p not in names_of)
    return names_of


def _keep_names(project: Project, names_of: dict[Path, list[tuple[int, str]]], cache: Cache) -> None:
    cache.put("imports", {digest(_bytes(project, path)): names for path, names in names_of.items()})


def _bytes(project: Project, path: Path) -> bytes:
    try:
        return project.read(path)
    except OSError:
        return b""


def _key(project: Project, group: Group, config: Config, on: frozenset[str]) -> str:
    settings = [
        sorted(on),
        list(config.deterministic),
        sorted(config.nondeterministic.items()),
        list(config.workflow_decorators),
        list(config.activity_decorators),
    ]
    files = [(shown(path), digest(_bytes(project, path))) for path in group.files]
    return digest(json.dumps([settings, files, [shown(r) for r in group.roots]]).encode())


def _analyse_all(groups: list[Group], project: Project, config: Config, jobs: int) -> list[list[dict[str, Any]]]:
    if jobs > 1 and len(groups) > 1:
        from concurrent.futures import ProcessPoolExecutor

        needed = [{path: _bytes(project, path) for path in group.files} for group in groups]
        with ProcessPoolExecutor(min(jobs, len(groups))) as pool:
            return list(pool.map(_analyse_apart, groups, needed, [config] * len(groups)))
    return [analyse(group, project, config) for group in groups]


def _analyse_apart(group: Group, texts: dict[Path, bytes], config: Config) -> list[dict[str, Any]]:
    return with_room(lambda: analyse(group, project_for(config, texts), config))


def analyse(group: Group, project: Project, config: Config) -> list[dict[str, Any]]:
    """The findings of one group, before suppressions, as plain data."""
    modules = [module for module in map(project.load, group.roots) if module is not None]
    for path in group.files:
        project.load(path)
    on = selected(config)
    engine = Engine(project, config, [rule for rule in RULES if rule.code in on])
    engine.group = frozenset(group.files)
    names = {shown(path) for path in group.files}
    found = engine.run(modules)
    broken = [finding for finding in project.broken if finding.filename in names]
    return [finding.to_dict() for finding in (*found, *broken)]


def _finish(
    findings: list[Finding], project: Project, groups: list[Group], config: Config, on: frozenset[str], files: int
) -> Report:
    paths = {shown(path): path for group in groups for path in group.files}
    texts = {}
    for filename, path in paths.items():
        try:
            texts[filename] = decode(_bytes(project, path))[0]
        except DecodeError:
            continue
    kept, silenced = suppression.apply(findings, texts, on)
    kept = [f for f in kept if f.code in on and not _ignored_in_file(f, paths.get(f.filename), config)]
    return Report(kept, files, silenced, paths)


def _ignored_in_file(finding: Finding, path: Path | None, config: Config) -> bool:
    for pattern, codes in config.per_file_ignores.items():
        relative = path.relative_to(config.root).as_posix() if path and path.is_relative_to(config.root) else ""
        names = (finding.filename, relative, finding.filename.rpartition("/")[2])
        matches = any(fnmatch.fnmatch(name, pattern) for name in names)
        if matches and any(code == "ALL" or finding.code.startswith(code) for code in codes):
            return True
    return False
