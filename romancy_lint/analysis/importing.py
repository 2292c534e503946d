"""What import statements bind: modules of the project, their names and submodules, names from outside."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import Module
from romancy_lint.analysis.values import UNKNOWN, External, ModuleValue, Value
from romancy_lint.names.language import PACKAGE, PUBLIC
from romancy_lint.names.sources import CALLED, READ
from romancy_lint.names.table import canonical

if TYPE_CHECKING:
    from romancy_lint.analysis.engine import Engine

BUILTINS = frozenset(dir(builtins))


class Importing:
    """Follows imports."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.project = engine.project

    def import_name(self, module: Module, node: ast.Import | ast.ImportFrom, name: str) -> Value:
        """What an import statement binds to a name."""
        for alias in node.names:
            bound = alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0])
            if bound != name:
                continue
            if isinstance(node, ast.Import):
                target = alias.name if alias.asname else alias.name.partition(".")[0]
                return self.import_module(module, target)
            return self.import_from(module, ("." * node.level) + (node.module or ""), alias.name)
        return UNKNOWN

    def import_from(self, module: Module, base: str, name: str) -> Value:
        """What `from base import name` binds."""
        if base == PACKAGE or base.startswith(PACKAGE + "."):
            return External(f"{PACKAGE}.{name}")
        target = self.import_module(module, base)
        if isinstance(target, ModuleValue):
            found = self.module_name(target.module, name) if target.module is not module else None
            if found is not None:
                return found
        below = base + name if base.endswith(".") else f"{base}.{name}"
        path = self._find(module, below)
        if path is not None:
            loaded = self.project.load(path)
            return ModuleValue(loaded) if loaded else UNKNOWN
        return self.external(f"{target.name}.{name}") if isinstance(target, External) else UNKNOWN

    def import_module(self, module: Module, dotted: str) -> Value:
        """The module that a dotted (or relative) name means in `module`."""
        path = self._find(module, dotted)
        if path is not None:
            loaded = self.project.load(path)
            return ModuleValue(loaded) if loaded else UNKNOWN
        return UNKNOWN if dotted.startswith(".") else self.external(dotted)

    def _find(self, module: Module, dotted: str) -> Path | None:
        level = len(dotted) - len(dotted.lstrip("."))
        return self.project.find(module.path, dotted.lstrip("."), level)

    def submodule(self, module: Module, name: str) -> Value | None:
        """The submodule of a package, reached as an attribute."""
        if not module.is_package:
            return None
        path = self.project.find(module.path, name, 1)
        loaded = self.project.load(path) if path else None
        return ModuleValue(loaded) if loaded else None

    def external(self, name: str) -> Value:
        return External(canonical(name))

    def external_attribute(self, module: Module, name: str) -> Value:
        """An attribute of an external name; a namespace package of the project is found on the way."""
        path = self.project.find(module.path, name)
        if path is not None and not name.startswith(PACKAGE):
            loaded = self.project.load(path)
            return ModuleValue(loaded) if loaded else UNKNOWN
        return self.external(name)

    # -- what the other mixins bring -------------------------------------------------------------------------------
    def module_name(self, module: Module, name: str, types: bool = False) -> Value | None:
        raise NotImplementedError


def star_exports(module: str, name: str, sure: bool = False) -> bool:
    """Whether `from module import *` of a standard module that the tables speak of would bind a name."""
    if name.startswith("_"):
        return False
    full = canonical(f"{module}.{name}")
    if module == PACKAGE:
        return name in PUBLIC
    for rows in (*CALLED.values(), *READ.values()):
        for row in rows:
            if row == full or row.startswith(full + ".") or (row == f"{module}.*" and not sure):
                return name not in BUILTINS or row == full
    return False
