"""Execution: the only code that resumes a generator; pure, without clock, store, thread or log.

An instance is its history. Feeding an execution the events of a history, one by one, brings it to where it was;
feeding it a new one brings it further. Both are the same code. What the generator asks for and nobody answered yet is
*pending*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from types import GeneratorType
from typing import Any

from romancy import history
from romancy.activity import Activity
from romancy.calls import (
    CallActivity,
    CallWorkflow,
    Gather,
    Race,
    Recur,
    Sleep,
    SleepUntil,
    Start,
    Winner,
    WorkflowDefinition,
    check_id,
    describe,
)
from romancy.codec import activity_codec, decode_error, fingerprint, workflow_codec
from romancy.errors import (
    DefinitionError,
    NondeterminismError,
    RomancyError,
    WorkflowCancelled,
)
from romancy.history import Event
from romancy.kernel.endings import instance_cancelled, instance_failed
from romancy.kernel.outcomes import Blocked, Outcome, Raised, Recurred, Returned, told
from romancy.kernel.pending import (
    Branch,
    Join,
    Pending,
    PendingActivity,
    PendingChild,
    PendingTimer,
    Sink,
    line_of,
    name_of,
)
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
        self.pending: dict[str, Pending] = {}
        self.warnings: list[str] = []
        self.dropped: list[Pending] = []
        self.outcome: Outcome = Blocked()
        self.settling = False
        self.compensating = False
        self.cancel_requested = False
        self._strict = strict
        self._failure: BaseException | None = None
        self._undoable: list[Undoable] = []
        self._ready: list[Pending] = []
        self._runnable: deque[tuple[Branch, Any, BaseException | None]] = deque()
        self._main = Branch(definition.fn(context, *args, **kwargs), "", None)
        self._branches: dict[Branch, None] = {self._main: None}

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
        token = current.set(context)
        try:
            _DELIVER[type(event)](self, event)
            while self._runnable:
                self._resume(*self._runnable.popleft())
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
        self._runnable.append((self._main, None, WorkflowCancelled()))
        return True

    def _fed_after_the_end(self, event: Event) -> Outcome:
        """What was dropped may still report after the code has ended, and changes only what there is to undo."""
        pending = self.pending.get(getattr(event, "step", ""))
        if type(event) is not history.Patched and (pending is None or not pending.dropped):
            raise self._mismatch(event, f"the code has ended already: {told(self.outcome)}")
        if pending is not None:
            _DELIVER[type(event)](self, event)
        return self.outcome

    def close(self) -> None:
        """Let go of the generators; nothing that their `finally:` yields or raises is acted on."""
        for branch in self._branches:
            _close(branch.generator)
        self._branches.clear()
        self.pending.clear()

    def _started(self, event: history.WorkflowStarted) -> None:
        if self._main.issued or self._main.waiting is not None:
            raise self._mismatch(event, "the run began before")
        self._runnable.append((self._main, None, None))

    def _activity_completed(self, event: history.ActivityCompleted) -> None:
        pending = self._answered(event, PendingActivity)
        self._compare(event, pending)
        compensation = pending.activity.compensation
        if event.compensation != (compensation and compensation.activity.name):
            raise self._mismatch(event, f"its compensation is now {compensation and compensation.activity.place}")
        if compensation is not None:
            self._undoable.append(Undoable(pending.activity, compensation, pending.arguments, event.result))
        if not pending.dropped:
            self._settle(pending.sink, pending.codec.decode_result(event.result), None)

    def _activity_failed(self, event: history.ActivityFailed) -> None:
        pending = self._answered(event, PendingActivity)
        self._compare(event, pending)
        if not pending.dropped:
            self._settle(pending.sink, None, decode_error(event.error, pending.activity.raises))

    def _activity_started(self, event: history.ActivityStarted) -> None:
        pending = self._expected(event, PendingActivity)
        pending.interrupted = True
        pending.attempt = event.attempt
        if pending.first_started is None:
            pending.first_started = event.at

    def _attempt_failed(self, event: history.AttemptFailed) -> None:
        pending = self._expected(event, PendingActivity)
        pending.interrupted = False
        pending.attempt = event.attempt + 1
        pending.due = event.due
        if pending.first_started is None:
            pending.first_started = event.started
        self._ready.append(pending)

    def _timer_fired(self, event: history.TimerFired) -> None:
        self._settle(self._answered(event, PendingTimer).sink, None, None)

    def _child_started(self, event: history.ChildStarted) -> None:
        pending = self._answered(event, PendingChild)
        self._compare(event, pending)
        if not pending.dropped:
            self._settle(pending.sink, event.child, None)

    def _child_completed(self, event: history.ChildCompleted) -> None:
        pending = self._answered(event, PendingChild)
        self._compare(event, pending)
        if not pending.dropped:
            self._settle(pending.sink, workflow_codec(pending.workflow).decode_result(event.result), None)

    def _child_ended(self, event: history.ChildFailed | history.ChildCancelled | history.ChildRefused) -> None:
        pending = self._answered(event, PendingChild)
        self._compare(event, pending)
        if pending.dropped:
            return
        match event:
            case history.ChildFailed():
                self._settle(pending.sink, None, instance_failed(event.child, event.error))
            case history.ChildCancelled():
                self._settle(pending.sink, None, instance_cancelled(event.child, event.error))
            case history.ChildRefused():
                self._settle(pending.sink, None, decode_error(event.error))

    def _cancel_requested(self, _: history.CancelRequested) -> None:
        self.cancel_requested = True
        if self._failure is None:
            self._cancel(self._main)

    def _compensation_started(self, event: history.CompensationStarted) -> None:
        if not self.settling:
            raise self._mismatch(event, "the code has not failed")
        self.settling = False
        self.compensating = True
        branch = Branch(compensate(tuple(self._undoable)), "c", None)
        self._branches[branch] = None
        self._runnable.append((branch, None, None))

    def _patched(self, event: history.Patched) -> None:
        self.context.patches[event.change] = True

    # -- the code runs

    def _resume(self, branch: Branch, value: Any, error: BaseException | None) -> None:
        if branch.cancelled and error is None and branch.waiting is _CANCEL:
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
        try:
            issue = _ISSUE.get(type(call))
            if issue is None:
                raise DefinitionError(self._foreign(call, sink))
            issue(self, step, call, sink)
        except RomancyError as error:
            self._settle(sink, None, error)

    def _call_activity(self, step: str, call: CallActivity[Any], sink: Sink) -> None:
        activity = call.activity
        codec = activity_codec(activity)
        arguments = codec.encode_arguments(call.args, call.kwargs)
        pending = PendingActivity(
            step,
            activity,
            codec,
            call.retry or activity.retry,
            call.timeout or activity.timeout,
            arguments,
            fingerprint(arguments),
            sink,
        )
        self._wait(pending, sink)

    def _call_workflow(self, step: str, call: CallWorkflow[Any], sink: Sink, *, detached: bool = False) -> None:
        arguments = workflow_codec(call.workflow).encode_arguments(call.args, call.kwargs)
        child = call.id if call.id is not None else check_id(self._child_id(step))
        pending = PendingChild(step, call.workflow, child, arguments, fingerprint(arguments), detached, sink)
        self._wait(pending, sink)

    def _start(self, step: str, call: Start, sink: Sink) -> None:
        self._call_workflow(step, call.call, sink, detached=True)

    def _child_id(self, step: str) -> str:
        context = self.context
        run = "" if context.run == 1 else f"~{context.run}"
        return f"{context.instance_id}{run}/{step}"

    def _sleep(self, step: str, call: Sleep, sink: Sink) -> None:
        self._wait(PendingTimer(step, self.context.at + max(0.0, call.seconds), sink), sink)

    def _sleep_until(self, step: str, call: SleepUntil, sink: Sink) -> None:
        self._wait(PendingTimer(step, call.due, sink), sink)

    def _recur(self, step: str, call: Recur, sink: Sink) -> None:
        if sink is not self._main:
            raise DefinitionError(f"step {step}: recur(…) ends the run, so only the workflow itself can yield it")
        arguments = workflow_codec(self.definition).encode_arguments(call.args, call.kwargs)
        self.outcome = Recurred(arguments)

    def _wait(self, pending: Pending, sink: Sink) -> None:
        self.pending[pending.step] = pending
        self._ready.append(pending)
        if isinstance(sink, Branch):
            sink.waiting = pending
        else:
            join, index = sink
            join.running[index] = pending

    # -- side by side

    def _gather(self, step: str, call: Gather[Any], sink: Sink) -> None:
        self._join(step, Join(sink, False, call.return_exceptions, [None] * len(call.members), {}), call.members)

    def _race(self, step: str, call: Race[Any], sink: Sink) -> None:
        self._join(step, Join(sink, True, False, [], {}), call.members)

    def _join(self, step: str, join: Join, members: tuple[Any, ...]) -> None:
        if isinstance(join.sink, Branch):
            join.sink.waiting = join
        else:
            outer, place = join.sink
            outer.running[place] = join
        join.running = dict.fromkeys(range(len(members)), join)
        for index, member in enumerate(members):
            if join.decided:
                del join.running[index]
                if isinstance(member, Generator):
                    _close(member)
            elif isinstance(member, Generator):
                branch = Branch(member, f"{step}.{index + 1}.", (join, index))
                self._branches[branch] = None
                join.running[index] = branch
                self._runnable.append((branch, None, None))
            else:
                self._issue(f"{step}.{index + 1}", member, (join, index))
        self._close_join(join)

    def _arrive(self, join: Join, index: int, value: Any, error: BaseException | None) -> None:
        del join.running[index]
        if not join.decided:
            if join.is_race:
                join.decided, join.value, join.error = True, Winner(index, value), error
            elif error is not None and not join.return_exceptions:
                join.decided, join.error = True, error
            else:
                join.results[index] = value if error is None else error
            if join.decided:
                self._cancel_members(join)
        self._close_join(join)

    def _close_join(self, join: Join) -> None:
        """Report once every member has ended; members that are still to be issued count as running."""
        if not join.running and join.sink is not None:
            value = join.value if join.is_race else join.results
            sink, join.sink = join.sink, None  # type: ignore[assignment]
            self._settle(sink, value, join.error)

    def _settle(self, sink: Sink, value: Any, error: BaseException | None) -> None:
        if isinstance(sink, Branch):
            self._runnable.append((sink, value, error))
        else:
            join, index = sink
            self._arrive(join, index, value, error)

    # -- cancellation and the end

    def _cancel(self, branch: Branch) -> None:
        """Throw `WorkflowCancelled` at the branch's `yield`, once what it waits for has let go."""
        if branch.cancelled:
            return
        branch.cancelled = True
        waiting = branch.waiting
        if isinstance(waiting, Join):
            self._cancel_join(waiting)
        elif waiting is not None:
            self._drop(waiting)
            self._runnable.append((branch, None, WorkflowCancelled()))
        else:
            branch.waiting = _CANCEL  # it is about to be resumed, and meets the cancellation there

    def _cancel_join(self, join: Join) -> None:
        join.decided, join.error = True, WorkflowCancelled()
        self._cancel_members(join)
        self._close_join(join)

    def _cancel_members(self, join: Join) -> None:
        for index, member in list(join.running.items()):
            if member is join:
                continue  # it is not issued yet: what it asks for is dropped when it is
            if isinstance(member, Branch):
                self._cancel(member)
            elif isinstance(member, Join):
                self._cancel_join(member)
            else:
                self._drop(member)
                del join.running[index]

    def _drop(self, pending: Pending) -> None:
        pending.dropped = True
        self.dropped.append(pending)
        if type(pending) is PendingTimer:
            del self.pending[pending.step]

    def _ended(self, branch: Branch, value: Any, error: BaseException | None) -> None:
        del self._branches[branch]
        if branch.sink is not None:
            self._settle(branch.sink, value, error)
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

    # -- what does not fit

    def _expected(self, event: Any, kind: type[Any]) -> Any:
        pending = self.pending.get(event.step)
        if pending is None:
            raise self._mismatch(event, self._what_it_does())
        if type(pending) is not kind or getattr(event, "name", None) != name_of(pending):
            raise self._mismatch(event, f"the code asks for {pending}, yielded at {line_of(pending.sink)}")
        return pending

    def _answered(self, event: Any, kind: type[Any]) -> Any:
        pending = self._expected(event, kind)
        del self.pending[event.step]
        return pending

    def _compare(self, event: Any, pending: PendingActivity | PendingChild) -> None:
        if event.fingerprint is not None and event.fingerprint != pending.fingerprint:
            differs = f"step {event.step}: {pending} was recorded with other arguments than the code gives it now"
            if self._strict:
                raise NondeterminismError(f"{self._who()}: {differs}: {pending.arguments[:200]}")
            self.warnings.append(differs)

    def _mismatch(self, event: Event, code: str) -> NondeterminismError:
        step = getattr(event, "step", None)
        name = getattr(event, "name", None)
        kind = event.kind.replace("_", " ")
        recorded = kind + (f" {name[:80]!r}" if name else "") + (f" at step {step}" if step else "")
        return NondeterminismError(f"{self._who()}: the history says {recorded}, but {code}")

    def _who(self) -> str:
        return f"instance {self.context.instance_id!r} of workflow {self.definition.place}"

    def _what_it_does(self) -> str:
        waits = [f"step {each.step}, {each}, at {line_of(each.sink)}" for each in self.pending.values()]
        return f"the code waits for {'; '.join(waits[:3])}" if waits else "the code waits for nothing"

    def _foreign(self, value: Any, sink: Sink) -> str:
        text = f"{line_of(sink)}: a workflow yields calls, and this is {describe(value)}"
        if isinstance(value, GeneratorType):
            return f"{text}: write `yield from {value.__name__}(…)`"
        if isinstance(value, Activity):
            return f"{text}: call it, `yield {value.definition.name}(…)`"
        if type(value).__name__ == "Workflow":
            return f"{text}: call it, `yield {value.__name__}(…)`"
        return f"{text}: compute it without yield, or in an @activity"


