"""The services' methods: validate, convert, call, convert."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import model_service_pb2 as model_pb

from service.live.models import LiveModel, LiveModels
from service.models.served_models import ModelState, ModelStatus, ServedModels
from service.rpc.admission import Clock, Lanes
from service.rpc.calls import Call, Calls
from service.rpc.completer import COMPLETE_QUERY, PREDICT_NEXT_WORD, Completer, model_resource
from service.rpc.requests import (
    Question,
    no_page,
    read_generation,
    read_model_name,
    read_page_size,
    read_score,
)
from service.rpc.status import status_of
from service.rpc.streams import Streams
from suggest.budget import Budget, Shortage
from suggest.types import FinishReason, TextScore

if TYPE_CHECKING:
    from suggest.model import Model

AUTOCOMPLETE_SERVICE = pb.DESCRIPTOR.services_by_name["AutocompleteService"].full_name
MODEL_SERVICE = model_pb.DESCRIPTOR.services_by_name["ModelService"].full_name

_MODELS_A_PAGE = 50
_WAY_BACK_S = 0.001
"""Kept of a caller's deadline for the answer's way back."""


_FINISH_REASONS = {
    None: pb.GenerateTextResponse.FINISH_REASON_UNSPECIFIED,
    FinishReason.STOP: pb.GenerateTextResponse.FINISH_REASON_STOP,
    FinishReason.LENGTH: pb.GenerateTextResponse.FINISH_REASON_LENGTH,
}
_STATES = {
    ModelState.LOADING: model_pb.Model.STATE_LOADING,
    ModelState.ACTIVE: model_pb.Model.STATE_ACTIVE,
    ModelState.FAILED: model_pb.Model.STATE_FAILED,
}


class AutocompleteServicer:
    """`autocomplete.v1.AutocompleteService`.

    Args:
        streams: answers `StreamCompleteQuery`.
        time_budget_s: time that an answer may take if the caller's deadline is not sooner.
    """

    def __init__(
        self,
        *,
        models: LiveModels,
        completer: Completer,
        streams: Streams,
        time_budget_s: float,
        clock: Clock,
    ) -> None:
        self._models = models
        self._completer = completer
        self._streams = streams
        self._time_budget_s = time_budget_s
        self._clock = clock

    async def complete_query(self, request: pb.CompleteQueryRequest, call: Call) -> bytes:
        """`CompleteQuery`."""
        user = request.user_pseudo_id or self._models.any_user()
        return await self._answer(COMPLETE_QUERY, self._completer.read_query(request, request.query), call, user)

    async def predict_next_word(self, request: pb.PredictNextWordRequest, call: Call) -> bytes:
        """`PredictNextWord`."""
        return await self._answer(PREDICT_NEXT_WORD, self._completer.read_words(request), call)

    async def score_text(self, request: pb.ScoreTextRequest, call: Call) -> bytes:
        """`ScoreText`."""
        question = read_score(request)
        model = self._models.get(question.model)
        score = await call.compute(partial(model.model.score_text, question.text, part=question.options))
        return _score_response(score, model.model).SerializeToString()

    async def generate_text(self, request: pb.GenerateTextRequest, call: Call) -> AsyncIterator[bytes]:
        """`GenerateText`; between two stretches of text it holds no thread."""
        question = read_generation(request)
        chunks = self._models.get(question.model).generate_text(question.text, question.options)
        while (chunk := await call.compute(next, chunks, None)) is not None:
            response = pb.GenerateTextResponse(text=chunk.text, finish_reason=_FINISH_REASONS[chunk.finish_reason])
            yield response.SerializeToString()

    async def _answer(self, method: str, question: Question[Any], call: Call, user: str | None = None) -> bytes:
        """The answer; one that the process holds needs no thread."""
        model = self._models.get(question.model, user)
        known = self._models.at_hand(model, question.user_pseudo_id)
        answer = None if known is None else self._completer.at_hand(method, known, question)
        if answer is None:
            answer = await call.compute(self._computed, method, known or model, question, call)
        return answer

    def _computed(self, method: str, model: LiveModel, question: Question[Any], call: Call) -> bytes:
        model = self._models.for_user(model, question.user_pseudo_id)
        return self._completer.answer(method, model, question, partial(self._budget, call))

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
            COMPLETE_QUERY: calls.unary(COMPLETE_QUERY, short, pb.CompleteQueryRequest, self.complete_query),
            PREDICT_NEXT_WORD: calls.unary(PREDICT_NEXT_WORD, short, pb.PredictNextWordRequest, self.predict_next_word),
            "StreamCompleteQuery": grpc.stream_stream_rpc_method_handler(
                calls.handler("StreamCompleteQuery", self._streams.answer)
            ),
            "ScoreText": calls.unary("ScoreText", long, pb.ScoreTextRequest, self.score_text),
            "GenerateText": calls.streaming("GenerateText", long, pb.GenerateTextRequest, self.generate_text),
        }


class ModelServicer:
    """`autocomplete.v1.ModelService`."""

    def __init__(self, models: ServedModels) -> None:
        self._models = models

    async def get_model(self, request: model_pb.GetModelRequest, _call: Call) -> bytes:
        """`GetModel`."""
        status = self._models.status(read_model_name("name", request.name, required=True))
        return _model_message(status).SerializeToString()

    async def list_models(self, request: model_pb.ListModelsRequest, _call: Call) -> bytes:
        """`ListModels`."""
        page_size = read_page_size(request, _MODELS_A_PAGE)
        after = _place(request.page_token) if request.page_token else None
        rows = sorted((_order(status), status.name, status) for status in self._models.statuses())
        rest = [row for row in rows if after is None or row[:2] > after]
        page = rest[:page_size]
        return model_pb.ListModelsResponse(
            models=[_model_message(status) for _, _, status in page],
            next_page_token=_token(*page[-1][:2]) if len(rest) > page_size else "",
        ).SerializeToString()

    def handlers(self, calls: Calls, lanes: Lanes) -> dict[str, Any]:
        """gRPC's handlers by method."""
        return {
            "GetModel": calls.unary("GetModel", lanes.calls, model_pb.GetModelRequest, self.get_model),
            "ListModels": calls.unary("ListModels", lanes.calls, model_pb.ListModelsRequest, self.list_models),
        }


