"""What happens to a call when it arrives: it is given to its pool of threads, or refused at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from service.rpc.arrival import note_arrival
from service.rpc.guard import guard_long_stream, guard_stream, guard_unary, reading
from service.rpc.lanes import Lane
from service.rpc.message_first import MessageFirst
from service.rpc.observe import Observer
from service.rpc.pools import StreamSlots
from service.rpc.refusals import refusing_handler
from service.rpc.stalls import StallWatch
from service.rpc.watches import HealthWatches
from service.telemetry.metrics import Metrics

_HEALTH = "/grpc.health.v1.Health/"
LONG_CALLS = ("GenerateText", "ScoreText")
"""Methods that may take longer than a person waits between two keystrokes."""


class CallInterceptor:
    """Wraps each method once with guard and observer, and chooses its pool.

    It runs on gRPC's own thread before a call is queued, so it decides about overload at arrival.

    Args:
        calls: for unary calls.
        long_calls: for those of `LONG_CALLS`.
        streams: a pool for streams, with threads to spare for refusals.
        service: a pool for health checks, which must not wait behind other calls.
        at_hand: by method, what finds an answer that can be sent without waiting.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        *,
        calls: Lane,
        long_calls: Lane,
        streams: ThreadPoolExecutor,
        service: ThreadPoolExecutor,
        slots: StreamSlots,
        stalls: StallWatch,
        watches: HealthWatches,
        observer: Observer,
        metrics: Metrics,
        at_hand: Mapping[str, Callable[[Any], bytes | None]],
        clock: Callable[[], float],
    ) -> None:
        self._calls = calls
        self._long_calls = long_calls
        self._streams = streams
        self._service = service
        self._slots = slots
        self._stalls = stalls
        self._watches = watches
        self._observer = observer
        self._metrics = metrics
        self._at_hand = at_hand
        self._clock = clock
        self._wrapped: dict[str, tuple[Any, Lane | None]] = {}

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """See `grpc.ServerInterceptor`."""
        path = details.method
        known = self._wrapped.get(path)
        if known is None:
            found = continuation(details)
            if found is None:
                return None  # gRPC answers UNIMPLEMENTED
            known = self._wrapped[path] = self._wrap(path, found)
        handler, lane = known
        if lane is not None:
            retry_after_s = lane.admission.retry_after_s()
            if retry_after_s is not None:
                self._observer.refused(path.rpartition("/")[2], grpc.StatusCode.RESOURCE_EXHAUSTED)
                return refusing_handler(retry_after_s)
            note_arrival(self._clock())
        return handler

    def _wrap(self, path: str, handler: Any) -> tuple[Any, Lane | None]:
        method = path.rpartition("/")[2]
        if not handler.request_streaming:
            handler = handler._replace(request_deserializer=reading(handler.request_deserializer))
        lane = self._long_calls if method in LONG_CALLS else self._calls
        if handler.response_streaming:
            if lane is self._calls:
                return self._wrap_stream(method, handler), None
            behavior = self._observer.stream(method, guard_long_stream(handler.unary_stream, self._stalls))
            return handler._replace(unary_stream=_in_pool(behavior, MessageFirst(lane.pool))), lane
        behavior = self._observer.unary(method, guard_unary(handler.unary_unary))
        if path.startswith(_HEALTH):
            return handler._replace(unary_unary=_in_pool(behavior, MessageFirst(self._service))), None
        find = self._at_hand.get(method)
        at_hand = None if find is None else self._observer.at_hand(method, find)
        return handler._replace(unary_unary=_in_pool(behavior, MessageFirst(lane.pool, at_hand))), lane

    def _wrap_stream(self, method: str, handler: Any) -> Any:
        kind = "stream_stream" if handler.request_streaming else "unary_stream"
        inner = getattr(handler, kind)
        if getattr(inner, "experimental_thread_pool", None) is not None:
            return handler  # it holds no thread, and observes itself
        if getattr(inner, "experimental_non_blocking", False):
            return handler._replace(**{kind: self._watches.track(inner)})
        observed = self._observer.stream(method, guard_stream(inner, self._slots, self._metrics))
        return handler._replace(**{kind: _in_pool(observed, self._streams)})


def _in_pool(behavior: Callable[..., Any], pool: ThreadPoolExecutor) -> Callable[..., Any]:
    behavior.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return behavior


def add_handlers(server: Any, service: str, handlers: dict[str, Any]) -> None:
    """Adds a service to a gRPC server."""
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_registered_method_handlers(service, handlers)
