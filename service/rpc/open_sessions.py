"""The streams of keystrokes that are open: begun, looked after and ended without a thread of their own.

Measured against a thread or two a stream, and against an asyncio side: see *Streams* in ARCHITECTURE.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import structlog

from service.config import ServerSettings
from service.models.served_models import ServedModels
from service.rpc.completer import Completer
from service.rpc.event_call import EventCall
from service.rpc.guard import final_status, too_many_streams
from service.rpc.keystrokes import METHOD, KeystrokeAnswers
from service.rpc.observe import Observer
from service.rpc.pools import StreamSlots
from service.rpc.session import Limits, Session
from service.rpc.turns import TurnQueue, start_threads
from service.telemetry.logs import trace_of
from service.telemetry.metrics import Metrics

KEYSTROKE_THREADS = 2
"""Threads that answer keystrokes, of all streams together: one more than one core needs, for when one waits for Redis
or for another's computation. What more of them would answer per second they would take from unary calls."""
_LOOK_S = 1.0
_log = structlog.get_logger("service.rpc")


class OpenSessions:
    """All streams of keystrokes of a server.

    Args:
        pool: where a stream begins; that takes no time.
        answers: makes the answers.
        slots: bounds how many are open.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        *,
        pool: ThreadPoolExecutor,
        slots: StreamSlots,
        answers: KeystrokeAnswers,
        turns: TurnQueue,
        limits: Limits,
        observer: Observer,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._slots = slots
        self._answers = answers
        self._turns = turns
        self._limits = limits
        self._observer = observer
        self._metrics = metrics
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: set[Session] = set()
        self._closed = False
        self._shut_down = threading.Event()
        metrics.watch(metrics.streams_waiting, lambda: len(turns))

    def start(self) -> None:
        """Starts the threads that answer keystrokes, and the one that looks after streams."""
        start_threads(self._turns, KEYSTROKE_THREADS)
        threading.Thread(target=self._look_after, name="stream-looks", daemon=True).start()

    def handler(self) -> Callable[[Any, Any, Any], None]:
        """The behaviour of `StreamCompleteQuery`, for messages that are not parsed yet."""

        def begin(requests: Any, context: Any, respond: Callable[[Any], None]) -> None:
            self._begin(EventCall(requests, context, respond))

        # gRPC's own way to let a stream go on without a thread
        begin.experimental_non_blocking = True  # type: ignore[attr-defined]
        begin.experimental_thread_pool = self._pool  # type: ignore[attr-defined]
        return begin

    def look(self) -> None:
        """Sheds callers who flood, do not read or are idle."""
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.look()

    def close(self) -> None:
        """Ends all streams after the keystroke that each is at."""
        with self._lock:
            self._closed = True
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    def shut_down(self) -> None:
        """Lets the threads go."""
        self._shut_down.set()
        self._turns.close()

    def _look_after(self) -> None:
        while not self._shut_down.wait(_LOOK_S):
            try:
                self.look()
            except Exception as error:  # whatever one stream does, others are to be looked after
                _log.error("looking_failed", trace=trace_of(error))

    def _begin(self, call: EventCall) -> None:
        ended = self._observer.opened(METHOD)
        if not self._slots.take():
            call.end(final_status(too_many_streams(self._slots.limit)))
            ended(grpc.StatusCode.RESOURCE_EXHAUSTED)
            return
        session = Session(
            call,
            answers=self._answers,
            turns=self._turns,
            limits=self._limits,
            metrics=self._metrics,
            clock=self._clock,
        )
        self._metrics.open_streams.inc()
        with self._lock:
            self._sessions.add(session)
            closed = self._closed
        if not call.context.add_callback(lambda: self._end(session, call, ended)):
            self._end(session, call, ended)  # it was over before it began
            return
        session.start()
        if closed:
            session.close()

    def _end(self, session: Session, call: EventCall, ended: Callable[[Any], None]) -> None:
        session.abandon()
        with self._lock:
            self._sessions.discard(session)
        self._slots.give_back()
        self._metrics.open_streams.dec()
        by_caller = call.was_cancelled and session.end_reason in ("", "finished")
        self._metrics.stream_ends.labels("cancelled" if by_caller else session.end_reason).inc()
        code = grpc.StatusCode.CANCELLED if by_caller else call.context.code() or grpc.StatusCode.OK
        ended(code)


def build_sessions(
    settings: ServerSettings,
    models: ServedModels,
    completer: Completer,
    observer: Observer,
    metrics: Metrics,
    pool: ThreadPoolExecutor,
    clock: Callable[[], float],
) -> OpenSessions:
    """The streams of a server with these settings."""
    time_budget_s = settings.time_budget_ms / 1000
    answers = KeystrokeAnswers(
        models=models, completer=completer, metrics=metrics, time_budget_s=time_budget_s, clock=clock
    )
    return OpenSessions(
        pool=pool,
        slots=StreamSlots(settings.max_streams),
        answers=answers,
        turns=TurnQueue(time_budget_s, clock),
        limits=Limits(idle_s=settings.stream_idle_s),
        observer=observer,
        metrics=metrics,
        clock=clock,
    )
