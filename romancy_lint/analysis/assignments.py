"""Assignments: names, parts, attributes and items get values, or lose them."""

from __future__ import annotations

import ast

from romancy_lint.analysis.calls import Calls
from romancy_lint.analysis.values import (
    UNKNOWN,
    Choice,
    Constant,
    Container,
    Durable,
    External,
    Generator,
    Object,
    SetValue,
    Unknown,
    Value,
    join,
    made_within,
    options,
    strip,
)


class Assignments(Calls):
    """What changes variables and what they hold."""

    def assignment(self, node: ast.Assign) -> bool:
        value = self.eval(node.value)
        for target in node.targets:
            self.assign(target, value, node)
        return False

    def annotated(self, node: ast.AnnAssign) -> bool:
        value = UNKNOWN if node.value is None else self.eval(node.value)
        if node.value is not None:
            self.fire("annotated_result", node)
        declared = self.engine.resolver.annotation(self.module, node.annotation)
        if isinstance(value, Unknown) or (isinstance(value, Container) and isinstance(value.item, Unknown)):
            value = value if isinstance(declared, Unknown) else declared
        if node.value is not None:
            self.assign(node.target, value, node)
        return False

    def augmented(self, node: ast.AugAssign) -> bool:
        value = self.eval(node.value)
        load = _as_load(node.target)
        current = self.quiet(load)
        self.misuse_unless_list(value, "operand", node.value)
        changed = self.operate(node.op, current, value, node.value, in_place=True)
        if isinstance(strip(current), Container) and isinstance(strip(value), SetValue):
            self.unordered(value, node.value, "extend")
        if isinstance(node.target, ast.Name):
            if isinstance(strip(current), Container | SetValue) and not isinstance(strip(value), Constant):
                self.fire("mutated", current, load, node)
            known = join(strip(current), strip(value)) if isinstance(changed, Unknown) else changed
            self._store_name(node.target, known, node)
        else:
            self.assign(node.target, value, node)
        return False

    def delete(self, node: ast.Delete) -> bool:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                self._store_item(target, UNKNOWN, node)
            elif isinstance(target, ast.Attribute):
                self._store_attribute(target, UNKNOWN, node)
        return False

    def imported(self, node: ast.Import | ast.ImportFrom) -> bool:
        for alias in node.names:
            if alias.name == "*":
                continue
            name = alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0])
            self.bind_name(name, self.engine.resolver.import_name(self.module, node, name))
        return False

    # -- targets ---------------------------------------------------------------------------------------------------
    def assign(self, target: ast.expr, value: Value, node: ast.AST) -> None:
        match target:
            case ast.Name():
                self._store_name(target, value, node)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                self._unpack(elements, value, node)
            case ast.Starred(value=inner):
                self.assign(inner, Container("list", self.item_of(value)), node)
            case ast.Attribute():
                self._store_attribute(target, value, node)
            case ast.Subscript():
                self._store_item(target, value, node)

    def _store_name(self, target: ast.Name, value: Value, node: ast.AST) -> None:
        name = target.id
        if self.function is not None:
            _, global_, nonlocal_ = self.function.scope
            if name in global_:
                self.settle(value)
                self.fire("global_written", name, node, value)
                return
            if name in nonlocal_:
                self.fire("nonlocal_written", name, node)
        self.bind_name(name, value)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for option in options(strip(value)):
                held = option.item if isinstance(option, Container) else option
                if isinstance(held, Durable | Generator):
                    self.pending[id(held.origin)] = (held, name)
            several = made_within(strip(value), node.value) if node.value is not None else []
            if several and not self._is_read(name):
                for made in several:
                    self.misuse(made, f"unused:{name}", made.origin)

    def _is_read(self, name: str) -> bool:
        """Whether a variable of this function is used after all, here or in what is nested."""
        if self.function is None or name in self.function.scope[2]:
            return True
        return any(
            isinstance(part, ast.Name) and part.id == name and not isinstance(part.ctx, ast.Store)
            for part in ast.walk(self.function.node)
        )

    def _unpack(self, elements: list[ast.expr], value: Value, node: ast.AST) -> None:
        inner = strip(value)
        source = getattr(node, "value", None) or getattr(node, "iter", None) or node
        tells_order = len(elements) > 1 or any(isinstance(e, ast.Starred) for e in elements)
        if isinstance(source, ast.expr):
            if tells_order:
                self.unordered(value, source, "unpack")
            self.walked(value, source)
            self.misuse_unless_list(value, "unpacked", source)
        items = inner.items if isinstance(inner, Container) and len(inner.items) == len(elements) else ()
        starred = any(isinstance(e, ast.Starred) for e in elements)
        common = self.item_of(value)
        if isinstance(common, Choice):
            common = UNKNOWN  # parts of different kinds: which is which is not known
        for number, element in enumerate(elements):
            self.assign(element, items[number] if items and not starred else common, node)

    def _store_attribute(self, target: ast.Attribute, value: Value, node: ast.AST) -> None:
        self.settle(value)
        base = self.eval(target.value)
        inner = strip(base)
        if isinstance(inner, Object) and base is inner:
            known = inner.node.attributes.get(target.attr, UNKNOWN)
            inner.node.attributes[target.attr] = join(known, strip(value))
        self.store_attribute(base, target, node, value)

    def _store_item(self, target: ast.Subscript, value: Value, node: ast.AST) -> None:
        self.settle(value)
        base = self.eval_stored(target.value)
        self.eval(target.slice)
        deleted = isinstance(target.ctx, ast.Del)
        self.implicit(base, ("__delitem__",) if deleted else ("__setitem__",), target, UNKNOWN, value)
        if isinstance(base, External):
            self.fire("external_stored", base.name, target, node)
        else:
            self.fire("mutated", base, target.value, node)

    def eval_stored(self, node: ast.expr) -> Value:
        """What is written into; the write is the finding, not the read."""
        value = self.quiet(node)
        if not isinstance(value, External):
            self.muted += 1
            self.eval(node)
            self.muted -= 1
        return value


def _as_load(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name(id=name):
            return ast.copy_location(ast.Name(name, ast.Load()), target)
    return target
