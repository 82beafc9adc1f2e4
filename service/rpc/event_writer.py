"""Reads and writes events for many calls at once: what comes while the store is at work, or rests, is its next batch.

Each batch takes Python's lock from the answers some ten times, whatever its size. So where many events come, it rests
in between and has fewer and larger ones.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
_REST, _LONGEST_REST_S = 8.0, 0.2
"""It rests so many times as long as the last batch took, unless another whole one waits."""
_log = structlog.get_logger("service.live")


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that waits.

    Attributes:
        outcome: how many of its events were new.
    """

    count: int
    read: Callable[[], Sequence[Event]]
    outcome: asyncio.Future[int]


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
        self._waiting: deque[_Call] = deque()
        self._count = 0
        self._rest_until_s = 0.0
        self._failing = False
        self._task: asyncio.Task[None] | None = None
        self._threads = Threads(1, "event-writer", behind=EVENTS)

    async def write(self, count: int, read: Callable[[], Sequence[Event]]) -> int:
        """Returns once the events of a call are kept, all or none; how many were new.

        Args:
            count: of the events.
            read: makes them from the call's message, in a thread; what it raises is raised here.

        Raises:
            OverloadedError: too many wait.
            StoreUnavailableError: the store takes nothing.
            UnsupportedError: it would lose them.
        """
        if self._count + count > _MOST_WAITING:
            raise OverloadedError("Too many events are waiting.", retry_after_s=_RETRY_AFTER_S)
        call = _Call(count, read, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        self._count += count
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())
        return await asyncio.shield(call.outcome)

    def close(self) -> None:
        """Lets the thread go."""
        self._threads.close()

    async def _write_all(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._waiting:
            if self._count < MAX_EVENTS_AT_ONCE:
                await asyncio.sleep(self._rest_until_s - clock())
            batch = [self._waiting.popleft()]
            size = batch[0].count
            while self._waiting and size + self._waiting[0].count <= MAX_EVENTS_AT_ONCE:
                batch.append(self._waiting.popleft())
                size += batch[-1].count
            self._count -= size
            begun_s = clock()
            outcomes = await self._threads.submit(self._write, [call.read for call in batch]).future
            self._rest_until_s = clock() + min(_REST * (clock() - begun_s), _LONGEST_REST_S)
            for call, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, int):
                    self._taken.inc(outcome)
                    self._again.inc(call.count - outcome)
                    call.outcome.set_result(outcome)
                else:
                    call.outcome.set_exception(outcome)
        self._task = None

    def _write(self, reads: Sequence[Callable[[], Sequence[Event]]]) -> list[int | Exception]:
        """How many events of each call are new, or why none of them was kept."""
        found = [_tried(read) for read in reads]
        events = [event for each in found if not isinstance(each, Exception) for event in each]
        if not events:
            return [each if isinstance(each, Exception) else 0 for each in found]
        try:
            numbers = self._events.write(events, now_s=self._wall_clock())
        except Exception as error:
            problem = self._for_callers(error)
            return [each if isinstance(each, Exception) else problem for each in found]
        self._failing = False
        try:
            self._on_taken([event for event, number in zip(events, numbers, strict=True) if number])
        except Exception as error:  # whatever it is, the events are kept
            _log.error("live_events_not_counted", trace=trace_of(error))
        are_new = iter(map(bool, numbers))
        return [each if isinstance(each, Exception) else sum(itertools.islice(are_new, len(each))) for each in found]

    def _for_callers(self, error: Exception) -> Exception:
        """What callers are told, who may be anybody; the log has it whole, once until the store takes events again."""
        if not isinstance(error, StoreUnavailableError):
            return error
        self._failures.inc()
        if not self._failing:
            self._failing = True
            _log.error("live_write_failed", error=str(error))
        return StoreUnavailableError(STORE_AWAY)


def _tried(read: Callable[[], Sequence[Event]]) -> Sequence[Event] | Exception:
    try:
        return read()
    except Exception as error:  # it is for that caller alone
        return error
