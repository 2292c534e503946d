"""Every engine that is broken on purpose is noticed, and by a check that names what is wrong."""

import pytest

from tests.crash.canaries import CANARIES, Canary, noticed


@pytest.mark.parametrize("canary", CANARIES, ids=[each.name for each in CANARIES])
def test_a_broken_engine_is_noticed(canary: Canary) -> None:
    assert noticed(canary) in canary.noticed_by
