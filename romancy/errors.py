"""The error tree: each branch says who must act.

`DefinitionError` and `SerializationError` ask the author, `ActivityError` reaches the workflow at its `yield`,
`NondeterminismError` asks the operator, `StoreError` the one who runs the database.
"""

from __future__ import annotations

from collections.abc import Sequence


class RomancyError(Exception):
    """Every error that Romancy raises, save cancellation, which is not an error."""


class DefinitionError(RomancyError):
    """A workflow or an activity is written in a way that cannot run; the message says what to write instead."""


class SerializationError(RomancyError):
    """A value cannot be carried as JSON under its annotation.

    Attributes:
        path: where the value stands, such as `args.items[3].conn` or `result.total`.
        reason: why it cannot be carried, and what to do about it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class InstanceExistsError(RomancyError):
    """The id belongs to an instance of another workflow, with other input, or of another parent."""

    def __init__(self, instance_id: str, reason: str = "it was started with other input") -> None:
        super().__init__(instance_id, reason)
        self.instance_id = instance_id
        self.reason = reason

    def __str__(self) -> str:
        return f"instance {self.instance_id!r} exists already: {self.reason}"


class InstanceStateError(RomancyError):
    """What was asked does not fit the state that the instance is in."""

    def __init__(self, instance_id: str, status: str, remedy: str) -> None:
        super().__init__(instance_id, status, remedy)
        self.instance_id = instance_id
        self.status = status
        self.remedy = remedy

    def __str__(self) -> str:
        return f"instance {self.instance_id!r} is {self.status}: {self.remedy}"


class ActivityError(RomancyError):
    """An activity failed for good, with an exception that is neither a builtin nor declared in `raises=`.

    Attributes:
        type_name: the qualified name of the exception's class, as text.
        message: what the exception said.
        traceback: the traceback of the last attempt, as text; empty when there is none.
    """

    def __init__(self, type_name: str, message: str, traceback: str = "") -> None:
        super().__init__(type_name, message, traceback)
        self.type_name = type_name
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


class ActivityInterrupted(ActivityError):
    """An at-most-once activity was started and never reported back: whether it took effect is unknown."""


class ActivityTimeoutError(ActivityError):
    """The last attempt of an activity took longer than its timeout."""


class TerminalError(RomancyError):
    """Raised by an activity to say that another attempt would be in vain."""


class NondeterminismError(RomancyError):
    """The code asks for something else than what the history of the instance holds."""


class InstanceFailedError(RomancyError):
    """The workflow raised; `__cause__` is its exception.

    Attributes:
        instance_id: the instance that failed.
        compensation_errors: the compensations that failed for good, in the order in which they ran.
    """

    def __init__(self, instance_id: str, compensation_errors: Sequence[BaseException] = ()) -> None:
        super().__init__(instance_id)
        self.instance_id = instance_id
        self.compensation_errors = tuple(compensation_errors)

    def __str__(self) -> str:
        cause = self.__cause__
        told = f"instance {self.instance_id!r} failed"
        if cause is not None:
            told += f": {type(cause).__name__}: {cause}"
        if self.compensation_errors:
            told += f" (and {len(self.compensation_errors)} of its compensations failed)"
        return told


class InstanceCancelledError(RomancyError):
    """The instance was cancelled.

    Attributes:
        instance_id: the instance that was cancelled.
        compensation_errors: the compensations that failed for good, in the order in which they ran.
    """

    def __init__(self, instance_id: str, compensation_errors: Sequence[BaseException] = ()) -> None:
        super().__init__(instance_id)
        self.instance_id = instance_id
        self.compensation_errors = tuple(compensation_errors)

    def __str__(self) -> str:
        return f"instance {self.instance_id!r} was cancelled"


class InstanceStuckError(RomancyError):
    """The instance is parked until somebody mends its code or its data; nothing of it is lost.

    Attributes:
        instance_id: the instance that is parked.
        reason: why, as text.
    """

    def __init__(self, instance_id: str, reason: str) -> None:
        super().__init__(instance_id, reason)
        self.instance_id = instance_id
        self.reason = reason

    def __str__(self) -> str:
        return f"instance {self.instance_id!r} is stuck: {self.reason}\nMend it, then: romancy retry {self.instance_id}"


class StoreError(RomancyError):
    """The database cannot be read or written; the engine stops and no workflow fails by it."""


class SchemaError(StoreError):
    """The database is not one that this version of Romancy can use."""


class LeaseLostError(StoreError):
    """Another worker took over what this one held: nothing of the tick was written."""


class UnknownInstanceError(StoreError):
    """There is no instance of that id."""

    def __init__(self, instance_id: str) -> None:
        super().__init__(instance_id)
        self.instance_id = instance_id

    def __str__(self) -> str:
        return f"there is no instance {self.instance_id!r}"


class WorkflowCancelled(BaseException):
    """Thrown into a workflow, or a branch of it, at its current `yield` when it is cancelled."""
