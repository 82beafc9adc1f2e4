"""What happens to a call when it arrives: it is given to its pool of threads, or refused at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from service.metrics import Metrics
from service.rpc.guard import guard_stream, guard_unary, refuse_overloaded
from service.rpc.observe import Observer
from service.rpc.pools import StreamSlots, WorkerPool
from service.rpc.watches import HealthWatches

_HEALTH = "/grpc.health.v1.Health/"


class CallInterceptor:
    """Wraps each method once with guard and observer, and chooses its pool.

    It runs on gRPC's own thread before a call is queued, so it decides about overload at arrival.

    Args:
        calls: the server's pool, which works on unary calls.
        streams: a pool for streams, with threads to spare for refusals.
        service: a pool for health checks and refusals, which must not wait behind other calls.
    """

    def __init__(
        self,
        *,
        calls: WorkerPool,
        streams: ThreadPoolExecutor,
        service: ThreadPoolExecutor,
        slots: StreamSlots,
        watches: HealthWatches,
        max_waiting: int,
        observer: Observer,
        metrics: Metrics,
    ) -> None:
        self._calls = calls
        self._streams = streams
        self._service = service
        self._slots = slots
        self._watches = watches
        self._max_waiting = max_waiting
        self._observer = observer
        self._metrics = metrics
        self._wrapped: dict[str, Any] = {}
        self._refusing: dict[str, Any] = {}

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """See `grpc.ServerInterceptor`."""
        path = details.method
        handler = self._wrapped.get(path)
        if handler is None:
            found = continuation(details)
            if found is None:
                return None  # gRPC answers UNIMPLEMENTED
            handler = self._wrapped[path] = self._wrap(path, found)
        if self._calls.waiting > self._max_waiting:
            return self._refusing.get(path, handler)
        return handler

    def _wrap(self, path: str, handler: Any) -> Any:
        method = path.rpartition("/")[2]
        if handler.response_streaming:
            return self._wrap_stream(method, handler)
        behavior = self._observer.unary(method, guard_unary(handler.unary_unary))
        if path.startswith(_HEALTH):
            behavior.experimental_thread_pool = self._service  # type: ignore[attr-defined]
        else:
            refusal = self._observer.unary(method, guard_unary(refuse_overloaded))
            refusal.experimental_thread_pool = self._service  # type: ignore[attr-defined]
            self._refusing[path] = handler._replace(unary_unary=refusal)
        return handler._replace(unary_unary=behavior)

    def _wrap_stream(self, method: str, handler: Any) -> Any:
        kind = "stream_stream" if handler.request_streaming else "unary_stream"
        inner = getattr(handler, kind)
        if getattr(inner, "experimental_thread_pool", None) is not None:
            return handler  # it holds no thread, and observes itself
        if getattr(inner, "experimental_non_blocking", False):
            return handler._replace(**{kind: self._watches.track(inner)})
        observed = self._observer.stream(method, guard_stream(inner, self._slots, self._metrics))
        observed.experimental_thread_pool = self._streams  # type: ignore[attr-defined]
        return handler._replace(**{kind: observed})


def add_handlers(server: Any, service: str, handlers: dict[str, Any]) -> None:
    """Adds a service to a gRPC server."""
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_registered_method_handlers(service, handlers)
