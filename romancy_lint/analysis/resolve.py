"""What names mean: through imports and re-exports, in classes, in annotations, behind decorators."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator as Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import Binding, ClassNode, FunctionNode, Marks, Module
from romancy_lint.analysis.scope import own_nodes
from romancy_lint.analysis.values import (
    UNKNOWN,
    Class,
    Constant,
    Container,
    External,
    Function,
    Global,
    Instance,
    ModuleValue,
    Object,
    SetValue,
    Unknown,
    Value,
    join,
    options,
    strip,
    union,
)
from romancy_lint.names.language import PACKAGE, PUBLIC
from romancy_lint.names.sources import CALLED, READ
from romancy_lint.names.table import canonical
from romancy_lint.names.types import COMPARABLE

if TYPE_CHECKING:
    from romancy_lint.analysis.engine import Engine

BUILTINS = frozenset(dir(builtins))
_FIXED = (External, Class, Function, ModuleValue, Constant)
_TRANSPARENT_GENERICS = ("Optional", "Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly")
_SEQUENCES = ("list", "List", "Sequence", "Iterable", "Collection", "MutableSequence", "Iterator", "tuple", "Tuple")
_MAPPINGS = ("dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "OrderedDict")


class Resolver:
    """Answers what a name of a module, an attribute of a class or an annotation stands for."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.project = engine.project

    # -- modules ---------------------------------------------------------------------------------------------------
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
        value = self._binding_value(module, name, bindings)
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

    def _binding_value(self, module: Module, name: str, bindings: list[Binding]) -> Value:
        definitions = [b for b in bindings if not _is_overload(b.node)]
        values = [self._one_binding(module, name, b) for b in definitions or bindings]
        known = [v for v in values if not isinstance(v, Unknown) and not (isinstance(v, Constant) and v.value is None)]
        if known and isinstance(bindings[-1].node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            value = values[-1] if len(set(map(type, known))) == 1 else union(known)
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
        frame = self.engine.import_frame(module)
        try:
            value = frame.eval(node)
        except RecursionError:
            self.project.too_deep(module, node)
            return UNKNOWN
        if frame.taints:
            self.engine.import_taints[id(node)] = frame.taints[0]
        return value

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

    # -- functions and decorators ----------------------------------------------------------------------------------
    def function_value(self, node: FunctionNode, env: object = None) -> Value:
        """A function as its decorators leave it."""
        plain = Function(node, env)  # type: ignore[arg-type]
        if isinstance(node.node, ast.Lambda) or not node.node.decorator_list:
            node.marks = node.marks or Marks(value=plain)
            return plain
        if node.marks is not None and env is None:
            return node.marks.value
        if node.marks is None:
            node.marks = Marks(value=plain)
        value: Value = plain
        for decorator in reversed(node.node.decorator_list):
            value = self._decorated(node, value, decorator, env)
        if env is None:
            node.marks.value = value
        return value

    def _decorated(self, node: FunctionNode, value: Value, decorator: ast.expr, env: object) -> Value:
        marks = node.marks
        assert marks is not None
        called = isinstance(decorator, ast.Call)
        frame = self.engine.import_frame(node.module, env)
        target = strip(frame.eval(decorator.func if isinstance(decorator, ast.Call) else decorator))
        if isinstance(target, External):
            self._mark(marks, target.name, decorator)
            return value
        if isinstance(target, Function | Class) and not isinstance(target, Class):
            applied = frame.eval(decorator) if called else target
            result = frame.apply(applied, decorator, [value], {})
            return value if isinstance(result, Unknown) or marks.kind else result
        return value

    def _mark(self, marks: Marks, name: str, decorator: ast.expr) -> None:
        last = name.rpartition(".")[2]
        kind = self.engine.decorator_kind(name)
        if kind is not None:
            marks.kind, marks.decorator = kind, decorator
            if isinstance(decorator, ast.Call):
                marks.options = {k.arg: k.value for k in decorator.keywords if k.arg}
        elif name in ("builtins.property", "functools.cached_property", "abc.abstractproperty"):
            marks.is_property = True
        elif name in ("builtins.staticmethod", "builtins.classmethod"):
            marks.is_static, marks.is_class = last == "staticmethod", last == "classmethod"
        elif name in ("contextlib.contextmanager", "contextlib.asynccontextmanager"):
            marks.is_context = True

    def marks(self, node: FunctionNode) -> Marks:
        """The marks of a function, after its decorators were looked at."""
        if node.marks is None:
            self.function_value(node)
        assert node.marks is not None
        return node.marks

    # -- classes ---------------------------------------------------------------------------------------------------
    def lineage(self, node: ClassNode) -> Iterable[ClassNode | External | Unknown]:
        """The class and its bases, near ones first."""
        seen: set[int] = set()
        todo: list[ClassNode | External | Unknown] = [node]
        while todo:
            current = todo.pop(0)
            if id(current) in seen:
                continue
            seen.add(id(current))
            yield current
            if isinstance(current, ClassNode):
                todo.extend(self._bases(current))

    def _bases(self, node: ClassNode) -> list[ClassNode | External | Unknown]:
        found: list[ClassNode | External | Unknown] = []
        for base in node.node.bases:
            expression = base.value if isinstance(base, ast.Subscript) else base
            value = strip(self.at_import(node.module, expression))
            if isinstance(value, Class):
                found.append(value.node)
            elif isinstance(value, External):
                found.append(value)
            else:
                found.append(UNKNOWN)
        return found

    def class_attribute(self, node: ClassNode, name: str, receiver: Value) -> Value | None:
        """A method or class attribute through the bases; bound to the receiver where it is a method."""
        for current in self.lineage(node):
            if isinstance(current, Unknown):
                return UNKNOWN
            if isinstance(current, External):
                if current.name in ("builtins.object", "abc.ABC") or current.name.startswith(("typing.", "enum.")):
                    continue
                return self.external(f"{current.name}.{name}")
            if name in current.bindings:
                return self._class_binding(current, name, receiver)
            if name in current.annotations and isinstance(receiver, Object | Global):
                return self.annotation(current.module, current.annotations[name])
        return None

    def _class_binding(self, node: ClassNode, name: str, receiver: Value) -> Value:
        binding = node.bindings[name][-1]
        definition = binding.node
        if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.module.function(definition, node)
            value = self.function_value(function)
            return bind(value, receiver, self.marks(function))
        if isinstance(definition, ast.ClassDef):
            return Class(node.module.class_(definition))
        declared = definition.annotation if isinstance(definition, ast.AnnAssign) else None
        if binding.value is None:
            return UNKNOWN if isinstance(receiver, Class) else self.annotation(node.module, declared)
        value = self.at_import(node.module, binding.value)
        if declared is not None and _says_nothing(value):
            return self.annotation(node.module, declared)
        if isinstance(strip(value), Function) and isinstance(receiver, Object):
            return bind(strip(value), receiver, Marks())
        return value

    def instance_attribute(self, node: ClassNode, name: str) -> Value:
        """What the methods of a class assign to `self.name`."""
        self._scan(node)
        value: Value = UNKNOWN
        for current in self.lineage(node):
            if isinstance(current, ClassNode):
                self._scan(current)
                value = join(value, current.attributes.get(name, UNKNOWN))
        return value

    def _scan(self, node: ClassNode) -> None:
        if node.scanned:
            return
        node.scanned = True
        for statement in node.node.body:
            if isinstance(statement, ast.FunctionDef) and statement.args.args:
                self._scan_method(node, node.module.function(statement, node))

    def _scan_method(self, node: ClassNode, method: FunctionNode) -> None:
        own = method.parameters[0].arg
        frame = None
        for part in own_nodes(method.body):
            target: ast.expr | None = part.target if isinstance(part, ast.AnnAssign) else None
            if isinstance(part, ast.Assign) and len(part.targets) == 1:
                target = part.targets[0]
            if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)):
                continue
            if target.value.id != own:
                continue
            frame = frame or self.engine.method_frame(method)
            assert isinstance(part, ast.Assign | ast.AnnAssign)
            value = UNKNOWN if part.value is None else frame.eval(part.value)
            if isinstance(part, ast.AnnAssign) and isinstance(value, Unknown):
                value = self.annotation(node.module, part.annotation)
            node.attributes[target.attr] = join(node.attributes.get(target.attr, UNKNOWN), value)

    def is_subclass(self, node: ClassNode, name: str) -> bool:
        """Whether one of the external bases of a class has this name."""
        return any(isinstance(base, External) and base.name == name for base in self.lineage(node))

    def defines(self, node: ClassNode, *names: str) -> bool:
        """Whether a class, a base of the project or an unknown base defines one of the names."""
        return any(
            isinstance(c, Unknown) or (isinstance(c, ClassNode) and any(n in c.bindings for n in names))
            for c in self.lineage(node)
        )

    # -- annotations -----------------------------------------------------------------------------------------------
    def annotation(self, module: Module, node: ast.expr | None) -> Value:
        """An instance of what an annotation names."""
        match node:
            case ast.Constant(value=str(text)):
                try:
                    return self.annotation(module, ast.parse(text, mode="eval").body)
                except (SyntaxError, ValueError, RecursionError):
                    return UNKNOWN
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return _either([self.annotation(module, left), self.annotation(module, right)], _is_none(left, right))
            case ast.Subscript(value=value, slice=index):
                return self._generic(module, value, index)
            case ast.Name() | ast.Attribute():
                return instance_of(self.type_value(module, node))
        return UNKNOWN

    def type_value(self, module: Module, node: ast.expr) -> Value:
        """What a type expression names, `TYPE_CHECKING` imports included."""
        if isinstance(node, ast.Attribute):
            base = strip(self.type_value(module, node.value))
            if isinstance(base, ModuleValue):
                return self.module_name(base.module, node.attr) or UNKNOWN
            return (
                self.external_attribute(module, f"{base.name}.{node.attr}") if isinstance(base, External) else UNKNOWN
            )
        if isinstance(node, ast.Name):
            if node.id in module.bindings and all(b.type_only for b in module.bindings[node.id]):
                return self._binding_value(module, node.id, module.bindings[node.id])
            value = self.module_name(module, node.id)
            if value is not None:
                return strip(value)
            return External(f"builtins.{node.id}") if node.id in BUILTINS else UNKNOWN
        return UNKNOWN

    def _generic(self, module: Module, value: ast.expr, index: ast.expr) -> Value:
        outer = strip(self.type_value(module, value))
        name = outer.name.rpartition(".")[2] if isinstance(outer, External) else ""
        first = index.elts[0] if isinstance(index, ast.Tuple) and index.elts else index
        if name in _TRANSPARENT_GENERICS:
            return _either([self.annotation(module, first)], name == "Optional")
        if name == "Union":
            parts = index.elts if isinstance(index, ast.Tuple) else [index]
            return _either([self.annotation(module, part) for part in parts], _is_none(*parts))
        if name in ("set", "frozenset"):
            element = self.annotation(module, first)
            known = element.type.rpartition(".")[2] if isinstance(element, Instance) else None
            return SetValue(known, name)
        if name in ("tuple", "Tuple") and isinstance(index, ast.Tuple) and not _is_open(index):
            items = tuple(self.annotation(module, part) for part in index.elts)
            return Container("tuple", union(list(items)), items)
        if name in _SEQUENCES:
            return Container("tuple" if name in ("tuple", "Tuple") else "list", self.annotation(module, first))
        if name in _MAPPINGS:
            last = index.elts[-1] if isinstance(index, ast.Tuple) and index.elts else index
            return Container("dict", self.annotation(module, last))
        if name in ("type", "Type"):
            return self.type_value(module, first)
        return instance_of(outer)


