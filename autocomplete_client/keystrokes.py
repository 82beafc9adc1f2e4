"""The keystrokes of a typing session: which is the newest, whether it was sent, which answers count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autocomplete.v1 import autocomplete_service_pb2 as pb

from autocomplete_client.errors import CallError, from_status
from autocomplete_client.requests import model_name

_Request = pb.StreamCompleteQueryRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to the newest keystroke.

    Attributes:
        query: what was typed.
        completion: the suggestions; empty if there is an error.
        is_final: no better answer to this keystroke will follow.
        latency_s: time since it was typed.
        error: why there is no answer: the keystroke was refused, or the server does not answer. Typing on tries again.
    """

    query: str
    completion: pb.CompleteQueryResponse = field(default_factory=pb.CompleteQueryResponse)
    is_final: bool = True
    latency_s: float = 0.0
    error: CallError | None = None


class Keystrokes:
    """The newest keystroke of a session. Not safe for threads by itself.

    Args:
        fields: of the stream's configuration.
        clock: seconds that only grow.
    """

    def __init__(self, fields: Mapping[str, object], clock: Callable[[], float]) -> None:
        given = dict(fields)
        if given.get("model"):
            given["model"] = model_name(str(given["model"]))
        self.config = _Request(config=_Request.Config(**given))  # type: ignore[arg-type]
        self._clock = clock
        self._number = 0
        self._query = ""
        self._typed_s = 0.0
        self.waiting = False  # for a final answer
        self.unsent = False

    def type(self, query: str) -> None:
        """Replaces the newest keystroke."""
        self._number += 1
        self._query, self._typed_s = query, self._clock()
        self.waiting = self.unsent = True

    def send_again(self) -> None:
        """Marks an unanswered keystroke as unsent, for another stream."""
        self.unsent = self.waiting

    def next_message(self) -> pb.StreamCompleteQueryRequest:
        """The newest keystroke as a message. It counts as sent from now on."""
        self.unsent = False
        return _Request(keystroke=_Request.Keystroke(sequence_number=self._number, query=self._query))

    def accept(self, response: pb.StreamCompleteQueryResponse) -> Answer | None:
        """The answer in a message; None if it is for an older keystroke."""
        if response.sequence_number != self._number or not self.waiting:
            return None
        if response.HasField("error"):
            return self.fail(from_status(response.error))
        self.waiting = not response.is_final
        return self._answer(completion=response.completion, is_final=response.is_final)

    def fail(self, error: CallError) -> Answer:
        """An answer that carries the error."""
        self.waiting = self.unsent = False
        return self._answer(error=error)

    def _answer(self, **fields: Any) -> Answer:
        return Answer(query=self._query, latency_s=self._clock() - self._typed_s, **fields)
