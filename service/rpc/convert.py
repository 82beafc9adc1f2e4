"""From the service's values to protobuf messages."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import model_service_pb2 as model_pb
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from service.models.served_models import ModelState, ModelStatus
from service.ports import ServingModel
from service.rpc.status import status_of
from suggest.budget import StageTiming
from suggest.types import (
    FinishReason,
    NextWords,
    QueryCompletion,
    QuerySuggestion,
    ScoreTerms,
    SuggestionSource,
    TextChunk,
    TextScore,
)

_SOURCES = {
    SuggestionSource.LOG: pb.SUGGESTION_SOURCE_HISTORY,
    SuggestionSource.GENERATED: pb.SUGGESTION_SOURCE_GENERATED,
}
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


def model_resource(name: str) -> str:
    """`models/{model}`."""
    return f"models/{name}"


def attribution_token(model: ServingModel, text: str) -> str:
    """What ties a user's choice to an answer: equal for equal answers, so that they can be cached whole."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return base64.urlsafe_b64encode(f"{model.name}\n{model.version}\n{digest}".encode()).decode().rstrip("=")


def completion_response(completion: QueryCompletion, model: ServingModel, *, explain: bool) -> pb.CompleteQueryResponse:
    """The answer to `CompleteQuery`."""
    response = pb.CompleteQueryResponse(
        normalized_query=completion.normalized_query,
        corrected_query=completion.corrected_query,
        model=model_resource(model.name),
        model_version=model.version,
        attribution_token=attribution_token(model, completion.normalized_query),
        degraded=completion.degraded,
        timings=_timings(completion.timings) if explain else (),
    )
    for suggestion in completion.suggestions:
        # made in place: to make messages first and copy them takes twice as long
        added = response.suggestions.add(
            text=suggestion.display,
            log_probability=suggestion.log_prob,
            acceptance_probability=suggestion.acceptance_prob,
            source=_SOURCES[suggestion.source],
            explanation=_explanation(suggestion.terms) if explain else None,
            payload=suggestion.payload,
        )
        _add_segments(added.segments, suggestion)
    return response


def words_response(words: NextWords, text: str, model: ServingModel, *, explain: bool) -> pb.PredictNextWordResponse:
    """The answer to `PredictNextWord`."""
    response = pb.PredictNextWordResponse(
        replace_start=words.replace_start,
        model=model_resource(model.name),
        model_version=model.version,
        attribution_token=attribution_token(model, text),
        degraded=words.degraded,
        timings=_timings(words.timings) if explain else (),
    )
    for suggestion in words.suggestions:
        response.suggestions.add(
            text=suggestion.text,
            log_probability=suggestion.log_prob,
            explanation=_explanation(suggestion.terms) if explain else None,
        )
    return response


def score_response(score: TextScore, model: ServingModel) -> pb.ScoreTextResponse:
    """The answer to `ScoreText`."""
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


def chunk_response(chunk: TextChunk) -> pb.GenerateTextResponse:
    """A stretch of generated text."""
    return pb.GenerateTextResponse(text=chunk.text, finish_reason=_FINISH_REASONS[chunk.finish_reason])


def model_message(status: ModelStatus) -> model_pb.Model:
    """A model as `ModelService` shows it."""
    message = model_pb.Model(
        name=model_resource(status.name), state=_STATES[status.state], latest_version=status.latest_version
    )
    if status.latest_error is not None:
        message.latest_version_error.CopyFrom(status_of(status.latest_error))
    model = status.model
    if model is not None:
        message.version = model.version
        message.query_count = model.query_count
        message.manifest_sha256 = model.manifest_sha256
        message.create_time.CopyFrom(_timestamp(model.created_at_s))
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


def _add_segments(segments: Any, suggestion: QuerySuggestion) -> None:
    """What is typed of a suggestion and what is not."""
    text, (start, length) = suggestion.display, suggestion.typed
    end = start + length
    if start:
        segments.add(text=text[:start])
    if length:
        segments.add(text=text[start:end], typed=True)
    if end < len(text):
        segments.add(text=text[end:])


def _explanation(terms: ScoreTerms) -> pb.ScoreExplanation:
    return pb.ScoreExplanation(
        popularity_log_probability=terms.popularity_log_prob,
        ngram_log_probability=terms.ngram_log_prob,
        neural_log_probability=terms.neural_log_prob,
        edit_count=terms.edit_count,
    )


def _timings(timings: Iterable[StageTiming]) -> list[pb.StageTiming]:
    return [pb.StageTiming(stage=timing.stage, duration=_duration(timing.duration_s)) for timing in timings]


def _duration(duration_s: float) -> Duration:
    seconds, nanos = divmod(round(duration_s * 1e9), 1_000_000_000)
    return Duration(seconds=seconds, nanos=nanos)


def _timestamp(time_s: float) -> Timestamp:
    seconds, nanos = divmod(round(time_s * 1e9), 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)
