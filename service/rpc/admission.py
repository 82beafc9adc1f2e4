"""Who is admitted: lanes of calls, each of which admits calls as they arrive, counts them and has them computed.

Short calls, long calls, health checks and each kind of change of the live state have a lane each, so that none keeps
another waiting.

The wait of a call is estimated as the number of calls that are there, times the time that each occupies the server.
That time is measured as busy time per call that ended in it (the utilisation law, S = B / C; Denning and Buzen, 1978,
section 3). So it says what threads, cores and Python's lock really get done together, whatever their numbers.

A queue that was empty a moment ago is a burst and will soon be empty again. One that has stood for longer is an
overload (Nichols and Jacobson, Controlling Queue Delay, 2012). So calls of a burst may wait for longer, as in Maurer's
Fail at Scale (2015). But a queue that refuses calls also runs empty now and then. So there are no bursts while the
share of refused calls says that there is an overload. Both are counted in calls, because time says nothing of the load
when the process itself has paused.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

import grpc

from lm.errors import OverloadedError
from service.config import ServerSettings
from service.rpc.status import StatusError
from service.telemetry.metrics import Metrics
from service.workers.priority import BACKGROUND, lower_priority

_FIRST_SERVICE_S = 0.001
_KEEP = 0.98
"""Of the mean service time: it follows the last 50 calls, so that one slow call is no overload."""
_LONGEST_RETRY_S = 10.0
_MOST_OF_MEAN = 5.0
"""More than this times the mean is not what a call costs but a pause, as when a model is opened."""
_BURST_CALLS = 32
"""A queue that was empty within so many answers is a burst. Without this, calls are refused at half the saturating load
whenever something else keeps the machine busy."""
_BURST_WAITS = 6.0
"""So long that the calls which arrive during a pause, such as the opening of a model, are taken."""
_REMEMBER = 0.99
"""Of the share of refused calls: it follows the last 100, so that a pause with a few refusals is no overload."""
_OVERLOAD_SHARE = 0.05
"""Of refused calls; above it there are no bursts."""
_LATE_S = 0.1
"""A message usually comes with its call. One that takes longer loses its place as soon as another call needs it."""
_RETRY_AFTER_S = 1.0
_HOLD_S = 0.005
"""How long an answer may hold the event loop: as long as Python's lock lets a thread hold it."""
_LONG_SHARE = 0.05
"""Of answers that take longer than that; above it the event loop computes none."""
_UNSEEN_S = 0.002
"""A call that comes so soon after an answer by the event loop may have others behind it, which arrived meanwhile."""
_TURNS = 5
"""Turns of the event loop in which gRPC hands over the next call that waits."""
_MOST_CHANGES, _MOST_EVENT_CALLS = 100, 2000
_MOST_BYTES = 32 << 20
"""Of the messages of a lane's calls. As objects they take several times as much; usual ones have some hundred bytes."""
_BEHIND_THE_LOOP = 2
"""How much lower the priority of these threads is than the event loop's. In an overload the loop would else get no turn
to take new calls, and they would wait where nobody sees and refuses them."""


Clock = Callable[[], float]
"""Monotonic time, in seconds."""


