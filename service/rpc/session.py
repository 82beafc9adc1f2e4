"""A stream of keystrokes: only the newest one is answered, fast at first and then refined.

A session does one thing at a time: it waits for its turn (`Turns`), has an answer made, or sends one. So a caller
who does not read costs one unsent message and no further work. A second task reads what is typed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from google.protobuf.message import DecodeError

from lm.errors import OverloadedError, RequestError
from service.rpc.admission import Clock
from service.rpc.keystrokes import Config, Keystroke, KeystrokeAnswers, Refinement, Turn, Turns
from service.rpc.status import StatusError
from service.telemetry.metrics import Metrics

_RETRY_AFTER_S = 1.0
_MAX_REFUSALS = 16
"""Refusals that may wait. A caller who sends nonsense faster than it reads gets no answer to some of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a session may do to the server.

    Attributes:
        superseded: keystrokes that may be superseded from one look to the next; then reading pauses until that look.
        floods: looks in a row at which reading was paused, after which the stream ends.
        unread_s: time that an answer may wait to be read, after which the stream ends.
        idle_s: time without a keystroke after which the stream ends.
    """

    superseded: int = 30
    floods: int = 10
    unread_s: float = 10.0
    idle_s: float = 600.0


class Session:
    """One stream; its methods belong to the event loop.

    Args:
        context: gRPC's.

    Attributes:
        end_reason: why the server ends it; empty if the caller does.
    """

    def __init__(
        self,
        context: Any,
        *,
        answers: KeystrokeAnswers,
        turns: Turns,
        limits: Limits,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._context = context
        self._answers = answers
        self._turns = turns
        self._limits = limits
        self._superseded = metrics.keystrokes.labels("superseded")
        self._throttled = metrics.stream_throttles
        self._clock = clock
        self._config: Config | None = None
        self._user = ""
        self._latest = -1
        self._newest: Keystroke | None = None
        self._refusals: deque[tuple[int, RequestError]] = deque(maxlen=_MAX_REFUSALS)
        self._owed: Refinement | None = None
        self._turn: Turn | None = None
        """The turn for a refined answer, while the session waits for it."""
        self._something = asyncio.Event()
        self._read_on = asyncio.Event()
        self._busy = False
        self._sending_since_s: float | None = None
        self._answering: asyncio.Future[None] | None = None
        self._heard_s = clock()
        self._allowance = limits.superseded
        self._paused = False
        self._floods = 0
        self._closing = False
        self._error: Exception | None = None
        self.end_reason = ""

    async def run(self) -> None:
        """Answers keystrokes until the stream ends.

        Raises:
            AutocompleteError: the caller's fault ended it.
            StatusError: the caller does not read.
        """
        reading = asyncio.create_task(self._read())
        self._answering = asyncio.create_task(self._answer())
        try:
            await self._answering
        except asyncio.CancelledError:
            if self.end_reason != "unread" or not self._answering.cancelled():
                raise
            details = f"The caller has not read an answer for {self._limits.unread_s:g} s."
            raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, details) from None
        except Exception:
            self.end_reason = "error"
            raise
        finally:
            self._answering.cancel()
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Ends it after the keystroke that it is at, as the server stops."""
        self._close("stopped")

    def look(self) -> None:
        """Ends it if its caller floods, does not read or is idle; to be called every second."""
        now_s, limits = self._clock(), self._limits
        self._allowance = limits.superseded
        self._floods = self._floods + 1 if self._paused else 0
        if self._sending_since_s is not None and now_s - self._sending_since_s > limits.unread_s:
            self._closing, self.end_reason = True, "unread"  # even if the caller has typed all it wanted
            assert self._answering is not None
            self._answering.cancel()
        elif self._closing:
            pass
        elif self._floods >= limits.floods:
            self._newest = None
            self._refusals.clear()
            problem = OverloadedError("Keystrokes come faster than they can be read.", retry_after_s=_RETRY_AFTER_S)
            self._close("flood", problem)
        elif not self._busy and now_s - self._heard_s > limits.idle_s:
            self._close("idle")
        else:
            self._paused = False
            self._read_on.set()

    async def _answer(self) -> None:
        while True:
            if self._refusals:
                await self._send(self._answers.refuse(*self._refusals.popleft()))
            elif self._newest is not None:
                await self._answer_newest()
            elif self._owed is not None:
                await self._refine(self._owed)
            elif self._closing:
                return
            else:
                self._busy = False
                self._something.clear()
                await self._something.wait()
                self._busy = True

    async def _answer_newest(self) -> None:
        if not await self._has_turn(self._turns.ask()):
            return
        try:
            keystroke, self._newest = self._newest, None
            if keystroke is None:  # forgotten while it waited
                return
            if self._owed is not None:
                self._superseded.inc()
            message, self._owed = await self._turns.compute(self._answers.first, self._config, keystroke, self._user)
        finally:
            self._turns.give_back()
        await self._send(message)

    async def _refine(self, owed: Refinement) -> None:
        self._turn = self._turns.ask(refined=True)
        try:
            if not await self._has_turn(self._turn):  # there is a newer keystroke
                return
        finally:
            self._turn = None
        self._owed = None
        try:
            message = await self._turns.compute(self._answers.refined, owed)
        finally:
            self._turns.give_back()
        await self._send(message)

    async def _has_turn(self, turn: Turn) -> bool:
        try:
            return await turn
        except asyncio.CancelledError:
            self._turns.give_up(turn)
            raise

    async def _send(self, message: bytes) -> None:
        self._sending_since_s = self._clock()
        try:
            await self._context.write(message)
        finally:
            self._sending_since_s = None

    async def _read(self) -> None:
        try:
            while not self._closing:
                message = await self._context.read()
                if self._closing:  # only what came before is answered
                    return
                if message is grpc.aio.EOF:
                    await self._context.read()  # by its answer, gRPC has told of a caller who cancelled
                    self._close("finished")
                    return
                self._heard_s = self._clock()
                assert isinstance(message, bytes)
                self._take_in(message)
                await self._pause_if_flooded()
        except grpc.aio.BaseError:  # the caller has left
            self._close("finished")
        except Exception as error:
            self._close("error", error)

    async def _pause_if_flooded(self) -> None:
        if self._allowance <= 0:
            self._paused = True
            self._throttled.inc()
            self._read_on.clear()
            await self._read_on.wait()

    def _take_in(self, message: bytes) -> None:
        try:
            request = pb.StreamCompleteQueryRequest.FromString(message)
        except DecodeError:
            raise RequestError(
                "streaming_request", "is not such a message.", fault="MALFORMED", remedy="Text must be UTF-8."
            ) from None
        expected = "config" if self._config is None else "keystroke"
        if request.WhichOneof("streaming_request") != expected:
            remedy = "Send it first." if self._config is None else "Only the first message holds anything else."
            raise RequestError(expected, "is missing.", fault="MALFORMED", remedy=remedy)
        if self._config is None:
            self._user = self._answers.check(request.config)
            self._config = request.config
        else:
            self._accept(request.keystroke)

    def _accept(self, keystroke: pb.StreamCompleteQueryRequest.Keystroke) -> None:
        number = keystroke.sequence_number
        if number > self._latest:
            self._latest = number
            if self._newest is not None:
                self._superseded.inc()
                self._allowance -= 1
            self._newest = Keystroke(number, keystroke.query, self._clock())
        else:
            remedy = f"It must be greater than {self._latest}."
            error = RequestError("keystroke.sequence_number", f"is {number}.", fault="MALFORMED", remedy=remedy)
            if self._refusals:
                self._allowance -= 1
            self._refusals.append((number, error))
        self._wake()

    def _close(self, reason: str, error: Exception | None = None) -> None:
        """Takes nothing more in; what waits is still answered."""
        if not self._closing:
            self._closing, self.end_reason, self._error = True, reason, error
            self._wake()

    def _wake(self) -> None:
        self._something.set()
        if self._turn is not None and not self._turn.done() and (self._newest is not None or self._refusals):
            self._turns.give_up(self._turn)
