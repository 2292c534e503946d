"""Where the coroutines of activities run to their end while a test waits for them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from romancy.worker.aside import aside, is_in_a_loop

if TYPE_CHECKING:
    import asyncio  # loaded where the first coroutine runs: it takes long

T = TypeVar("T")


class Coroutines:
    """Runs coroutines one at a time, all on one event loop: what they share belongs to it, as in a worker."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine to its end; on a thread and a loop beside these where a loop runs here already."""
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        if is_in_a_loop() or self._loop.is_running():
            return aside(lambda: asyncio.run(begin()))
        return self._loop.run_until_complete(begin())

    def close(self) -> None:
        """End what still runs."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        if is_in_a_loop():
            aside(lambda: loop.run_until_complete(_end_tasks()))
        else:
            loop.run_until_complete(_end_tasks())
        loop.close()

    def drop(self) -> None:
        """Let go of the loop; nothing goes on on it."""
        if self._loop is not None:
            self._loop.close()
        self._loop = None


async def _end_tasks() -> None:
    import asyncio

    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
