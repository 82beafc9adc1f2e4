"""The services' methods: validate, convert, call, convert."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import model_service_pb2 as model_pb

from lm.errors import RequestError
from service.models.served_models import ModelStatus, ServedModels
from service.rpc.admission import Lanes
from service.rpc.calls import Call, Calls
from service.rpc.completer import Completer
from service.rpc.convert import chunk_response, model_message, score_response
from service.rpc.requests import (
    read_generation,
    read_model_name,
    read_page_size,
    read_query,
    read_score,
    read_words,
)
from service.rpc.streams import Streams
from suggest.budget import Budget, Shortage

AUTOCOMPLETE_SERVICE = pb.DESCRIPTOR.services_by_name["AutocompleteService"].full_name
MODEL_SERVICE = model_pb.DESCRIPTOR.services_by_name["ModelService"].full_name

_WAY_BACK_S = 0.001
"""Kept of a caller's deadline for the answer's way back."""


class AutocompleteServicer:
    """`autocomplete.v1.AutocompleteService`.

    Args:
        streams: answers `StreamCompleteQuery`.
        time_budget_s: time that an answer may take if the caller's deadline is not sooner.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        *,
        models: ServedModels,
        completer: Completer,
        streams: Streams,
        time_budget_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._models = models
        self._completer = completer
        self._streams = streams
        self._time_budget_s = time_budget_s
        self._clock = clock

    async def complete_query(self, request: pb.CompleteQueryRequest, call: Call) -> bytes:
        """`CompleteQuery`; an answer that the process holds needs no thread."""
        question = read_query(request, request.query)
        model = self._models.get(question.model)
        answer = self._completer.query_at_hand(model, question)
        if answer is None:
            answer = await call.compute(self._completer.complete_query, model, question, partial(self._budget, call))
        return answer

    async def predict_next_word(self, request: pb.PredictNextWordRequest, call: Call) -> bytes:
        """`PredictNextWord`; an answer that the process holds needs no thread."""
        question = read_words(request)
        model = self._models.get(question.model)
        answer = self._completer.words_at_hand(model, question)
        if answer is None:
            answer = await call.compute(self._completer.predict_next_word, model, question, partial(self._budget, call))
        return answer

    async def score_text(self, request: pb.ScoreTextRequest, call: Call) -> bytes:
        """`ScoreText`."""
        question = read_score(request)
        model = self._models.get(question.model)
        score = await call.compute(partial(model.score_text, question.text, part=question.part))
        return score_response(score, model).SerializeToString()

    async def generate_text(self, request: pb.GenerateTextRequest, call: Call) -> AsyncIterator[bytes]:
        """`GenerateText`; between two stretches of text it holds no thread."""
        question = read_generation(request)
        chunks = self._models.get(question.model).generate_text(question.prompt, question.options)
        while (chunk := await call.compute(next, chunks, None)) is not None:
            yield chunk_response(chunk).SerializeToString()

    def _budget(self, call: Call) -> Budget:
        """What is left of the caller's time, or of the server's own since the call arrived."""
        by_caller_s = call.deadline_s - _WAY_BACK_S
        by_setting_s = call.arrived_s + self._time_budget_s
        limit = Shortage.DEADLINE if by_caller_s < by_setting_s else Shortage.TIME_BUDGET
        waited_s = self._clock() - call.arrived_s
        return Budget(min(by_caller_s, by_setting_s), self._clock, waited_s=waited_s, limit=limit)

    def handlers(self, calls: Calls, lanes: Lanes) -> dict[str, Any]:
        """gRPC's handlers by method."""
        short, long = lanes.calls, lanes.long_calls
        return {
            "CompleteQuery": calls.unary(
                "CompleteQuery", short, pb.CompleteQueryRequest.FromString, self.complete_query
            ),
            "PredictNextWord": calls.unary(
                "PredictNextWord", short, pb.PredictNextWordRequest.FromString, self.predict_next_word
            ),
            "StreamCompleteQuery": grpc.stream_stream_rpc_method_handler(
                calls.handler("StreamCompleteQuery", self._streams.answer)
            ),
            "ScoreText": calls.unary("ScoreText", long, pb.ScoreTextRequest.FromString, self.score_text),
            "GenerateText": calls.streaming(
                "GenerateText", long, pb.GenerateTextRequest.FromString, self.generate_text
            ),
        }


class ModelServicer:
    """`autocomplete.v1.ModelService`."""

    def __init__(self, models: ServedModels) -> None:
        self._models = models

    async def get_model(self, request: model_pb.GetModelRequest, _call: Call) -> bytes:
        """`GetModel`."""
        status = self._models.status(read_model_name("name", request.name, required=True))
        return model_message(status).SerializeToString()

    async def list_models(self, request: model_pb.ListModelsRequest, _call: Call) -> bytes:
        """`ListModels`."""
        page_size = read_page_size(request)
        after = _place(request.page_token) if request.page_token else None
        rows = sorted((_order(status), status.name, status) for status in self._models.statuses())
        rest = [row for row in rows if after is None or row[:2] > after]
        page = rest[:page_size]
        return model_pb.ListModelsResponse(
            models=[model_message(status) for _, _, status in page],
            next_page_token=_token(*page[-1][:2]) if len(rest) > page_size else "",
        ).SerializeToString()

    def handlers(self, calls: Calls, lanes: Lanes) -> dict[str, Any]:
        """gRPC's handlers by method."""
        return {
            "GetModel": calls.unary("GetModel", lanes.calls, model_pb.GetModelRequest.FromString, self.get_model),
            "ListModels": calls.unary(
                "ListModels", lanes.calls, model_pb.ListModelsRequest.FromString, self.list_models
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
