"""ROM308 import-time-value."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import ClassNode, FunctionNode, Module
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class ImportTimeValue(Rule):
    """A value computed while modules are imported is another one in the next process."""

    code = "ROM308"
    name = "import-time-value"
    why = "was computed while its module was imported, and is another value in the next process"
    GOOD = (
        """\
import time

BOOT = time.time()

@activity
def uptime():
    return BOOT

@workflow
def wf(ctx: Context):
    yield uptime()
""",
    )
    BAD = (
        Bad("""\
import time

BOOT = time.time()  # bad

@workflow
def wf(ctx: Context):
    yield charge(BOOT)
"""),
        Bad("""\
import uuid

@workflow
def wf(ctx: Context, key=uuid.uuid4()):  # bad
    yield charge(key)
"""),
    )

    def module_read(self, frame: Frame, module: Module, name: str, node: ast.AST) -> None:
        for found in frame.engine.taints_of(module, name):
            for binding in module.bindings[name]:
                if binding.value is not None and id(binding.value) in frame.engine.import_taints:
                    frame.report_in(module, self, binding.value, f"`{name}` {self.why} ({found[1]})", expression=name)

    def class_read(self, frame: Frame, node: ClassNode, name: str, where: ast.AST) -> None:
        for binding in node.bindings.get(name, []):
            if binding.value is not None and id(binding.value) in frame.engine.import_taints:
                frame.report_in(node.module, self, binding.value, f"`{node.name}.{name}` {self.why}", expression=name)

    def entered(self, frame: Frame, node: FunctionNode) -> None:
        if node in frame.engine.workflows:
            for default in node.defaults.values():
                self.import_default(frame, node, default)

    def import_default(self, frame: Frame, node: FunctionNode, default: ast.expr) -> None:
        frame.engine.resolver.at_import(node.module, default)
        if id(default) in frame.engine.import_taints:
            frame.report_in(node.module, self, default, f"a default argument {self.why}")

    def import_default_of_class(self, frame: Frame, node: ClassNode, value: ast.expr) -> None:
        frame.engine.resolver.at_import(node.module, value)
        if id(value) in frame.engine.import_taints:
            frame.report_in(node.module, self, value, f"the default of a field of `{node.name}` {self.why}")
