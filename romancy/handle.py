"""Handle: an instance, seen from outside; what it wants to know it asks of the app that it came from."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, Protocol, TypeVar

from romancy.calls import CallWorkflow, WorkflowDefinition
from romancy.codec import workflow_codec
from romancy.errors import InstanceStuckError
from romancy.history import Event, WorkflowCancelled, WorkflowCompleted, WorkflowFailed
from romancy.kernel import instance_cancelled, instance_failed
from romancy.store.protocol import Instance
from romancy.worker.turn import Ended

T = TypeVar("T")


class Origin(Protocol):
    """Where handles come from."""

    def _stored(self, id: str) -> Instance:
        """The instance, as of now."""

    def _events(self, id: str, run: int | None) -> list[Event]:
        """What happened in a run, the current one by default."""

    def _end(self, id: str, timeout: float | None) -> Ended:
        """Wait for its end."""

    async def _end_async(self, id: str) -> Ended:
        """Wait for its end without keeping an event loop from turning."""

    def _definition(self, workflow: str) -> WorkflowDefinition:
        """The workflow of a name."""

    def _tell_cancel(self, id: str) -> None:
        """Ask for it to be cancelled."""


class Handle(Generic[T]):
    """An instance, seen from outside.

    Attributes:
        id: its id.
    """

    def __init__(self, app: Origin, id: str, call: CallWorkflow[T] | None = None) -> None:
        self.id = id
        self._app = app
        self._call = call

    def __repr__(self) -> str:
        return f"<instance {self.id!r}>"

    @property
    def status(self) -> str:
        """`pending`, `running`, `waiting`, `compensating`, `completed`, `failed`, `cancelled` or `stuck`, as of now."""
        return self._app._stored(self.id).status

    @property
    def workflow(self) -> str:
        """The name of its workflow."""
        return self._call.workflow.name if self._call is not None else self._app._stored(self.id).workflow

    def result(self, timeout: float | None = None) -> T:
        """Wait for the instance to end, and return what its workflow returned.

        Args:
            timeout: seconds to wait; None for as long as it takes.

        Raises:
            InstanceFailedError: the workflow raised; `__cause__` is its exception.
            InstanceCancelledError: it was cancelled.
            InstanceStuckError: it is parked until somebody mends it.
            TimeoutError: it has not ended yet.
        """
        return self._value(self._app._end(self.id, timeout))

    def history(self, run: int | None = None) -> list[Event]:
        """What happened so far, in order.

        Args:
            run: the number of a run, from 1; the current one by default.
        """
        return self._app._events(self.id, run)

    def cancel(self) -> None:
        """Ask for the instance to be cancelled; asking again, or when it has ended, changes nothing."""
        self._app._tell_cancel(self.id)

    def __await__(self) -> Generator[Any, None, T]:
        return self._result_async().__await__()

    async def _result_async(self) -> T:
        return self._value(await self._app._end_async(self.id))

    def _value(self, ended: Ended) -> T:
        match ended.event:
            case WorkflowCompleted(result=result):
                value: T = workflow_codec(self._definition()).decode_result(result)
                return value
            case WorkflowFailed(error=error):
                failed = instance_failed(self.id, error)
                raise failed from failed.__cause__
            case WorkflowCancelled(error=error):
                raise instance_cancelled(self.id, error)
            case _:
                raise InstanceStuckError(self.id, self._app._stored(self.id).error or "it has no last event")

    def _definition(self) -> WorkflowDefinition:
        return self._call.workflow if self._call is not None else self._app._definition(self.workflow)
