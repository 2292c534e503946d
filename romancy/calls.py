"""What a workflow can yield: frozen calls, which do nothing until they are yielded."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, Never, Self, TypeVar, Union, overload

import attrs

from romancy.errors import DefinitionError
from romancy.retry import RetryPolicy, checked

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


@attrs.frozen(eq=False, kw_only=True)
class ActivityDefinition:
    """What `@activity` was told of a function."""

    name: str
    fn: Callable[..., Any]
    is_async: bool
    retry: RetryPolicy
    timeout: float | None
    raises: tuple[type[Exception], ...]
    at_most_once: bool
    compensation: Compensation | None
    place: str


@attrs.frozen(eq=False, kw_only=True)
class Compensation:
    """What undoes an activity; `by_name` where it knows the names of all of the activity's parameters."""

    activity: ActivityDefinition
    takes_result: bool
    by_name: bool


@attrs.frozen(eq=False, kw_only=True)
class WorkflowDefinition:
    """What `@workflow` was told of a generator function."""

    name: str
    fn: Callable[..., Generator[Any, Any, Any]]
    version: str
    place: str


@attrs.frozen
class Call(Generic[T_co]):
    """Something a workflow asks for by yielding it; `yield from call` tells a type checker what comes back."""

    def __iter__(self) -> Generator[Call[T_co], Any, T_co]:
        result: T_co = yield self
        return result

    def options(
        self, *, retry: RetryPolicy | None = None, timeout: float | timedelta | None = None, id: str | None = None
    ) -> Self:
        """A copy of this call with other options.

        Args:
            retry: the policy for this one call of an activity.
            timeout: seconds (or a `timedelta`) that each attempt of this one call may take.
            id: the id of the instance that this call of a workflow starts.

        Raises:
            DefinitionError: this kind of call has no such option.
        """
        given = {"retry": retry, "timeout": timeout, "id": id}
        changes = {name: value for name, value in given.items() if value is not None}
        for name in changes:
            if name not in attrs.fields_dict(type(self)):
                raise DefinitionError(f"{self} has no option {name!r}")
        checked(retry, f"{self}.options(…)")
        if timeout is not None:
            changes["timeout"] = length = seconds(timeout)
            if length <= 0:
                raise DefinitionError(f"{self}.options(timeout={timeout!r}): write a length of time above zero")
        if id is not None:
            check_id(id)
        return attrs.evolve(self, **changes)


@attrs.frozen(repr=False)
class CallActivity(Call[T_co]):
    """Run an activity; `retry` and `timeout` are None where its definition decides."""

    activity: ActivityDefinition
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    retry: RetryPolicy | None = None
    timeout: float | None = None

    def __repr__(self) -> str:
        return f"the call of activity {self.activity.name!r}"


@attrs.frozen(repr=False)
class CallWorkflow(Call[T_co]):
    """Run a workflow: as a child where it is yielded, as an instance of its own where an app starts it."""

    workflow: WorkflowDefinition
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    id: str | None = None

    def __repr__(self) -> str:
        return f"the call of workflow {self.workflow.name!r}"


@attrs.frozen
class Start(Call[str]):
    """Start a workflow that goes on by itself; its id comes back."""

    call: CallWorkflow[Any]


@attrs.frozen
class Sleep(Call[None]):
    """Wait for a number of seconds."""

    seconds: float


@attrs.frozen
class SleepUntil(Call[None]):
    """Wait until an instant, in seconds since the epoch."""

    due: float


@attrs.frozen
class Gather(Call[T_co]):
    """Run the members side by side and wait for all of them."""

    members: tuple[Any, ...]
    return_exceptions: bool


@attrs.frozen
class Winner(Generic[T_co]):
    """The first of a race: its index among the members, and its value."""

    index: int
    value: T_co


@attrs.frozen
class Race(Call[T_co]):
    """Run the members side by side and wait for the first."""

    members: tuple[Any, ...]


