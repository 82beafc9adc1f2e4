"""The errors of failed calls: one class for each gRPC code, with the details of `google.rpc.Status`."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A wrong field of the request, and what is wrong with it."""

    field: str
    description: str


class CallError(Exception):
    """A call failed.

    Attributes:
        code: the `grpc.StatusCode`.
        message: what the server says, or gRPC where no server answered.
        reason: an `ErrorReason` of the API without its prefix, such as `TEXT_TOO_LONG`; empty if the service gave none.
        violations: fields that are wrong.
        retry_delay_s: seconds after which the server wants to be asked again; None if it did not say.
        from_service: the service itself sent the error, not the network, gRPC or a proxy.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        violations: tuple[FieldViolation, ...] = (),
        retry_delay_s: float | None = None,
        from_service: bool = False,
    ) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.reason = reason
        self.violations = violations
        self.retry_delay_s = retry_delay_s
        self.from_service = from_service


class InvalidRequestError(CallError):
    """A field is wrong: `violations` says which."""


class ModelNotFoundError(CallError):
    """The server has no such model."""


class UnsupportedError(CallError):
    """The model has no part that the method needs."""


class OverloadedError(CallError):
    """The server has more load than it can answer in time. Ask again after `retry_delay_s`."""


class UnavailableError(CallError):
    """No server answers, or the model is still being opened."""


class DeadlineError(CallError):
    """No answer came in time."""


_TABLE: dict[grpc.StatusCode, type[CallError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: ModelNotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: UnsupportedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
}


def from_rpc(error: grpc.RpcError) -> CallError:
    """The error for a failed call."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            return from_status(status_pb2.Status.FromString(value))
    kind = _TABLE.get(error.code(), CallError)
    return kind(error.code(), error.details() or "")


def from_status(status: status_pb2.Status) -> CallError:
    """The error for a status in a message, such as that of a refused keystroke."""
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    found = {type(part) for detail in status.details for part in (info, bad, retry) if detail.Unpack(part)}
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    kind = _TABLE.get(code, CallError)
    return kind(
        code,
        status.message,
        reason=info.reason,
        violations=tuple(FieldViolation(item.field, item.description) for item in bad.field_violations),
        retry_delay_s=retry.retry_delay.ToTimedelta().total_seconds() if type(retry) in found else None,
        from_service=True,
    )
