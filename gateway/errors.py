"""Errors as HTTP: a `google.rpc.Status` in JSON, under the status that `google/rpc/code.proto` gives its code."""

from __future__ import annotations

import math
import secrets
from typing import Any

import grpc
import orjson
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from starlette.responses import Response

from gateway.messages import status_document
from lm.errors import AutocompleteError, OverloadedError
from service.rpc.status import internal_status, is_for_callers, status_of
from service.telemetry.logs import trace_of

_RETRY_AFTER_S = 1.0
_HTTP = {
    code_pb2.OK: 200,
    code_pb2.CANCELLED: 499,
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.DEADLINE_EXCEEDED: 504,
    code_pb2.NOT_FOUND: 404,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.ABORTED: 409,
    code_pb2.OUT_OF_RANGE: 400,
    code_pb2.UNIMPLEMENTED: 501,
    code_pb2.UNAVAILABLE: 503,
    code_pb2.UNAUTHENTICATED: 401,
}
_CODES = {404: code_pb2.NOT_FOUND, 405: code_pb2.UNIMPLEMENTED}
_log = structlog.get_logger("gateway.errors")


def status_from(error: Exception) -> status_pb2.Status:
    """What a caller gets to know of an error; an unexpected one is logged, without its message."""
    if isinstance(error, grpc.RpcError):
        return _from_server(error)
    if isinstance(error, AutocompleteError) and is_for_callers(error):
        return status_of(error)
    error_id = secrets.token_hex(6)
    _log.error("internal_error", error_id=error_id, trace=trace_of(error))
    return internal_status(error_id)


def error_response(status: status_pb2.Status, *, http_status: int = 0, headers: dict[str, str] | None = None) -> Any:
    """The response to a request that failed, with `Retry-After` where the status has a `RetryInfo`."""
    return Response(
        orjson.dumps(status_document(status)),
        status_code=http_status or _HTTP.get(status.code, 500),
        headers={"cache-control": "no-store", **retry_after(status), **(headers or {})},
        media_type="application/json",
    )


def retry_after(status: status_pb2.Status) -> dict[str, str]:
    """The header `Retry-After`, in whole seconds, if the status says when to come again."""
    for detail in status.details:
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(retry):
            return {"retry-after": str(math.ceil(retry.retry_delay.ToMicroseconds() / 1e6))}
    return {}


def no_such_path(http_status: int, message: str, headers: dict[str, str] | None) -> Any:
    """The response to a path or verb that there is none of (404, 405)."""
    status = status_pb2.Status(code=_CODES.get(http_status, code_pb2.UNKNOWN), message=message)
    return error_response(status, http_status=http_status, headers=headers)


def too_many(message: str) -> OverloadedError:
    """The error of a bound of the gateway's own."""
    return OverloadedError(message, retry_after_s=_RETRY_AFTER_S)


def code_name(status: status_pb2.Status) -> str:
    """Such as `INVALID_ARGUMENT`."""
    known: str = code_pb2.Code.Name(status.code) if status.code in code_pb2.Code.values() else "UNKNOWN"
    return known


def _from_server(error: Any) -> status_pb2.Status:
    """The server's own status; gRPC's, where the server did not come to say one, names addresses, so it is reworded."""
    status = rpc_status.from_call(error)
    if status is not None:
        return status
    code = error.code().value[0]
    if code == code_pb2.UNAVAILABLE:
        retry = AnyMessage()
        retry.Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1)))
        return status_pb2.Status(code=code, message="The completion server cannot be reached.", details=[retry])
    return status_pb2.Status(code=code, message=error.details() or "")