class Admission:
    """Counts calls at work or waiting, and takes a call if it will not have to wait for longer than a bound.

    Args:
        threads: calls worked on at the same time; one that finds a thread free is taken.
        max_wait_s: the longest estimated wait of a call that is taken; in a burst, unless calls have been refused
            lately, six times that.
        max_calls: calls that may be there at the same time.
        chance: a random number from 0 to 1, so that those who are refused together do not come again together.

    Attributes:
        calls: those that are there, at work or waiting.
        service_s: mean time that a call occupies the server.
    """

    def __init__(
        self,
        *,
        threads: int,
        max_wait_s: float = math.inf,
        max_calls: float = math.inf,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._threads = threads
        self._max_wait_s = max_wait_s
        self._max_calls = max_calls
        self._clock = clock
        self._chance = chance
        self.calls = 0
        self.service_s = _FIRST_SERVICE_S
        self._since_empty = 0
        self._busy_since_s = 0.0
        self._promised_s = -math.inf
        self._refused_share = 0.0

    @property
    def waiting(self) -> int:
        """Calls that have no thread yet."""
        return max(self.calls - self._threads, 0)

    def arrive(self) -> None:
        """A call was taken."""
        if not self.calls:
            self._busy_since_s = self._clock()
            self._since_empty = 0
        self.calls += 1

    def end(self) -> None:
        """A call was answered."""
        now_s = self._clock()
        self.calls -= 1
        self._since_empty += 1
        took_s = min(now_s - self._busy_since_s, _MOST_OF_MEAN * self.service_s)
        self.service_s = _KEEP * self.service_s + (1 - _KEEP) * took_s
        self._busy_since_s = now_s

    def retry_after_s(self, unread: int = 0) -> float | None:
        """None if a call that arrives now is taken, else when it should come again, in whole hundredths of a second.

        Each refused call is told to come one service time after the one refused before it: if all came at once, they
        would be refused again.

        Args:
            unread: calls that were taken but are no load yet, because their message is still under way.
        """
        calls = self.calls + unread
        wait_s = calls * self.service_s
        burst = self._since_empty < _BURST_CALLS and self._refused_share < _OVERLOAD_SHARE
        max_wait_s = self._max_wait_s * (_BURST_WAITS if burst else 1.0)
        taken = calls < self._threads or (calls < self._max_calls and wait_s <= max_wait_s)
        self._refused_share = _REMEMBER * self._refused_share + (1 - _REMEMBER) * (not taken)
        if taken:
            return None
        now_s = self._clock()
        turn_s = max(self._promised_s, now_s + wait_s) + self.service_s
        self._promised_s = min(turn_s, now_s + _LONGEST_RETRY_S)
        return math.ceil((self._promised_s - now_s) * (1 + self._chance()) * 100) / 100


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
    """A few threads that compute for the event loop, in order. Whatever the work raises, no thread ends.

    `ThreadPoolExecutor` would do, but its futures have locks and have to be wrapped once more for the event loop. Its
    threads are also joined at exit, so a long computation could hold up a stop.

    Args:
        behind: by how much their priority is lower than the event loop's, as `nice` counts.
    """

    def __init__(self, count: int, name: str, *, behind: int = _BEHIND_THE_LOOP) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._count = count
        self._behind = behind
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
        lower_priority(self._behind)
        while (job := self._jobs.get()) is not None:
            if job.future.cancelled():
                del job
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
            del job, result, error  # while it waits, it keeps no model open


class Lane:
    """One lane. Its methods belong to the event loop.

    Args:
        name: of its threads.
        threads: how many answers it computes at the same time.
        behind: see `Threads`.
        hold_s: how long the answers may take that the event loop itself computes; 0 if it computes none.
        max_bytes: that the messages of the calls may have together.
        bounds: further arguments of `Admission`.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        behind: int = _BEHIND_THE_LOOP,
        hold_s: float = 0.0,
        max_bytes: int = _MOST_BYTES,
        clock: Clock,
        **bounds: Any,
    ) -> None:
        self._clock = clock
        self._hold_s = hold_s
        self._max_bytes = max_bytes
        self._bytes = 0
        self._long_share = 1.0
        self._unseen_until_s = -math.inf
        self._admission = Admission(threads=threads, clock=clock, **bounds)
        self._unread: dict[asyncio.Task[Any], float] = {}
        self._computing = Threads(threads, name, behind=behind)

    @property
    def waiting(self) -> int:
        """Calls that have no thread yet."""
        return self._admission.waiting

    async def take(self, context: Any) -> bytes:
        """Takes a call that has just arrived and returns its message, with which the caller must `leave` afterwards.

        A call counts from its arrival on, even while its message is still under way.

        Raises:
            OverloadedError: there is no room for it or its message, or that was late and another call needed its place.
            StatusError: it ended without a message.
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
            raise StatusError(grpc.StatusCode.UNIMPLEMENTED, "The method takes exactly one message.")
        if self._bytes + len(message) > self._max_bytes:
            raise OverloadedError("Too many bytes are waiting.", retry_after_s=_RETRY_AFTER_S)
        self._bytes += len(message)
        self._admission.arrive()
        return bytes(message)

    def leave(self, message: bytes) -> None:
        """Ends a call that was taken."""
        self._bytes -= len(message)
        self._admission.end()

    async def compute(self, work: Callable[..., Any], /, *args: Any) -> Any:
        """Has the work done by the event loop, which saves two hand-overs, or by a thread if others are there.

        If the call is cancelled before a thread is free, nothing is done.
        """
        if await self._loop_is_free():
            try:
                return self._measured(work, *args)
            finally:
                self._unseen_until_s = self._clock() + _UNSEEN_S
        job = self._computing.submit(self._measured, work, *args)
        try:
            return await job.future
        except asyncio.CancelledError:
            if job.begun:  # the thread counts until it is free
                self._admission.arrive()
                job.ended = self._admission.end
            raise

    def close(self) -> None:
        """Lets the threads go."""
        self._computing.close()

    async def _loop_is_free(self) -> bool:
        """Whether the event loop may compute: one call alone is here, and nearly all answers of late were short.

        While it computes, calls that arrive are not seen, and not refused. So before it computes for a call that
        follows soon, it takes some turns to see whether there are others.
        """
        if self._long_share > _LONG_SHARE:
            return False
        if self._clock() < self._unseen_until_s:
            for _ in range(_TURNS):
                if not self._is_one_alone:
                    return False
                await asyncio.sleep(0)
        return self._is_one_alone

    @property
    def _is_one_alone(self) -> bool:
        return self._admission.calls == 1 and not self._unread

    def _measured(self, work: Callable[..., Any], /, *args: Any) -> Any:
        begun_s = self._clock()
        try:
            return work(*args)
        finally:
            is_long = self._clock() - begun_s >= self._hold_s
            self._long_share = _KEEP * self._long_share + (1 - _KEEP) * is_long

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
    """The lanes of a server."""

    def __init__(self, settings: ServerSettings, metrics: Metrics, clock: Clock) -> None:
        long_calls = settings.max_long_calls
        max_wait_s = settings.max_wait_ms / 1000
        self.calls = Lane("call", threads=settings.max_concurrent, max_wait_s=max_wait_s, hold_s=_HOLD_S, clock=clock)
        self.long_calls = Lane(
            "long-call", threads=long_calls, max_calls=2 * long_calls, behind=BACKGROUND, clock=clock
        )
        self.changes = Lane("change", threads=1, max_calls=_MOST_CHANGES, clock=clock)
        """Of calls that take down: they wait for the live state's store, and no load keeps them out."""
        self.curation = Lane("curation", threads=1, max_calls=_MOST_CHANGES, clock=clock)
        """Of calls that curate, a thousand entries at once, and of lists for operators."""
        self.forgetting = Lane("forgetting", threads=1, max_calls=_MOST_CHANGES, clock=clock)
        """Of calls that forget users, which takes long where there are millions of events."""
        self.events = Lane("event", threads=0, max_calls=_MOST_EVENT_CALLS, clock=clock)
        """Of calls with events, which wait for that store too, in `EventWriter`. They compete with no call that
        answers users."""
        self.health = Lane("health", threads=0, clock=clock)
        """Never full: nobody computes in it."""
        metrics.watch(metrics.waiting, lambda: self.waiting)

    @property
    def waiting(self) -> int:
        """Calls that have no thread yet."""
        return self.calls.waiting + self.long_calls.waiting

    def close(self) -> None:
        """Lets all threads go."""
        live = self.changes, self.curation, self.forgetting, self.events
        for lane in (self.calls, self.long_calls, *live, self.health):
            lane.close()
