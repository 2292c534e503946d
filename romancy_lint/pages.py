"""The page of a rule: what it does, why, an example, what to write instead, and how safe its fix is."""

from __future__ import annotations

from romancy_lint.config import ConfigError, suggestion
from romancy_lint.names.sources import CALLED, READ
from romancy_lint.rules import BY_CODE, RULES, Rule


def page(code: str) -> str:
    """The page of one rule; names work as well as codes."""
    by_name = {rule.name: rule for rule in RULES}
    rule = BY_CODE.get(code.upper()) or by_name.get(code.lower())
    if rule is None:
        raise ConfigError(f"unknown rule `{code}`{suggestion(code.upper(), BY_CODE)}")
    return render(rule)


def render(rule: Rule) -> str:
    """Markdown."""
    status = rule.severity if rule.default else f"{rule.severity}, off unless selected"
    parts = [f"# {rule.name} ({rule.code})", f"*{status}*", f"## What it does\n\n{rule.__doc__}"]
    parts.append(f"## Why is this bad?\n\nSuch code {rule.why}.")
    if rule.BAD:
        parts.append("## Example\n\n" + _code(rule.BAD[0].code))
    instead = rule.BAD[0].fixed if rule.BAD and rule.BAD[0].fixed else rule.GOOD[0] if rule.GOOD else None
    if instead:
        parts.append("## Use instead\n\n" + _code(instead))
    names = [n for n in (*CALLED.get(rule.code, ()), *READ.get(rule.code, ())) if not n.startswith("!")]
    if names:
        parts.append("## Names\n\n" + ", ".join(f"`{name.removeprefix('builtins.')}`" for name in names))
    parts.append(f"## Fix safety\n\n{_safety(rule)}")
    return "\n\n".join(parts) + "\n"


def _code(text: str) -> str:
    clean = "\n".join(line.replace("  # bad", "") for line in text.rstrip().splitlines())
    return f"```python\n{clean}\n```"


def _safety(rule: Rule) -> str:
    if rule.fixes == "none":
        return "There is no automatic fix."
    note = (
        "An unsafe fix adds, removes or moves a `yield`, or changes values: "
        "instances that the old code recorded may not replay."
    )
    return f"The fix is {rule.fixes}." + (f" {note}" if "unsafe" in rule.fixes else "")
