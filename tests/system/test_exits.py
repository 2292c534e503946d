"""A process that ends without closing its app ends cleanly, and its suspended workflows go on elsewhere."""

from __future__ import annotations

import pytest

from tests.system.effects import counted
from tests.system.programs import untidy
from tests.system.stage import Stage


@pytest.mark.parametrize(("how", "code"), [("end", 0), ("exit", 3), ("error", 1)])
def test_an_interpreter_that_exits_with_an_open_app_ends_cleanly(stage: Stage, how: str, code: int) -> None:
    program = stage.run("leave", how)
    assert program.exit_code() == code
    assert program.printed() == ""
    complaint = program.complained()
    if how == "error":
        assert complaint.count("Traceback") == 1 and complaint.endswith("LookupError: the program's own trouble\n")
    else:
        assert complaint == ""
    assert stage.query("select * from worker") == [], "the lease was given back"
    assert stage.query("select status, owner from instance") == [("waiting", None)]
    assert counted(stage.bodies()) == {"add 1": 1}, "no call of its finally: was acted on"


def test_a_worker_that_ends_acts_on_no_call_of_a_suspended_workflow(stage: Stage) -> None:
    handle = stage.client.start(untidy())
    worker = stage.work()
    stage.wait_for_status(handle, "waiting")
    worker.process.terminate()
    assert worker.exit_code() == 0
    assert worker.complained() == worker.printed() == ""
    assert counted(stage.bodies()) == {"add 1": 1}
    handle.cancel()
    stage.work()
    stage.wait_for("its end", lambda: handle.status in ("cancelled", "failed"))
    assert counted(stage.bodies()) == {"add 1": 1, "tidy up": 1}, "and its own end is what runs it"
