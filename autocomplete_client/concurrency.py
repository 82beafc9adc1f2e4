"""What the clients need of asyncio, and the same of threads.

The client for asyncio is written by hand. `scripts/generate_sync.py` writes the client for threads from it, with the
names without `async` in place of the others.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

Condition = threading.Condition
sleep = time.sleep
async_sleep = asyncio.sleep


class AsyncCondition:
    """Does for tasks of one event loop what `threading.Condition` does for threads.

    `with` takes no lock: between two `await` nobody else runs.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, *_: object) -> None:
        """Nothing to do."""

    def notify_all(self) -> None:
        """Wakes all waiting tasks, so that they look at their predicates again."""
        self._changed.set()

    async def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Waits until the predicate holds, or for `timeout` seconds; returns whether it holds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not predicate():
                    self._changed.clear()  # all tasks that waited have been woken
                    await self._changed.wait()
        return predicate()


class AsyncBackground:
    """A task that runs beside its maker."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._run = run
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts it."""
        self._task = asyncio.create_task(self._run())

    async def join(self, timeout_s: float) -> None:
        """Waits for its end, and cancels it if that takes longer."""
        if self._task is not None:
            with suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._task, timeout_s)


class Background:
    """A thread that runs beside its maker. It does not keep the process from ending."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=run, name="typing-session", daemon=True)

    def start(self) -> None:
        """Starts it."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Waits for its end, but not longer than that."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
