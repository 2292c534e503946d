"""What pytest learns of Romancy: the fixture `romancy`, and the crash that a failed test looked at."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from romancy.testing.crashes import latest
from romancy.testing.sandbox import Sandbox


@pytest.fixture
def romancy() -> Iterator[Sandbox]:
    """An app in memory on a virtual clock; what it replaces is replaced in the crash points of the test, too.

    One app serves the whole test. With `@given` of Hypothesis write `with Sandbox() as romancy:` in the test instead:
    each example then gets its own.
    """
    with Sandbox() as sandbox:
        yield sandbox


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """No test has looked at a crash before it begins."""
    latest.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show where the process was killed, what was recorded, and how to repeat it."""
    report = yield
    if report.failed and report.when == "call" and latest:
        report.sections.append(("the crash that was looked at last", str(latest[-1])))
    return report
