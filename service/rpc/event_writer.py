"""Writes events for many calls at once: those that come while the store is at work are its next batch."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from lm.errors import OverloadedError, StoreUnavailableError
from service.live.events.event import MAX_EVENTS_AT_ONCE, Event, EventLog
from service.rpc.admission import Clock, Threads
from service.rpc.live_writes import STORE_AWAY
from service.telemetry.logs import trace_of
from service.telemetry.metrics import Metrics
from service.workers.priority import EVENTS

_MOST_WAITING = 20_000
"""Events; a store that takes 2,000 a second has written these in ten seconds."""
_RETRY_AFTER_S = 1.0
_log = structlog.get_logger("service.live")


class EventWriter:
    """Its methods belong to the event loop.

    Args:
        wall_clock: seconds since 1970.
        on_taken: told the new events of each batch, of which no other process tells; from a thread.
    """

    def __init__(
        self,
        events: EventLog,
        metrics: Metrics,
        wall_clock: Clock,
        on_taken: Callable[[Sequence[Event]], None] = lambda _: None,
    ) -> None:
        self._events = events
        self._on_taken = on_taken
        self._wall_clock = wall_clock
        self._failures = metrics.live_write_failures
        self._taken, self._again = (metrics.live_events.labels(outcome) for outcome in ("taken", "duplicate"))
        self._waiting: deque[tuple[Sequence[Event], asyncio.Future[int]]] = deque()
        self._count = 0
        self._failing = False
        self._task: asyncio.Task[None] | None = None
        self._threads = Threads(1, "event-writer", behind=EVENTS)

    async def write(self, events: Sequence[Event]) -> int:
        """Returns once the events are kept, all or none; how many were new.

        Raises:
            OverloadedError: too many wait.
            StoreUnavailableError: the store takes nothing.
            UnsupportedError: it would lose them.
        """
        if self._count + len(events) > _MOST_WAITING:
            raise OverloadedError("Too many events are waiting.", retry_after_s=_RETRY_AFTER_S)
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((events, future))
        self._count += len(events)
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())
        return await asyncio.shield(future)

    def close(self) -> None:
        """Lets the thread go."""
        self._threads.close()

    async def _write_all(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft()]
            size = len(batch[0][0])
            while self._waiting and size + len(self._waiting[0][0]) <= MAX_EVENTS_AT_ONCE:
                batch.append(self._waiting.popleft())
                size += len(batch[-1][0])
            self._count -= size
            try:
                new = await self._threads.submit(self._write, [events for events, _ in batch]).future
            except Exception as error:
                outcomes: list[int | Exception] = [self._for_callers(error)] * len(batch)
            else:
                outcomes = [*new]
                self._failing = False
            for (events, future), outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, int):
                    self._taken.inc(outcome)
                    self._again.inc(len(events) - outcome)
                    future.set_result(outcome)
                else:
                    future.set_exception(outcome)
        self._task = None

    def _for_callers(self, error: Exception) -> Exception:
        """What callers are told, who may be anybody; the log has it whole, once until the store takes events again."""
        if not isinstance(error, StoreUnavailableError):
            return error
        self._failures.inc()
        if not self._failing:
            self._failing = True
            _log.error("live_write_failed", error=str(error))
        return StoreUnavailableError(STORE_AWAY)

    def _write(self, batch: Sequence[Sequence[Event]]) -> list[int]:
        """How many events of each call are new."""
        events = [event for each in batch for event in each]
        numbers = self._events.write(events, now_s=self._wall_clock())
        try:
            self._on_taken([event for event, number in zip(events, numbers, strict=True) if number])
        except Exception as error:  # whatever it is, the events are kept
            _log.error("live_events_not_counted", trace=trace_of(error))
        ends = list(itertools.accumulate(map(len, batch)))
        return [sum(map(bool, numbers[end - len(each) : end])) for each, end in zip(batch, ends, strict=True)]
