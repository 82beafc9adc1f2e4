"""Errors as HTTP: a `google.rpc.Status` in JSON, under the HTTP status that `google/rpc/code.proto` gives its code."""

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
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.messages import to_document
from lm.errors import AutocompleteError
from service.rpc.status import internal_status, is_for_callers, status_of
from service.telemetry.logs import trace_of

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
_SHOWN_DETAILS = {
    kind.DESCRIPTOR.full_name
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
}
_log = structlog.get_logger("gateway.errors")


def status_from(error: Exception) -> status_pb2.Status:
    """What a caller gets to know of an error. An unexpected one is logged, without its message."""
    if isinstance(error, grpc.RpcError):
        return _from_server(error)
    if isinstance(error, AutocompleteError) and is_for_callers(error):
        return status_of(error)
    error_id = secrets.token_hex(6)
    _log.error("internal_error", error_id=error_id, trace=trace_of(error))
    return internal_status(error_id)


def status_document(status: status_pb2.Status) -> dict[str, Any]:
    """The status as a JSON object, with those details alone that the API names."""
    shown = [each for each in status.details if each.type_url.rpartition("/")[2] in _SHOWN_DETAILS]
    return to_document(status_pb2.Status(code=status.code, message=status.message, details=shown))


def status_line(status: status_pb2.Status) -> str:
    """Name of the code and message, such as `NOT_FOUND: There is no models/none.`"""
    known = status.code in code_pb2.Code.values()
    return f"{code_pb2.Code.Name(status.code) if known else 'UNKNOWN'}: {status.message}"


async def answer_error(_request: Request, error: Exception) -> Response:
    """The response to a request that failed."""
    return error_response(error)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """The response where there is no such path (404), or the path has no such verb (405)."""
    assert isinstance(error, HTTPException)
    message = f"{request.method} of this path: {error.detail.lower()}. See /openapi.json."
    status = status_pb2.Status(code=_CODES.get(error.status_code, code_pb2.UNKNOWN), message=message)
    return _response(status, error.status_code, error.headers or {})


def error_response(error: Exception) -> Response:
    """The response to an error, with `Retry-After` where the status has a `RetryInfo`."""
    status = status_from(error)
    return _response(status, _HTTP.get(status.code, 500), _retry_after(status))


def _response(status: status_pb2.Status, http_status: int, headers: Any) -> Response:
    return Response(
        orjson.dumps(status_document(status)),
        status_code=http_status,
        headers={"cache-control": "no-store", **headers},
        media_type="application/json",
    )


def _retry_after(status: status_pb2.Status) -> dict[str, str]:
    for detail in status.details:
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(retry):
            return {"retry-after": str(math.ceil(retry.retry_delay.ToMicroseconds() / 1e6))}
    return {}


def _from_server(error: Any) -> status_pb2.Status:
    """The server's own status. If gRPC itself failed, its text names addresses, so callers get another one."""
    status = rpc_status.from_call(error)
    if status is not None:
        return status
    code = error.code().value[0]
    if code == code_pb2.UNAVAILABLE:
        retry = AnyMessage()
        retry.Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1)))
        return status_pb2.Status(code=code, message="The completion server cannot be reached.", details=[retry])
    return status_pb2.Status(code=code, message=error.details() or "")
