"""Generators side by side: who waits for whom, and that no branch outlives the gather or race that it is in.

Nothing here resumes a generator: what is to be resumed, and with what, stands in `runnable`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

from romancy.calls import Winner
from romancy.errors import WorkflowCancelled
from romancy.kernel.pending import Branch, Join, Pending, PendingTimer, Sink

CANCEL = PendingTimer("", 0.0, None)  # type: ignore[arg-type]
"""What a branch waits for that was cancelled when it was about to be resumed: it meets the cancellation there."""


class Branches:
    """The generators of an execution.

    Args:
        drop: is told of each pending call that nobody waits for any more.

    Attributes:
        runnable: branches to be resumed, in order, with what is sent or thrown into them.
    """

    __slots__ = ("_alive", "_drop", "runnable")

    def __init__(self, drop: Callable[[Pending], None]) -> None:
        self.runnable: deque[tuple[Branch, Any, BaseException | None]] = deque()
        self._drop = drop
        self._alive: dict[Branch, None] = {}

    def add(self, generator: Generator[Any, Any, Any], prefix: str, sink: Sink | None) -> Branch:
        """A generator that is to be driven; `prefix` is that of its steps."""
        branch = Branch(generator, prefix, sink)
        self._alive[branch] = None
        return branch

    def remove(self, branch: Branch) -> None:
        """A branch has ended."""
        del self._alive[branch]

    def wait(self, sink: Sink, what: Pending | Join) -> None:
        """Let a branch, or the place of a member, wait for something."""
        if isinstance(sink, Branch):
            sink.waiting = what
        else:
            join, index = sink
            join.running[index] = what

    def settle(self, sink: Sink, value: Any, error: BaseException | None) -> None:
        """Something has ended, and this is what came of it."""
        if isinstance(sink, Branch):
            self.runnable.append((sink, value, error))
        else:
            join, index = sink
            self._arrive(join, index, value, error)

    # -- side by side

    def open(self, step: str, join: Join, members: tuple[Any, ...]) -> Iterator[tuple[int, Any]]:
        """Begin a gather or race.

        Yields:
            The members that are calls, by index: each is issued before the next one is asked for.
        """
        self.wait(join.sink, join)
        join.running = dict.fromkeys(range(len(members)), join)
        for index, member in enumerate(members):
            if join.decided:
                del join.running[index]
                if isinstance(member, Generator):
                    close(member)
            elif isinstance(member, Generator):
                join.running[index] = branch = self.add(member, f"{step}.{index + 1}.", (join, index))
                self.runnable.append((branch, None, None))
            else:
                yield index, member
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
            self.settle(sink, value, join.error)

    # -- cancellation

    def cancel(self, branch: Branch) -> None:
        """Throw `WorkflowCancelled` at the branch's `yield`, once what it waits for has let go."""
        if branch.cancelled:
            return
        branch.cancelled = True
        waiting = branch.waiting
        if isinstance(waiting, Join):
            self._cancel_join(waiting)
        elif waiting is not None:
            self._drop(waiting)
            self.runnable.append((branch, None, WorkflowCancelled()))
        else:
            branch.waiting = CANCEL

    def _cancel_join(self, join: Join) -> None:
        join.decided, join.error = True, WorkflowCancelled()
        self._cancel_members(join)
        self._close_join(join)

    def _cancel_members(self, join: Join) -> None:
        for index, member in list(join.running.items()):
            if member is join:
                continue  # it is not issued yet: what it asks for is dropped when it is
            if isinstance(member, Branch):
                self.cancel(member)
            elif isinstance(member, Join):
                self._cancel_join(member)
            else:
                self._drop(member)
                del join.running[index]

    def close(self) -> None:
        """Let go of the generators."""
        for branch in self._alive:
            close(branch.generator)
        self._alive.clear()


def close(generator: Generator[Any, Any, Any]) -> None:
    """Close a generator that may yield while it is being closed; each further close takes it past one such yield."""
    for _ in range(100):
        try:
            generator.close()
        except RuntimeError:
            continue
        except BaseException:  # whatever its `finally:` raises, the instance lives on in its history
            pass
        return