def _says_nothing(value: Value) -> bool:
    """Whether the default of a field leaves its type to the annotation: `None`, or what describes a field."""
    if isinstance(value, Instance):
        return value.type in ("attr.Factory", "attrs.Factory", "pydantic.Field", "pydantic.fields.Field")
    return isinstance(value, Unknown) or (isinstance(value, Constant) and value.value is None)


def _is_none(*parts: ast.expr) -> bool:
    """Whether one of the types is `None`."""
    return any(isinstance(part, ast.Constant) and part.value is None for part in parts)


def _either(values: list[Value], optional: bool) -> Value:
    """One of several types; a text or number that may be `None` cannot be compared, so it is nothing known."""
    value = union(values)
    plain = isinstance(value, Instance) and value.type.removeprefix("builtins.") in COMPARABLE
    return UNKNOWN if optional and plain else value


def _is_open(index: ast.Tuple) -> bool:
    """`tuple[X, ...]` has any length."""
    return any(isinstance(part, ast.Constant) and part.value is ... for part in index.elts)


def bind(value: Value, receiver: Value, marks: Marks) -> Value:
    """A function reached through an object or class."""
    if not isinstance(value, Function) or marks.is_static:
        return value
    if isinstance(strip(receiver), Class) and not marks.is_class:
        return value
    return Function(value.node, value.env, receiver, value.bypass)


_SETS = {"builtins.set": "set", "builtins.frozenset": "frozenset"}
_PLAIN = {"builtins.list": "list", "builtins.dict": "dict", "builtins.tuple": "tuple"}
_ABSTRACT = frozenset({"typing.Any", "typing.Callable", "collections.abc.Callable", "typing.Self", "builtins.object"})


def instance_of(value: Value) -> Value:
    """An instance of a class value."""
    value = options(strip(value))[0]
    match value:
        case Class(node=node):
            return Object(node, declared=True)
        case External(name=name) if name in _SETS:
            return SetValue(None, _SETS[name])
        case External(name=name) if name in _PLAIN:
            return Container(_PLAIN[name])
        case External(name=name) if name not in _ABSTRACT:
            return Instance(name)
    return UNKNOWN


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


def _is_overload(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        (isinstance(d, ast.Name) and d.id == "overload") or (isinstance(d, ast.Attribute) and d.attr == "overload")
        for d in node.decorator_list
    )
