"""The streams of keystrokes that are open: their number is bounded, and they are looked after and ended together."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from lm.errors import OverloadedError
from service.config import ServerSettings
from service.rpc.admission import Clock, Threads
from service.rpc.calls import Call
from service.rpc.keystrokes import KeystrokeAnswers, Turns
from service.rpc.session import Limits, Session
from service.telemetry.logs import trace_of
from service.telemetry.metrics import Metrics

_THREADS = 2
"""Threads that answer keystrokes, for all streams together. One core needs one; the second works while the first waits
for Redis or for another computation. More of them would slow unary calls down."""
_LOOK_S = 1.0
_RETRY_AFTER_S = 1.0
_log = structlog.get_logger("service.rpc")


class Streams:
    """All streams of keystrokes of a server; its methods belong to the event loop.

    Args:
        answers: makes the answers.
    """

    def __init__(
        self,
        settings: ServerSettings,
        answers: KeystrokeAnswers,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._limit = settings.max_streams
        self._limits = Limits(idle_s=settings.stream_idle_s)
        self._answers = answers
        threads = Threads(_THREADS, "keystrokes")
        self._turns = Turns(threads, _THREADS, settings.time_budget_ms / 1000, clock)
        self._metrics = metrics
        self._clock = clock
        self._sessions: set[Session] = set()
        self._closed = False
        metrics.watch(metrics.streams_waiting, lambda: len(self._turns))

    async def answer(self, _messages: Any, call: Call) -> None:
        """`StreamCompleteQuery`; its messages are not parsed yet.

        Raises:
            OverloadedError: as many streams are open as may be.
        """
        if len(self._sessions) >= self._limit:
            raise OverloadedError(f"All {self._limit} streams are taken.", retry_after_s=_RETRY_AFTER_S)
        session = Session(
            call.context,
            answers=self._answers,
            turns=self._turns,
            limits=self._limits,
            metrics=self._metrics,
            clock=self._clock,
        )
        self._sessions.add(session)
        self._metrics.open_streams.inc()
        if self._closed:
            session.close()
        cancelled = False
        try:
            await call.context.send_initial_metadata(())  # so that the stream can end before its first answer is read
            await session.run()
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            self._sessions.discard(session)
            self._metrics.open_streams.dec()
            self._metrics.stream_ends.labels("cancelled" if cancelled else session.end_reason).inc()

    async def look_after(self) -> None:
        """Ends streams of callers who flood, do not read or are idle, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self.look()

    def look(self) -> None:
        """Looks once at each stream."""
        for session in list(self._sessions):
            try:
                session.look()
            except Exception as error:  # the other streams must be looked after all the same
                _log.error("looking_failed", trace=trace_of(error))

    def close(self) -> None:
        """Ends all streams, each after the keystroke that it is at."""
        self._closed = True
        for session in self._sessions:
            session.close()

    def shut_down(self) -> None:
        """Lets the threads go."""
        self._turns.close()
