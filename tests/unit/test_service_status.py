from __future__ import annotations

from pathlib import Path

import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from google.rpc import code_pb2, error_details_pb2, status_pb2

from lm.errors import (
    AutocompleteError,
    BundleDamagedError,
    ConfigError,
    ModelLoadingError,
    ModelNotFoundError,
    OverloadedError,
    RequestError,
    UnsupportedError,
)
from service.rpc.status import internal_status, is_for_callers, status_of

CASES: list[tuple[AutocompleteError, int, str]] = [
    (RequestError("query", "is long.", fault="TEXT_TOO_LONG"), code_pb2.INVALID_ARGUMENT, "TEXT_TOO_LONG"),
    (RequestError("top_k", "is 0.", fault="OUT_OF_RANGE"), code_pb2.INVALID_ARGUMENT, "OUT_OF_RANGE"),
    (RequestError("text", "is required.", fault="MALFORMED"), code_pb2.INVALID_ARGUMENT, "MALFORMED"),
    (ModelNotFoundError("x"), code_pb2.NOT_FOUND, "MODEL_NOT_FOUND"),
    (ModelLoadingError("x"), code_pb2.UNAVAILABLE, "MODEL_LOADING"),
    (BundleDamagedError(Path("x"), "y"), code_pb2.UNAVAILABLE, "MODEL_LOADING"),
    (UnsupportedError("x"), code_pb2.FAILED_PRECONDITION, "METHOD_UNSUPPORTED"),
    (OverloadedError("x", retry_after_s=1.5), code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED"),
]


def detail(status: status_pb2.Status, message: object) -> bool:
    return any(each.Unpack(message) for each in status.details)


@pytest.mark.parametrize(("error", "code", "reason"), CASES)
def test_each_error_has_its_code_and_a_reason_of_the_contract(error: AutocompleteError, code: int, reason: str) -> None:
    status = status_of(error)
    info = error_details_pb2.ErrorInfo()
    assert is_for_callers(error)
    assert (status.code, status.message) == (code, str(error))
    assert detail(status, info)
    assert (info.domain, info.reason) == ("autocomplete.v1", reason)
    assert f"ERROR_REASON_{reason}" in set(pb.ErrorReason.keys())


def test_a_bad_request_names_the_field() -> None:
    bad = error_details_pb2.BadRequest()
    assert detail(status_of(CASES[0][0]), bad)
    assert [violation.field for violation in bad.field_violations] == ["query"]


def test_an_overload_says_when_to_come_again() -> None:
    retry = error_details_pb2.RetryInfo()
    assert detail(status_of(CASES[-1][0]), retry)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (1, 500_000_000)


def test_other_errors_are_internal() -> None:
    assert not is_for_callers(ConfigError("x"))
    assert not is_for_callers(ValueError("x"))
    assert status_of(ConfigError("x")).code == code_pb2.INTERNAL
    status = internal_status("abc")
    assert status.code == code_pb2.INTERNAL
    assert "abc" in status.message
