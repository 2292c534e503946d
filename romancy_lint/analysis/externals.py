"""Calls of external names: the tables, callbacks, and the builtins that move values about."""

from __future__ import annotations

import ast

from romancy_lint.analysis.methods import Methods
from romancy_lint.analysis.model import ClassNode
from romancy_lint.analysis.values import (
    UNKNOWN,
    Class,
    Constant,
    Container,
    Decorator,
    Durable,
    External,
    Function,
    Generator,
    Global,
    Instance,
    Iterator,
    ModuleValue,
    Object,
    Partial,
    SetValue,
    Value,
    made_within,
    options,
    strip,
    type_name,
    union,
)
from romancy_lint.analysis.walk import Walk
from romancy_lint.names.language import PACKAGE
from romancy_lint.names.special import ASKED, CALLING, COMPARING, TEXTS, TRUTH, walked
from romancy_lint.names.types import (
    CHANGE_FIRST,
    ENDLESS,
    KEEPING,
    LEAKS,
    ORDERED,
    PURE_HIGHER_ORDER,
    RETURNS,
)

_COMPUTING = frozenset(
    f"builtins.{n}"
    for n in [
        "print",
        "len",
        "str",
        "repr",
        "int",
        "float",
        "bool",
        "sum",
        "abs",
        "round",
        "format",
        "sorted",
        "any",
        "all",
        "max",
        "min",
        "bytes",
        "hash",
        "ord",
    ]
) | {"json.dumps"}
_CONSUMING = frozenset({"builtins.any", "builtins.all", "builtins.sum"})
_SET_CLASSES = (External("builtins.set"), External("builtins.frozenset"))
_DRIVING = frozenset({"builtins.list", "builtins.tuple", "builtins.next", "builtins.set", "builtins.dict"})


