# Generated from _async/client.py by `make proto`. Do not edit.
"""The calls of a client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self, Unpack

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_pb_grpc
from autocomplete.v1 import user_event_service_pb2 as event_pb
from autocomplete.v1 import user_event_service_pb2_grpc as event_pb_grpc

from autocomplete_client import requests as req
from autocomplete_client._sync.session import TypingSession
from autocomplete_client.channel import open_channel
from autocomplete_client.concurrency import sleep
from autocomplete_client.errors import from_rpc
from autocomplete_client.retry import Attempts


class Client:
    """Asks a server. Use it as a context manager, or `close` it.

    Any number of threads may share a `Client`. An `AsyncClient` belongs to one event loop.

    Args:
        address: HOST:PORT, or a gRPC target such as `unix:/run/a.sock`. If DNS has several addresses for the host, they
            share the calls.
        credentials: for TLS, such as `grpc.ssl_channel_credentials()`. If None, nothing is encrypted.

    Raises:
        ValueError: that is no address.

    Every method raises a `CallError` if the call fails.
    """

    def __init__(self, address: str = "127.0.0.1:50051", *, credentials: grpc.ChannelCredentials | None = None) -> None:
        self._channel = open_channel(address, credentials=credentials)
        self._stub: Any = pb_grpc.AutocompleteServiceStub(self._channel)
        self._models: Any = model_pb_grpc.ModelServiceStub(self._channel)
        self._events: Any = event_pb_grpc.UserEventServiceStub(self._channel)

    def complete_query(self, query: str = "", **options: Unpack[req.QueryOptions]) -> pb.CompleteQueryResponse:
        """Whole queries for what was typed."""
        call = req.build_call(pb.CompleteQueryRequest, req.QUERY_TIMEOUT_S, options, query=query)
        answer: pb.CompleteQueryResponse = _ask(self._stub.CompleteQuery, call)
        return answer

    def predict_next_word(self, text: str = "", **options: Unpack[req.WordOptions]) -> pb.PredictNextWordResponse:
        """Words that may follow a text, or complete its last one."""
        call = req.build_call(pb.PredictNextWordRequest, req.WORDS_TIMEOUT_S, options, text=text)
        answer: pb.PredictNextWordResponse = _ask(self._stub.PredictNextWord, call)
        return answer

    def score_text(self, text: str, **options: Unpack[req.ScoreOptions]) -> pb.ScoreTextResponse:
        """How probable each word of a text is."""
        call = req.build_call(pb.ScoreTextRequest, req.SCORE_TIMEOUT_S, options, text=text)
        answer: pb.ScoreTextResponse = _ask(self._stub.ScoreText, call)
        return answer

    def generate_text(
        self, prompt: str = "", **options: Unpack[req.GenerationOptions]
    ) -> Iterator[pb.GenerateTextResponse]:
        """Continues a text, piece by piece."""
        call = req.build_call(pb.GenerateTextRequest, req.GENERATE_TIMEOUT_S, options, prompt=prompt)
        attempts, started = Attempts(call.timeout_s), False
        while True:
            stream = self._stub.GenerateText(call.request, timeout=attempts.left_s, metadata=call.metadata)
            try:
                for piece in stream:
                    started = True
                    yield piece
                return
            except grpc.RpcError as error:
                if started:
                    raise from_rpc(error) from None
                pause_s = attempts.pause_s(from_rpc(error))
            finally:
                stream.cancel()
            sleep(pause_s)

    def get_model(self, model: str, **options: Unpack[req.CallOptions]) -> model_pb.Model:
        """A model that the server has."""
        call = req.build_call(model_pb.GetModelRequest, req.MODELS_TIMEOUT_S, options, name=req.model_name(model))
        answer: model_pb.Model = _ask(self._models.GetModel, call)
        return answer

    def list_models(self, **options: Unpack[req.CallOptions]) -> list[model_pb.Model]:
        """All models that the server has, newest first."""
        models: list[model_pb.Model] = []
        token = ""
        while True:
            call = req.build_call(model_pb.ListModelsRequest, req.MODELS_TIMEOUT_S, options, page_token=token)
            page = _ask(self._models.ListModels, call)
            models += page.models
            token = page.next_page_token
            if not token:
                return models

    def write_user_events(
        self, events: Iterable[event_pb.UserEvent], **options: Unpack[req.CallOptions]
    ) -> event_pb.WriteUserEventsResponse:
        """Tells the server what users did: up to 1000 events, all or none. Each counts once, also if it is retried."""
        call = req.events_call(events, options)
        answer: event_pb.WriteUserEventsResponse = _ask(self._events.WriteUserEvents, call)
        return answer

    def delete_user_data(
        self, user_pseudo_id: str, *, remover: str = "", **options: Unpack[req.CallOptions]
    ) -> event_pb.DeleteUserDataResponse:
        """Removes a user's own queries and events. `remover` says who did it."""
        request = event_pb.DeleteUserDataRequest
        fields = {"user_pseudo_id": user_pseudo_id, "remover": remover}
        call = req.build_call(request, req.FORGET_TIMEOUT_S, options, **fields)
        answer: event_pb.DeleteUserDataResponse = _ask(self._events.DeleteUserData, call)
        return answer

    def session(self, **options: Unpack[req.SessionOptions]) -> TypingSession:
        """A stream of keystrokes. Each may be answered twice. Use it as a context manager."""
        return TypingSession(self._stub.StreamCompleteQuery, options)

    def close(self) -> None:
        """Ends all calls."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ask(method: Any, call: req.Call) -> Any:
    attempts = Attempts(call.timeout_s)
    while True:
        try:
            return method(call.request, timeout=attempts.left_s, metadata=call.metadata)
        except grpc.RpcError as error:
            failure = from_rpc(error)
        sleep(attempts.pause_s(failure))
