"""`@workflow`, the `Context` that workflow code is handed, and `Flow`, the type of its generator."""

from __future__ import annotations

import builtins
import inspect
import logging
import random
import uuid
from collections.abc import Callable, Generator, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from romancy.activity import Activity, checked_name, place_of
from romancy.calls import Call, CallWorkflow, WorkflowDefinition, describe
from romancy.errors import DefinitionError

P = ParamSpec("P")
T = TypeVar("T")

Flow = Generator[Call[Any], Any, T]
"""What a workflow function returns: a generator of calls that ends with a `T`."""

current: ContextVar[Context] = ContextVar("romancy_workflow")


class Context:
    """What workflow code may know of its instance; nothing here writes, so it can stand in any expression.

    Attributes:
        instance_id: the id of the instance.
        workflow_name: the name under which the workflow is registered.
        run: the number of this run, from 1; `recur` begins the next.
        is_replaying: whether what runs now ran before and is only brought back.
    """

    def __init__(self, instance_id: str, workflow_name: str, *, seed: str, run: int = 1) -> None:
        self.instance_id = instance_id
        self.workflow_name = workflow_name
        self.run = run
        self.is_replaying = False
        self.at = 0.0
        self.patches: dict[str, bool] = {}
        self.fresh_patches: list[str] = []
        self._seed = seed
        self._random: random.Random | None = None
        self._ids: random.Random | None = None

    @staticmethod
    def current() -> Context:
        """The context of the workflow that is running, for helpers that were not handed one.

        Raises:
            RuntimeError: no workflow is running here.
        """
        try:
            return current.get()
        except LookupError:
            raise RuntimeError("Context.current() is for workflow code, while a worker drives it") from None

    def now(self) -> datetime:
        """The time of the last event that was delivered, in UTC: the same at every replay."""
        return datetime.fromtimestamp(self.at, UTC)

    @property
    def random(self) -> random.Random:
        """A generator of random numbers with a recorded seed: the same at every replay. Not for secrets."""
        if self._random is None:
            self._random = random.Random(f"{self._seed}:{self.run}")
        return self._random

    def uuid4(self) -> uuid.UUID:
        """A random UUID, the same at every replay."""
        if self._ids is None:
            self._ids = random.Random(f"{self._seed}:{self.run}:uuid4")
        return uuid.UUID(int=self._ids.getrandbits(128), version=4)

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that is silent while replaying; its records carry `instance_id` and `workflow_name`."""
        return _ReplaySafeLog(_LOG.getChild(self.workflow_name), self)

    def patched(self, change_id: str) -> bool:
        """Whether this instance takes the new side of a change: false for one that passed here under older code.

        The answer is recorded with the next thing that is, and stays the same for the rest of the run.

        Args:
            change_id: a name for the change, of your choice.
        """
        answer = self.patches.get(change_id)
        if answer is None:
            answer = not self.is_replaying
            self.patches[change_id] = answer
            if answer:
                self.fresh_patches.append(change_id)
        return answer


_LOG = logging.getLogger("romancy.workflow")


class _ReplaySafeLog(logging.LoggerAdapter[logging.Logger]):
    def __init__(self, logger: logging.Logger, context: Context) -> None:
        super().__init__(logger, {"instance_id": context.instance_id, "workflow_name": context.workflow_name})
        self._context = context

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name that logging calls
        return not self._context.is_replaying and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return f"[{self._context.instance_id}] {msg}", kwargs


class Workflow(Generic[P, T]):
    """A generator function that yields calls; calling it makes a call, for an app to start or a parent to yield.

    Attributes:
        fn: the plain generator function, for tests.
        definition: what the decorator was told.
    """

    def __init__(self, definition: WorkflowDefinition) -> None:
        self.definition = definition
        self.__name__ = definition.name
        self.__qualname__ = definition.fn.__qualname__
        self.__doc__ = definition.fn.__doc__
        self.__module__ = definition.fn.__module__
        self.__wrapped__ = definition.fn

    @property
    def fn(self) -> Callable[Concatenate[Context, P], Flow[T]]:
        return self.definition.fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> CallWorkflow[T]:
        return CallWorkflow(self.definition, args, kwargs)

    def __repr__(self) -> str:
        return f"<workflow {self.definition.name!r} at {self.definition.place}>"


class _Decorate:
    """What `@workflow(…)` with options returns."""

    def __init__(self, name: str | None, version: str) -> None:
        self._name = name
        self._version = version

    def __call__(self, fn: Callable[Concatenate[Context, P], Flow[T]]) -> Workflow[P, T]:
        return _define(fn, self._name, self._version)


@overload
def workflow(fn: Callable[Concatenate[Context, P], Flow[T]], /) -> Workflow[P, T]: ...
@overload
def workflow(*, name: str | None = None, version: str | int = "") -> _Decorate: ...
def workflow(fn: Callable[..., Any] | None = None, /, *, name: str | None = None, version: str | int = "") -> Any:
    """Make a workflow of a generator function whose first parameter is the `Context`.

    Args:
        name: the name in the database; the function's own by default. Keep it when the function moves.
        version: recorded with each instance and named in errors about histories that no longer fit.

    Raises:
        DefinitionError: the function is no generator function, is `async def`, or takes no context.
    """
    return _Decorate(name, str(version)) if fn is None else _define(fn, name, str(version))


definitions: list[WorkflowDefinition] = []
"""Every workflow that was defined in this process, in order; the registry reads it."""


def _define(fn: Callable[..., Any], name: str | None, version: str) -> Workflow[Any, Any]:
    place = _refuse_what_cannot_replay(fn)
    definition = WorkflowDefinition(name=checked_name(name, fn, place), fn=fn, version=version, place=place)
    definitions.append(definition)
    return Workflow(definition)


def _refuse_what_cannot_replay(fn: Callable[..., Any]) -> str:
    if isinstance(fn, (Activity, Workflow)):
        raise DefinitionError(f"{fn!r} is defined already: write one of @activity and @workflow, once")
    if not inspect.isfunction(fn):
        raise DefinitionError(f"@workflow is for generator functions, and this is {describe(fn)}: write a def")
    place = place_of(fn)
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        raise DefinitionError(
            f"workflow {place} is async: write `def {fn.__name__}(ctx, …)` and `yield call` for `await call`; "
            "only activities may be `async def`"
        )
    if not inspect.isgeneratorfunction(fn):
        raise DefinitionError(
            f"workflow {place} is not a generator: write at least one `yield some_activity(…)` in it, "
            "or make it an @activity"
        )
    parameters = list(inspect.signature(fn).parameters.values())
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise DefinitionError(f"workflow {place} takes no context: write `def {fn.__name__}(ctx: Context, …)`")
    _refuse_other_first_parameter(fn, parameters[0], place)
    return place


def _refuse_other_first_parameter(fn: Callable[..., Any], first: inspect.Parameter, place: str) -> None:
    annotation = first.annotation
    if isinstance(annotation, str):
        annotation = fn.__globals__.get(annotation, getattr(builtins, annotation, inspect.Parameter.empty))
    is_other = isinstance(annotation, type) and annotation not in (Context, inspect.Parameter.empty)
    if is_other or first.name in ("self", "cls"):
        raise DefinitionError(
            f"workflow {place}: its first parameter is `{first}`, and the context comes there: write "
            f"`def {fn.__name__}(ctx: Context, …)`, as a function and not a method"
        )
