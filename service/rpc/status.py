"""Turns errors into what a caller gets: a gRPC code, an `ErrorReason` and rich details, from one table."""

from __future__ import annotations

import secrets
from typing import Any

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from lm.errors import (
    AutocompleteError,
    BundleError,
    EntryNotFoundError,
    ModelLoadingError,
    ModelNotFoundError,
    OverloadedError,
    RequestError,
    StoreUnavailableError,
    UnsupportedError,
)
from service.telemetry.logs import trace_of

ERROR_DOMAIN = "autocomplete.v1"
_LOADING_RETRY_AFTER_S = 1.0
_log = structlog.get_logger("service.rpc")


# The first class that fits counts. A request's own faults are its reasons.
_TABLE: tuple[tuple[type[AutocompleteError], int, str], ...] = (
    (RequestError, code_pb2.INVALID_ARGUMENT, "MALFORMED"),
    (ModelNotFoundError, code_pb2.NOT_FOUND, "MODEL_NOT_FOUND"),
    (ModelLoadingError, code_pb2.UNAVAILABLE, "MODEL_LOADING"),
    (BundleError, code_pb2.UNAVAILABLE, "MODEL_LOADING"),
    (UnsupportedError, code_pb2.FAILED_PRECONDITION, "METHOD_UNSUPPORTED"),
    (OverloadedError, code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED"),
    (EntryNotFoundError, code_pb2.NOT_FOUND, "ENTRY_NOT_FOUND"),
    (StoreUnavailableError, code_pb2.UNAVAILABLE, "STORE_UNAVAILABLE"),
)


class StatusError(Exception):
    """Ends a call with a status that has no rich details."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.status = _Status(code, details)


class _Status(grpc.Status):  # type: ignore[misc]
    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self.code, self.details, self.trailing_metadata = code, details, ()


def is_for_callers(error: BaseException) -> bool:
    """Whether the error has a place in the table; any other is the server's own fault."""
    return isinstance(error, tuple(kind for kind, _, _ in _TABLE))


def status_of(error: AutocompleteError) -> status_pb2.Status:
    """The rich status of an error; INTERNAL if it has no place in the table."""
    outcome = next(((code, reason) for kind, code, reason in _TABLE if isinstance(error, kind)), None)
    if outcome is None:
        return _status(code_pb2.INTERNAL, str(error), [])
    code, reason = outcome
    if isinstance(error, RequestError):
        reason = error.fault
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN)]
    if isinstance(error, RequestError):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=str(error), reason=reason
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    elif isinstance(error, (OverloadedError, StoreUnavailableError)):
        details.append(_retry_info(error.retry_after_s))
    elif isinstance(error, ModelLoadingError):
        details.append(_retry_info(_LOADING_RETRY_AFTER_S))
    return _status(code, str(error), details)


def internal_status(error_id: str) -> status_pb2.Status:
    """The status of an unexpected error: an id under which the log says more."""
    return _status(code_pb2.INTERNAL, f"Internal error {error_id}; the server's log has details.", [])


def final_status(error: Exception) -> grpc.Status:
    """The status with which a call ends; an unexpected error goes to the log."""
    if isinstance(error, StatusError):
        return error.status
    if isinstance(error, grpc.aio.BaseError):  # the call is over, so nothing more can be sent
        return _Status(grpc.StatusCode.CANCELLED, "The caller has left.")
    if isinstance(error, AutocompleteError) and is_for_callers(error):
        return rpc_status.to_status(status_of(error))
    error_id = secrets.token_hex(6)
    _log.error("internal_error", error_id=error_id, trace=trace_of(error))
    return rpc_status.to_status(internal_status(error_id))


def _retry_info(delay_s: float) -> error_details_pb2.RetryInfo:
    delay = Duration()
    delay.FromMilliseconds(round(delay_s * 1000))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def _status(code: int, message: str, details: list[Message]) -> status_pb2.Status:
    packed: list[Any] = []
    for detail in details:
        wrapped = AnyMessage()
        wrapped.Pack(detail)
        packed.append(wrapped)
    return status_pb2.Status(code=code, message=message, details=packed)
