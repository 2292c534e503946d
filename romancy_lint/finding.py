"""What the linter says: plain frozen values, ordered by place, the same on every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Applicability = Literal["safe", "unsafe"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A span of source: rows and columns count from 1, columns count code points, the end is exclusive."""

    row: int
    column: int
    end_row: int
    end_column: int


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace what stands at `place` by `content`; an empty span inserts."""

    place: Place
    content: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A rewriting: its edits, and the names (`module:name`, or `module`) that they need imported.

    Where it is safe only while workflows alone run the place, `callers` are the names that lead there.
    """

    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]
    imports: tuple[str, ...] = ()
    callers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hop:
    """One link of the chain from a workflow to a finding."""

    function: str
    filename: str
    row: int

    def __str__(self) -> str:
        return f"{self.function} ({self.filename.rsplit('/', 1)[-1]}:{self.row})"


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect, at the expression that causes it, with the chain of calls that reaches it."""

    filename: str
    place: Place
    code: str
    name: str
    message: str
    severity: str = "error"
    fix: Fix | None = None
    workflow: str | None = None
    chain: tuple[Hop, ...] = ()

    @property
    def sort_key(self) -> tuple[str, int, int, str]:
        return (self.filename, self.place.row, self.place.column, self.code)

    def to_dict(self) -> dict[str, Any]:
        """The finding in the shape of ruff's JSON, with the workflow and the chain added."""
        return {
            "code": self.code,
            "name": self.name,
            "message": self.message,
            "filename": self.filename,
            "location": {"row": self.place.row, "column": self.place.column},
            "end_location": {"row": self.place.end_row, "column": self.place.end_column},
            "fix": None if self.fix is None else _fix_to_dict(self.fix),
            "severity": self.severity,
            "url": None,
            "workflow": self.workflow,
            "chain": [{"function": h.function, "filename": h.filename, "row": h.row} for h in self.chain],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Finding:
        """The finding that `to_dict` wrote."""
        fix = data["fix"]
        return cls(
            filename=data["filename"],
            place=_place(data),
            code=data["code"],
            name=data["name"],
            message=data["message"],
            severity=data["severity"],
            fix=None if fix is None else _fix_from_dict(fix),
            workflow=data["workflow"],
            chain=tuple(Hop(h["function"], h["filename"], h["row"]) for h in data["chain"]),
        )


def _fix_to_dict(fix: Fix) -> dict[str, Any]:
    return {
        "applicability": fix.applicability,
        "message": fix.message,
        "edits": [
            {
                "content": edit.content,
                "location": {"row": edit.place.row, "column": edit.place.column},
                "end_location": {"row": edit.place.end_row, "column": edit.place.end_column},
            }
            for edit in fix.edits
        ],
        "imports": list(fix.imports),
        "callers": list(fix.callers),
    }


def _fix_from_dict(data: dict[str, Any]) -> Fix:
    edits = tuple(Edit(_place(edit), edit["content"]) for edit in data["edits"])
    return Fix(data["applicability"], data["message"], edits, tuple(data["imports"]), tuple(data.get("callers", ())))


def _place(data: dict[str, Any]) -> Place:
    start, end = data["location"], data["end_location"]
    return Place(start["row"], start["column"], end["row"], end["column"])
