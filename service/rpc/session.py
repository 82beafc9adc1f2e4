"""A stream of keystrokes: the newest one is answered, and no thread is held while there is nothing to answer.

A session does one thing at a time: it waits for its turn (`turns.py`), has an answer made, or sends one. Only then
comes the next, so a caller who does not read costs one unsent message and no further work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from google.protobuf.message import DecodeError

from lm.errors import AutocompleteError, OverloadedError, RequestError
from service.rpc.guard import final_status
from service.rpc.inbox import Inbox, Keystroke, Refusal
from service.rpc.keystrokes import Config, KeystrokeAnswers, Refinement
from service.rpc.turns import TurnQueue
from service.telemetry.metrics import Metrics

_UNREAD = "The caller has not read an answer for {:g} s."
_RETRY_AFTER_S = 1.0


class Call(Protocol):
    """What a session needs of `service.rpc.event_call.EventCall`."""

    def receive(self, on_message: Callable[[bytes | None], None]) -> bool:
        """Has the next message handed over."""

    def send(self, message: bytes, on_sent: Callable[[bool], None]) -> bool:
        """Sends a message."""

    def end(self, status: grpc.Status | None = None) -> None:
        """Ends the call."""

    def cancel(self, code: grpc.StatusCode, details: str) -> None:
        """Ends the call at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a session may do to the server.

    Attributes:
        superseded: keystrokes that may be superseded from one look to the next; then reading pauses until that one.
        floods: looks in a row at which reading was paused, after which the stream ends.
        unread_s: time that an answer may wait to be read, after which the stream ends.
        idle_s: time without a keystroke after which the stream ends.
    """

    superseded: int = 30
    floods: int = 10
    unread_s: float = 10.0
    idle_s: float = 600.0


class Session:
    """One stream.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        call: Call,
        *,
        answers: KeystrokeAnswers,
        turns: TurnQueue,
        limits: Limits,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._call = call
        self._answers = answers
        self._turns = turns
        self._limits = limits
        self._superseded = metrics.keystrokes.labels("superseded")
        self._throttled = metrics.stream_throttles
        self._clock = clock
        self._lock = threading.Lock()
        self._config: Config | None = None
        self._latest = -1
        self._inbox = Inbox()
        self._owed: Refinement | None = None
        self._busy = False
        self._sending_since_s: float | None = None
        self._heard_s = clock()
        self._allowance = limits.superseded
        self._paused = False
        self._floods = 0
        self._closing = False
        self._over = False
        self._status: grpc.Status | None = None
        self.end_reason = ""
        """Why the server's side ended it; empty if the caller did."""

    def start(self) -> None:
        """Reads the first message."""
        self._call.receive(self.received)

    def received(self, message: bytes | None) -> None:
        """Takes a message in; None is the last one."""
        with self._lock:
            if self._closing:  # what waits is all that will be answered
                return
            if message is None:
                self._close("finished")
            else:
                self._heard_s = self._clock()
                try:
                    self._take_in(message)
                except AutocompleteError as error:
                    self._close("error", error)
                else:
                    self._read_on()
            self._advance()

    def play(self) -> None:
        """Has one answer made and sends it; see `service.rpc.turns.Player`."""
        with self._lock:
            turn = self._inbox.take()
            owed, self._owed = self._owed, None
        try:
            message, refinement = self._work(turn, owed)
        except Exception as error:
            with self._lock:
                self._inbox.clear()
                self._closing, self.end_reason, self._status = True, "error", final_status(error)
                self._rest()
            return
        with self._lock:
            if self._over:
                return
            self._owed = refinement
            if message and self._call.send(message, self._sent):
                self._sending_since_s = self._clock()
            else:
                self._rest()

    def close(self) -> None:
        """Ends the session after what it is at, for the server stops."""
        with self._lock:
            self._close("stopped")
            self._advance()

    def abandon(self) -> None:
        """Forgets what waits: the call is over."""
        with self._lock:
            self._closing = self._over = True
            self._inbox.clear()
            self._owed = None
        self._turns.discard(self)

    def look(self) -> None:
        """Sheds a caller who floods, does not read or is idle; to be called every second."""
        now_s, limits = self._clock(), self._limits
        with self._lock:
            self._allowance = limits.superseded
            self._floods = self._floods + 1 if self._paused else 0
            if self._sending_since_s is not None and now_s - self._sending_since_s > limits.unread_s:
                self._closing, self.end_reason = True, "unread"  # even of one that has typed all it wanted
                self._call.cancel(grpc.StatusCode.RESOURCE_EXHAUSTED, _UNREAD.format(limits.unread_s))
            elif self._closing:
                pass
            elif self._floods >= limits.floods:
                self._inbox.clear()
                problem = OverloadedError("Keystrokes come faster than they can be read.", retry_after_s=_RETRY_AFTER_S)
                self._close("flood", problem)
            elif not self._busy and now_s - self._heard_s > limits.idle_s:
                self._close("idle")
            elif self._paused:
                self._paused = False
                self._read_on()
            self._advance()

    def _work(self, turn: Keystroke | Refusal | None, owed: Refinement | None) -> tuple[bytes, Refinement | None]:
        if isinstance(turn, Refusal):
            return self._answers.refuse(turn), owed
        if turn is not None:
            if owed is not None:
                self._superseded.inc()
            assert self._config is not None
            return self._answers.first(self._config, turn)
        return (self._answers.refined(owed), None) if owed is not None else (b"", None)

    def _sent(self, _went_out: bool) -> None:
        with self._lock:
            self._sending_since_s = None
            self._rest()

    def _rest(self) -> None:
        self._busy = False
        self._advance()

    def _advance(self) -> None:
        """Goes on to what is to be done next, if nothing is under way."""
        if self._over:
            return
        if self._busy:
            if self._inbox and self._sending_since_s is None:
                self._turns.promote(self)
        elif self._inbox:
            self._busy = True
            self._turns.ask_fast(self)
        elif self._owed is not None:
            self._busy = True
            self._turns.ask_refined(self)
        elif self._closing:
            self._over = True
            self._call.end(self._status)

    def _close(self, reason: str, error: Exception | None = None) -> None:
        """Takes nothing more in; what waits is still answered."""
        if not self._closing:
            self._closing, self.end_reason = True, reason
            self._status = None if error is None else final_status(error)

    def _read_on(self) -> None:
        if self._allowance > 0:
            self._call.receive(self.received)
        else:
            self._paused = True
            self._throttled.inc()

    def _take_in(self, message: bytes) -> None:
        try:
            request = pb.StreamCompleteQueryRequest.FromString(message)
        except DecodeError:
            raise RequestError(
                "streaming_request", "is no such message.", fault="MALFORMED", remedy="Text must be UTF-8."
            ) from None
        expected = "config" if self._config is None else "keystroke"
        if request.WhichOneof("streaming_request") != expected:
            remedy = "Send it first." if self._config is None else "Only the first message holds anything else."
            raise RequestError(expected, "is missing.", fault="MALFORMED", remedy=remedy)
        if self._config is None:
            self._answers.check(request.config)
            self._config = request.config
        else:
            self._accept(request.keystroke)

    def _accept(self, keystroke: pb.StreamCompleteQueryRequest.Keystroke) -> None:
        number = keystroke.sequence_number
        if number > self._latest:
            self._latest = number
            if not self._inbox.put(Keystroke(number, keystroke.query, self._clock())):
                self._superseded.inc()
                self._allowance -= 1
            return
        error = RequestError(
            "keystroke.sequence_number",
            f"is {number}.",
            fault="MALFORMED",
            remedy=f"It must be greater than {self._latest}.",
        )
        if not self._inbox.refuse(Refusal(number, error)):
            self._allowance -= 1
