"""What the names of a module mean, however they got their values."""

from __future__ import annotations

import ast

from romancy_lint.analysis.classes import Classes
from romancy_lint.analysis.importing import star_exports
from romancy_lint.analysis.model import Binding, Module
from romancy_lint.analysis.values import (
    UNKNOWN,
    Class,
    Constant,
    External,
    Function,
    Global,
    ModuleValue,
    Unknown,
    Value,
    strip,
    union,
)

_FIXED = (External, Class, Function, ModuleValue, Constant)


class Resolver(Classes):
    """Answers what a name of a module, an attribute of a class or an annotation stands for."""

    def module_name(self, module: Module, name: str, types: bool = False) -> Value | None:
        """The value of a top-level name; None when the module does not bind it."""
        if name in module.values and not types:
            return module.values[name]
        bindings = [b for b in module.bindings.get(name, ()) if types or not b.type_only]
        last = max((getattr(b.node, "lineno", 0) for b in bindings), default=0)
        if any(star.lineno > last for star in module.stars):
            found = self._from_stars(module, name, last)
            if found is not None or not bindings:
                module.values[name] = found
                return found
        if not bindings:
            module.values[name] = None
            return None
        module.values[name] = UNKNOWN
        value = self.binding_value(module, name, bindings)
        module.values[name] = value
        return value

    def _from_stars(self, module: Module, name: str, after: int) -> Value | None:
        """What the last `import *` below a line brings under a name."""
        if name.startswith("__"):
            return None
        for statement in sorted(module.stars, key=lambda star: -star.lineno):
            if statement.lineno <= after:
                break
            base = ("." * statement.level) + (statement.module or "")
            target = self.import_module(module, base)
            if isinstance(target, ModuleValue):
                if target.module is not module and not name.startswith("_"):
                    found = self.module_name(target.module, name)
                    if found is not None:
                        return found
            elif isinstance(target, External) and star_exports(target.name, name, sure=after > 0):
                return self.external(f"{target.name}.{name}")
        return None

    def binding_value(self, module: Module, name: str, bindings: list[Binding]) -> Value:
        definitions = [b for b in bindings if not _is_overload(b.node)]
        values = [self._one_binding(module, name, b) for b in definitions or bindings]
        known = [v for v in values if not isinstance(v, Unknown) and not (isinstance(v, Constant) and v.value is None)]
        if known and isinstance(bindings[-1].node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            alike = len(set(map(type, known))) == 1
            value = union(values[_last_certain(module, definitions or bindings) :] if alike else known)
        else:
            value = union(known) if known else (values[-1] if values else UNKNOWN)
        is_variable = any(isinstance(b.node, ast.Assign | ast.AnnAssign | ast.AugAssign) for b in bindings)
        if is_variable and not isinstance(value, _FIXED):
            return Global(strip(value), module, name)
        return value

    def _one_binding(self, module: Module, name: str, binding: Binding) -> Value:
        node = binding.node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return self.function_value(module.function(node))
            case ast.ClassDef():
                return Class(module.class_(node))
            case ast.Import() | ast.ImportFrom():
                return self.import_name(module, node, name)
            case ast.AnnAssign(annotation=annotation, value=value):
                inferred = UNKNOWN if value is None else self.at_import(module, value)
                declared = self.annotation(module, annotation)
                return declared if isinstance(inferred, Unknown) else inferred
            case ast.With() | ast.AsyncWith() | ast.For() | ast.AsyncFor() | ast.AugAssign():
                return UNKNOWN
        return UNKNOWN if binding.value is None else self.at_import(module, binding.value)

    def at_import(self, module: Module, node: ast.expr) -> Value:
        """The value of an expression that is evaluated when its module is imported."""
        frame = self.engine.frames.of_module(module)
        try:
            value = frame.eval(node)
        except RecursionError:
            self.project.too_deep(module, node)
            return UNKNOWN
        if frame.taints:
            self.engine.import_taints[id(node)] = frame.taints[0]
        return value


def _last_certain(module: Module, bindings: list[Binding]) -> int:
    """Which definition replaces all before it: those in branches leave what the other branch defined."""
    certain = {id(statement) for statement in module.source.tree.body}
    return max((n for n, binding in enumerate(bindings) if id(binding.node) in certain), default=0)


def _is_overload(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        (isinstance(d, ast.Name) and d.id == "overload") or (isinstance(d, ast.Attribute) and d.attr == "overload")
        for d in node.decorator_list
    )
