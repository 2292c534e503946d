"""What a rule is: one class, its promise in its docstring, its examples its tests and its page."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame

#: Stands before every example: the names that examples use.
PRELUDE = """\
from romancy import Context, Flow, activity, gather, race, sleep, workflow

@activity
def charge(value) -> int: ...

@activity
def refund(value) -> int: ...

"""

WORKFLOW = frozenset({"workflow"})
ANYWHERE = frozenset({"workflow", "import"})
ACTIVITY = frozenset({"activity"})
BOTH = frozenset({"workflow", "activity"})


@dataclass(frozen=True, slots=True)
class Bad:
    """Code that must be reported on the line marked `# bad`, and what `--fix` makes of it."""

    code: str
    fixed: str | None = None
    unsafe: bool = False


class Rule:
    """A rule listens to events of the walk by having methods of their names; `used` is told of the names it owns."""

    code: ClassVar[str]
    name: ClassVar[str]
    why: ClassVar[str]
    severity: ClassVar[str] = "error"
    default: ClassVar[bool] = True
    modes: ClassVar[frozenset[str]] = WORKFLOW
    fixes: ClassVar[str] = "none"
    GOOD: ClassVar[tuple[str, ...]] = ()
    BAD: ClassVar[tuple[Bad, ...]] = ()

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        """A name of the tables that belongs to this rule is called or read."""
        frame.report(self, node, self.message(name), expression=expression(frame, node, call))

    def message(self, name: str) -> str:
        """What to say about a name."""
        return f"`{shorter(name)}` {self.why}"


def expression(frame: Frame, node: ast.expr, call: ast.Call | None) -> str:
    """The offending expression for the end of the chain, short enough for one line."""
    text = frame.text(node)
    return text if len(text) <= 60 and "\n" not in text else text.partition("(")[0][:60] + ("(…)" if call else "")


def shorter(name: str) -> str:
    """A qualified name without the parts that nobody writes."""
    return name.removeprefix("builtins.").replace("datetime.datetime.", "datetime.").replace("datetime.date.", "date.")
