"""Answers as bytes, ready to be sent: looked up, or asked of a model, made a message and kept."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from autocomplete.v1 import autocomplete_service_pb2 as pb
from google.protobuf.duration_pb2 import Duration

from service.cache.answers import Answers, Computed, answer_key
from service.rpc.requests import Defaults, QueryFields, Question, read_query, read_words
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing
from suggest.budget import Budget, OptionalPart, StageTiming
from suggest.types import (
    NextWords,
    QueryCompletion,
    QueryOptions,
    QuerySuggestion,
    ScoreTerms,
    SuggestionSource,
    WordOptions,
)

if TYPE_CHECKING:
    from service.live.models import LiveModel
    from suggest.model import Model

    AnyModel = Model | LiveModel

COMPLETE_QUERY = "CompleteQuery"
PREDICT_NEXT_WORD = "PredictNextWord"
SOURCES = {
    SuggestionSource.LOG: pb.SUGGESTION_SOURCE_HISTORY,
    SuggestionSource.CATALOGUE: pb.SUGGESTION_SOURCE_CATALOGUE,
    SuggestionSource.GENERATED: pb.SUGGESTION_SOURCE_GENERATED,
    SuggestionSource.TRENDING: pb.SUGGESTION_SOURCE_TRENDING,
    SuggestionSource.PERSONAL: pb.SUGGESTION_SOURCE_PERSONAL,
}


# messages one behind the other are one message
_DEGRADED = {
    COMPLETE_QUERY: pb.CompleteQueryResponse(degraded=True).SerializeToString(),
    PREDICT_NEXT_WORD: pb.PredictNextWordResponse(degraded=True).SerializeToString(),
}


class Completer:
    """Completes queries and predicts words; answers with timings are never cached.

    Methods are named after the API's, `COMPLETE_QUERY` or `PREDICT_NEXT_WORD`; an answer is the serialised response.

    Args:
        defaults: what holds where a request leaves it open.
    """

    def __init__(self, answers: Answers, metrics: Metrics, defaults: Defaults, tracing: Tracing | None = None) -> None:
        self._answers = answers
        self._metrics = metrics
        self._defaults = defaults
        self._stale_answers = metrics.degraded.labels("store", "live")
        self._tracing = tracing

    def read_query(self, fields: QueryFields, query: str, *, prefix: str = "") -> Question[QueryOptions]:
        """See `service.rpc.requests.read_query`."""
        return read_query(fields, query, defaults=self._defaults.query, prefix=prefix)

    def read_words(self, request: pb.PredictNextWordRequest) -> Question[WordOptions]:
        """See `service.rpc.requests.read_words`."""
        return read_words(request, defaults=self._defaults.words)

    def at_hand(self, method: str, model: LiveModel, question: Question[Any]) -> bytes | None:
        """The answer if the process holds it; does not wait."""
        if question.options.explain:
            return None
        found = self._answers.at_hand(question_key(method, model, question))
        return None if found is None else self._marked(method, model, found)

    def find_query(self, model: LiveModel, question: Question[QueryOptions]) -> bytes | None:
        """The answer to a query if a cache holds it."""
        if question.options.explain:
            return None
        found = self._answers.find(question_key(COMPLETE_QUERY, model, question))
        return None if found is None else self._marked(COMPLETE_QUERY, model, found)

    def answer(self, method: str, model: LiveModel, question: Question[Any], new_budget: Callable[[], Budget]) -> bytes:
        """The answer; `new_budget` is asked if no cache holds it."""
        if question.options.explain:
            return self._marked(method, model, self._compute(method, model, question, new_budget()).payload)
        key = question_key(method, model, question)
        found = self._answers.answer(key, lambda budget: self._compute(method, model, question, budget), new_budget)
        return self._marked(method, model, found)

    def compute_query(self, model: LiveModel, question: Question[QueryOptions], budget: Budget) -> bytes:
        """The answer to a query that no cache held."""
        if question.options.explain:
            computed = self._compute(COMPLETE_QUERY, model, question, budget).payload
        else:
            key = question_key(COMPLETE_QUERY, model, question)
            computed = self._answers.join_or_compute(
                key, lambda budget: self._compute(COMPLETE_QUERY, model, question, budget), budget
            )
        return self._marked(COMPLETE_QUERY, model, computed)

    def prepare_query(self, model: LiveModel, query: str) -> bool:
        """Has the caches hold the answer to a usual call with this query; True if none held it."""
        question = Question(query, "", self._defaults.query)
        key = question_key(COMPLETE_QUERY, model, question)
        return self._answers.prepare(key, lambda: self._compute(COMPLETE_QUERY, model, question, None))

    def fast_query(
        self, model: LiveModel, question: Question[QueryOptions], budget: Budget
    ) -> tuple[pb.CompleteQueryResponse, tuple[OptionalPart, ...]]:
        """The answer without neural parts, and which of them could refine it; if none, it is the answer."""
        response, refiners = self._complete(model, question, budget, neural=False)
        if not (refiners or response.degraded or question.options.explain):
            self._answers.keep(question_key(COMPLETE_QUERY, model, question), response.SerializeToString())
        if model.is_stale:
            self._stale_answers.inc()
            response.degraded = True
        return response, refiners

    def _marked(self, method: str, model: LiveModel, answer: bytes) -> bytes:
        """The answer, as degraded if changes of the live state may be missing. What the caches hold does not say so."""
        if not model.is_stale:
            return answer
        self._stale_answers.inc()
        return answer + _DEGRADED[method]

    def _compute(self, method: str, model: LiveModel, question: Question[Any], budget: Budget | None) -> Computed:
        response: pb.CompleteQueryResponse | pb.PredictNextWordResponse
        if method == COMPLETE_QUERY:
            response, _ = self._complete(model, question, budget, neural=True)
        else:
            response = self._predict(model, question, budget)
        return Computed(payload=response.SerializeToString(), keep=not response.degraded)

    def _complete(
        self, model: LiveModel, question: Question[QueryOptions], budget: Budget | None, *, neural: bool
    ) -> tuple[pb.CompleteQueryResponse, tuple[OptionalPart, ...]]:
        completion = model.complete_query(question.text, question.options._replace(neural=neural), budget)
        self._observe(completion, COMPLETE_QUERY)
        return completion_response(completion, model, explain=question.options.explain), completion.refiners

    def _predict(self, model: LiveModel, question: Question[Any], budget: Budget | None) -> pb.PredictNextWordResponse:
        words = model.predict_next_word(question.text, question.options, budget)
        self._observe(words, PREDICT_NEXT_WORD)
        return words_response(words, question.text, model, explain=question.options.explain)

    def _observe(self, answer: QueryCompletion | NextWords, method: str) -> None:
        self._metrics.observe(answer, method)
        if self._tracing is not None:
            self._tracing.stages(answer.timings)


def question_key(method: str, model: LiveModel, question: Question[Any]) -> bytes:
    """The key of the answer to a question."""
    asked: tuple[object, ...] = question.text, question.options
    trends = model.trends.epoch(question.text) if method == COMPLETE_QUERY else ""
    if model.epoch or trends:
        asked = (*asked, model.epoch, trends)
    if model.own.version:
        return answer_key(method, model, (*asked, model.own.version, model.minute), shared=False)
    return answer_key(method, model, asked, shared=not getattr(question.options, "context", ()))


def model_resource(name: str) -> str:
    """`models/{model}`."""
    return f"models/{name}"


def attribution_token(model: AnyModel, text: str) -> str:
    """What ties a user's choice to an answer: equal for equal answers, so that they can be cached whole."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return base64.urlsafe_b64encode(f"{model.name}\n{model.version}\n{digest}".encode()).decode().rstrip("=")


def completion_response(completion: QueryCompletion, model: AnyModel, *, explain: bool) -> pb.CompleteQueryResponse:
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
            source=SOURCES[suggestion.source],
            explanation=_explanation(suggestion.terms) if explain else None,
            payload=suggestion.payload,
            pinned=suggestion.pinned,
        )
        _add_segments(added.segments, suggestion)
    return response


def words_response(words: NextWords, text: str, model: AnyModel, *, explain: bool) -> pb.PredictNextWordResponse:
    """The answer to `PredictNextWord`."""
    response = pb.PredictNextWordResponse(
        replace_start=words.replace_start,
        ghost_text=words.ghost_text,
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


def _add_segments(segments: Any, suggestion: QuerySuggestion) -> None:
    """What is typed of a suggestion and what is not."""
    text, position = suggestion.display, 0
    for start, end in suggestion.typed:
        if position < start:
            segments.add(text=text[position:start])
        segments.add(text=text[start:end], typed=True)
        position = end
    if position < len(text):
        segments.add(text=text[position:])


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
