"""What is right: a program and the recorded order of events in, the end, the steps and the compensations out.

This is a second reading of the language, made without any engine code. A statement is a function of the place in the
history where it begins and of the place where it is cancelled, if it is; it ends at a place, with a value, an error or
a cancellation. What an activity, a timer or a child comes to is said here and compared with what is recorded; only the
*order* of events is taken from the record, as it is what a race, a failing gather and a cancellation depend on.

The documents leave open, and this takes from the kernel: a cancelled branch is cancelled once, so what it calls while
it cleans up is not cancelled again; a gather that failed and is cancelled while its branches clean up counts as
cancelled; a workflow can be cancelled where it recurs; calls nobody waits for any more may be recorded or not.
It does not know: members that end without waiting for anything (programs have none), and how often a call that was
dropped was attempted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tests.crash.programs import (
    CALLS,
    EXHAUSTED_ATTEMPTS,
    UNDO_ATTEMPTS,
    Act,
    Block,
    Child,
    Detached,
    Draw,
    Gather,
    Guarded,
    Race,
    Raise,
    Recur,
    Saga,
    Sleep,
    Statement,
    Try,
    digest,
)
from tests.crash.verdicts import (
    ANY,
    CHILD_ENDS,
    SETTLING,
    Cancelled,
    Claim,
    Error,
    Fact,
    Histories,
    Never,
    Place,
    Recurred,
    Value,
    Verdict,
)

__all__ = ["Cancelled", "Claim", "Error", "Fact", "Histories", "Never", "Recurred", "Value", "Verdict", "judge"]


def judge(
    body: Block, id: str, histories: Histories, *, crashed: bool, cancelled: bool = False, skewed: bool = False
) -> dict[str, Verdict]:
    """What is right for an instance and for all that it started.

    Args:
        body: its program.
        id: its id.
        histories: the recorded events.
        crashed: whether a worker died, so that an at-most-once activity may have been interrupted.
        cancelled: whether somebody asked for its cancellation.
        skewed: whether workers had clocks of their own, so that instants of two instances tell nothing.
    """
    court = _Court(histories, crashed, skewed)
    court.instance(id, body, cancelled)
    for unknown in histories.keys() - court.verdicts.keys():
        court.verdicts[id].problems.append(f"instance {unknown!r} was started by nobody")
    return court.verdicts


class _Court:
    def __init__(self, histories: Histories, crashed: bool, skewed: bool) -> None:
        self.histories = histories
        self.crashed = crashed
        self.skewed = skewed
        self.verdicts: dict[str, Verdict] = {}
        self._glances: dict[tuple[str, Block], Verdict] = {}

    def glance(self, id: str, body: Block) -> Verdict:
        """What a child comes to, for a parent that is not judged yet."""
        if (id, body) not in self._glances:
            apart = _Court(self.histories, self.crashed, self.skewed)
            self._glances[id, body] = apart.instance(id, body, True, may_be_missing=True)
        return self._glances[id, body]

    def instance(self, id: str, body: Block, may_cancel: bool, *, may_be_missing: bool = False) -> Verdict:
        runs = self.histories.get(id, ())
        verdict = Verdict(Never(), 0, {}, {})
        if not runs and may_be_missing:
            return verdict
        self.verdicts[id] = verdict
        for number, facts in enumerate(runs, 1):
            run = _Run(self, id, number, facts)
            problems = verdict.problems
            verdict = self.verdicts[id] = run.verdict(body, may_cancel)
            verdict.problems[:0] = problems
            if (number < len(runs)) is not isinstance(verdict.end, Recurred):
                verdict.problems.append(f"run {number} of {len(runs)} ends with {verdict.end}")
                break
        return verdict


@attrs.define
class _Branch:
    prefix: str
    cancelled_at: Place
    issued: int = 0

    def next_step(self) -> str:
        self.issued += 1
        return f"{self.prefix}{self.issued}"


@attrs.define
class _Notes:
    must: dict[str, Claim] = attrs.field(factory=dict)
    may: dict[str, Claim] = attrs.field(factory=dict)
    children: list[tuple[str, Block, bool, Place]] = attrs.field(factory=list)


class _Run:
    """One run of an instance, seen against its record."""

    def __init__(self, court: _Court, id: str, number: int, facts: Sequence[Fact]) -> None:
        self.court, self.id, self.number, self.facts = court, id, number, facts
        self.settled = {fact.step: fact for fact in facts if fact.kind in SETTLING and fact.step is not None}

    def verdict(self, body: Block, may_cancel: bool) -> Verdict:
        cancels = [fact.seq for fact in self.facts if fact.kind == "cancel_requested"]
        notes = _Notes()
        _, end = self.perform(body, _Branch("", cancels[0] if cancels else math.inf), 0, notes)
        verdict = Verdict(end, self.number, notes.must, notes.may)
        if len(cancels) > 1 or (cancels and not may_cancel):
            verdict.problems.append(f"cancelled at {cancels}, asked for: {may_cancel}")
        for child, program, is_cancelled, dropped in notes.children:
            self.court.instance(child, program, is_cancelled, may_be_missing=dropped < math.inf)
            if is_cancelled and not self.court.skewed and self.outlives(child, self.facts[int(dropped)].at):
                verdict.problems.append(f"child {child!r} was dropped at {dropped}, and completed in peace")
        self.compare(verdict)
        return verdict

    def outlives(self, child: str, instant: float) -> bool:
        """Whether a child completed after an instant at which it was cancelled, and was never told."""
        facts = [fact for run in self.court.histories.get(child, ()) for fact in run]
        is_told = any(fact.kind == "cancel_requested" for fact in facts)
        return bool(facts) and facts[-1].kind == "workflow_completed" and facts[-1].at > instant and not is_told

    # -- statements

    def perform(self, statement: Statement, branch: _Branch, at: Place, notes: _Notes, given: int = 0) -> Any:
        match statement:
            case Block(statements):
                values: list[Any] = []
                for each in statements:
                    at, end = self.perform(each, branch, at, notes, digest(values))
                    if not isinstance(end, Value):
                        return at, end
                    values.append(end.value)
                return at, Value(values)
            case Try(body, handler):
                at, end = self.perform(body, branch, at, notes)
                if not isinstance(end, Error):
                    return at, Value(["passed", end.value]) if isinstance(end, Value) else end
                at, after = self.perform(handler, branch, at, notes)
                return at, Value(["caught", end.told, after.value]) if isinstance(after, Value) else after
            case Guarded(body, cleanup):
                at, end = self.perform(body, branch, at, notes)
                if not isinstance(end, (Error, Cancelled)):
                    return at, end
                at, after = self.perform(cleanup, branch, at, notes)
                return at, end if isinstance(after, Value) else after
            case Raise():
                return at, Error(["ValueError", "raised by the workflow"])
            case Recur(times) if self.number > times:
                return at, Value("enough")
            case Recur():
                return (at, Recurred()) if branch.cancelled_at == math.inf else (branch.cancelled_at, Cancelled())
        at, end = self.call(statement, branch.next_step(), branch.cancelled_at, at, notes, given)
        if isinstance(end, Cancelled):
            branch.cancelled_at = math.inf  # it was thrown once, and is not thrown again
        return at, end

    def call(self, statement: Statement, step: str, cut: Place, at: Place, notes: _Notes, given: int = 0) -> Any:
        if isinstance(statement, (Gather, Race)):
            return self.join(statement, step, cut, at, notes)
        return self.leaf(statement, step, cut, at, notes, given)

    def member(self, statement: Statement, step: str, cut: Place, at: Place, notes: _Notes) -> Any:
        if isinstance(statement, CALLS):
            return self.call(statement, step, cut, at, notes)
        return self.perform(statement, _Branch(f"{step}.", cut), at, notes)

    def join(self, statement: Gather | Race, step: str, cut: Place, at: Place, notes: _Notes) -> Any:
        def members(until: Place, notes: _Notes) -> list[Any]:
            return [
                self.member(each, f"{step}.{index}", until, at, notes)
                for index, each in enumerate(statement.members, 1)
            ]

        is_race = isinstance(statement, Race)
        tolerates = not is_race and statement.return_exceptions  # type: ignore[union-attr]
        decides = (Value, Error) if is_race else () if tolerates else (Error,)
        free = members(math.inf, _Notes())
        decided, place = min(
            ((ends, n) for n, (ends, end) in enumerate(free) if isinstance(end, decides)), default=(math.inf, 0)
        )
        over = max(ends for ends, _ in members(decided, _Notes()))
        if over > cut:
            ended = members(min(decided, cut), notes)
            return max(cut, *(ends for ends, _ in ended)), Cancelled()
        ended = members(decided, notes)
        if over == math.inf:
            return over, Never()
        if decided < math.inf:
            end = free[place][1]
            return over, Value([place, end.value]) if isinstance(end, Value) else end
        return over, Value([end.value if isinstance(end, Value) else end.told for _, end in ended])

    def leaf(self, statement: Any, step: str, cut: Place, at: Place, notes: _Notes, given: int) -> Any:
        fact = self.settled.get(step)
        is_dropped = cut < math.inf and (fact is None or fact.seq > cut)
        if isinstance(statement, (Child, Detached)):
            # One that is dropped is cancelled, if it was started at all; nobody ever cancels a detached one.
            is_cancelled = is_dropped and isinstance(statement, Child)
            notes.children.append((self.child_id(step), statement.body, is_cancelled, cut if is_dropped else math.inf))
        claim = attrs.evolve(self.claim(statement, step, given, fact), begins=at)
        (notes.may if is_dropped else notes.must)[step] = claim
        if is_dropped:
            return cut, Cancelled()
        return (math.inf, Never()) if fact is None else (max(at, fact.seq), claim.end)

    # -- what steps come to

    def child_id(self, step: str) -> str:
        return f"{self.id}{'' if self.number == 1 else f'~{self.number}'}/{step}"

    def claim(self, statement: Any, step: str, given: int, fact: Fact | None) -> Claim:
        match statement:
            case Act(kind, failures):
                return self.act(kind, failures, step, given, fact)
            case Saga(undo):
                end = Value(["saga", step, given])
                return Claim(kind="activity_completed", end=end, name=f"saga_{undo}", undo=undo, value=end.value)
            case Draw():
                return Claim(kind="activity_completed", end=Value(True), name="echo")
            case Sleep(seconds):
                return Claim(kind="timer_fired", end=Value(None), seconds=seconds)
            case Detached():
                return Claim(kind="child_started", end=Value(self.child_id(step)), name="perform")
            case Child(body):
                return self.child(self.court.glance(self.child_id(step), body))
        raise AssertionError(f"{statement} is no leaf")

    def act(self, kind: str, failures: int, step: str, given: int, fact: Fact | None) -> Claim:
        told = {
            "declared": ["Declared", step],
            "exhausted": ["OSError", f"attempt {EXHAUSTED_ATTEMPTS}"],
            "terminal": ["TerminalError", step],
            "undeclared": ["ActivityError", "tests.crash.interpreter.Undeclared", step],
        }.get(kind)
        if kind == "once" and self.court.crashed and fact is not None and fact.kind == "activity_failed":
            told = ["ActivityInterrupted", "once", "its worker ended before it reported back"]
        if told is not None:
            attempts = EXHAUSTED_ATTEMPTS if kind == "exhausted" else 1
            return Claim(kind="activity_failed", end=Error(told), name=kind, failed_attempts=attempts - 1, value=told)
        end = Value([kind, step, given])
        return Claim(kind="activity_completed", end=end, name=kind, failed_attempts=failures, value=end.value)

    def child(self, verdict: Verdict) -> Claim:
        match verdict.end:
            case Value(value):
                return Claim(kind="child_completed", end=verdict.end, name="perform", value=value)
            case Error(told):
                failed = Error(["InstanceFailedError", told, verdict.compensation_errors])
                return Claim(kind="child_failed", end=failed, name="perform", value=told)
            case _:
                return Claim(kind="child_cancelled", end=Never(), name="perform")

    # -- against the record

    def compare(self, verdict: Verdict) -> None:
        known = {**verdict.must, **verdict.may}
        self.compensations(verdict, known)
        for fact in self.facts:
            if fact.step is not None and fact.step not in known and not fact.step.startswith("c"):
                verdict.problems.append(f"{fact} was asked for by nobody")
        for step, claim in known.items():
            problem = self.difference(step, claim, step in verdict.must)
            if problem is not None:
                verdict.problems.append(f"run {self.number}, step {step}: {problem}")
        last = self.facts[-1].kind if self.facts else "nothing"
        if not isinstance(verdict.end, Never) and last != _LAST[type(verdict.end)]:
            verdict.problems.append(f"run {self.number} ends with {last}, and not with {verdict.end}")

    def difference(self, step: str, claim: Claim, is_awaited: bool) -> str | None:
        fact = self.settled.get(step)
        failed = [each.attempt for each in self.facts if each.step == step and each.kind == "attempt_failed"]
        if fact is None:
            return None if not is_awaited or isinstance(claim.end, Never) else "nothing is recorded"
        if fact.seq <= claim.begins:
            return f"recorded at {fact.seq}, and asked for at {claim.begins}"
        if not is_awaited and fact.kind == "timer_fired":
            return "a timer fired for nobody"
        if not is_awaited and fact.kind in ("activity_failed", *CHILD_ENDS):
            return None
        if fact.kind != claim.kind or fact.name != claim.name:
            return f"{fact.kind} {fact.name} is recorded, and {claim.kind} {claim.name} is right"
        if claim.value is not ANY and fact.value != claim.value:
            return f"{fact.value} is recorded, and {claim.value} is right"
        if fact.at < self.facts[int(claim.begins)].at + claim.seconds:
            return f"the timer fired at {fact.at}, {claim.seconds} s after {self.facts[int(claim.begins)].at} is later"
        if is_awaited and failed != list(range(1, claim.failed_attempts + 1)):
            return f"attempts {failed} are recorded as failed, and {claim.failed_attempts} fail"
        return None

    def compensations(self, verdict: Verdict, known: Mapping[str, Claim]) -> None:
        """Those that completed are undone in reverse order of completion, if the workflow failed or was cancelled."""
        completed = [str(fact.step) for fact in self.facts if fact.kind == "activity_completed"]
        undoable = [(step, known[step].undo) for step in completed if step in known and known[step].undo]
        if not isinstance(verdict.end, (Error, Cancelled)):
            undoable = []
        right: list[Any] = []
        for number, (step, undo) in enumerate(reversed(undoable), 1):
            verdict.undone.append(step)
            fails = undo == "fails"
            told = ["OSError", f"attempt {UNDO_ATTEMPTS}"] if fails else step
            right.append((f"c{number}", "activity_failed" if fails else "activity_completed", f"undo_{undo}", told))
            if fails:
                verdict.compensation_errors.append(told)
        of_it = [fact for fact in self.facts if fact.step is not None and fact.step.startswith("c")]
        recorded = [(fact.step, fact.kind, fact.name, fact.value) for fact in of_it if fact.kind in SETTLING]
        if recorded != right:
            verdict.problems.append(f"compensations {recorded} are recorded, and {right} are right")
        begun = [fact.seq for fact in self.facts if fact.kind == "compensation_started"]
        late = [fact for fact in self.facts if begun and fact.seq > begun[0] and fact.step and fact not in of_it]
        if late or len(begun) > 1 or (right and not begun):
            verdict.problems.append(f"compensation began at {begun}, and after it came {late}")


_LAST = {
    Value: "workflow_completed",
    Error: "workflow_failed",
    Cancelled: "workflow_cancelled",
    Recurred: "workflow_recurred",
}
