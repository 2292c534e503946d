"""What `romancy-lint check` does, step by step: read, check or fix, write, say how it went."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import click

from romancy_lint.cache import Cache
from romancy_lint.config import Config, ConfigError
from romancy_lint.discovery import absolute, discover, named
from romancy_lint.finding import Finding
from romancy_lint.report import FORMATS
from romancy_lint.runner import Report, run
from romancy_lint.source import DecodeError, decode, encode


class Command:
    """One run of the command."""

    def __init__(self, config: Config, options: dict[str, Any]) -> None:
        self.config = config
        self.options = options
        self.texts: dict[Path, bytes] | None = None
        self.named: frozenset[Path] = frozenset()

    def run(self, paths: tuple[str, ...]) -> int:
        """Runs it; the exit code."""
        files = self._files(paths)
        if self.options["add_ignore"] is not None:
            return self._add_ignores(files)
        if self.options["do_fix"] or self.options["show_diff"] or self.options["fix_only"]:
            return self._fix(files)
        report = run(
            files, self.config, cache=self._cache(), jobs=self.options["jobs"], texts=self.texts, named=self.named
        )
        self._write(report)
        self._summary(report.findings, report.files)
        return self._exit(bool(report.findings))

    def _files(self, paths: tuple[str, ...]) -> list[Path]:
        if "-" not in paths:
            files = discover([Path(path) for path in paths or (".",)], self.config)
            self.named = named(map(Path, paths))
            for path in map(Path, paths):
                if path.is_file() and absolute(path) not in files:
                    click.echo(f"romancy-lint: {path} is excluded by the settings", err=True)
            return files
        if len(paths) > 1:
            raise ConfigError("`-` cannot be combined with other paths")
        name = absolute(self.options["stdin_filename"] or Path("stdin.py"))
        self.texts = {name: sys.stdin.buffer.read()}
        return [name]

    def _cache(self) -> Cache:
        if self.options["no_cache"] or self.texts is not None:
            return Cache(None)
        return Cache(self.options["cache_dir"] or self.config.root / self.config.cache_dir)

    def _exit(self, found: bool) -> int:
        return 1 if found and not self.options["exit_zero"] else 0

    # -- output ----------------------------------------------------------------------------------------------------
    def _write(self, report: Report, changed: dict[Path, bytes] | None = None) -> None:
        from romancy_lint.cli import statistics

        if self.options["statistics"]:
            click.echo(statistics(report.findings), nl=False)
            return
        texts = {}
        if self.config.output_format == "full":
            texts = {f.filename: self._text(report.paths.get(f.filename), changed or {}) for f in report.findings}
        click.echo(FORMATS[self.config.output_format](report.findings, texts), nl=False)

    def _text(self, path: Path | None, changed: dict[Path, bytes]) -> str:
        if path is None:
            return ""
        try:
            data = changed.get(path) or (self.texts or {}).get(path) or path.read_bytes()
            return decode(data)[0]
        except (OSError, DecodeError):
            return ""

    def _summary(self, findings: list[Finding], files: int, repaired: int = 0) -> None:
        safe = sum(f.fix is not None and f.fix.applicability == "safe" for f in findings)
        unsafe = sum(f.fix is not None and f.fix.applicability == "unsafe" for f in findings)
        said = f"{repaired} repaired, " if repaired else ""
        said += f"{len(findings)} finding{'s' * (len(findings) != 1)}" if findings else "no findings"
        click.echo(f"romancy-lint: {said} in {files} file{'s' * (files != 1)}", err=True)
        fixed = self.options["do_fix"]
        if fixed and unsafe and not self.options["unsafe_fixes"]:
            click.echo(f"romancy-lint: {unsafe} can be repaired with `--fix --unsafe-fixes`", err=True)
        elif not fixed and (safe or unsafe):
            hidden = f", {unsafe} more with `--unsafe-fixes`" if unsafe else ""
            click.echo(f"romancy-lint: {safe} can be repaired with `--fix`{hidden}", err=True)

    # -- fixing ----------------------------------------------------------------------------------------------------
    def _fix(self, files: list[Path]) -> int:
        from romancy_lint.fixes import diff, fix_files, write

        done = fix_files(files, self.config, unsafe=self.options["unsafe_fixes"], texts=self.texts, named=self.named)
        self._warn(done.repaired)
        if self.options["show_diff"]:
            for path in sorted(done.changed):
                click.echo(diff(path, done.originals[path], done.changed[path]), nl=False)
            unread = _unread(done.report.findings)
            click.echo(FORMATS["concise"](unread, {}), nl=False, err=True)
            return self._exit(bool(done.changed or unread))
        if self.texts is not None:
            path = files[0]
            sys.stdout.buffer.write(done.changed.get(path, self.texts[path]))
            sys.stdout.flush()
        else:
            for path, data in sorted(done.changed.items()):
                write(path, data)
        if self.options["fix_only"]:
            click.echo(f"romancy-lint: {len(done.repaired)} repaired", err=True)
            return 0
        if self.texts is None:
            self._write(done.report, done.changed)
        else:
            click.echo(FORMATS["concise"](done.report.findings, {}), nl=False, err=True)
        self._summary(done.report.findings, done.report.files, len(done.repaired))
        return self._exit(bool(done.report.findings))

    def _warn(self, repaired: list[Finding]) -> None:
        """An unsafe fix is never silent about the workflows that it touches."""
        touched = {f.workflow for f in repaired if f.fix and f.fix.applicability == "unsafe" and f.workflow}
        if touched:
            names = ", ".join(sorted(touched))
            click.echo(
                f"romancy-lint: running instances of {names} that the old code recorded may not replay", err=True
            )

    def _add_ignores(self, files: list[Path]) -> int:
        from romancy_lint.fixes import write

        reason = " ".join(self.options["add_ignore"].split())  # a second line would be code
        report = run(files, self.config, texts=self.texts, named=self.named)
        by_path: dict[Path, list[Finding]] = {}
        for finding in report.findings:
            if finding.code not in ("ROM000", "ROM001", "ROM003", "ROM004"):
                by_path.setdefault(report.paths[finding.filename], []).append(finding)
        for path, several in sorted(by_path.items()):
            write(path, silenced(path.read_bytes(), several, reason))
        count = sum(map(len, by_path.values()))
        click.echo(f"romancy-lint: {count} finding{'s' * (count != 1)} silenced", err=True)
        unread = _unread(report.findings)
        click.echo(FORMATS["concise"](unread, {}), nl=False)
        return self._exit(bool(unread))


def _unread(findings: list[Finding]) -> list[Finding]:
    """What says that a file could not be read: no option makes that pass in silence."""
    return [finding for finding in findings if finding.code == "ROM000"]


def silenced(data: bytes, findings: list[Finding], reason: str) -> bytes:
    """The file with a comment on the line of every finding; where none can stand, the file says it at its top."""
    text, encoding = decode(data)
    tree = ast.dump(ast.parse(text))
    lines = text.splitlines(keepends=True)
    codes: dict[tuple[int, int], set[str]] = {}
    for finding in findings:
        codes.setdefault((finding.place.row, finding.place.end_row), set()).add(finding.code)
    homeless: set[str] = set()
    for (row, end), several in sorted(codes.items()):
        for candidate in (row, end):
            changed = _commented(lines, candidate, f"ignore[{', '.join(sorted(several))}] {reason}")
            if _dumped("".join(changed)) == tree:
                lines = changed
                break
        else:
            homeless |= several
    newline = "\r\n" if "\r\n" in text else "\n"
    top = f"# romancy: ignore-file[{', '.join(sorted(homeless))}] {reason}{newline}" if homeless else ""
    at = next((n for n, line in enumerate(lines) if not line.startswith(("#!", "# -*-"))), 0)
    return encode("".join([*lines[:at], top, *lines[at:]]), encoding)


def _commented(lines: list[str], row: int, comment: str) -> list[str]:
    line = lines[row - 1]
    body = line.rstrip("\r\n")
    return [*lines[: row - 1], f"{body}  # romancy: {comment.rstrip()}{line[len(body) :]}", *lines[row:]]


def _dumped(text: str) -> str | None:
    try:
        return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError):
        return None
