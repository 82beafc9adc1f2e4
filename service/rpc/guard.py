"""What keeps a call from harm and its caller from traces: late calls are refused, errors become statuses."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from lm.errors import AutocompleteError, OverloadedError, RequestError
from service.rpc.pools import StreamSlots
from service.rpc.stalls import StallWatch
from service.rpc.status import internal_status, is_for_callers, status_of, to_grpc
from service.telemetry.logs import trace_of
from service.telemetry.metrics import Metrics

_RETRY_AFTER_S = 1.0
_UNREADABLE = object()
_log = structlog.get_logger("service.rpc")

Unary = Callable[[Any, Any], Any]
Streaming = Callable[[Any, Any], Iterator[Any]]


def guard_unary(behavior: Unary) -> Unary:
    """A call with one answer."""

    def guarded(request: Any, context: Any) -> Any:
        _refuse_if_late(context)
        try:
            _check_read(request)
            return behavior(request, context)
        except Exception as error:
            _abort(error, context)

    return guarded


def guard_stream(behavior: Streaming, slots: StreamSlots, metrics: Metrics) -> Streaming:
    """A call with many answers; it holds one of the slots while it is open."""

    def guarded(request: Any, context: Any) -> Iterator[Any]:
        _refuse_if_late(context)
        if not slots.take():
            _abort(too_many_streams(slots.limit), context)
        metrics.open_streams.inc()
        try:
            yield from behavior(request, context)
        except Exception as error:
            _abort(error, context)
        finally:
            metrics.open_streams.dec()
            slots.give_back()

    return guarded


def guard_long_stream(behavior: Streaming, stalls: StallWatch) -> Streaming:
    """A call of the long ones with many answers; it ends if its caller does not take them."""

    def guarded(request: Any, context: Any) -> Iterator[Any]:
        _refuse_if_late(context)
        try:
            _check_read(request)
            yield from stalls.sent(context, behavior(request, context))
        except Exception as error:
            _abort(error, context)

    return guarded


def reading(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Reads a message; one that cannot be read is left to the guard, for gRPC would log a trace of each."""

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _UNREADABLE

    return read


def _check_read(request: Any) -> None:
    if request is _UNREADABLE:
        raise RequestError("request", "is no message of its type.", fault="MALFORMED", remedy="Text must be UTF-8.")


def final_status(error: Exception) -> grpc.Status:
    """The status that a call ends with; an unexpected error goes to the log."""
    if isinstance(error, AutocompleteError) and is_for_callers(error):
        return to_grpc(status_of(error))
    error_id = secrets.token_hex(6)
    _log.error("internal_error", error_id=error_id, trace=trace_of(error))
    return to_grpc(internal_status(error_id))


def too_many_streams(limit: int) -> OverloadedError:
    """The error of a stream for which there is no slot."""
    return OverloadedError(f"All {limit} streams are taken.", retry_after_s=_RETRY_AFTER_S)


def _refuse_if_late(context: Any) -> None:
    if context.time_remaining() <= 0:
        context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline passed before work began.")


def _abort(error: Exception, context: Any) -> None:
    """Ends the call with the error's status; does not return.

    Raises:
        Exception: what gRPC ends a call with.
    """
    if context.code() is not None:  # the behaviour has ended the call itself
        raise error
    context.abort_with_status(final_status(error))