def _score_response(score: TextScore, model: Model) -> pb.ScoreTextResponse:
    return pb.ScoreTextResponse(
        token_scores=[
            pb.ScoreTextResponse.TokenScore(
                token=token.token, log_probability=token.log_prob, out_of_vocabulary=token.out_of_vocabulary
            )
            for token in score.token_scores
        ],
        log_probability=score.log_prob,
        perplexity=score.perplexity,
        model=model_resource(model.name),
        model_version=model.version,
    )


def _model_message(status: ModelStatus) -> model_pb.Model:
    """A model as `ModelService` shows it."""
    message = model_pb.Model(
        name=model_resource(status.name), state=_STATES[status.state], latest_version=status.latest_version
    )
    if status.latest_error is not None:
        message.latest_version_error.CopyFrom(status_of(status.latest_error))
    shares = status.shares
    for each in status.split:
        added = message.served_versions.add(
            version=each.version, share=shares[each.version], configured_share=each.percent / 100
        )
        if each.error is not None:
            added.error.CopyFrom(status_of(each.error))
    model = status.model
    if model is not None:
        message.version = model.version
        message.query_count = model.query_count
        message.manifest_sha256 = model.manifest_sha256
        message.create_time.FromNanoseconds(round(model.created_at_s * 1e9))
        message.language_models.extend(
            model_pb.Model.LanguageModel(
                name=part.name,
                unit=part.unit,
                vocabulary_size=part.vocabulary_size,
                ngram_order=part.ngram_order,
                ngram_count=part.ngram_count,
                neural_kind=part.neural_kind,
                parameter_count=part.parameter_count,
            )
            for part in model.language_models
        )
    return message


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
        raise no_page() from None
