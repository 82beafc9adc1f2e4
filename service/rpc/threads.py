"""Threads that compute for the event loop.

`ThreadPoolExecutor` would do, but its futures have locks and have to be wrapped once more for the event loop, which
costs half as much again for every answer that is computed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

from service.workers.priority import lower_priority

_BEHIND_THE_LOOP = 2
"""How much lower the priority of these threads is than the event loop's. In an overload the loop would else get no turn
to take new calls, and they would wait where nobody sees and refuses them."""


class Job:
    """Work that was handed in.

    Attributes:
        future: gets the result or the error; if it is cancelled before a thread is free, nothing is done.
        begun: whether a thread is at it or has done it.
        ended: called once the thread is free again, if the future was cancelled.
    """

    __slots__ = ("begun", "ended", "future", "work")

    def __init__(self, future: asyncio.Future[Any], work: Callable[[], Any]) -> None:
        self.future = future
        self.work = work
        self.begun = False
        self.ended: Callable[[], None] | None = None

    def settle(self, result: Any, error: BaseException | None) -> None:
        """Hands the outcome over; belongs to the event loop."""
        if self.future.cancelled():
            if self.ended is not None:
                self.ended()
        elif error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Threads:
    """A few threads that do work in the order in which it comes. Whatever the work raises, no thread ends.

    Args:
        background: whether they run only when others leave the processor idle.
    """

    def __init__(self, count: int, name: str, *, background: bool = False) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._count = count
        self._background = background
        for number in range(count):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, work: Callable[..., Any], /, *args: Any) -> Job:
        """Hands work in, from the event loop; a trace goes on in the thread."""
        context = copy_context()
        job = Job(asyncio.get_running_loop().create_future(), lambda: context.run(work, *args))
        self._jobs.put(job)
        return job

    def close(self) -> None:
        """Lets the threads go."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        if self._background:
            lower_priority()
        else:
            lower_priority(_BEHIND_THE_LOOP)
        while (job := self._jobs.get()) is not None:
            if job.future.cancelled():
                continue
            job.begun = True
            result, error = None, None
            try:
                result = job.work()
            except BaseException as raised:  # whoever asked for the work gets it
                error = raised
            try:
                job.future.get_loop().call_soon_threadsafe(job.settle, result, error)
            except RuntimeError:  # the loop has ended, and nobody waits any more
                return
