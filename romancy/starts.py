"""A start, from the call of a workflow to what became of it: an instance that is new, or was there, or is refused."""

from __future__ import annotations

import math
import random
import time
import uuid
from concurrent.futures import Future
from typing import Any, TypeVar

from romancy.calls import CallWorkflow, check_id, describe
from romancy.codec import workflow_codec
from romancy.errors import DefinitionError, InstanceExistsError, StoreError
from romancy.store.protocol import Created, Instance, NewInstance
from romancy.worker.background import Background
from romancy.worker.intake import Beginning
from romancy.worker.turn import Ended
from romancy.worker.waiters import SLICE, outcome

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which a start is given up that meets a database which fails."""


def checked(call: CallWorkflow[T], id: str | None = None) -> CallWorkflow[T]:
    """A call that can be started, under that id if one is given.

    Raises:
        DefinitionError: it is no call of a workflow, or the id is none.
    """
    if not isinstance(call, CallWorkflow):
        raise DefinitionError(f"{describe(call)} is not the call of a workflow: write app.start(some_workflow(…))")
    if call.id is not None:
        check_id(call.id)
    return call if id is None else call.options(id=id)


def drawn(call: CallWorkflow[Any], chance: random.Random, at: float) -> NewInstance:
    """What to create for a call.

    Args:
        call: the call.
        chance: where its seed comes from, and its id if it has none.
        at: when it is made.

    Raises:
        SerializationError: an argument cannot be carried; the error names its path.
    """
    definition = call.workflow
    return NewInstance(
        id=call.id if call.id is not None else str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        workflow=definition.name,
        version=definition.version,
        input=workflow_codec(definition).encode_arguments(call.args, call.kwargs),
        seed=f"{chance.getrandbits(128):032x}",
        at=at,
    )


def refuse_other(stored: Instance, wanted: NewInstance) -> None:
    """An id belongs to one call for ever.

    Raises:
        InstanceExistsError: the stored instance is of another one.
    """
    if stored.workflow != wanted.workflow:
        raise InstanceExistsError(stored.id, f"it is one of workflow {stored.workflow!r}, not {wanted.workflow!r}")
    if stored.input != wanted.input:
        raise InstanceExistsError(stored.id)


class ExistedError(Exception):
    """The instance was there before: it may have ended already."""


def cut_short(created: Future[Created], ended: Future[Ended]) -> None:
    """Do not wait for the end of an instance that was not created now."""
    error = created.exception()
    if error is None and created.result().existed:
        error = ExistedError()
    if error is not None and not ended.done():
        ended.set_exception(error)


def settled(beginning: Beginning, worker: Background, since: float) -> Created:
    """What became of a start, also when the worker ends before it is read.

    Args:
        beginning: the start.
        worker: what was asked to carry it out.
        since: when it was asked, by `time.monotonic`.

    Raises:
        StoreError: the worker ended, or the database failed.
    """
    while True:
        try:
            return beginning.created.result(SLICE)
        except TimeoutError:
            give_up(beginning, worker, since)


def ended(beginning: Beginning, future: Future[Ended], worker: Background, timeout: float | None) -> Ended:
    """How an instance ended that is about to begin.

    Args:
        beginning: the start; where it fails, the future does.
        future: gets the end.
        worker: what was asked to carry the start out.
        timeout: seconds to wait.

    Raises:
        StoreError: the worker ended, or the database failed.
        TimeoutError: it takes longer.
    """
    since = time.monotonic()
    while not beginning.created.done():
        left = math.inf if timeout is None else since + timeout - time.monotonic()
        try:
            return outcome(future, min(SLICE, max(left, 0.0)))
        except TimeoutError:
            if left <= SLICE:
                raise
            give_up(beginning, worker, since)
    return outcome(future, None if timeout is None else max(0.0, since + timeout - time.monotonic()))


def give_up(beginning: Beginning, worker: Background, since: float) -> None:
    """Where the database is away for too long, the start fails, though the worker tries on; or where it has ended."""
    if not worker.is_alive():
        beginning.refuse(worker.failure or StoreError("the worker has stopped: the start was not taken"))
    elif time.monotonic() - since >= PATIENCE and worker.loop.is_failing():
        beginning.refuse(
            StoreError(
                f"the database failed for {PATIENCE:.0f} seconds, and it is not known whether instance "
                f"{beginning.new.id!r} was stored: start it again under the same id, which starts it once"
            )
        )
