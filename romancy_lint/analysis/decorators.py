"""What decorators make of functions: activities, workflows, properties, or something else altogether."""

from __future__ import annotations

import ast

from romancy_lint.analysis.importing import Importing
from romancy_lint.analysis.model import ClassNode, FunctionNode, Marks, Option
from romancy_lint.analysis.values import Class, Decorator, External, Function, Object, Unknown, Value, strip


class Decorators(Importing):
    """Applies decorators."""

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
        frame = self.engine.frames.of_module(node.module, env)
        target = strip(frame.eval(decorator.func if isinstance(decorator, ast.Call) else decorator))
        if called and target == External("functools.partial"):
            called, target = False, strip(frame.eval(decorator))
        durable = self.engine.durable_decorator(target)
        if durable is not None:
            own = ((decorator, node.module),) if called and isinstance(decorator, ast.Call) else ()
            self._mark_durable(marks, Decorator(durable.name, (*durable.calls, *own)))
            return value
        if isinstance(target, External):
            self._mark(marks, target.name)
            return value
        if isinstance(target, Class) and not called and self._is_lazy(node, target):
            marks.is_property, marks.descriptor = True, Object(target.node)
        if isinstance(target, Function):
            applied = frame.eval(decorator) if called else target
            result = frame.apply(applied, decorator, [value], {})
            if isinstance(result, Function) and result.node is node and result.kind is not None:
                marks.kind, marks.more_options = result.kind, True
            return value if isinstance(result, Unknown) or marks.kind else result
        return value

    def _is_lazy(self, node: FunctionNode, target: Class) -> bool:
        """Whether a class makes of a method what is computed when it is read."""
        found = [self.class_attribute(target.node, name, target) for name in ("__get__", "__call__")]
        alone = node.owner is not None and len(node.parameters) == 1 and not node.is_generator
        return alone and isinstance(found[0], Function) and found[1] is None

    def _mark_durable(self, marks: Marks, decorator: Decorator) -> None:
        """Notes that a function is an activity or a workflow, and what its decorator was given."""
        marks.kind = self.engine.decorators[decorator.name]
        for call, module in decorator.calls:
            for keyword in call.keywords:
                if keyword.arg is None:
                    marks.more_options = True
                else:
                    marks.options[keyword.arg] = Option(keyword.value, module)

    def _mark(self, marks: Marks, name: str) -> None:
        last = name.rpartition(".")[2]
        if name in ("builtins.property", "functools.cached_property", "abc.abstractproperty"):
            marks.is_property = True
        elif name in ("builtins.staticmethod", "builtins.classmethod"):
            marks.is_static, marks.is_class = last == "staticmethod", last == "classmethod"
        elif name in ("contextlib.contextmanager", "contextlib.asynccontextmanager"):
            marks.is_context = True
        elif name in ("functools.singledispatch", "functools.singledispatchmethod"):
            marks.is_generic = True

    def marks(self, node: FunctionNode) -> Marks:
        """The marks of a function, after its decorators were looked at."""
        if node.marks is None:
            self.function_value(node)
        assert node.marks is not None
        return node.marks

    # -- what the other mixins bring -------------------------------------------------------------------------------
    def class_attribute(self, node: ClassNode, name: str, receiver: Value) -> Value | None:
        raise NotImplementedError
