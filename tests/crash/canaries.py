"""Engines that are broken on purpose: each has to be noticed by a crash, a failing statement or the model.

A harness that finds nothing in these would find nothing at all. Those for which it takes several workers stand beside
the interleavings.
"""

from __future__ import annotations

import attrs

from tests.crash.campaign import Crashes, Troubles, quiet
from tests.crash.evidence import Broken
from tests.crash.images import MODES, Mode
from tests.crash.programs import Act, Block, Child, Detached, Draw, Gather, Raise, Recur, Saga, Scenario, Sleep
from tests.crash.workers.breaks import Break, Edit, broken

MODE = {each.name: each for each in MODES}
ACT, SQL, SAGA = Act("plain"), Act("transactional"), Saga("works")


@attrs.frozen(kw_only=True)
class Canary:
    """A broken engine, a program that shows it, and the checks of which one notices it first.

    With `fails` each of its statements fails once, with that error, before or `after` it did its work; it is crashed at
    every boundary otherwise.
    """

    name: str
    edits: tuple[Edit, ...]
    noticed_by: tuple[str, ...]
    scenario: Scenario
    mode: Mode = MODE["normal"]
    fails: str | None = None
    after: bool = False


def shown(*statements: object, cancel_after: int | None = None) -> Scenario:
    """A program of these statements."""
    return Scenario(Block(statements), cancel_after)  # type: ignore[arg-type]


_STORE = "romancy.store.sqlite.store:SqliteStore"
_READER = "romancy.store.sqlite.reader:SqliteReader"
_TURN = "romancy.worker.turn:Turn"
_APART = "self._connection.execute('commit'), self._connection.execute('begin immediate')"

