"""Calls: of external names, of functions, classes and objects of the project, and of builtins."""

from __future__ import annotations

import ast

from romancy_lint.analysis.expressions import Expressions
from romancy_lint.analysis.model import ClassNode
from romancy_lint.analysis.values import (
    UNKNOWN,
    Choice,
    Class,
    Constant,
    Container,
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
    Unknown,
    Value,
    options,
    strip,
    type_name,
    union,
)
from romancy_lint.analysis.walk import Walk
from romancy_lint.names.language import CALL_METHODS, CALLS, CONTEXT, CONTEXT_METHODS, PACKAGE
from romancy_lint.names.types import (
    ENDLESS,
    LEAKS,
    MUTABLE_CLASSES,
    MUTATORS,
    ORDER_FREE,
    ORDERED,
    PURE_HIGHER_ORDER,
    RETURNS,
)

_SET_RESULTS = frozenset(["union", "intersection", "difference", "symmetric_difference", "copy"])
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
_DRIVING = frozenset({"builtins.list", "builtins.tuple", "builtins.next", "builtins.set", "builtins.dict"})
_PASSING = frozenset({"builtins.list", "builtins.tuple", "builtins.iter"})


class Calls(Expressions):
    """Everything about calls."""

    def call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Attribute):
            base = self.eval(node.func.value)
            callee = self._method(base, node.func.attr, node)
            if callee is None:
                callee = self.attribute_of(base, node.func.attr, node.func)
                for option in options(callee):
                    if isinstance(option, External):
                        self.read_external(option.name, node.func)
            if not isinstance(callee, External | Function | Class | Choice | Partial | Global | Object | Unknown):
                return callee
            if isinstance(callee, Unknown) and _answers(base):
                return self._builtin_method(base, node.func.attr, node)
        else:
            callee = self.eval(node.func)
        if isinstance(callee, External) and self._is_order_free(callee.name, node):
            self.order_free.update(id(argument) for argument in node.args)
        arguments, keywords = self._arguments(node)
        if isinstance(callee, Unknown):
            self.fire("unresolved", node)
        return self.apply(callee, node, arguments, keywords)

    def _is_order_free(self, name: str, node: ast.Call) -> bool:
        if name in ORDER_FREE:
            return not any(k.arg == "key" for k in node.keywords)
        passing = name in LEAKS or name in ("builtins.map", "builtins.filter", "builtins.iter", "builtins.reversed")
        return passing and id(node) in self.order_free

    def _arguments(self, node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
        arguments: list[Value] = []
        for argument in node.args:
            value = self.eval(argument)
            if isinstance(argument, ast.Starred):
                self.unordered(value, argument.value, "unpacking")
                self.settle(value)
                inner = strip(value)
                if not isinstance(inner, Container) or not inner.items:
                    arguments.append(Iterator())
                    continue
                arguments.extend(inner.items)
            else:
                arguments.append(value)
        keywords = {}
        for keyword in node.keywords:
            value = self.eval(keyword.value)
            keywords[keyword.arg or "**"] = value
        return arguments, keywords

    # -- methods of builtin values ---------------------------------------------------------------------------------
    def _method(self, base: Value, name: str, node: ast.Call) -> Value | None:
        """What a method of a builtin value or call object is; None when attributes say it."""
        if isinstance(base, Choice):
            for option in base.options:
                self._mutation(option, strip(option), name, node)
                if isinstance(strip(option), SetValue) and name == "pop":
                    self.fire("unordered", strip(option), node, "pop")
            return None
        inner = strip(base)
        if isinstance(inner, Durable) and name in CALL_METHODS:
            self._arguments(node)
            return inner
        if isinstance(inner, Generator) and name in ("send", "throw", "close", "__next__"):
            self.misuse(inner, "driven", node)
            return UNKNOWN
        self._mutation(base, inner, name, node)
        if isinstance(inner, SetValue):
            return self._set_method(inner, name, node)
        return None

    def _mutation(self, base: Value, inner: Value, name: str, node: ast.Call) -> None:
        match inner:
            case Container(kind=kind) if kind in MUTATORS:
                mutates = name in MUTATORS[kind]
            case SetValue():
                mutates = name in MUTATORS["set"]
            case Instance(type=kind) if kind in MUTABLE_CLASSES:
                mutates = name in MUTATORS[MUTABLE_CLASSES[kind]]
            case Unknown():
                mutates = name in MUTATORS["any"]
            case _:
                mutates = False
        if mutates and isinstance(node.func, ast.Attribute):
            self.fire("mutated", base, node.func.value, node)

    def _set_method(self, value: SetValue, name: str, node: ast.Call) -> Value | None:
        if name in (
            "union",
            "update",
            "intersection",
            "difference",
            "issubset",
            "issuperset",
            "isdisjoint",
            "intersection_update",
            "difference_update",
            "symmetric_difference",
        ):
            self.order_free.update(id(argument) for argument in node.args)
        if name == "pop":
            self.fire("unordered", value, node, "pop")
        if name in _SET_RESULTS:
            arguments, _ = self._arguments(node)
            kinds = {v.element for v in map(strip, arguments) if isinstance(v, SetValue)} | {value.element}
            return SetValue(kinds.pop() if len(kinds) == 1 else None)
        return None

    def _builtin_method(self, base: Value, name: str, node: ast.Call) -> Value:
        """Methods of strings, lists and dictionaries."""
        inner = strip(base)
        if name == "join" and type_name(inner) in ("builtins.str", "builtins.bytes"):
            return self._join_text(node)
        arguments, keywords = self._arguments(node)
        for value in (*arguments, *keywords.values()):
            self._collect(inner, value, node)
            self.called_back(value, node)
        if name == "format" and type_name(inner) == "builtins.str":
            for argument, value in zip(node.args, arguments, strict=False):
                self.written(value, argument, "format")
            return Instance("builtins.str")
        if isinstance(inner, Container):
            return self._container_method(inner, name, node, arguments)
        kind = type_name(inner)
        return (
            Instance(kind) if kind in ("builtins.str", "builtins.bytes") and name not in ("split", "find") else UNKNOWN
        )

    def _collect(self, container: Value, value: Value, node: ast.Call) -> None:
        """A call object that goes into a local list may still be forgotten there."""
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if isinstance(container, Container) and isinstance(owner, ast.Name) and isinstance(value, Durable | Generator):
            self.pending[id(value.origin)] = (value, owner.id)
        else:
            self.settle(value)

    def _join_text(self, node: ast.Call) -> Value:
        for argument in node.args:
            if not isinstance(argument, ast.GeneratorExp):
                self.unordered(self.eval(argument), argument, "join")
                continue
            free = id(argument) in self.order_free
            self.order_free.add(id(argument))
            self.eval(argument)
            if not free:
                first = argument.generators[0].iter
                self.unordered(self.quiet(first), first, "comprehension")
        return Instance("builtins.str")

    def _container_method(self, inner: Container, name: str, node: ast.Call, arguments: list[Value]) -> Value:
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            if name in ("append", "insert", "add", "appendleft") and arguments:
                grown = union([inner.item, arguments[-1]])
                self._regrow(node.func.value.id, Container(inner.kind, grown))
            elif name == "extend" and arguments:
                if id(node.args[0]) not in self.order_free:
                    self.unordered(arguments[0], node.args[0], "extend")
                self._regrow(node.func.value.id, Container(inner.kind, union([inner.item, self.item_of(arguments[0])])))
        if inner.kind == "dict":
            if name == "keys":
                return Container("keys")
            if name in ("get", "pop", "setdefault"):
                return inner.item
            if name == "values":
                return Container("list", inner.item)
            if name == "items":
                return Container("list", Container("tuple", UNKNOWN, (UNKNOWN, inner.item)))
        if name == "copy":
            return inner
        return inner.item if name in ("pop", "popleft") else UNKNOWN

    def _regrow(self, name: str, value: Value) -> None:
        env = self.env.find(name)
        if env is not None and env.outer is not None and isinstance(env.vars.get(name), Container):
            env.vars[name] = value

    # -- dispatch --------------------------------------------------------------------------------------------------
    def apply(self, callee: Value, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        """Calls a value."""
        match callee:
            case External(name=name):
                return self.external_call(name, node, arguments, keywords)
            case Function():
                return self.function_call(callee, node, arguments, keywords)
            case Class(node=class_):
                return self.instantiate(class_, node, arguments, keywords)
            case Partial(target=target):
                return self.apply(target, node, arguments, keywords)
            case Choice(options=several):
                return union([self.apply(option, node, arguments, keywords) for option in several])
            case Global(value=inner) if not isinstance(inner, Object):
                return self.apply(inner, node, arguments, keywords)
            case Global() | Object():
                self.hand_over(arguments, keywords)
                return self.implicit(callee, "__call__", node, *arguments)
            case Instance(type="weakref.ref"):
                self.fire_use("ROM135", "weakref.ref", node, None)
        self.hand_over(arguments, keywords)
        return UNKNOWN

    def hand_over(self, arguments: list[Value], keywords: dict[str, Value]) -> None:
        """Call objects given to something else are its business."""
        for value in (*arguments, *keywords.values()):
            self.settle(value)

    # -- external names --------------------------------------------------------------------------------------------
    def external_call(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        if name.startswith(PACKAGE + "."):
            return self._language_call(name, node, arguments, keywords)
        call = node if isinstance(node, ast.Call) else None
        code = self.engine.call_table.code(name)
        if code is not None and not _is_exception(name):
            self.fire_use(code, name, node, call)
        self._callbacks(name, node, arguments, keywords)
        if call is not None:
            self._order(name, call, arguments)
            self._durable_arguments(name, call, arguments)
        for value in (*arguments, *keywords.values()):
            self.settle(value)
        return self._external_result(name, node, arguments, keywords)

    def _callbacks(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> None:
        """Functions that are given to an external function are called by it, as far as anybody knows."""
        if name in ("functools.partial", "functools.wraps", "functools.update_wrapper"):
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
                if code is not None and not _is_exception(target.name):
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
            if how in ("str", "repr", "format"):
                self.written(value, argument, how)
            else:
                self.unordered(value, argument, how)

    def _durable_arguments(self, name: str, node: ast.Call, arguments: list[Value]) -> None:
        for argument, value in zip(node.args, arguments, strict=False):
            inner = strip(value)
            if isinstance(inner, Durable) and name in _COMPUTING:
                self.misuse(value, "argument", argument)
            elif isinstance(inner, Generator) and name in _COMPUTING | _DRIVING:
                self.misuse(value, "driven" if name in _DRIVING else "argument", argument)

    def _external_result(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        first = arguments[0] if arguments else UNKNOWN
        match name:
            case "builtins.set" | "builtins.frozenset":
                kind = strip(first)
                if isinstance(kind, SetValue):
                    return SetValue(kind.element, name[9:])
                element = type_name(self.item_of(first))
                return SetValue(element.rpartition(".")[2] if element else None, name[9:])
            case "builtins.list" | "builtins.sorted" | "builtins.tuple" | "collections.deque":
                return Container("tuple" if name == "builtins.tuple" else "list", self.item_of(first))
            case "builtins.dict" | "builtins.dict.fromkeys" | "collections.OrderedDict":
                return Container("dict")
            case "builtins.iter" | "builtins.reversed" | "builtins.map" | "builtins.filter" | "builtins.zip":
                return self._iterator(name, node, arguments)
            case "builtins.enumerate":
                return Iterator(Container("tuple", UNKNOWN, (UNKNOWN, self.item_of(first))))
            case "builtins.staticmethod" | "builtins.classmethod" | "functools.cache" | "functools.lru_cache":
                return first
            case "functools.partial":
                return Partial(first)
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

    # -- the language ----------------------------------------------------------------------------------------------
    def _language_call(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        short = name.removeprefix(PACKAGE + ".")
        self.hand_over(arguments, keywords)
        self.fire("language", short, node)
        if short == "Context.current":
            return Instance(CONTEXT)
        if short.startswith("Context."):
            method = short.removeprefix("Context.")
            return Instance(CONTEXT_METHODS[method]) if method in CONTEXT_METHODS else UNKNOWN
        if short in CALLS:
            if short in ("gather", "race"):
                for value in (*arguments, *(self.item_of(v) for v in arguments)):
                    if any(isinstance(strip(o), Durable | Generator) for o in options(value)):
                        self.walk.operations = self.walk.operations or None
            return Durable(CALLS[short], node)
        if short in ("activity", "workflow") and arguments:
            inner = strip(arguments[0])
            return Function(inner.node, inner.env, inner.bound, kind=short) if isinstance(inner, Function) else UNKNOWN
        return Instance(name) if short[:1].isupper() else UNKNOWN

    # -- functions of the project ----------------------------------------------------------------------------------
    def function_call(
        self, function: Function, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]
    ) -> Value:
        marks = self.engine.resolver.marks(function.node)
        kind = self.engine.kind_of(function)
        if kind is not None and not function.bypass:
            self.fire("durable_call", function.node, node, arguments, keywords)
            for value in (*arguments, *keywords.values()):
                self.misuse_unless_list(value, "payload", node)
            self.hand_over(arguments, keywords)
            return Durable(kind, node, function.node)
        if function.bypass or function.node in self.engine.implementations:
            self.fire("bypassed", function.node, node)
            return UNKNOWN
        self.hand_over(arguments, keywords)
        if self.mode == "activity":
            return UNKNOWN
        bound = self.engine.bind_arguments(function, arguments, keywords)
        self._defaults(function, bound)
        walk = self.visit(function, node, bound)
        if walk is None:
            return UNKNOWN
        if function.node.is_async:
            return UNKNOWN
        if function.node.is_generator:
            if marks.is_context:
                return Instance("contextlib.AbstractContextManager")
            operations = walk.operations if walk.finished else None
            return Generator(node, function.node, operations, walk.returns)
        if isinstance(walk.returns, Unknown) and function.node.returns is not None:
            return self.engine.resolver.annotation(function.node.module, function.node.returns)
        return _rooted(walk.returns, node)

    def _defaults(self, function: Function, bound: dict[str, Value]) -> None:
        for name, default in function.node.defaults.items():
            if name not in bound:
                if not isinstance(default, ast.Constant):
                    self.fire("import_default", function.node, default)
                value = self.engine.default_value(function.node, default)
                if not isinstance(value, Constant):
                    bound[name] = value

    def visit(self, function: Function, node: ast.expr, bound: dict[str, Value]) -> Walk | None:
        """Walks a function that this one calls."""
        if self.mode == "activity" or self.engine.is_trusted(function.node):
            return None
        walk = self.engine.visit(function, bound, self.depth + 1)
        self.walk.call(walk, node)
        if self.mode == "import":
            self.taints += [(f.code, f.message) for f in walk.facts.values() if f.code.startswith("ROM1")]
        return walk

    # -- classes ---------------------------------------------------------------------------------------------------
    def instantiate(
        self, class_: ClassNode, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]
    ) -> Value:
        resolver = self.engine.resolver
        instance = Object(class_)
        if self.mode != "activity":
            for method in ("__new__", "__init__", "__post_init__", "__attrs_post_init__"):
                found = resolver.class_attribute(class_, method, instance) if resolver.defines(class_, method) else None
                if isinstance(found, Function):
                    given = (arguments, keywords) if method == "__init__" else ([], {})
                    self.apply(found, node, *given)
            self._field_factories(class_, keywords)
        self.hand_over(arguments, keywords)
        external = [b for b in resolver.lineage(class_) if isinstance(b, External)]
        for base in external:
            code = self.engine.call_table.code(base.name)
            if code in ("ROM202", "ROM203", "ROM205") and not _is_exception(base.name):
                self.fire_use(code, base.name, node, node if isinstance(node, ast.Call) else None)
        return instance

    def _field_factories(self, class_: ClassNode, keywords: dict[str, Value]) -> None:
        """`field(default_factory=…)` of a dataclass is called when the field is not given."""
        for current in self.engine.resolver.lineage(class_):
            if not isinstance(current, ClassNode):
                continue
            for name, bindings in current.bindings.items():
                value = bindings[-1].value
                if not isinstance(bindings[-1].node, ast.AnnAssign | ast.Assign) or value is None or name in keywords:
                    continue
                self._factory(current, value)

    def _factory(self, class_: ClassNode, value: ast.expr) -> None:
        if not isinstance(value, ast.Call):
            return
        walk = self.engine.class_walk(class_)
        self.walk.call(walk, value)
        frame = self.engine.frame_for(walk, self.depth + 1)
        for keyword in value.keywords:
            if keyword.arg in ("default_factory", "factory"):
                frame.muted += 1
                target = frame.eval(keyword.value)
                frame.muted -= 1
                if isinstance(target, External):
                    code = self.engine.call_table.code(target.name)
                    if code is not None:
                        frame.fire_use(code, target.name, keyword.value, None)
                else:
                    frame.apply(target, keyword.value, [], {})
        self.fire("import_default_of_class", class_, value)


def _answers(base: Value) -> bool:
    return isinstance(strip(base), Container | SetValue | Constant | Instance | Iterator)


def _is_exception(name: str) -> bool:
    return name.endswith(("Error", "Exception", "Warning", "Timeout", "Interrupt", "Empty", "Full", "timeout", "error"))


def _rooted(value: Value, node: ast.expr) -> Value:
    """A call object that a helper made counts from the place where the helper was called."""
    match value:
        case Durable(kind=kind, target=target):
            return Durable(kind, node, target)
        case Generator(node=function, operations=operations, returns=returns):
            return Generator(node, function, operations, returns)
    return value
