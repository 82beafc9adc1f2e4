# Generated from _async/session.py by `make proto`. Do not edit.
"""A typing session: a stream of keystrokes that is opened again when it breaks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Self

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb

from autocomplete_client.concurrency import Background, Condition
from autocomplete_client.errors import CallError, UnavailableError, from_rpc
from autocomplete_client.keystrokes import Answer, Keystrokes
from autocomplete_client.requests import SessionOptions, trace_metadata
from autocomplete_client.retry import Attempts

PATIENCE_S = 5.0  # how long a broken stream is opened again before the keystroke is given up
CLOSING_S = 1.0  # how long the server may take to end a stream that was finished


class TypingSession:
    """Sends keystrokes and hands out answers to the newest. A client's `session` makes it.

    `type` never waits. Any thread may call it on a `TypingSession`, but only one at a time may read answers. A failure
    comes as an `Answer` with an `error`.

    Args:
        method: `StreamCompleteQuery` of a stub.
        options: the same for all keystrokes.
        clock: seconds that only grow.
    """

    def __init__(self, method: Any, options: SessionOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        fields = dict(options)
        self._metadata = trace_metadata(str(fields.pop("traceparent", "")))
        self._keystrokes = Keystrokes(fields, clock)
        self._method = method
        self._changed = Condition()
        self._answers: deque[Answer] = deque()
        self._stream: Any = None
        self._stream_count = 0
        self._closed = False
        self._reader = Background(self._run)

    def type(self, query: str) -> None:
        """Says that the box now holds `query`. Answers to what it held before are dropped."""
        with self._changed:
            self._keystrokes.type(query)
            self._answers.clear()
            self._changed.notify_all()

    def answers(self) -> Iterator[Answer]:
        """Answers to the newest keystroke, each better than the one before, until its final one."""
        return self._read(lambda: not self._keystrokes.waiting)

    def __iter__(self) -> Iterator[Answer]:
        """Answers to everything that will be typed, until the session is closed."""
        return self._read(lambda: False)

    def close(self) -> None:
        """Ends the stream."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._reader.join(CLOSING_S)
        if (stream := self._stream) is not None:
            stream.cancel()

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, done: Callable[[], bool]) -> Iterator[Answer]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._answers) or self._closed or done())
                if not self._answers:
                    return
                answer = self._answers.popleft()
            yield answer

    def _run(self) -> None:
        try:
            self._answer_all()
        finally:  # also if the client was closed first, so that nobody waits forever
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _answer_all(self) -> None:
        attempts = Attempts(PATIENCE_S, back_off=True)
        while self._until(lambda: self._keystrokes.waiting):
            heard, failure = self._converse()
            if heard:
                attempts = Attempts(PATIENCE_S, back_off=True)
            with self._changed:
                if not self._keystrokes.waiting:
                    continue  # it ended between two keystrokes; the next keystroke opens another
            try:
                pause_s = attempts.pause_s(failure)
            except CallError:
                with self._changed:
                    self._put(self._keystrokes.fail(failure))
                attempts = Attempts(PATIENCE_S, back_off=True)
            else:
                self._until(lambda: False, pause_s)

    def _converse(self) -> tuple[bool, CallError]:
        """Reads a stream to its end; returns whether anything was heard, and why it ended."""
        heard = False
        with self._changed:
            self._keystrokes.send_again()
            self._stream_count += 1
        messages = self._messages(self._stream_count)
        self._stream = stream = self._method(messages, metadata=self._metadata)
        try:
            for response in stream:
                heard = True
                with self._changed:
                    self._put(self._keystrokes.accept(response))
            failure: CallError = UnavailableError(grpc.StatusCode.UNAVAILABLE, "The server ended the stream.")
        except grpc.RpcError as error:
            failure = from_rpc(error)
        finally:
            stream.cancel()
            with self._changed:
                self._stream_count += 1  # ends the messages of this stream
                self._changed.notify_all()
        return heard, failure

    def _messages(self, stream: int) -> Iterator[pb.StreamCompleteQueryRequest]:
        """The keystrokes for a stream, until it or the session ends."""
        yield self._keystrokes.config
        while self._until(lambda: self._keystrokes.unsent or self._stream_count != stream):
            with self._changed:
                if self._stream_count != stream:
                    return
                message = self._keystrokes.next_message()
            yield message

    def _put(self, answer: Answer | None) -> None:
        if answer is not None:
            self._answers.append(answer)
            self._changed.notify_all()

    def _until(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Waits until the condition holds, the session ends or the time is up; returns whether the session goes on."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or condition(), timeout_s)
            return not self._closed
