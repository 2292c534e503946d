"""Execution: the only code that drives a generator; pure, without clock, store, thread or log.

An instance is its history. Feeding an execution the events of a history, one by one, brings it to where it was;
feeding it a new one brings it further. Both are the same code. What the generator asks for and nobody answered yet is
*pending*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from romancy import history
from romancy.calls import Gather, Race, Recur, WorkflowDefinition
from romancy.codec import decode_error, workflow_codec
from romancy.errors import DefinitionError, NondeterminismError, RomancyError, WorkflowCancelled
from romancy.history import Event
from romancy.kernel.asked import Asked
from romancy.kernel.branches import CANCEL, Branches
from romancy.kernel.calling import PENDING, foreign
from romancy.kernel.endings import instance_cancelled, instance_failed
from romancy.kernel.outcomes import Blocked, Outcome, Raised, Recurred, Returned, told
from romancy.kernel.pending import Branch, Join, Pending, PendingActivity, PendingChild, PendingTimer, Sink
from romancy.saga import Undoable, compensate
from romancy.workflow import Context, current


class Execution:
    """A workflow's generator and what it waits for.

    Args:
        definition: the workflow.
        context: what the code may know; the execution moves its time.
        input: the arguments, as JSON.
        patches: ids of changes that the history says were passed on their new side.
        strict: whether other arguments than the recorded ones are an error and not only a warning.

    Raises:
        SerializationError: the input does not fit the workflow's parameters.
    """

    def __init__(
        self,
        definition: WorkflowDefinition,
        context: Context,
        input: str,
        *,
        patches: Iterable[str] = (),
        strict: bool = False,
    ) -> None:
        args, kwargs = workflow_codec(definition).decode_arguments(input)
        self.definition = definition
        self.context = context
        self.input = input
        self.context.patches.update(dict.fromkeys(patches, True))
        self.outcome: Outcome = Blocked()
        self.settling = False
        self.compensating = False
        self.cancel_requested = False
        self._asked = asked = Asked(definition, context, strict=strict)
        self.pending = asked.pending
        self.dropped = asked.dropped
        self.warnings = asked.warnings
        self._failure: BaseException | None = None
        self._undoable: list[Undoable] = []
        self._ready: list[Pending] = []
        self._branches = Branches(asked.drop)
        self._main = self._branches.add(definition.fn(context, *args, **kwargs), "", None)

    # -- events in, calls out

    def feed(self, event: Event, *, replaying: bool = False) -> Outcome:
        """Deliver one event, and run the code until it waits again.

        Args:
            event: what happened.
            replaying: whether it is read from history.

        Returns:
            `Blocked` with the calls that became ready, or how the workflow ended.

        Raises:
            NondeterminismError: the event answers nothing that the code asks for.
        """
        if type(self.outcome) is not Blocked and not self._is_cancelled_at_recur(event):
            return self._fed_after_the_end(event)
        context = self.context
        context.at = event.at
        context.is_replaying = replaying
        self._ready = []
        runnable = self._branches.runnable
        token = current.set(context)
        try:
            _DELIVER[type(event)](self, event)
            while runnable:
                self._resume(*runnable.popleft())
        finally:
            current.reset(token)
        if type(self.outcome) is Blocked:
            ready = [each for each in self._ready if not each.dropped] if self.dropped else self._ready
            self.outcome = Blocked(tuple(ready))
        return self.outcome

    def _is_cancelled_at_recur(self, event: Event) -> bool:
        """A workflow that recurs stands at that `yield` until its next run begins, and can be cancelled there."""
        if type(self.outcome) is not Recurred or type(event) is not history.CancelRequested:
            return False
        self.outcome = Blocked()
        self._branches.runnable.append((self._main, None, WorkflowCancelled()))
        return True

    def _fed_after_the_end(self, event: Event) -> Outcome:
        """What was dropped may still report after the code has ended, and changes only what there is to undo."""
        pending = self.pending.get(getattr(event, "step", ""))
        if type(event) is not history.Patched and (pending is None or not pending.dropped):
            raise self._asked.mismatch(event, f"the code has ended already: {told(self.outcome)}")
        if pending is not None:
            _DELIVER[type(event)](self, event)
        return self.outcome

    def close(self) -> None:
        """Let go of the generators; nothing that their `finally:` yields or raises is acted on."""
        self._branches.close()
        self.pending.clear()

    def _started(self, event: history.WorkflowStarted) -> None:
        if self._main.issued or self._main.waiting is not None:
            raise self._asked.mismatch(event, "the run began before")
        self._branches.runnable.append((self._main, None, None))

    def _activity_completed(self, event: history.ActivityCompleted) -> None:
        asked = self._asked
        pending = asked.answered(event, PendingActivity)
        asked.compare(event, pending)
        compensation = pending.activity.compensation
        # One that the activity got later undoes nothing that ran before it had one.
        if event.compensation is not None:
            if compensation is None or event.compensation != compensation.activity.name:
                names = "no compensation" if compensation is None else compensation.activity.place
                what = f"it was to be undone by {event.compensation!r} then, and the code names {names}: keep that one"
                raise asked.mismatch(event, what)
            self._undoable.append(Undoable(pending.activity, compensation, pending.arguments, event.result))
        if not pending.dropped:
            self._branches.settle(pending.sink, pending.codec.decode_result(event.result), None)

    def _activity_failed(self, event: history.ActivityFailed) -> None:
        pending = self._asked.answered(event, PendingActivity)
        self._asked.compare(event, pending)
        if not pending.dropped:
            self._branches.settle(pending.sink, None, decode_error(event.error, pending.activity.raises))

    def _activity_started(self, event: history.ActivityStarted) -> None:
        pending = self._asked.expected(event, PendingActivity)
        pending.interrupted = True
        pending.attempt = event.attempt
        if pending.first_started is None:
            pending.first_started = event.at

    def _attempt_failed(self, event: history.AttemptFailed) -> None:
        pending = self._asked.expected(event, PendingActivity)
        pending.interrupted = False
        pending.attempt = event.attempt + 1
        pending.due = event.due
        if pending.first_started is None:
            pending.first_started = event.started
        self._ready.append(pending)

    def _timer_fired(self, event: history.TimerFired) -> None:
        self._branches.settle(self._asked.answered(event, PendingTimer).sink, None, None)

    def _child_started(self, event: history.ChildStarted) -> None:
        pending = self._asked.answered(event, PendingChild)
        self._asked.compare(event, pending)
        if not pending.dropped:
            self._branches.settle(pending.sink, event.child, None)

    def _child_completed(self, event: history.ChildCompleted) -> None:
        pending = self._asked.answered(event, PendingChild)
        self._asked.compare(event, pending)
        if not pending.dropped:
            self._branches.settle(pending.sink, workflow_codec(pending.workflow).decode_result(event.result), None)

    def _child_ended(self, event: history.ChildFailed | history.ChildCancelled | history.ChildRefused) -> None:
        pending = self._asked.answered(event, PendingChild)
        self._asked.compare(event, pending)
        if pending.dropped:
            return
        match event:
            case history.ChildFailed():
                self._branches.settle(pending.sink, None, instance_failed(event.child, event.error))
            case history.ChildCancelled():
                self._branches.settle(pending.sink, None, instance_cancelled(event.child, event.error))
            case history.ChildRefused():
                self._branches.settle(pending.sink, None, decode_error(event.error))

    def _cancel_requested(self, _: history.CancelRequested) -> None:
        self.cancel_requested = True
        if self._failure is None:
            self._branches.cancel(self._main)

    def _compensation_started(self, event: history.CompensationStarted) -> None:
        if not self.settling:
            raise self._asked.mismatch(event, "the code has not failed")
        self.settling = False
        self.compensating = True
        branch = self._branches.add(compensate(tuple(self._undoable)), "c", None)
        self._branches.runnable.append((branch, None, None))

    def _patched(self, event: history.Patched) -> None:
        self.context.patches[event.change] = True

    # -- the code runs

    def _resume(self, branch: Branch, value: Any, error: BaseException | None) -> None:
        if branch.cancelled and error is None and branch.waiting is CANCEL:
            error = WorkflowCancelled()
        branch.waiting = None
        try:
            call = branch.generator.send(value) if error is None else branch.generator.throw(error)
        except StopIteration as end:
            self._ended(branch, end.value, None)
        except (KeyboardInterrupt, NondeterminismError):
            raise
        except BaseException as raised:
            self._ended(branch, None, raised)
        else:
            branch.issued += 1
            self._issue(f"{branch.prefix}{branch.issued}", call, branch)

    def _issue(self, step: str, call: Any, sink: Sink) -> None:
        kind = type(call)
        make = PENDING.get(kind)
        try:
            if make is not None:
                pending = self.pending[step] = make(step, call, sink, self.context)
                self._ready.append(pending)
                self._branches.wait(sink, pending)
            elif kind is Gather:
                join = Join(sink, False, call.return_exceptions, [None] * len(call.members), {})
                self._join(step, join, call.members)
            elif kind is Race:
                self._join(step, Join(sink, True, False, [], {}), call.members)
            elif kind is Recur:
                self._recur(step, call, sink)
            else:
                raise DefinitionError(foreign(call, sink))
        except RomancyError as error:
            self._branches.settle(sink, None, error)

    def _join(self, step: str, join: Join, members: tuple[Any, ...]) -> None:
        for index, call in self._branches.open(step, join, members):
            self._issue(f"{step}.{index + 1}", call, (join, index))

    def _recur(self, step: str, call: Recur, sink: Sink) -> None:
        if sink is not self._main:
            raise DefinitionError(f"step {step}: recur(…) ends the run, so only the workflow itself can yield it")
        arguments = workflow_codec(self.definition).encode_arguments(call.args, call.kwargs)
        self.outcome = Recurred(arguments)

    # -- the end

    def _ended(self, branch: Branch, value: Any, error: BaseException | None) -> None:
        self._branches.remove(branch)
        if branch.sink is not None:
            self._branches.settle(branch.sink, value, error)
        elif self.compensating:
            assert self._failure is not None
            self.outcome = Raised(self._failure, tuple(value))
        elif error is None:
            self._returned(value)
        else:
            self._failed(error)

    def _returned(self, value: Any) -> None:
        try:
            self.outcome = Returned(workflow_codec(self.definition).encode_result(value))
        except RomancyError as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self._failure = error
        in_flight = [each for each in self.pending.values() if isinstance(each, PendingActivity)]
        if self._undoable or any(each.activity.compensation is not None for each in in_flight):
            self.settling = True
        else:
            self.outcome = Raised(error)


_DELIVER: dict[type, Callable[[Execution, Any], None]] = {
    history.WorkflowStarted: Execution._started,
    history.ActivityStarted: Execution._activity_started,
    history.ActivityCompleted: Execution._activity_completed,
    history.AttemptFailed: Execution._attempt_failed,
    history.ActivityFailed: Execution._activity_failed,
    history.TimerFired: Execution._timer_fired,
    history.ChildStarted: Execution._child_started,
    history.ChildCompleted: Execution._child_completed,
    history.ChildFailed: Execution._child_ended,
    history.ChildCancelled: Execution._child_ended,
    history.ChildRefused: Execution._child_ended,
    history.CancelRequested: Execution._cancel_requested,
    history.CompensationStarted: Execution._compensation_started,
    history.Patched: Execution._patched,
}


def replay(execution: Execution, events: Iterable[Event], *, ran: bool = False) -> Outcome:
    """Bring an execution to where its history ends; what it still waits for is in `execution.pending`.

    Args:
        execution: one to which nothing was fed.
        events: the history.
        ran: whether the code is known to have run where the history only says that the run began; unless it is, that
            is no replay.

    Raises:
        NondeterminismError: the code asks for something else than what the history holds.
    """
    known = list(events)
    changes = [each.change for each in known if isinstance(each, history.Patched)]
    execution.context.patches.update(dict.fromkeys(changes, True))
    for event in known:
        if not isinstance(event, history.Terminal):
            execution.feed(event, replaying=ran or len(known) > 1)
    return execution.outcome
