"""`@activity`, and what an activity can ask for while it runs: `session()` and `activity_context()`."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Coroutine, Iterable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar, overload

import attrs

from romancy.calls import ActivityDefinition, Call, CallActivity, Compensation, describe, seconds
from romancy.errors import DefinitionError
from romancy.retry import ONCE, RetryPolicy, checked

P = ParamSpec("P")
T = TypeVar("T")


class Activity(Generic[P, T]):
    """A function that may do anything; calling it makes a call, which runs where a workflow yields it.

    Attributes:
        fn: the plain function, for tests.
        definition: what the decorator was told.
    """

    def __init__(self, definition: ActivityDefinition) -> None:
        self.definition = definition
        self.__name__ = definition.name
        self.__qualname__ = definition.fn.__qualname__
        self.__doc__ = definition.fn.__doc__
        self.__module__ = definition.fn.__module__
        self.__wrapped__ = definition.fn

    @property
    def fn(self) -> Callable[P, T]:
        return self.definition.fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        return CallActivity(self.definition, args, kwargs)

    def __repr__(self) -> str:
        return f"<activity {self.definition.name!r} at {self.definition.place}>"


class AsyncActivity(Activity[P, T]):
    """An activity written as `async def`; it runs on the worker's event loop."""

    @property
    def fn(self) -> Callable[P, Coroutine[Any, Any, T]]:  # type: ignore[override]
        return self.definition.fn


class _Decorate:
    """What `@activity(…)` with options returns."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, T]]) -> AsyncActivity[P, T]: ...
    @overload
    def __call__(self, fn: Callable[P, T]) -> Activity[P, T]: ...
    def __call__(self, fn: Callable[..., Any]) -> Activity[Any, Any]:
        return _define(fn, **self._options)


@overload
def activity(fn: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncActivity[P, T]: ...
@overload
def activity(fn: Callable[P, T], /) -> Activity[P, T]: ...
@overload
def activity(
    *,
    name: str | None = None,
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    compensate: Callable[..., Any] | None = None,
    raises: type[Exception] | Iterable[type[Exception]] = (),
    at_most_once: bool = False,
) -> _Decorate: ...
def activity(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    compensate: Callable[..., Any] | None = None,
    raises: type[Exception] | Iterable[type[Exception]] = (),
    at_most_once: bool = False,
) -> Any:
    """Make an activity of a function, plain or `async def`.

    Args:
        name: the name in histories; the function's own by default. Keep it when the function moves.
        retry: how often a failed attempt is repeated; `RetryPolicy()` by default.
        timeout: seconds (or a `timedelta`) that an attempt may take; then it is abandoned and counts as failed.
        compensate: a function or activity that undoes this one when the workflow fails later. It gets the same
            arguments, and the result too where it has a parameter `result`.
        raises: exception classes that come back to the workflow as themselves, beside the builtin ones.
        at_most_once: never run it a second time when it was interrupted; raise `ActivityInterrupted` instead. It is
            then not retried either, unless `retry` is given: each attempt is then started at most once.

    Raises:
        DefinitionError: the function is a generator, or an option does not fit.
    """
    decorate = _Decorate(
        {
            "name": name,
            "retry": retry,
            "timeout": timeout,
            "compensate": compensate,
            "raises": raises,
            "at_most_once": at_most_once,
        }
    )
    return decorate if fn is None else decorate(fn)


def _define(
    fn: Callable[..., Any],
    *,
    name: str | None = None,
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    compensate: Callable[..., Any] | None = None,
    raises: type[Exception] | Iterable[type[Exception]] = (),
    at_most_once: bool = False,
) -> Activity[Any, Any]:
    place = _refuse_what_cannot_be_called(fn)
    if timeout is not None and not seconds(timeout) > 0:
        raise DefinitionError(f"@activity(timeout={timeout!r}) on {place}: write a length of time above zero")
    if not isinstance(at_most_once, bool):
        raise DefinitionError(f"@activity(at_most_once={at_most_once!r}) on {place}: write True or False")
    definition = ActivityDefinition(
        name=checked_name(name, fn, place),
        fn=fn,
        is_async=inspect.iscoroutinefunction(fn),
        retry=checked(retry, f"@activity on {place}") or (ONCE if at_most_once else RetryPolicy()),
        timeout=None if timeout is None else seconds(timeout),
        raises=_classes(raises, place),
        at_most_once=at_most_once,
        compensation=None if compensate is None else _compensation(fn, compensate),
        place=place,
    )
    definitions.setdefault(definition.name, {})[place] = definition
    return (AsyncActivity if definition.is_async else Activity)(definition)


definitions: dict[str, dict[str, ActivityDefinition]] = {}
"""The activities of this process by name and place: tests replace them by name."""


def _refuse_what_cannot_be_called(fn: Callable[..., Any]) -> str:
    if isinstance(fn, Activity):
        raise DefinitionError(f"{fn.definition.place} is an activity already: write @activity once")
    if not inspect.isfunction(fn):
        raise DefinitionError(f"@activity is for functions, and this is {describe(fn)}: wrap it in a def")
    place = place_of(fn)
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise DefinitionError(
            f"{place} yields, and an activity is a plain function: return a list, or write @workflow above it"
        )
    return place


def _classes(raises: object, place: str) -> tuple[type[Exception], ...]:
    classes = tuple(raises) if isinstance(raises, Iterable) and not isinstance(raises, (type, str)) else (raises,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise DefinitionError(
                f"@activity(raises=…) on {place}: {describe(each)} is no exception class: write one class or several"
            )
    declared_errors.update(dict.fromkeys(classes))
    return classes


declared_errors: dict[type[Exception], None] = {}
"""Every class that stands in some `raises=` of this process: those that a workflow's failure can come back as."""


