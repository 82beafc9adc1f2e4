"""A stream of keystrokes: the newest one is answered, first fast, then with the neural model's help.

A keystroke whose answer is in a cache, or whose model has no neural part, gets one answer. Any other gets the
n-gram model's at once and the refined one after it, which closes the keystroke (`is_final`) even if the list
did not change: whether it will is not known when the fast one goes out, and nobody has to wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from autocomplete.v1 import autocomplete_service_pb2 as pb

from lm.errors import AutocompleteError, RequestError
from service.adapters.bundle_registry import BundleRegistry
from service.metrics import Metrics
from service.ports import ServingModel
from service.rpc.completer import Completer
from service.rpc.inbox import Inbox, Keystroke, Refusal
from service.rpc.requests import read_query
from service.rpc.status import is_for_callers, status_of
from suggest.budget import Budget

METHOD = "StreamCompleteQuery"


class OpenSessions:
    """The sessions under way, so that a server that stops can end them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inboxes: set[Inbox] = set()
        self._closed = False

    def add(self, inbox: Inbox) -> None:
        """Notes a session."""
        with self._lock:
            self._inboxes.add(inbox)
            closed = self._closed
        if closed:
            inbox.close()

    def discard(self, inbox: Inbox) -> None:
        """Forgets a session."""
        with self._lock:
            self._inboxes.discard(inbox)

    def close(self) -> None:
        """Ends all sessions after the keystroke that each is at."""
        with self._lock:
            self._closed = True
            inboxes = list(self._inboxes)
        for inbox in inboxes:
            inbox.close()


class Session:
    """One stream."""

    def __init__(
        self,
        *,
        models: BundleRegistry,
        completer: Completer,
        new_budget: Callable[[], Budget],
        clock: Callable[[], float],
        metrics: Metrics,
        sessions: OpenSessions,
    ) -> None:
        self._models = models
        self._completer = completer
        self._new_budget = new_budget
        self._clock = clock
        self._metrics = metrics
        self._sessions = sessions
        self._inbox = Inbox()
        self._config = pb.StreamCompleteQueryRequest.Config()

    def responses(self, requests: Iterator[pb.StreamCompleteQueryRequest]) -> Iterator[pb.StreamCompleteQueryResponse]:
        """Answers until the caller has finished.

        Raises:
            AutocompleteError: a message was out of turn, or the configuration is wrong.
        """
        reader = threading.Thread(target=self._read, args=(requests,), name="stream-reader", daemon=True)
        self._sessions.add(self._inbox)
        reader.start()
        try:
            while (turn := self._inbox.take()) is not None:
                if isinstance(turn, Refusal):
                    yield self._refused(turn.sequence_number, turn.error)
                else:
                    yield from self._answers(turn)
        finally:
            self._sessions.discard(self._inbox)

    def _read(self, requests: Iterator[pb.StreamCompleteQueryRequest]) -> None:
        try:
            first = next(requests, None)
            if first is not None:
                self._configure(first)
            latest = -1
            for request in requests:
                latest = self._accept(request, latest)
        except AutocompleteError as error:
            self._inbox.close(error)
        except Exception:  # how gRPC says that the call is over
            self._inbox.close()
        else:
            self._inbox.close()

    def _configure(self, request: pb.StreamCompleteQueryRequest) -> None:
        if request.WhichOneof("streaming_request") != "config":
            raise RequestError("config", "is missing.", fault="MALFORMED", remedy="Send it first.")
        question = read_query(request.config, "", prefix="config.")
        self._models.get(question.model)
        self._config = request.config

    def _accept(self, request: pb.StreamCompleteQueryRequest, latest: int) -> int:
        """Puts a keystroke into the inbox; returns the greatest sequence number so far."""
        if request.WhichOneof("streaming_request") != "keystroke":
            raise RequestError(
                "keystroke",
                "is missing.",
                fault="MALFORMED",
                remedy="Only the first message holds anything else.",
            )
        number = request.keystroke.sequence_number
        if number <= latest:
            error = RequestError(
                "keystroke.sequence_number",
                f"is {number}.",
                fault="MALFORMED",
                remedy=f"It must be greater than {latest}.",
            )
            self._inbox.refuse(Refusal(number, error))
            return latest
        if not self._inbox.put(Keystroke(number, request.keystroke.query, self._clock())):
            self._metrics.keystrokes.labels("superseded").inc()
        return number

    def _answers(self, keystroke: Keystroke) -> Iterator[pb.StreamCompleteQueryResponse]:
        number = keystroke.sequence_number
        try:
            question = read_query(self._config, keystroke.query, prefix="config.")
            model = self._models.get(question.model)
            budget = self._new_budget()
            cached = self._completer.find_query(model, question)
            if cached is None and _can_refine(model):
                fast = self._completer.ask_query(model, question, budget, neural=False)
                yield pb.StreamCompleteQueryResponse(sequence_number=number, completion=fast)
                if self._inbox.has_newer():
                    self._metrics.keystrokes.labels("superseded").inc()
                    return
            payload = cached or self._completer.complete_query(model, question, lambda: budget)
        except AutocompleteError as error:
            if not is_for_callers(error):
                raise
            yield self._refused(number, error)
            return
        completion = pb.CompleteQueryResponse.FromString(payload)
        self._metrics.keystrokes.labels("answered").inc()
        self._metrics.request_duration.labels(METHOD).observe(self._clock() - keystroke.received_s)
        yield pb.StreamCompleteQueryResponse(sequence_number=number, completion=completion, is_final=True)

    def _refused(self, number: int, error: AutocompleteError) -> pb.StreamCompleteQueryResponse:
        self._metrics.keystrokes.labels("refused").inc()
        return pb.StreamCompleteQueryResponse(sequence_number=number, error=status_of(error), is_final=True)


def _can_refine(model: ServingModel) -> bool:
    return any(part.neural_kind for part in model.language_models)
