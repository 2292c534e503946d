"""One workflow that performs any program, and the activities that programs are made of.

Every body of an activity tells `effects` when it begins and how it ends, so that a harness can compare what happened
outside with what is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from sqlite_utils import Database

from romancy import (
    Context,
    Flow,
    RetryPolicy,
    activity,
    activity_context,
    gather,
    race,
    recur,
    session,
    sleep,
    start,
    workflow,
)
from romancy.errors import ActivityError, InstanceFailedError, TerminalError, WorkflowCancelled
from tests.crash.programs import (
    EXHAUSTED_ATTEMPTS,
    FLAKY_ATTEMPTS,
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
    from_json,
    to_json,
)

# -- effects


@attrs.frozen
class Effect:
    """A body `begin`s, `end`s or `raise`s; a begin without either was cut off."""

    phase: str
    instance: str
    run: int
    step: str
    attempt: int
    name: str
    key: str

    @property
    def call(self) -> tuple[str, int, str]:
        """The call that it belongs to."""
        return self.instance, self.run, self.step


effects: list[Effect] = []
"""What happened in this process, unless it is told elsewhere."""
_tell: Callable[[Effect], object] = effects.append


@contextmanager
def telling(hook: Callable[[Effect], object]) -> Iterator[None]:
    """Tell effects to a hook instead of `effects`, for a while; what it raises, the activity raises."""
    global _tell
    before, _tell = _tell, hook
    try:
        yield
    finally:
        _tell = before


@contextmanager
def _effect(name: str) -> Iterator[str]:
    """The step of the activity, whose body runs inside."""
    context = activity_context()
    place = (context.instance_id, context.run, context.step, context.attempt, name, context.idempotency_key)
    _tell(Effect("begin", *place))
    try:
        yield context.step
    except Exception:
        _tell(Effect("raise", *place))
        raise
    _tell(Effect("end", *place))


# -- activities


class Declared(Exception):
    """What an activity says it raises, and what comes back as itself."""


class Undeclared(Exception):
    """What no activity says it raises."""


def _policy(attempts: int) -> RetryPolicy:
    return RetryPolicy(max_attempts=attempts, initial_delay=2, backoff=2, jitter=False, max_duration=10**7)


def _fail_until(failures: int) -> None:
    attempt = activity_context().attempt
    if attempt <= failures:
        raise OSError(f"attempt {attempt}")


@activity
def plain(given: int) -> list[Any]:
    with _effect("plain") as step:
        return ["plain", step, given]


@activity(retry=_policy(FLAKY_ATTEMPTS))
def flaky(failures: int, given: int) -> list[Any]:
    with _effect("flaky") as step:
        _fail_until(failures)
        return ["flaky", step, given]


@activity(retry=_policy(FLAKY_ATTEMPTS))
def transactional(failures: int, given: int) -> list[Any]:
    with _effect("transactional") as step:
        context = activity_context()
        database = session()
        database.execute("create table if not exists effect (instance text, run integer, step text)")
        marks = "?, ?, ?" if isinstance(database, Database) else "%s, %s, %s"
        database.execute(f"insert into effect values ({marks})", [context.instance_id, context.run, step])
        _fail_until(failures)
        return ["transactional", step, given]


@activity(at_most_once=True)
def once(given: int) -> list[Any]:
    with _effect("once") as step:
        return ["once", step, given]


@activity(raises=Declared, retry=_policy(1))
def declared(given: int) -> None:
    with _effect("declared") as step:
        raise Declared(step)


@activity(retry=_policy(1))
def undeclared(given: int) -> None:
    with _effect("undeclared") as step:
        raise Undeclared(step)


@activity(retry=_policy(EXHAUSTED_ATTEMPTS))
def exhausted(given: int) -> None:
    with _effect("exhausted"):
        _fail_until(EXHAUSTED_ATTEMPTS)


@activity(retry=_policy(FLAKY_ATTEMPTS))
def terminal(given: int) -> None:
    with _effect("terminal") as step:
        raise TerminalError(step)


@activity
def echo(value: str) -> str:
    with _effect("echo"):
        return value


@activity
def undo_works(given: int, *, result: list[Any]) -> str:
    with _effect("undo_works"):
        undone: str = result[1]
        return undone


@activity(retry=_policy(UNDO_ATTEMPTS))
def undo_flaky(given: int, *, result: list[Any]) -> str:
    with _effect("undo_flaky"):
        _fail_until(UNDO_ATTEMPTS - 1)
        undone: str = result[1]
        return undone


@activity(retry=_policy(UNDO_ATTEMPTS))
def undo_fails(given: int, *, result: list[Any]) -> None:
    with _effect("undo_fails"):
        _fail_until(UNDO_ATTEMPTS)


@activity(compensate=undo_works)
def saga_works(given: int) -> list[Any]:
    with _effect("saga_works") as step:
        return ["saga", step, given]


@activity(compensate=undo_flaky)
def saga_flaky(given: int) -> list[Any]:
    with _effect("saga_flaky") as step:
        return ["saga", step, given]


@activity(compensate=undo_fails)
def saga_fails(given: int) -> list[Any]:
    with _effect("saga_fails") as step:
        return ["saga", step, given]


_ACTS: dict[str, Callable[[int], Any]] = {
    "plain": plain,
    "once": once,
    "declared": declared,
    "undeclared": undeclared,
    "exhausted": exhausted,
    "terminal": terminal,
}
_RETRIED: dict[str, Callable[[int, int], Any]] = {"flaky": flaky, "transactional": transactional}
_SAGAS: dict[str, Callable[[int], Any]] = {"works": saga_works, "flaky": saga_flaky, "fails": saga_fails}


# -- the workflow


@workflow
def perform(ctx: Context, program: list[Any]) -> Flow[list[Any]]:
    values: list[Any] = yield from _perform(ctx, from_json(program), program)
    return values


def _perform(ctx: Context, statement: Statement, program: list[Any], given: int = 0) -> Generator[Any, Any, Any]:
    match statement:
        case Block(statements):
            values: list[Any] = []
            for each in statements:
                values.append((yield from _perform(ctx, each, program, digest(values))))
            return values
        case Try(body, handler):
            try:
                return ["passed", (yield from _perform(ctx, body, program))]
            except Exception as error:
                caught = told(error)
            return ["caught", caught, (yield from _perform(ctx, handler, program))]
        case Guarded(body, cleanup):
            try:
                return (yield from _perform(ctx, body, program))
            except (Exception, WorkflowCancelled):
                yield from _perform(ctx, cleanup, program)
                raise
        case Raise():
            raise ValueError("raised by the workflow")
        case Recur(times):
            if ctx.run <= times:
                yield recur(program)
            return "enough"
        case Draw(what):
            drawn = _draw(ctx, what)
            return (yield echo(drawn)) == drawn
        case _:
            return _plain((yield _call(ctx, statement, program, given)))


def _call(ctx: Context, statement: Statement, program: list[Any], given: int = 0) -> Any:
    """A call where the statement is one, else a generator: both can stand side by side with others."""
    match statement:
        case Act(kind, failures):
            return _RETRIED[kind](failures, given) if kind in _RETRIED else _ACTS[kind](given)
        case Saga(undo):
            return _SAGAS[undo](given)
        case Sleep(seconds):
            return sleep(seconds)
        case Child(body):
            return perform(to_json(body))
        case Detached(body):
            return start(perform(to_json(body)))
        case Gather(members, return_exceptions):
            return gather(*(_call(ctx, each, program) for each in members), return_exceptions=return_exceptions)
        case Race(members):
            return race(*(_call(ctx, each, program) for each in members))
        case _:
            return _perform(ctx, statement, program)


def _draw(ctx: Context, what: str) -> str:
    match what:
        case "now":
            return ctx.now().isoformat()
        case "uuid":
            return str(ctx.uuid4())
        case _:
            return repr(ctx.random.random())


def _plain(value: Any) -> Any:
    """The value of a call as JSON: errors as they are told, winners as lists."""
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if hasattr(value, "index") and hasattr(value, "value"):
        return [value.index, _plain(value.value)]
    return told(value) if isinstance(value, BaseException) else value


def told(error: BaseException) -> list[Any]:
    """An exception as JSON, as the model tells it too."""
    if isinstance(error, InstanceFailedError):
        cause = error.__cause__
        return [type(error).__name__, cause and told(cause), [told(each) for each in error.compensation_errors]]
    if isinstance(error, ActivityError):
        return [type(error).__name__, error.type_name, error.message]
    return [type(error).__name__, str(error)]