def _compensation(fn: Callable[..., Any], compensate: Callable[..., Any]) -> Compensation:
    undo = compensate.definition if isinstance(compensate, Activity) else _define(compensate).definition
    forward, backward = inspect.signature(fn).parameters, inspect.signature(undo.fn)
    takes_result = "result" in backward.parameters
    by_name = forward.keys() <= backward.parameters.keys() and all(
        each.kind is each.POSITIONAL_OR_KEYWORD or each.kind is each.KEYWORD_ONLY for each in forward.values()
    )
    named = {each.name: None for each in forward.values() if by_name or each.kind is each.KEYWORD_ONLY}
    placed = [None for each in forward.values() if not by_name and each.kind in _PLACED]
    try:
        backward.bind(*placed, **named, **({"result": None} if takes_result else {}))
    except TypeError as problem:
        raise DefinitionError(
            f"the compensation {undo.place} does not fit {place_of(fn)}: {problem}; "
            f"give it the parameters of {fn.__name__}, and result= if it needs the result"
        ) from None
    return Compensation(activity=undo, takes_result=takes_result, by_name=by_name)


def checked_name(name: str | None, fn: Callable[..., Any], place: str) -> str:
    """The name of a definition: the function's own, unless another one is given."""
    if name is None:
        return fn.__name__
    if not isinstance(name, str) or not 0 < len(name) <= 1000 or "\0" in name:
        raise DefinitionError(f"name={name!r} on {place}: write a text of 1 to 1,000 characters, or leave it out")
    return name


_PLACED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def place_of(fn: Callable[..., Any]) -> str:
    """A function with file and line, as messages name it."""
    code = inspect.unwrap(fn).__code__
    return f"{fn.__name__}() ({code.co_filename}:{code.co_firstlineno})"


@attrs.define(eq=False)
class ActivityContext:
    """What an activity can know of the attempt that runs it.

    Attributes:
        instance_id: the instance that asked for it.
        workflow_name: the workflow of that instance.
        step: the place of the call in the instance, such as `"3"` or `"4.1"`.
        attempt: the number of this attempt, from 1.
        run: the number of the instance's run, from 1; `recur` begins the next.
        in_session: whether it has called `session()`.
        is_cancelled: whether nobody waits for this attempt any more: it timed out, lost a race, or its workflow ended.
    """

    instance_id: str
    workflow_name: str
    step: str
    attempt: int
    run: int = 1
    in_session: bool = attrs.field(default=False, repr=False)
    is_cancelled: bool = False
    _session: Callable[[], Any] | None = attrs.field(default=None, repr=False)

    @property
    def idempotency_key(self) -> str:
        """A UUID that stays the same over attempts and crashes, and differs for every other call."""
        return str(uuid.uuid5(_KEYS, f"{self.instance_id}\0{self.run}\0{self.step}"))


_KEYS = uuid.UUID("6f1d1f4e-7e0b-5f0c-9a57-4b8f5b7f0a11")
running: ContextVar[ActivityContext] = ContextVar("romancy_activity")


def activity_context() -> ActivityContext:
    """What the running activity can know of its attempt.

    Raises:
        RuntimeError: no activity is running here.
    """
    try:
        return running.get()
    except LookupError:
        raise RuntimeError("activity_context() is for the body of an activity, while a worker runs it") from None


def session() -> Any:
    """The database connection whose transaction will also hold this activity's result.

    A `sqlite_utils.Database` on SQLite, a `psycopg.Connection` on PostgreSQL. The transaction begins at the first call,
    and from then on no other activity of this process can write: do slow work before it. It commits when the activity
    returns and is rolled back when it raises; do not commit it yourself. Of `async def` activities, which share a
    thread, only one can hold it at a time: another one that asks is refused, so prefer a plain function.

    Raises:
        RuntimeError: no activity is running here.
    """
    try:
        opened = running.get()._session
    except LookupError:
        opened = None
    if opened is None:
        raise RuntimeError("session() is for the body of an activity, while a worker runs it")
    return opened()
