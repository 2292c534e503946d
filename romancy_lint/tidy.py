"""Imports after a fix, on the concrete syntax tree: added once, dropped when the fix took their last use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

import libcst as cst


def used_names(tree: ast.Module) -> set[str]:
    """Every name that a module reads, writes or mentions in a string."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 500:
            found.update(re.findall(r"\w+", node.value))
    return found


def tidy(text: str, before: ast.Module, needed: Iterable[str]) -> str:
    """The module with its imports made to fit."""
    after = ast.parse(text)
    gone = used_names(before) - used_names(after)
    bound = {name for node in ast.walk(after) for name in _bound(node)}
    wanted = sorted({name for name in needed if name.partition(":")[2] not in bound or ":" not in name})
    wanted = [name for name in wanted if ":" in name or name not in bound]
    if not gone & bound and not wanted:
        return text
    module = cst.parse_module(text)
    if gone & bound:
        module = module.visit(_Dropper(gone & bound))
    for name in wanted:
        module = _with_import(module, *name.partition(":")[::2])
    return module.code


def _bound(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [a.asname or a.name.partition(".")[0] for a in names]
        case ast.ImportFrom(names=names, module=module) if module != "__future__":
            return [a.asname or a.name for a in names]
    return []


class _Dropper(cst.CSTTransformer):
    """Takes imports of some names out."""

    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.names = names

    def visit_Expr(self, node: cst.Expr) -> bool:  # noqa: N802
        return False

    def leave_SimpleStatementLine(  # noqa: N802
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.RemovalSentinel:
        if original_node.body and not updated_node.body:
            return cst.RemoveFromParent()
        return updated_node

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.Import | cst.RemovalSentinel:  # noqa: N802
        kept = self._kept(updated_node.names)
        return updated_node.with_changes(names=kept) if kept else cst.RemoveFromParent()

    def leave_ImportFrom(  # noqa: N802
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        if isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        if isinstance(updated_node.module, cst.Name) and updated_node.module.value == "__future__":
            return updated_node
        kept = self._kept(updated_node.names)
        if len(kept) == len(updated_node.names):
            return updated_node
        return updated_node.with_changes(names=kept) if kept else cst.RemoveFromParent()

    def _kept(self, aliases: Iterable[cst.ImportAlias]) -> list[cst.ImportAlias]:
        every = list(aliases)
        kept = [alias for alias in every if _alias_name(alias) not in self.names]
        if kept and kept[-1] is not every[-1]:
            kept[-1] = kept[-1].with_changes(comma=every[-1].comma)
        return kept


def _alias_name(alias: cst.ImportAlias) -> str:
    if alias.asname is not None:
        return alias.asname.name.value if isinstance(alias.asname.name, cst.Name) else ""
    node: cst.BaseExpression = alias.name
    while isinstance(node, cst.Attribute):
        node = node.value
    return node.value if isinstance(node, cst.Name) else ""


def _with_import(module: cst.Module, source: str, name: str) -> cst.Module:
    """The module with one more import: in the statement that imports from there already, or in a new one."""
    body = list(module.body)
    place = 0
    for number, statement in enumerate(body):
        if not isinstance(statement, cst.SimpleStatementLine):
            continue
        small = statement.body[0]
        if number == 0 and isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString):
            place = 1
        if isinstance(small, cst.Import | cst.ImportFrom):
            place = number + 1
        if name and isinstance(small, cst.ImportFrom) and _is_from(small, source):
            body[number] = statement.with_changes(body=[_grown(small, name), *statement.body[1:]])
            return module.with_changes(body=body)
    line = f"from {source} import {name}" if name else f"import {source}"
    body.insert(place, cst.parse_statement(line, config=module.config_for_parsing))
    return module.with_changes(body=body)


def _is_from(node: cst.ImportFrom, source: str) -> bool:
    named = isinstance(node.module, cst.Name) and node.module.value == source
    return named and not node.relative and not isinstance(node.names, cst.ImportStar)


def _order(name: str) -> tuple[int, str]:
    """The order that import sorters give names: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name.lower())


def _grown(node: cst.ImportFrom, name: str) -> cst.ImportFrom:
    assert not isinstance(node.names, cst.ImportStar)
    names = list(node.names)
    order = [_order(_alias_name(alias)) for alias in names]
    if order == sorted(order) and order[-1] > _order(name):
        at = next(n for n, key in enumerate(order) if key > _order(name))
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")) if at == 0 else names[at - 1].comma
        names.insert(at, cst.ImportAlias(cst.Name(name), comma=comma))
        return node.with_changes(names=names)
    last = names[-1]
    comma = names[-2].comma if len(names) > 1 else cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    trailing = last.comma
    names[-1] = last.with_changes(comma=comma)
    names.append(cst.ImportAlias(cst.Name(name), comma=trailing))
    return node.with_changes(names=names)
