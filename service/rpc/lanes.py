"""Lanes of calls: each admits calls as they arrive, counts them, and has threads that compute their answers.

Short calls, long calls and health checks have a lane each, so that none keeps another waiting.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

import grpc

from lm.errors import OverloadedError
from service.config import ServerSettings
from service.rpc.admission import Admission, Load
from service.telemetry.metrics import Metrics
from service.workers.priority import lower_priority

_LATE_S = 0.1
"""A message usually comes with its call. One that takes longer loses its place as soon as another call needs it."""
_RETRY_AFTER_S = 1.0

Result = TypeVar("Result")


class NoMessageError(Exception):
    """A call ended without the one message that its method takes."""


class Lane:
    """One lane. Its methods belong to the event loop.

    Args:
        name: of its threads.
        threads: how many answers it computes at the same time.
        max_wait_s: the longest estimated wait of a call that it takes.
        max_calls: calls that it has at the same time.
        background: whether its threads run only when others leave the processor idle.
        clock: monotonic, in seconds.
        chance: a random number from 0 to 1; see `Admission`.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        max_wait_s: float = math.inf,
        max_calls: float = math.inf,
        background: bool = False,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._threads = threads
        self._clock = clock
        self._load = Load(clock)
        self._admission = Admission(
            self._load, threads=threads, max_wait_s=max_wait_s, max_calls=max_calls, clock=clock, chance=chance
        )
        self._unread: dict[asyncio.Task[Any], float] = {}
        initializer = lower_priority if background else None
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=initializer)

    @property
    def waiting(self) -> int:
        """Calls that have no thread yet."""
        return max(self._load.calls - self._threads, 0)

    async def take(self, context: Any) -> bytes:
        """Takes a call that has just arrived and returns its message; the caller must `leave` afterwards.

        A call counts from its arrival on, even while its message is still under way.

        Raises:
            OverloadedError: there is no room for it, or its message was late and another call needed its place.
            NoMessageError: it ended without a message.
        """
        retry_after_s = self._admission.retry_after_s(len(self._unread))
        if retry_after_s is not None and not self._drop_late():
            raise OverloadedError("Too many calls are waiting.", retry_after_s=retry_after_s)
        task = asyncio.current_task()
        assert task is not None
        self._unread[task] = self._clock()
        try:
            message = await context.read()
        except asyncio.CancelledError:
            if task in self._unread:  # the caller has left
                raise
            task.uncancel()
            raise OverloadedError("The call's message did not come in time.", retry_after_s=_RETRY_AFTER_S) from None
        finally:
            self._unread.pop(task, None)
        if message is grpc.aio.EOF:
            raise NoMessageError
        self._load.arrive()
        return bytes(message)

    def leave(self) -> None:
        """Ends a call that was taken."""
        self._load.end()

    async def compute(self, work: Callable[..., Result], /, *args: Any) -> Result:
        """Has a thread do the work, unless the call is cancelled before one is free."""
        job = self._pool.submit(copy_context().run, work, *args)  # a trace goes on in the thread
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if not job.cancel():  # a thread is still at it, and counts until it is free
                self._load.arrive()
                job.add_done_callback(lambda _job: self._load.end())
            raise

    def close(self) -> None:
        """Lets the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _drop_late(self) -> bool:
        """Drops the call that has waited longest for its message, if it is late; whether there was one."""
        for task, since_s in self._unread.items():
            if self._clock() - since_s < _LATE_S:
                break
            del self._unread[task]
            task.cancel()
            return True
        return False


class Lanes:
    """The lanes of a server.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, settings: ServerSettings, metrics: Metrics, clock: Callable[[], float]) -> None:
        long_calls = settings.max_long_calls
        self.calls = Lane("call", threads=settings.max_concurrent, max_wait_s=settings.max_wait_ms / 1000, clock=clock)
        self.long_calls = Lane("long-call", threads=long_calls, max_calls=2 * long_calls, background=True, clock=clock)
        self.health = Lane("health", threads=1, clock=clock)
        """Never full: nobody computes in it."""
        metrics.watch(metrics.waiting, lambda: self.waiting)

    @property
    def waiting(self) -> int:
        """Calls that have no thread yet."""
        return self.calls.waiting + self.long_calls.waiting

    def close(self) -> None:
        """Lets all threads go."""
        for lane in (self.calls, self.long_calls, self.health):
            lane.close()
