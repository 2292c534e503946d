"""Where modules live: which file an import means, and the parsed modules of one run."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from romancy_lint.analysis.model import Module
from romancy_lint.finding import Finding, Place
from romancy_lint.source import DecodeError, Source, decode

_STDLIB = sys.stdlib_module_names
_BUILTIN = frozenset(sys.builtin_module_names)


class Project:
    """The first-party modules that imports can reach, parsed once each and only when asked for."""

    def __init__(self, root: Path, roots: Iterable[Path] = (), texts: dict[Path, bytes] | None = None) -> None:
        self.root = root
        self.roots = tuple(roots)
        self.texts = {} if texts is None else texts
        self._given = frozenset(self.texts)
        self._virtual = _folders(self.texts)
        self.modules: dict[Path, Module | None] = {}
        self.broken: list[Finding] = []
        self._listings: dict[str, frozenset[str]] = {}
        self._found: dict[tuple[str, str], Path | None] = {}

    def read(self, path: Path) -> bytes:
        """The bytes of a file, from memory where the caller gave them."""
        if path not in self.texts:
            self.texts[path] = path.read_bytes()
        return self.texts[path]

    def forget(self, path: Path) -> None:
        """Drops the bytes of a file that turned out not to matter."""
        if path not in self._given:
            self.texts.pop(path, None)

    def load(self, path: Path) -> Module | None:
        """The parsed module of a file; None, and a finding, when it cannot be parsed."""
        if path not in self.modules:
            self.modules[path] = self._parse(path)
        return self.modules[path]

    def too_deep(self, module: Module, node: ast.AST) -> None:
        """Notes an expression that is nested too deeply to be followed; nothing is skipped in silence."""
        place = module.source.place(node)
        place = Place(place.row, place.column, place.row, place.column)
        finding = Finding(module.filename, place, "ROM000", "syntax-error", "nested too deeply to be followed")
        if finding not in self.broken:
            self.broken.append(finding)

    def _parse(self, path: Path) -> Module | None:
        filename = shown(path)
        try:
            text, _ = decode(self.read(path))
            source = Source(text, filename)
        except (SyntaxError, DecodeError, ValueError, RecursionError, MemoryError, OSError) as error:
            self.broken.append(_syntax_error(filename, error))
            return None
        name = path.parent.name if path.name == "__init__.py" else path.stem
        return Module(self._dotted(path, name), path, source, path.name == "__init__.py")

    def _dotted(self, path: Path, name: str) -> str:
        folder = path.parent.parent if path.name == "__init__.py" else path.parent
        while self._has(str(folder), "__init__.py") and folder != folder.parent:
            name = f"{folder.name}.{name}"
            folder = folder.parent
        return name

    def find(self, importer: Path, dotted: str, level: int = 0) -> Path | None:
        """The file that `import dotted` means in `importer`, when the project holds it."""
        if level:
            base = importer.parent
            for _ in range(level - 1):
                base = base.parent
            return self._locate(str(base), dotted)
        key = (str(importer.parent), dotted)
        if key not in self._found:
            self._found[key] = self._search(importer, dotted)
        return self._found[key]

    def _search(self, importer: Path, dotted: str) -> Path | None:
        head = dotted.partition(".")[0]
        if head in _BUILTIN or head in ("romancy", "romancy_lint"):
            return None
        own = importer.parent
        while self._has(str(own), "__init__.py") and own != own.parent:
            own = own.parent
        candidates = [own, *self.roots]
        if head not in _STDLIB and own.is_relative_to(self.root):
            candidates += [p for p in own.parents if p.is_relative_to(self.root)]
        for root in dict.fromkeys(candidates):
            found = self._locate(str(root), dotted)
            if found is not None:
                return found
        return None

    def _locate(self, base: str, dotted: str) -> Path | None:
        parts = dotted.split(".") if dotted else []
        folder = base
        for part in parts[:-1]:
            if not self._has(folder, part):
                return None
            folder = f"{folder}/{part}"
        if not parts:
            return Path(folder, "__init__.py") if self._has(folder, "__init__.py") else None
        last = parts[-1]
        if self._has(folder, last) and self._has(f"{folder}/{last}", "__init__.py"):
            return Path(folder, last, "__init__.py")
        if self._has(folder, f"{last}.py"):
            return Path(folder, f"{last}.py")
        return None

    def _has(self, folder: str, name: str) -> bool:
        return name in self._listing(folder)

    def _listing(self, folder: str) -> frozenset[str]:
        if folder not in self._listings:
            try:
                names = frozenset(os.listdir(folder))  # noqa: PTH208 - strings, since thousands are compared
            except OSError:
                names = frozenset()
            self._listings[folder] = names | self._virtual.get(folder, frozenset())
        return self._listings[folder]


def _folders(paths: Iterable[Path]) -> dict[str, frozenset[str]]:
    """What files that only exist in memory add to their folders."""
    found: dict[str, set[str]] = {}
    for path in paths:
        for child in (path, *path.parents):
            found.setdefault(str(child.parent), set()).add(child.name)
    return {folder: frozenset(names) for folder, names in found.items()}


def shown(path: Path) -> str:
    """A path as findings name it: relative to the current folder where it lies below it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _syntax_error(filename: str, error: Exception) -> Finding:
    row, column, message = 1, 1, f"file {error}"
    if isinstance(error, SyntaxError):
        row, column, message = error.lineno or 1, max(error.offset or 1, 1), f"syntax error: {error.msg}"
    elif isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        message = f"syntax error: {error}"
    elif isinstance(error, RecursionError | MemoryError):
        message = "syntax error: nested too deeply to be parsed"
    elif isinstance(error, OSError):
        message = f"cannot be read: {error.strerror}"
    return Finding(filename, Place(row, column, row, column), "ROM000", "syntax-error", message)
