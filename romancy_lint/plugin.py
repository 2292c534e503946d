"""The pytest option `--romancy-lint`: what the linter finds fails as tests.

Pytest loads this module in every run, so nothing of the analysis is imported before the option is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from romancy_lint.finding import Finding


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("romancy").addoption(
        "--romancy-lint",
        action="store_true",
        help="also run romancy-lint over the project: each finding is a test that fails",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add one item for each finding, or one that passes."""
    if config.getoption("romancy_lint"):
        items.extend(_items(session, config.rootpath))


def _items(session: pytest.Session, root: Path) -> Iterator[pytest.Item]:
    from romancy_lint.api import check
    from romancy_lint.config import ConfigError

    try:
        findings = check([root])
    except ConfigError as error:
        raise pytest.UsageError(f"--romancy-lint: {error}") from error
    collector = _Linter.from_parent(session, name="romancy-lint", nodeid="romancy-lint")
    if not findings:
        yield _Check.from_parent(collector, name="clean", finding=None)
    for finding in findings:
        name = f"{finding.filename}:{finding.place.row}:{finding.place.column}: {finding.code}"
        yield _Check.from_parent(collector, name=name, finding=finding)


class _Linter(pytest.Collector):
    """What the items of the linter belong to."""

    def collect(self) -> Iterable[pytest.Item]:
        return ()


class _Check(pytest.Item):
    """One finding, which fails; or none, which passes."""

    def __init__(self, *, finding: Finding | None, **more: Any) -> None:
        super().__init__(**more)
        self._finding = finding

    def runtest(self) -> None:
        """Fail where something was found."""
        if self._finding is not None:
            raise _Found

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """The finding as the command line shows it."""
        if not isinstance(excinfo.value, _Found):
            return str(super().repr_failure(excinfo, style))
        from romancy_lint.report.people import full

        finding = self._finding
        assert finding is not None
        path = Path(finding.filename)
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        return full([finding], {finding.filename: text}).rstrip()

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the finding stands."""
        if self._finding is None:
            return self.path, None, "romancy-lint"
        return Path(self._finding.filename), self._finding.place.row - 1, f"romancy-lint {self._finding.code}"


class _Found(Exception):
    """There is a finding; `repr_failure` tells it."""
