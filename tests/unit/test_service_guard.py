from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from lm.errors import ModelNotFoundError
from service.rpc.guard import guard_stream, guard_unary
from service.rpc.pools import StreamSlots
from service.telemetry.metrics import Metrics


class EndedError(Exception):
    pass


class Context:
    """An in-memory twin of the part of gRPC's context that the guard uses."""

    def __init__(self, remaining_s: float = 1.0) -> None:
        self._remaining_s = remaining_s
        self._code: grpc.StatusCode | None = None

    def time_remaining(self) -> float:
        return self._remaining_s

    def code(self) -> grpc.StatusCode | None:
        return self._code

    def abort(self, code: grpc.StatusCode, _details: str) -> None:
        self._code = code
        raise EndedError

    def abort_with_status(self, status: Any) -> None:
        self.abort(status.code, status.details)


def test_a_call_that_comes_too_late_is_not_worked_on() -> None:
    worked: list[object] = []
    context = Context(remaining_s=0.0)
    with pytest.raises(EndedError):
        guard_unary(lambda request, _context: worked.append(request))("q", context)
    assert context.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert not worked


def test_a_behaviour_that_ended_the_call_itself_keeps_its_code() -> None:
    context = Context()

    def behavior(_request: object, context: Context) -> None:
        context.abort(grpc.StatusCode.ABORTED, "own reason")

    with pytest.raises(EndedError):
        guard_unary(behavior)("q", context)
    assert context.code() is grpc.StatusCode.ABORTED


def test_a_stream_gives_its_slot_back_however_it_ends() -> None:
    slots, metrics = StreamSlots(1), Metrics(CollectorRegistry())

    def behavior(request: str, _context: object) -> Iterator[int]:
        yield 1
        if request == "fails":
            raise ModelNotFoundError("none")
        yield 2

    guarded = guard_stream(behavior, slots, metrics)
    assert list(guarded("ends", Context())) == [1, 2]
    failing = Context()
    with pytest.raises(EndedError):
        list(guarded("fails", failing))
    assert failing.code() is grpc.StatusCode.NOT_FOUND
    abandoned = guarded("left alone", Context())
    assert next(iter(abandoned)) == 1
    refused = Context()
    with pytest.raises(EndedError):
        list(guarded("too many", refused))
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    abandoned.close()  # type: ignore[attr-defined]
    assert list(guarded("again", Context())) == [1, 2]
    assert metrics.registry.get_sample_value("autocomplete_open_streams") == 0