@attrs.frozen
class Recur(Call[Any]):
    """End this run, and begin the next with a fresh history under the same id."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


Branch = Union[Call[T], Generator[Call[Any], Any, T]]
"""What can run beside others: a call, or a generator of calls."""


def seconds(length: float | timedelta) -> float:
    """A length of time as a number of seconds.

    Raises:
        DefinitionError: it is no finite number and no `timedelta`.
    """
    number = length.total_seconds() if isinstance(length, timedelta) else length
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) < 1e11:
        raise DefinitionError(f"{length!r} is no length of time: write a number of seconds or a timedelta")
    return float(number)


def check_id(instance_id: str) -> str:
    """The id itself.

    Raises:
        DefinitionError: it is not a text of 1 to 1,000 characters that a database can hold.
    """
    if not isinstance(instance_id, str) or not 0 < len(instance_id) <= 1000:
        raise DefinitionError(f"the id {str(instance_id)[:80]!r} is not a text of 1 to 1,000 characters")
    if "\0" in instance_id or any("\ud800" <= character <= "\udfff" for character in instance_id):
        raise DefinitionError(f"the id {instance_id[:80]!r} holds a NUL or half of a surrogate pair")
    return instance_id


def sleep(
    length: float | timedelta | None = None,
    /,
    *,
    seconds: float | None = None,
    minutes: float | None = None,
    hours: float | None = None,
    days: float | None = None,
) -> Call[None]:
    """A call that returns after a length of time, by a timer that survives crashes.

    Args:
        length: seconds, or a `timedelta`. Zero or less fires at once.
        seconds: added to it, as are `minutes`, `hours` and `days`.

    Raises:
        DefinitionError: it is no finite length of time, or none is given.
    """
    parts = [(length, 1), (seconds, 1), (minutes, 60), (hours, 3600), (days, 86400)]
    given = [_length(part) * factor for part, factor in parts if part is not None]
    if not given:
        raise DefinitionError("sleep(): say how long, such as sleep(5.0) or sleep(minutes=5)")
    return Sleep(sum(given))


_length = seconds


def sleep_until(instant: datetime) -> Call[None]:
    """A call that returns at an instant, at once when that has passed.

    Args:
        instant: a `datetime` with a time zone.

    Raises:
        DefinitionError: it has no time zone, so that it names no instant.
    """
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        raise DefinitionError(
            f"sleep_until({instant!r}): write a datetime with a time zone, such as ctx.now() + timedelta(days=1)"
        )
    return SleepUntil(instant.timestamp())


@overload
def gather(a: Branch[A], b: Branch[B], /) -> Call[tuple[A, B]]: ...
@overload
def gather(a: Branch[A], b: Branch[B], c: Branch[C], /) -> Call[tuple[A, B, C]]: ...
@overload
def gather(a: Branch[A], b: Branch[B], c: Branch[C], d: Branch[D], /) -> Call[tuple[A, B, C, D]]: ...
@overload
def gather(a: Branch[A], b: Branch[B], c: Branch[C], d: Branch[D], e: Branch[E], /) -> Call[tuple[A, B, C, D, E]]: ...
@overload
def gather(*members: Branch[T]) -> Call[list[T]]: ...
@overload
def gather(*members: Branch[T], return_exceptions: bool) -> Call[list[T | BaseException]]: ...
def gather(*members: Branch[Any], return_exceptions: bool = False) -> Call[Any]:
    """A call that runs its members concurrently and returns the list of their results, in the order of the members.

    The first member that fails decides: the others are cancelled, branches may clean up, and then its exception is
    raised. As with `asyncio.gather`, the types of up to five members are told apart as those of a tuple.

    Args:
        members: calls, and generators of calls (which are branches of their own).
        return_exceptions: put exceptions among the results instead, and wait for all.

    Raises:
        DefinitionError: a member is neither a call nor a generator.
    """
    return Gather(_members("gather", members), return_exceptions)


def race(*members: Branch[T]) -> Call[Winner[T]]:
    """A call that runs its members concurrently and returns the first to finish, as a `Winner`.

    The others are cancelled and told so; when the first to finish failed, its exception is raised.

    Args:
        members: one call or generator of calls, or more.

    Raises:
        DefinitionError: there is no member, or one is neither a call nor a generator.
    """
    if not members:
        raise DefinitionError("race() of nothing would never finish: give it one call or more")
    return Race(_members("race", members))


def _members(verb: str, members: Sequence[Branch[Any]]) -> tuple[Branch[Any], ...]:
    for index, member in enumerate(members):
        if not isinstance(member, (Call, Generator)):
            star = f": write {verb}(*calls)" if isinstance(member, (list, tuple)) else ""
            raise DefinitionError(
                f"member {index} of {verb}(…) is {describe(member)}, which is no call and no generator of calls{star}"
            )
    if len({id(member) for member in members if isinstance(member, Generator)}) < sum(
        isinstance(member, Generator) for member in members
    ):
        raise DefinitionError(f"the same generator stands twice in {verb}(…): call the function once for each branch")
    return tuple(members)


def start(call: CallWorkflow[Any]) -> Call[str]:
    """A call that starts another workflow, detached: it outlives this one; its id is returned.

    Args:
        call: what calling the workflow returned, such as `audit(order_id)` or `audit(order_id).options(id="a-1")`.

    Raises:
        DefinitionError: it is not the call of a workflow.
    """
    if not isinstance(call, CallWorkflow):
        raise DefinitionError(f"start({describe(call)}): write start(some_workflow(arguments))")
    return Start(call)


def recur(*args: Any, **kwargs: Any) -> Call[Never]:
    """A call that ends this run and begins the next: same id, fresh history, these arguments.

    Args:
        args: the workflow's own arguments, without the context.
        kwargs: those given by name.
    """
    return Recur(args, kwargs)


def describe(value: object) -> str:
    """What a value is, in few words, for messages about a value that should not be there."""
    kind = type(value).__name__
    article = "an" if kind[:1] in "aeiouAEIOU" else "a"
    told = repr(value) if isinstance(value, (str, int, float, bool, bytes, type(None))) else f"{article} {kind}"
    return told if len(told) <= 60 else told[:57] + "…"
