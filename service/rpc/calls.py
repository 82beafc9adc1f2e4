"""What every call has in common: it is counted and traced, takes its place in a lane, and ends with a status.

Errors become statuses here, so no stack trace reaches a caller. Nothing that is counted or logged holds a call's text.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from lm.errors import RequestError
from service.rpc.admission import Clock, Lane
from service.rpc.status import StatusError, final_status
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing

_OTHER_MODEL = "other"
_UNREAD_S = 10.0
"""How long a caller may leave a part of an answer unread."""
_CODES = grpc.StatusCode


class Call:
    """A call under way.

    Attributes:
        arrived_s: when it arrived.
        deadline_s: when its caller stops waiting; infinite without a deadline.
        request: its message, once it is read.
        lane: where its answer is computed.
    """

    __slots__ = ("arrived_s", "context", "deadline_s", "lane", "request")

    def __init__(self, context: Any, arrived_s: float) -> None:
        self.context = context
        self.arrived_s = arrived_s
        remaining_s = context.time_remaining()
        self.deadline_s = math.inf if remaining_s is None else arrived_s + remaining_s
        self.request: Any = None
        self.lane: Lane | None = None

    async def compute(self, work: Callable[..., Any], /, *args: Any) -> Any:
        """Has a thread of the call's lane do the work."""
        assert self.lane is not None
        return await self.lane.compute(work, *args)


Behavior = Callable[[Any, Call], Awaitable[bytes | None]]
"""Answers a call, given what gRPC gives a handler; the answer is serialised."""


class Calls:
    """Makes gRPC's handlers of what answers calls.

    Args:
        models: names that may become a label.
        default_model: a request that names no model counts under this one.
        tracing: traces calls; None if none are traced.
    """

    def __init__(
        self,
        metrics: Metrics,
        models: Sequence[str],
        default_model: str,
        clock: Clock,
        tracing: Tracing | None = None,
    ) -> None:
        self._metrics = metrics
        self._labels = {f"models/{name}": name for name in models} | {"": default_model}
        self._clock = clock
        self._tracing = tracing
        self._untraced = nullcontext(lambda _code: None)
        self._counters: dict[tuple[str, str, grpc.StatusCode], Any] = {}  # `labels` costs several times as much
        self._log = structlog.get_logger("service.calls").bind()  # bound once, for the same reason

    def know(self, model: str) -> None:
        """Lets a model's name be a label."""
        self._labels[f"models/{model}"] = model

    def unary(self, method: str, lane: Lane, message: Any, answer: Callable[[Any, Call], Awaitable[bytes]]) -> Any:
        """The handler of a method with one message, of the class that is given, and one answer.

        gRPC is told that the method takes a stream of messages: only then does it hand a call over as it arrives, and
        not when its message has come.
        """
        duration = self._metrics.request_duration.labels(method)

        async def behave(_messages: Any, call: Call) -> Any:
            try:
                return await _in_lane(lane, message, call, answer)
            finally:
                if call.request is not None:
                    duration.observe(self._clock() - call.arrived_s)

        return grpc.stream_unary_rpc_method_handler(self.handler(method, behave))

    def streaming(
        self, method: str, lane: Lane, message: Any, answers: Callable[[Any, Call], AsyncIterator[bytes]]
    ) -> Any:
        """The handler of a method with one message and many answers; see `unary`."""

        async def write_all(request: Any, call: Call) -> None:
            await call.context.send_initial_metadata(())  # else the call could not end while its first answer is unread
            async for answer in answers(request, call):
                try:
                    async with asyncio.timeout(_UNREAD_S):
                        await call.context.write(answer)
                except TimeoutError:
                    details = f"The caller left an answer unread for {_UNREAD_S:g} s."
                    raise StatusError(_CODES.CANCELLED, details) from None

        async def behave(_messages: Any, call: Call) -> None:
            await _in_lane(lane, message, call, write_all)

        return grpc.stream_stream_rpc_method_handler(self.handler(method, behave))

    def handler(self, method: str, behave: Behavior) -> Callable[[Any, Any], Awaitable[bytes | None]]:
        """Counts and traces the calls of a method, and ends those that fail with a status."""
        in_flight, clock = self._metrics.in_flight, self._clock

        async def handle(messages: Any, context: Any) -> bytes | None:
            call = Call(context, clock())
            in_flight.inc()
            code = _CODES.UNKNOWN
            with self._traced(method, context) as trace_end:
                try:
                    answer = await behave(messages, call)
                    code = _CODES.OK
                    return answer
                except asyncio.CancelledError:
                    code = _CODES.DEADLINE_EXCEEDED if clock() >= call.deadline_s else _CODES.CANCELLED
                    raise
                except Exception as error:
                    status = final_status(error)
                    code = status.code
                finally:
                    in_flight.dec()
                    trace_end(code)
                    self._count(method, call, code)
            with suppress(grpc.aio.InternalError):  # the caller has left
                await context.abort(status.code, status.details, status.trailing_metadata)
            return None

        return handle

    def _traced(self, method: str, context: Any) -> AbstractContextManager[Callable[[grpc.StatusCode], None]]:
        if self._tracing is None:
            return self._untraced
        return self._tracing.call(method, context.invocation_metadata())

    def _count(self, method: str, call: Call, code: grpc.StatusCode) -> None:
        asked = getattr(call.request, "model", None)
        model = "" if asked is None else self._labels.get(asked, _OTHER_MODEL)
        ended = method, model, code
        counter = self._counters.get(ended)
        if counter is None:
            counter = self._counters[ended] = self._metrics.requests.labels(method, model, code.name)
        counter.inc()
        took_s = self._clock() - call.arrived_s
        self._log.debug("call", method=method, model=model, code=code.name, duration_ms=round(took_s * 1000, 3))


async def _in_lane(lane: Lane, kind: Any, call: Call, respond: Callable[[Any, Call], Awaitable[Any]]) -> Any:
    """Responds to a call that finds room in a lane."""
    message = await lane.take(call.context)
    try:
        if call.context.time_remaining() == 0:
            raise StatusError(_CODES.DEADLINE_EXCEEDED, "The deadline passed before work began.")
        call.lane = lane
        try:
            call.request = kind.FromString(message)
        except DecodeError:
            problem, remedy = "is not a message of its type.", "Text must be UTF-8."
            raise RequestError("request", problem, fault="MALFORMED", remedy=remedy) from None
        return await respond(call.request, call)
    finally:
        lane.leave(message)
