"""What pytest learns of Romancy: the fixture `romancy`, and the crash that a failed test looked at."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from romancy.testing.crashes import latest
from romancy.testing.fakes import in_force
from romancy.testing.sandbox import Sandbox


@pytest.fixture
def romancy() -> Iterator[Sandbox]:
    """An app in memory on a virtual clock; what it replaces is replaced in the crash points of the test, too."""
    with Sandbox() as sandbox, in_force(sandbox.script.fakes):
        yield sandbox


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """No test has looked at a crash before it begins."""
    latest.set(None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show where the process was killed, what was recorded, and how to repeat it."""
    report = yield
    crash = latest.get()
    if report.failed and report.when == "call" and crash is not None:
        report.sections.append(("the crash that was looked at last", str(crash)))
    return report