CANARIES = (
    Canary(
        name="a turn is written in two transactions",
        edits=(Edit(f"{_STORE}.commit", "if tick.delivered:", f"{_APART}\n        if tick.delivered:"),),
        noticed_by=("InstanceStuckError", "who_waits_is_woken", "an_owner_has_a_lease"),
        scenario=shown(ACT, Sleep(5)),
    ),
    Canary(
        name="an activity's SQL is committed before its result",
        edits=(
            Edit(
                "romancy.store.sqlite.transaction:SqliteRecording.record",
                "self._append([",
                f"{_APART}, self._append([",
            ),
        ),
        noticed_by=("sql_commits_with_its_completion",),
        scenario=shown(SQL),
    ),
    Canary(
        name="a start is acknowledged and rolled back",
        edits=(
            Edit(
                f"{_STORE}.create",
                'with self._writer.transaction("create"):',
                'with self._writer.transaction("create") as never:\n        never.abandon()',
            ),
        ),
        noticed_by=("UnknownInstanceError",),
        scenario=shown(ACT),
    ),
    Canary(
        name="a cancellation is acknowledged and not written",
        edits=(Edit(f"{_STORE}.tell", "self._tell(number, kind, data, now)", "pass"),),
        noticed_by=("what_was_acknowledged_is_there",),
        scenario=shown(Sleep(60), cancel_after=1),
    ),
    Canary(
        name="letters are gone once they are read",
        edits=(
            Edit(
                f"{_READER}.letters",
                "return [Letter",
                "self._writer.connection.execute('delete from inbox'); return [Letter",
            ),
        ),
        noticed_by=("what_was_acknowledged_is_there", "who_waits_is_woken"),
        scenario=shown(Sleep(60), cancel_after=1),
    ),
    Canary(
        name="failed attempts are forgotten",
        edits=(
            Edit(
                f"{_TURN}.append",
                "self.tick.events.append(",
                "type(event).__name__ == 'AttemptFailed' or self.tick.events.append(",
            ),
            Edit(
                f"{_TURN}.append",
                "resident.position += 1",
                "resident.position += type(event).__name__ != 'AttemptFailed'",
            ),
        ),
        noticed_by=("it_ends_as_the_model_says", "repeats_fit_the_crashes"),
        scenario=shown(Act("flaky", 2)),
    ),
    Canary(
        name="the start of an at-most-once activity is not recorded",
        edits=(Edit(f"{_TURN}._launch", "if pending.activity.at_most_once and self.stays:", "if False:"),),
        noticed_by=("at_most_once_is_started_first", "it_ends_as_the_model_says"),
        scenario=shown(Act("once")),
    ),
    Canary(
        name="an interrupted at-most-once activity runs again",
        edits=(Edit(f"{_TURN}.began", "isinstance(pending, PendingActivity) and pending.interrupted", "False"),),
        noticed_by=("at_most_once_is_started_first", "repeats_fit_the_crashes"),
        scenario=shown(Act("once")),
    ),
    Canary(
        name="compensation goes forward",
        edits=(Edit("romancy.saga:compensate", "reversed(completed)", "completed"),),
        noticed_by=("compensation_reverses_completion",),
        scenario=shown(SAGA, SAGA, Raise()),
    ),
    Canary(
        name="a crash begins compensation anew",
        edits=(
            Edit(
                f"{_READER}.history",
                "order by seq",
                "and (step is null or step not like 'c%') order by seq",
            ),
        ),
        noticed_by=(
            "StoreError",
            "SerializationError",
        ),
        scenario=shown(SAGA, SAGA, Raise()),
    ),
    Canary(
        name="history is read in another order than it was written",
        edits=(Edit(f"{_READER}.history", "order by seq", "order by at, seq desc"),),
        noticed_by=(
            "InstanceStuckError",
            "SerializationError",
        ),
        scenario=shown(ACT, ACT),
    ),
    Canary(
        name="a replayed timer is early",
        edits=(
            Edit(
                "romancy.kernel.calling:_sleep",
                "context.at +",
                "(-4 if context.is_replaying else 0) + context.at +",
            ),
        ),
        noticed_by=("it_ends_as_the_model_says", "who_waits_is_woken"),
        scenario=shown(ACT, Sleep(5)),
    ),
    Canary(
        name="who waits is stored without an alarm",
        edits=(Edit(f"{_STORE}.commit", "(state.wake_at, state.number)", "(None, state.number)"),),
        noticed_by=("who_waits_is_woken", "everything_comes_to_an_end"),
        scenario=shown(Sleep(5)),
    ),
    Canary(
        name="what a dead worker held stays with it",
        edits=(Edit(f"{_STORE}._free", "where owner = :token", "where owner = -:token"),),
        noticed_by=("an_owner_has_a_lease", "everything_comes_to_an_end"),
        scenario=shown(ACT),
        mode=MODE["taken over"],
    ),
    Canary(
        name="nobody hears of a child's end",
        edits=(Edit("romancy.worker.conclusion:_ended", "if parent is not None:", "if False:"),),
        noticed_by=("who_waits_is_woken", "everything_comes_to_an_end"),
        scenario=shown(Child(Block((ACT,)))),
    ),
    Canary(
        name="a detached workflow is started again after a crash",
        edits=(
            Edit(
                "romancy.kernel.calling:_child_id",
                "return ",
                "return str(id(context)) + ",
            ),
        ),
        noticed_by=("it_ends_as_the_model_says", "nobody_is_stuck", "InstanceStuckError", "KeyError"),
        scenario=shown(Detached(Block((ACT,))), ACT),
    ),
    Canary(
        name="an instance is seeded anew in each life",
        edits=(Edit("romancy.worker.intake:Intake._resident", "seed=instance.seed, run", "seed=self._seed(), run"),),
        noticed_by=("it_ends_as_the_model_says", "replay_ends_as_recorded"),
        scenario=shown(Draw("random"), ACT, Draw("random")),
    ),
    Canary(
        name="the same id begins again",
        edits=(
            Edit(
                f"{_STORE}._create",
                "on conflict (id) do nothing",
                "on conflict (id) do update set seed = excluded.seed, status = 'pending', wake_at = excluded.wake_at",
            ),
        ),
        noticed_by=("history_only_grows", "who_ended_holds_nothing"),
        scenario=shown(ACT),
    ),
    Canary(
        name="the next run takes the last one's place",
        edits=(Edit("romancy.worker.residents:Resident.recur", "self.run += 1", "self.run += 0"),),
        noticed_by=("StoreError", "everything_comes_to_an_end", "history_has_no_gap"),
        scenario=shown(ACT, Recur(1)),
    ),
    Canary(
        name="a full disk is taken for a commit",
        edits=(
            Edit(
                "romancy.store.sqlite.transaction:Transaction._end",
                "raise store_error(self._writer.path, problem) from problem\n        except B",
                "return\n        except B",
            ),
        ),
        noticed_by=(
            "history_has_no_gap",
            "what_was_acknowledged_is_there",
            "UnknownInstanceError",
            "everything_comes_to_an_end",
            "StoreError",
        ),
        scenario=shown(ACT, SQL),
        fails="full",
    ),
    Canary(
        name="trouble with the file is taken for an activity's",
        edits=(
            Edit("romancy.worker.activities:Attempt._session", "flight.trouble = trouble", "pass"),
            Edit("romancy.worker.activities:Attempt._close", "self._flight.trouble = trouble", "pass"),
            Edit("romancy.worker.activities:Attempt.returned", "flight.trouble = trouble", "pass"),
        ),
        noticed_by=("storage_stays_out_of_results", "it_ends_as_the_model_says"),
        scenario=shown(SQL),
        fails="input/output",
    ),
    Canary(
        name="an ambiguous commit is written again",
        edits=(
            Edit(
                "romancy.worker.loop:Loop.turn",
                "self._forget(abandon=False)\n        self._must_reload = True",
                "pass",
            ),
        ),
        noticed_by=("everything_comes_to_an_end", "history_has_no_gap", "StoreError"),
        scenario=shown(ACT, Gather((ACT, ACT))),
        fails="input/output",
        after=True,
    ),
)


def noticed(canary: Canary) -> str | None:
    """What notices a broken engine first, or None."""
    with quiet(), broken(Break(canary.name, canary.edits, ())):
        try:
            if canary.fails is not None:
                Troubles(1).survive_each(canary.scenario, canary.mode, canary.fails, after=canary.after)
            else:
                Crashes(1).survive(canary.scenario, canary.mode)
        except Broken as found:
            return found.invariant
        except Exception as error:
            return type(error).__name__
    return None
