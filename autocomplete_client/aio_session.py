"""A typing session for asyncio: as `session.py`, in one thread."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Self

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb

from autocomplete_client.errors import CallError, UnavailableError, from_rpc
from autocomplete_client.keystrokes import Answer, Keystrokes
from autocomplete_client.requests import SessionOptions, trace_metadata
from autocomplete_client.retry import Attempts
from autocomplete_client.session import CLOSING_S, PATIENCE_S


class AsyncTypingSession:
    """Sends keystrokes and hands out answers to the newest; made by `AsyncClient.session`.

    What fails is an `Answer` with an `error`.

    Args:
        method: `StreamCompleteQuery` of a stub.
        options: what holds for all keystrokes.
        clock: seconds that only grow.
    """

    def __init__(self, method: Any, options: SessionOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        fields = dict(options)
        self._metadata = trace_metadata(str(fields.pop("traceparent", "")))
        self._keystrokes = Keystrokes(fields, clock)
        self._method = method
        self._changed = asyncio.Event()
        self._answers: deque[Answer] = deque()
        self._closed = False
        self._reader: asyncio.Task[None] | None = None

    def type(self, query: str) -> None:
        """Says that the box now holds `query`, the whole of it; answers to what it held before are dropped."""
        self._keystrokes.type(query)
        self._answers.clear()
        self._changed.set()

    def answers(self) -> AsyncIterator[Answer]:
        """Answers to the newest keystroke, each better than the one before, until its final one."""
        return self._read(lambda: not self._keystrokes.waiting)

    def __aiter__(self) -> AsyncIterator[Answer]:
        """Answers to all that will be typed, until the session is closed: for a task that shows them."""
        return self._read(lambda: False)

    async def close(self) -> None:
        """Ends the stream."""
        self._closed = True
        self._changed.set()
        if self._reader is not None:
            with suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._reader, CLOSING_S)

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self, done: Callable[[], bool]) -> AsyncIterator[Answer]:
        while True:
            await self._until(lambda: bool(self._answers) or done())
            if not self._answers:
                return
            yield self._answers.popleft()

    async def _run(self) -> None:
        try:
            await self._answer_all()
        finally:  # also if the client was closed first: nobody waits for ever
            self._closed = True
            self._changed.set()

    async def _answer_all(self) -> None:
        attempts = Attempts(PATIENCE_S, back_off=True)
        while await self._until(lambda: self._keystrokes.waiting):
            heard, failure = await self._converse()
            if heard:
                attempts = Attempts(PATIENCE_S, back_off=True)
            if not self._keystrokes.waiting:
                continue  # it ended between two keystrokes: the next one opens another
            try:
                pause_s = attempts.pause_s(failure)
            except CallError:
                self._put(self._keystrokes.fail(failure))
                attempts = Attempts(PATIENCE_S, back_off=True)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._until(lambda: False), pause_s)

    async def _converse(self) -> tuple[bool, CallError]:
        """Reads a stream to its end: whether anything was heard, and why it ended."""
        over = asyncio.Event()
        heard = False
        self._keystrokes.send_again()
        stream = self._method(self._messages(over), metadata=self._metadata)
        try:
            async for response in stream:
                heard = True
                self._put(self._keystrokes.accept(response))
            return heard, UnavailableError(grpc.StatusCode.UNAVAILABLE, "The server ended the stream.")
        except grpc.RpcError as error:
            return heard, from_rpc(error)
        finally:
            stream.cancel()
            over.set()
            self._changed.set()

    async def _messages(self, over: asyncio.Event) -> AsyncIterator[pb.StreamCompleteQueryRequest]:
        yield self._keystrokes.config
        while await self._until(lambda: self._keystrokes.unsent or over.is_set()) and not over.is_set():
            yield self._keystrokes.next_message()

    def _put(self, answer: Answer | None) -> None:
        if answer is not None:
            self._answers.append(answer)
            self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> bool:
        """Waits for a condition or the end of the session; whether the session goes on."""
        while not (self._closed or condition()):
            self._changed.clear()  # whoever waits already has been woken
            await self._changed.wait()
        return not self._closed
