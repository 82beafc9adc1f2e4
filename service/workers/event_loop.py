"""The event loop of a server, in a thread of its own: all calls are taken and answered there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

Result = TypeVar("Result")


class EventLoop:
    """A running loop, for the threads around it."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()  # cheaper a turn than asyncio's own, and a call takes many
        self._thread = threading.Thread(target=self._loop.run_forever, name="event-loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Runs a coroutine to its end, and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def soon(self, work: Callable[..., object], /, *args: object) -> None:
        """Has the loop call a function at its next turn; without effect once it is closed."""
        try:
            self._loop.call_soon_threadsafe(work, *args)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def close(self) -> None:
        """Cancels what still runs, and ends."""
        if self._loop.is_closed():
            return
        self.run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