_CANCEL = PendingTimer("", 0.0, None)  # type: ignore[arg-type]

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

_ISSUE: dict[type, Callable[[Execution, str, Any, Sink], None]] = {
    CallActivity: Execution._call_activity,
    CallWorkflow: Execution._call_workflow,
    Start: Execution._start,
    Sleep: Execution._sleep,
    SleepUntil: Execution._sleep_until,
    Gather: Execution._gather,
    Race: Execution._race,
    Recur: Execution._recur,
}


def replay(execution: Execution, events: Iterable[Event]) -> Outcome:
    """Bring an execution to where its history ends; what it still waits for is in `execution.pending`.

    A history that only says that the run began is no replay: nothing after that is known to have happened.

    Raises:
        NondeterminismError: the code asks for something else than what the history holds.
    """
    known = list(events)
    changes = [each.change for each in known if isinstance(each, history.Patched)]
    execution.context.patches.update(dict.fromkeys(changes, True))
    for event in known:
        if not isinstance(event, history.Terminal):
            execution.feed(event, replaying=len(known) > 1)
    return execution.outcome


def _close(generator: Generator[Any, Any, Any]) -> None:
    """Close a generator that may yield while it is being closed; each further close takes it past one such yield."""
    for _ in range(100):
        try:
            generator.close()
        except RuntimeError:
            continue
        except BaseException:  # whatever its `finally:` raises, the instance lives on in its history
            pass
        return
