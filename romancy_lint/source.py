"""Bytes to text and back: encodings, newlines, and the places of nodes in code points."""

from __future__ import annotations

import ast
import codecs
import io
import re
import tokenize
import warnings
from functools import cached_property

from romancy_lint.finding import Place

_NEWLINE = re.compile(r"\r\n|\r|\n")


class DecodeError(Exception):
    """The bytes of a file are not text in the encoding that it declares."""


def decode(data: bytes) -> tuple[str, str]:
    """The text of a Python file and its encoding, by its BOM or coding line."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding), encoding
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise DecodeError(f"cannot be decoded: {error}") from error


def is_text(data: bytes) -> bool:
    """Whether the bytes of a file can be decoded."""
    if data.isascii() and b"coding" not in data[:200] and b"\0" not in data:
        return True
    try:
        decode(data)
    except DecodeError:
        return False
    return b"\0" not in data


def is_python(data: bytes) -> bool:
    """Whether the bytes of a file can be decoded and parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(decode(data)[0])
    except (SyntaxError, DecodeError, ValueError, RecursionError, MemoryError):
        return False
    return True


def encode(text: str, encoding: str) -> bytes:
    """The inverse of `decode`; a BOM is kept."""
    if encoding == "utf-8-sig":
        return codecs.BOM_UTF8 + text.encode("utf-8")
    return text.encode(encoding)


class Source:
    """The text of one module, able to say where a node stands and what it reads."""

    def __init__(self, text: str, filename: str) -> None:
        self.text = text
        self.filename = filename
        self.tree = ast.parse(text, filename)

    @cached_property
    def lines(self) -> list[str]:
        """Lines without their ends, split where the parser splits them."""
        return _NEWLINE.split(self.text)

    @cached_property
    def offsets(self) -> list[int]:
        """Where each line begins in the text."""
        return [0, *(match.end() for match in _NEWLINE.finditer(self.text))]

    def place(self, node: ast.AST) -> Place:
        """The span of a node."""
        row, end_row = node.lineno, node.end_lineno or node.lineno  # type: ignore[attr-defined]
        start, end = node.col_offset, node.end_col_offset  # type: ignore[attr-defined]
        return Place(row, self._column(row, start), end_row, self._column(end_row, end))

    def _column(self, row: int, offset: int) -> int:
        line = self.lines[row - 1] if row <= len(self.lines) else ""
        if line.isascii():
            return offset + 1
        return len(line.encode()[:offset].decode("utf-8", "replace")) + 1

    def offset(self, row: int, column: int) -> int:
        """The index into the text of a row and column that count from 1."""
        return self.offsets[row - 1] + column - 1

    def span(self, place: Place) -> str:
        return self.text[self.offset(place.row, place.column) : self.offset(place.end_row, place.end_column)]

    def read(self, node: ast.AST) -> str:
        """The text of a node as it was written."""
        return self.span(self.place(node))

    def indentation(self, row: int) -> str:
        line = self.lines[row - 1]
        return line[: len(line) - len(line.lstrip())]