class Externals(Methods):
    """What calling an external name does."""

    def external_call(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        if name.startswith(PACKAGE + "."):
            return self.language_call(name, node, arguments, keywords)
        call = node if isinstance(node, ast.Call) else None
        code = self.engine.call_table.code(name)
        if code is not None and not is_exception(name):
            self.fire_use(code, name, node, call)
        self._callbacks(name, node, arguments, keywords)
        made = self._specials(name, node, arguments, keywords)
        if call is not None:
            self._order(name, call, arguments)
            self._durable_arguments(name, call, arguments)
            self._changes(name, call, arguments)
        for value in (*arguments, *keywords.values()):
            self.settle(value)
        return made if isinstance(made, Object) else self._external_result(name, node, arguments, keywords)

    def _specials(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        """What a function calls on its arguments; what that gives, where the function gives it as well."""
        if not arguments or name not in CALLING:
            return UNKNOWN
        if name == "builtins.iter":
            return self.implicit(arguments[0], ("__iter__",), node)
        for value in arguments[walked(name, len(arguments))]:
            self.walked(value, node)
        first, rest = arguments[0], arguments[1:]
        items = self.item_of(first) if len(arguments) == 1 else union(arguments)
        if name in ("builtins.any", "builtins.all"):
            self.implicit(items, TRUTH, node)
        elif name in COMPARING and "key" not in keywords:
            self.implicit(items, COMPARING[name], node, items)
        elif name == "builtins.reversed" and not self.specials(first, ("__reversed__",)):
            self.implicit(first, ("__len__",), node)
            self.implicit(first, ("__getitem__",), node, UNKNOWN)
        elif name in ASKED:
            return self.implicit(first, ASKED[name], node, *rest)
        return UNKNOWN

    def _callbacks(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> None:
        """Functions that are given to an external function are called by it, as far as anybody knows."""
        if name in ("functools.partial", "functools.wraps", "functools.update_wrapper"):
            return
        if name in KEEPING and self.mode == "import":
            return
        for value in (*arguments, *keywords.values()):
            self.called_back(value, node, name in PURE_HIGHER_ORDER)

    def called_back(self, value: Value, node: ast.expr, sure: bool = False) -> None:
        for option in options(strip(value)):
            target = option.target if isinstance(option, Partial) else option
            if isinstance(target, Function) and not self.engine.kind_of(target):
                if isinstance(target.node.node, ast.Lambda) or sure:
                    self.visit(target, node, {})
            elif isinstance(target, External) and sure:
                code = self.engine.call_table.code(target.name)
                if code is not None and not is_exception(target.name):
                    self.fire_use(code, target.name, self._argument_node(node, target), None)
            elif isinstance(target, Class) and sure:
                self.instantiate(target.node, node, [], {})

    def _argument_node(self, node: ast.expr, value: Value) -> ast.expr:
        if isinstance(node, ast.Call):
            for part in (*node.args, *(k.value for k in node.keywords)):
                if isinstance(part, ast.Name | ast.Attribute) and strip(self.quiet(part)) == value:
                    return part
        return node

    def _order(self, name: str, node: ast.Call, arguments: list[Value]) -> None:
        """What a builtin does with the order of a set."""
        if name == "builtins.next" and arguments:
            inner = strip(arguments[0])
            if isinstance(inner, Iterator) and inner.unordered:
                self.fire("unordered", inner, node, "next")
            elif isinstance(arguments[0], Global):
                self.fire("mutated", arguments[0], node.args[0], node)
            self.fire("advanced", node, arguments)
            return
        if id(node) in self.order_free and name in (*LEAKS, "builtins.map", "builtins.filter", "builtins.reversed"):
            return
        keyed = name in ("builtins.sorted", "builtins.min", "builtins.max") and any(
            k.arg == "key" for k in node.keywords
        )
        how = "sorted by key" if keyed else ORDERED.get(name) or LEAKS.get(name)
        if how is None:
            return
        for argument, value in zip(node.args, arguments, strict=False):
            if how in TEXTS:
                self.written(value, argument, how, TEXTS[how])
            else:
                self.unordered(value, argument, how)

    def _durable_arguments(self, name: str, node: ast.Call, arguments: list[Value]) -> None:
        for argument, value in zip(node.args, arguments, strict=False):
            inner = strip(value)
            if name in _CONSUMING:
                for made in made_within(inner, argument):
                    self.misuse(made, "argument", made.origin)
            if isinstance(inner, Durable) and name in _COMPUTING:
                self.misuse(value, "argument", argument)
            elif isinstance(inner, Generator) and name in _COMPUTING | _DRIVING:
                self.misuse(value, "driven" if name in _DRIVING else "argument", argument)

    def _changes(self, name: str, node: ast.Call, arguments: list[Value]) -> None:
        """Functions that change what they are given: `heappush(heap, x)`, `setattr(thing, "name", x)`."""
        if not arguments or isinstance(node.args[0], ast.Starred):
            return
        if name in CHANGE_FIRST:
            self.fire("mutated", arguments[0], node.args[0], node)
        elif name in ("builtins.setattr", "builtins.delattr") and len(arguments) > 1:
            known = strip(arguments[1])
            attribute = known.value if isinstance(known, Constant) and isinstance(known.value, str) else "…"
            target = ast.copy_location(ast.Attribute(node.args[0], attribute, ast.Store()), node)
            self.store_attribute(arguments[0], target, node, UNKNOWN)

    def _external_result(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        first = arguments[0] if arguments else UNKNOWN
        if name in self.engine.decorators and not isinstance(strip(first), Function):
            return self.decorator(External(name), node)
        match name:
            case "builtins.set" | "builtins.frozenset":
                kind = strip(first)
                if isinstance(kind, SetValue):
                    return SetValue(kind.element, name[9:])
                element = type_name(self.item_of(first))
                return SetValue(element.rpartition(".")[2] if element else None, name[9:])
            case "builtins.list" | "builtins.sorted" | "builtins.tuple" | "collections.deque":
                return Container("tuple" if name == "builtins.tuple" else "list", self.item_of(first))
            case "collections.defaultdict" if strip(first) in _SET_CLASSES:
                return Container("dict", SetValue())
            case "builtins.dict" | "builtins.dict.fromkeys" | "collections.OrderedDict":
                return Container("dict")
            case "builtins.iter" | "builtins.reversed" | "builtins.map" | "builtins.filter" | "builtins.zip":
                return self._iterator(name, node, arguments)
            case "builtins.enumerate":
                return Iterator(Container("tuple", UNKNOWN, (UNKNOWN, self.item_of(first))))
            case "builtins.staticmethod" | "builtins.classmethod" | "functools.cache" | "functools.lru_cache":
                return first
            case "builtins.property" | "functools.cached_property" if isinstance(strip(first), Function):
                return self._property(strip(first))
            case "functools.partial" if len(arguments) == 1 and self.engine.durable_decorator(first) is not None:
                return self.decorator(first, node)
            case "functools.partial":
                inner = strip(first) if isinstance(strip(first), Partial) else Partial(first)
                assert isinstance(inner, Partial)
                named = dict(sorted({**dict(inner.keywords), **keywords}.items(), key=lambda pair: pair[0]))
                return Partial(inner.target, (*inner.arguments, *arguments[1:]), tuple(named.items()))
            case "builtins.getattr":
                return self._getattr(node, arguments)
            case "builtins.super":
                return self._super()
            case "builtins.next":
                return self.item_of(first)
            case "builtins.type":
                inner = strip(first)
                return Class(inner.node) if isinstance(inner, Object) else UNKNOWN
            case "copy.copy" | "copy.deepcopy":
                return strip(first)
            case "typing.cast":
                return arguments[1] if len(arguments) > 1 else UNKNOWN
            case "dataclasses.replace" | "attrs.evolve":
                return strip(first)
            case "__import__" | "importlib.import_module":
                inner = strip(first)
                if isinstance(inner, Constant) and isinstance(inner.value, str):
                    return self.engine.resolver.import_module(self.module, inner.value)
        if name in ENDLESS:
            return Iterator(first if name == "itertools.cycle" else UNKNOWN, endless=True)
        if name in RETURNS:
            return Instance(RETURNS[name])
        if name.startswith("builtins."):
            return UNKNOWN
        return Instance(name) if name.rpartition(".")[2][:1].isupper() else UNKNOWN

    def decorator(self, target: Value, node: ast.expr) -> Value:
        """A decorator of activities or workflows with the options of one more call."""
        known = self.engine.durable_decorator(target)
        if known is None or not isinstance(node, ast.Call):
            return UNKNOWN
        return Decorator(known.name, (*known.calls, (node, self.module)))

    def _property(self, value: Value) -> Value:
        """A lambda that `property` was given is a property; a method that has a name may be called by it as well."""
        if isinstance(value, Function) and isinstance(value.node.node, ast.Lambda):
            self.engine.resolver.marks(value.node).is_property = True
            return value
        return UNKNOWN

    def _iterator(self, name: str, node: ast.expr, arguments: list[Value]) -> Value:
        if name in ("builtins.map", "builtins.filter"):
            return Iterator(self._mapped(name, node, arguments))
        inner = arguments[0] if arguments else UNKNOWN
        has_set = any(isinstance(strip(option), SetValue) for option in options(inner))
        unordered = has_set and name == "builtins.iter"
        return Iterator(self.item_of(inner) if name != "builtins.zip" else UNKNOWN, unordered=unordered)

    def _mapped(self, name: str, node: ast.expr, arguments: list[Value]) -> Value:
        if len(arguments) < 2:
            return UNKNOWN
        target = strip(arguments[0])
        if name == "builtins.filter":
            return self.item_of(arguments[1])
        if isinstance(target, Function) and self.engine.kind_of(target) == "activity":
            return Durable("activity", node, target.node)
        return UNKNOWN

    def _getattr(self, node: ast.expr, arguments: list[Value]) -> Value:
        if len(arguments) < 2 or not isinstance(node, ast.Call):
            return UNKNOWN
        base, name = arguments[0], strip(arguments[1])
        if isinstance(name, Constant) and isinstance(name.value, str):
            found = self.attribute_of(base, name.value, node)
            if isinstance(found, External):
                self.read_external(found.name, node)
            return found
        inner = strip(base)
        if isinstance(inner, ModuleValue) or (isinstance(inner, External) and self.engine.is_module(inner.name)):
            self.fire_use("ROM209", "builtins.getattr", node, node)
        return UNKNOWN

    def _super(self) -> Value:
        owner = self.function.owner if self.function else None
        if owner is None or self.function is None or not self.function.parameters:
            return UNKNOWN
        bases = [b for b in self.engine.resolver.lineage(owner) if isinstance(b, ClassNode) and b is not owner]
        return Object(bases[0]) if bases else UNKNOWN

    # -- what the other mixins bring -------------------------------------------------------------------------------
    def visit(self, function: Function, node: ast.expr, bound: dict[str, Value]) -> Walk | None:
        raise NotImplementedError

    def instantiate(
        self, class_: ClassNode, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]
    ) -> Value:
        raise NotImplementedError

    def language_call(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        raise NotImplementedError


_EXCEPTIONS = ("Error", "Exception", "Warning", "Timeout", "Interrupt", "Empty", "Full")
#: Exception classes that are older than the convention of how to write them.
_OLD_EXCEPTIONS = frozenset(
    ["socket.timeout", "socket.error", "socket.gaierror", "socket.herror", "select.error", "os.error", "dbm.error"]
) | {"curses.error", "_thread.error", "getopt.error"}


def is_exception(name: str) -> bool:
    """Whether an external name is that of an exception class, which are written in CapWords: `log.error` is a call."""
    last = name.rpartition(".")[2]
    return (last[:1].isupper() and last.endswith(_EXCEPTIONS)) or name in _OLD_EXCEPTIONS
