"""The services' methods: validate, convert, call, convert."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import model_service_pb2 as model_pb

from lm.errors import RequestError
from service.models.served_models import ModelStatus, ServedModels
from service.rpc.arrival import arrived_s
from service.rpc.completer import Completer
from service.rpc.convert import chunk_response, model_message, score_response
from service.rpc.open_sessions import OpenSessions
from service.rpc.requests import (
    read_generation,
    read_model_name,
    read_page_size,
    read_query,
    read_score,
    read_words,
)
from suggest.budget import Budget, Shortage

AUTOCOMPLETE_SERVICE = pb.DESCRIPTOR.services_by_name["AutocompleteService"].full_name
MODEL_SERVICE = model_pb.DESCRIPTOR.services_by_name["ModelService"].full_name

_WAY_BACK_S = 0.001
"""Kept of a caller's deadline for the answer's way back."""


class AutocompleteServicer:
    """`autocomplete.v1.AutocompleteService`.

    Args:
        sessions: answers `StreamCompleteQuery`.
        time_budget_s: time that an answer may take if the caller's deadline is not sooner.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        *,
        models: ServedModels,
        completer: Completer,
        sessions: OpenSessions,
        time_budget_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._models = models
        self._completer = completer
        self._sessions = sessions
        self._time_budget_s = time_budget_s
        self._clock = clock

    def complete_query(self, request: pb.CompleteQueryRequest, context: Any) -> bytes:
        """`CompleteQuery`."""
        question = read_query(request, request.query)
        model = self._models.get(question.model)
        return self._completer.complete_query(model, question, lambda: self._budget(context, arrived_s()))

    def query_at_hand(self, request: pb.CompleteQueryRequest) -> bytes | None:
        """The answer to `CompleteQuery` if the process holds it."""
        question = read_query(request, request.query)
        return self._completer.query_at_hand(self._models.get(question.model), question)

    def words_at_hand(self, request: pb.PredictNextWordRequest) -> bytes | None:
        """The answer to `PredictNextWord` if the process holds it."""
        question = read_words(request)
        return self._completer.words_at_hand(self._models.get(question.model), question)

    def predict_next_word(self, request: pb.PredictNextWordRequest, context: Any) -> bytes:
        """`PredictNextWord`."""
        question = read_words(request)
        model = self._models.get(question.model)
        return self._completer.predict_next_word(model, question, lambda: self._budget(context, arrived_s()))

    def score_text(self, request: pb.ScoreTextRequest, _context: Any) -> pb.ScoreTextResponse:
        """`ScoreText`."""
        question = read_score(request)
        model = self._models.get(question.model)
        return score_response(model.score_text(question.text, part=question.part), model)

    def generate_text(self, request: pb.GenerateTextRequest, _context: Any) -> Iterator[pb.GenerateTextResponse]:
        """`GenerateText`."""
        question = read_generation(request)
        model = self._models.get(question.model)
        for chunk in model.generate_text(question.prompt, question.options):
            yield chunk_response(chunk)

    def _budget(self, context: Any, since_s: float) -> Budget:
        """What is left of the caller's time, or of the server's own since a question arrived."""
        now_s = self._clock()
        by_caller_s = now_s + context.time_remaining() - _WAY_BACK_S
        by_setting_s = since_s + self._time_budget_s
        limit = Shortage.DEADLINE if by_caller_s < by_setting_s else Shortage.TIME_BUDGET
        return Budget(min(by_caller_s, by_setting_s), self._clock, waited_s=now_s - since_s, limit=limit)

    def at_hand(self) -> dict[str, Callable[[Any], bytes | None]]:
        """By method, what finds an answer that the process holds."""
        if not self._completer.answers_kept_here:
            return {}
        return {"CompleteQuery": self.query_at_hand, "PredictNextWord": self.words_at_hand}

    def handlers(self) -> dict[str, Any]:
        """The methods by name; an answer that is serialised already goes out as it is."""
        return {
            "CompleteQuery": grpc.unary_unary_rpc_method_handler(
                self.complete_query, pb.CompleteQueryRequest.FromString, bytes
            ),
            "PredictNextWord": grpc.unary_unary_rpc_method_handler(
                self.predict_next_word, pb.PredictNextWordRequest.FromString, bytes
            ),
            "StreamCompleteQuery": grpc.stream_stream_rpc_method_handler(self._sessions.handler()),
            "ScoreText": grpc.unary_unary_rpc_method_handler(
                self.score_text, pb.ScoreTextRequest.FromString, pb.ScoreTextResponse.SerializeToString
            ),
            "GenerateText": grpc.unary_stream_rpc_method_handler(
                self.generate_text,
                pb.GenerateTextRequest.FromString,
                pb.GenerateTextResponse.SerializeToString,
            ),
        }


class ModelServicer:
    """`autocomplete.v1.ModelService`."""

    def __init__(self, models: ServedModels) -> None:
        self._models = models

    def get_model(self, request: model_pb.GetModelRequest, _context: Any) -> model_pb.Model:
        """`GetModel`."""
        return model_message(self._models.status(read_model_name("name", request.name, required=True)))

    def list_models(self, request: model_pb.ListModelsRequest, _context: Any) -> model_pb.ListModelsResponse:
        """`ListModels`."""
        page_size = read_page_size(request)
        after = _place(request.page_token) if request.page_token else None
        rows = sorted((_order(status), status.name, status) for status in self._models.statuses())
        rest = [row for row in rows if after is None or row[:2] > after]
        page = rest[:page_size]
        return model_pb.ListModelsResponse(
            models=[model_message(status) for _, _, status in page],
            next_page_token=_token(*page[-1][:2]) if len(rest) > page_size else "",
        )

    def handlers(self) -> dict[str, Any]:
        """The methods by name."""
        return {
            "GetModel": grpc.unary_unary_rpc_method_handler(
                self.get_model, model_pb.GetModelRequest.FromString, model_pb.Model.SerializeToString
            ),
            "ListModels": grpc.unary_unary_rpc_method_handler(
                self.list_models,
                model_pb.ListModelsRequest.FromString,
                model_pb.ListModelsResponse.SerializeToString,
            ),
        }


def _order(status: ModelStatus) -> float:
    """Newest first; what does not answer comes last."""
    return 0.0 if status.model is None else -status.model.created_at_s


def _token(order: float, name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, name]).encode()).decode()


def _place(token: str) -> tuple[float, str]:
    """Where the previous page ended."""
    try:
        order, name = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
        return float(order), str(name)
    except (ValueError, TypeError, binascii.Error):
        raise RequestError(
            "page_token",
            "is none that this server gave out.",
            fault="MALFORMED",
            remedy="Start again without one.",
        ) from None
