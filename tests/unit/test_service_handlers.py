"""What all calls have in common, on a twin of gRPC's context."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from lm.errors import ModelNotFoundError
from service.rpc.admission import Lane
from service.rpc.calls import Call, Calls
from service.telemetry.metrics import Metrics


class Context:
    """An in-memory twin of the part of gRPC's context that is needed; its message has come."""

    def __init__(self, remaining_s: float | None = None) -> None:
        self.remaining_s = remaining_s
        self.code: grpc.StatusCode | None = None

    async def read(self) -> bytes:
        return b"message"

    def time_remaining(self) -> float | None:
        return self.remaining_s

    async def abort(self, code: grpc.StatusCode, _details: str, _metadata: object) -> None:
        self.code = code
        raise grpc.aio.AbortError


class Server:
    """One method of a lane of one thread."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.metrics = Metrics(CollectorRegistry())
        self.lane = Lane("test", threads=1, clock=self.clock)
        self.calls = Calls(self.metrics, ["twin"], "twin", self.clock)
        self.asked: list[str] = []

    def clock(self) -> float:
        return self.now_s

    async def answer(self, request: str, call: Call) -> bytes:
        self.asked.append(request)
        return bytes(await call.compute(self.work))

    def work(self) -> bytes:
        return b"answer"

    async def call(self, context: Context) -> Any:
        handler = self.calls.unary("Method", self.lane, SimpleNamespace(FromString=bytes.decode), self.answer)
        return await handler.stream_unary(None, context)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def ended(self, code: str) -> float:
        return self.count("autocomplete_requests_total", method="Method", model="", code=code)


def test_a_call_that_comes_too_late_is_not_worked_on() -> None:
    server, context = Server(), Context(remaining_s=0.0)
    with pytest.raises(grpc.aio.AbortError):
        asyncio.run(server.call(context))
    assert context.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert server.ended("DEADLINE_EXCEEDED") == 1
    assert not server.asked


def test_the_time_of_a_call_counts_from_its_arrival() -> None:
    server = Server()

    class SlowContext(Context):
        async def read(self) -> bytes:
            server.now_s += 3.0  # its message is under way
            return await super().read()

    def work() -> bytes:
        server.now_s += 1.0
        return b"answer"

    server.work = work  # type: ignore[method-assign]
    assert asyncio.run(server.call(SlowContext())) == b"answer"
    assert server.count("autocomplete_request_duration_seconds_sum", method="Method") == 4.0


@pytest.mark.parametrize(
    ("error", "code"),
    [(ModelNotFoundError("none"), grpc.StatusCode.NOT_FOUND), (ZeroDivisionError("secret"), grpc.StatusCode.INTERNAL)],
)
def test_an_error_becomes_a_status_and_costs_nothing_for_good(error: Exception, code: grpc.StatusCode) -> None:
    def fail() -> bytes:
        raise error

    server, context = Server(), Context()
    work, server.work = server.work, fail  # type: ignore[method-assign]

    async def run() -> None:
        for _ in range(3):
            with pytest.raises(grpc.aio.AbortError):
                await server.call(context)
        server.work = work  # type: ignore[method-assign]
        assert await server.call(Context()) == b"answer"

    asyncio.run(run())
    assert context.code is not None
    assert context.code is code
    assert (server.ended(context.code.name), server.ended("OK")) == (3, 1)
    assert server.count("autocomplete_requests_in_flight") == 0
    assert server.lane.waiting == 0


@pytest.mark.parametrize(("passed_s", "code"), [(0.0, "CANCELLED"), (2.0, "DEADLINE_EXCEEDED")])
def test_a_call_that_gRPC_cancels_says_why(passed_s: float, code: str) -> None:  # noqa: N802
    server = Server()

    async def run() -> None:
        release = asyncio.Event()

        async def wait(request: str, call: Call) -> bytes:  # noqa: ARG001
            await release.wait()
            return b""

        server.answer = wait  # type: ignore[method-assign]
        task = asyncio.create_task(server.call(Context(remaining_s=1.0)))
        await asyncio.sleep(0)
        server.now_s += passed_s
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert server.ended(code) == 1
    assert server.count("autocomplete_requests_in_flight") == 0
