"""A caller of `StreamCompleteQuery` whose messages a test sends one by one."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc

Request = pb.StreamCompleteQueryRequest


class Typist:
    """A stream whose messages a test sends one by one."""

    def __init__(self, channel: grpc.Channel, *, config: Request.Config | None = None) -> None:
        self._messages: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self.answers: Any = pb_grpc.AutocompleteServiceStub(channel).StreamCompleteQuery(self._sent())
        self.send(Request(config=config or Request.Config()))

    def send(self, message: Request) -> None:
        self._messages.put(message)

    def type(self, number: int, query: str) -> None:
        self.send(Request(keystroke=Request.Keystroke(sequence_number=number, query=query)))

    def finish(self) -> None:
        self._messages.put(None)

    def _sent(self) -> Iterator[Request]:
        while (message := self._messages.get()) is not None:
            yield message
