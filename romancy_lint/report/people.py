"""Formats for people."""

from __future__ import annotations

from romancy_lint.finding import Finding


def concise(findings: list[Finding], texts: dict[str, str]) -> str:
    """One line a finding."""
    return "".join(f"{f.filename}:{f.place.row}:{f.place.column}: {f.code}{_mark(f)} {f.message}\n" for f in findings)


def full(findings: list[Finding], texts: dict[str, str]) -> str:
    """The place, what is wrong, the code with carets, the chain, and whether it can be repaired."""
    return "".join(_block(finding, texts.get(finding.filename, "")) for finding in findings)


def _mark(finding: Finding) -> str:
    if finding.fix is None:
        return ""
    return " [*]" if finding.fix.applicability == "safe" else " [**]"


def _block(finding: Finding, text: str) -> str:
    place = finding.place
    message = finding.message.removesuffix(" [" + " -> ".join(map(str, finding.chain)) + "]")
    out = [f"{finding.code}{_mark(finding)} {message}"]
    lines = text.splitlines()
    width = len(str(place.row))
    out.append(f"{' ' * width}--> {finding.filename}:{place.row}:{place.column}")
    if 0 < place.row <= len(lines):
        line = lines[place.row - 1].expandtabs(1)
        end = place.end_column if place.end_row == place.row else len(line) + 1
        out.append(f"{' ' * width} |")
        out.append(f"{place.row} | {line}")
        out.append(f"{' ' * width} | {' ' * (place.column - 1)}{'^' * max(end - place.column, 1)}")
    if len(finding.chain) > 1:
        out.append(f"{' ' * width} = reached by: " + " -> ".join(map(str, finding.chain)))
    if finding.fix is not None:
        option = "--fix" if finding.fix.applicability == "safe" else "--fix --unsafe-fixes"
        out.append(f"{' ' * width} = help: {finding.fix.message} (`{option}`)")
    return "\n".join(out) + "\n\n"
