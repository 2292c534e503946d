"""What happens to a value that is tested, walked or written out: special methods run, the order of a set shows."""

from __future__ import annotations

import ast

from romancy_lint.analysis.attributes import Attributes
from romancy_lint.analysis.special import PLAIN
from romancy_lint.analysis.values import (
    UNKNOWN,
    Constant,
    Container,
    Durable,
    Generator,
    Instance,
    Iterator,
    SetValue,
    Unknown,
    Value,
    options,
    strip,
    union,
)
from romancy_lint.names.special import REPR, STR, TRUTH


class Uses(Attributes):
    """What expressions of every kind do with the values of their parts."""

    def eval_optional(self, node: ast.expr | None) -> Value:
        return UNKNOWN if node is None else self.eval(node)

    def quiet(self, node: ast.expr) -> Value:
        """The value of an expression that is evaluated elsewhere too."""
        self.muted += 1
        try:
            return self.eval(node)
        finally:
            self.muted -= 1

    def misuse_unless_list(self, value: Value, how: str, node: ast.expr) -> None:
        if isinstance(strip(value), Durable | Generator):
            self.misuse(value, how, node)

    def test(self, value: Value, node: ast.expr) -> None:
        """A value decides a branch."""
        self.misuse_unless_list(value, "condition", node)
        self.implicit(value, TRUTH, node)

    # -- walked ----------------------------------------------------------------------------------------------------
    def unordered(self, value: Value, node: ast.expr, how: str) -> None:
        """Tells the rules when the order of a set becomes visible."""
        for option in options(strip(value)):
            if isinstance(option, SetValue) or (isinstance(option, Iterator) and option.unordered):
                self.fire("unordered", option, node, how)

    def iterate(self, value: Value, node: ast.expr, how: str, free: bool = False) -> Value:
        """Iterates over a value; what comes out."""
        self.misuse_unless_list(value, "loop", node)
        if not free:
            self.unordered(value, node, how)
        made = self.walked(value, node)
        return union([self.item_of(value), made])

    def walked(self, value: Value, node: ast.expr) -> Value:
        """Asks an object of the project for all it has; what comes out."""
        if type(value) in PLAIN:
            return UNKNOWN
        made = self.implicit(value, ("__iter__",), node)
        if isinstance(made, Unknown) and not self.specials(value, ("__iter__",)):
            return self.implicit(value, ("__getitem__",), node, UNKNOWN)
        return self.implicit(value if isinstance(made, Unknown) else made, ("__next__",), node)

    def item_of(self, value: Value) -> Value:
        items: list[Value] = []
        for option in options(value):
            match strip(option):
                case Container(kind="dict"):
                    items.append(UNKNOWN)
                case Container(item=item) | Iterator(item=item):
                    items.append(item)
                case SetValue(element=str(element)):
                    items.append(Instance(f"builtins.{element}"))
        return union(items)

    # -- written out -----------------------------------------------------------------------------------------------
    def written(self, value: Value, node: ast.expr, how: str, methods: tuple[str, ...]) -> None:
        """A value becomes text."""
        self.unordered(value, node, how)
        self.fire("written", value, node, how)
        self.implicit(value, methods, node)

    def fill(self, template: Value, node: ast.expr) -> None:
        """`"..." % (a, b)` writes its operands out."""
        text = template.value if isinstance(template, Constant) and isinstance(template.value, str) else "%s"
        methods = STR if "%s" in text else REPR if "%r" in text else ()
        for part in node.elts if isinstance(node, ast.Tuple) else [node]:
            value = self.quiet(part)
            self.unordered(value, part, "format")
            self.implicit(value, methods, part)
