"""Answers as bytes, ready to be sent: looked up, or asked of a model and kept."""

from __future__ import annotations

from collections.abc import Callable

from autocomplete.v1 import autocomplete_service_pb2 as pb

from service.cache.answers import Answers, Computed, answer_key
from service.ports import AnswerKey, ServingModel
from service.rpc.convert import completion_response, words_response
from service.rpc.requests import DEFAULT_SUGGESTIONS, QueryQuestion, WordQuestion
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing
from suggest.budget import Budget, OptionalPart
from suggest.types import QueryOptions

COMPLETE_QUERY = "CompleteQuery"
PREDICT_NEXT_WORD = "PredictNextWord"


class Completer:
    """Completes queries and predicts words; answers with timings are never cached."""

    def __init__(self, answers: Answers, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self._answers = answers
        self._metrics = metrics
        self._tracing = tracing

    def query_at_hand(self, model: ServingModel, question: QueryQuestion) -> bytes | None:
        """The `CompleteQueryResponse` to a query if the process holds it; does not wait."""
        return None if question.options.explain else self._answers.at_hand(_query_key(model, question))

    def words_at_hand(self, model: ServingModel, question: WordQuestion) -> bytes | None:
        """The `PredictNextWordResponse` to a text if the process holds it; does not wait."""
        return None if question.options.explain else self._answers.at_hand(_word_key(model, question))

    def find_query(self, model: ServingModel, question: QueryQuestion) -> bytes | None:
        """The `CompleteQueryResponse` to a query if a cache holds it."""
        return None if question.options.explain else self._answers.find(_query_key(model, question))

    def complete_query(self, model: ServingModel, question: QueryQuestion, new_budget: Callable[[], Budget]) -> bytes:
        """The serialised `CompleteQueryResponse` to a query; `new_budget` is asked if no cache holds it."""
        found = self.find_query(model, question)
        return found if found is not None else self.compute_query(model, question, new_budget())

    def compute_query(self, model: ServingModel, question: QueryQuestion, budget: Budget) -> bytes:
        """The serialised `CompleteQueryResponse` to a query that no cache held."""

        def compute(budget: Budget) -> Computed:
            response, _ = self._ask(model, question, budget, neural=True)
            return Computed(payload=response.SerializeToString(), keep=not response.degraded)

        if question.options.explain:
            return compute(budget).payload
        return self._answers.join_or_compute(_query_key(model, question), compute, budget)

    def prepare_query(self, model: ServingModel, query: str) -> bool:
        """Has the caches hold the answer to a usual call with this query; True if none held it."""
        question = QueryQuestion(query, "", QueryOptions(max_suggestions=DEFAULT_SUGGESTIONS))

        def compute() -> Computed:
            response, _ = self._ask(model, question, None, neural=True)
            return Computed(payload=response.SerializeToString(), keep=not response.degraded)

        return self._answers.prepare(_query_key(model, question), compute)

    def fast_query(
        self, model: ServingModel, question: QueryQuestion, budget: Budget
    ) -> tuple[pb.CompleteQueryResponse, tuple[OptionalPart, ...]]:
        """The answer without neural parts, and which of them could refine it; if none, it is the answer."""
        response, refiners = self._ask(model, question, budget, neural=False)
        if not (refiners or response.degraded or question.options.explain):
            self._answers.keep(_query_key(model, question), response.SerializeToString())
        return response, refiners

    def _ask(
        self, model: ServingModel, question: QueryQuestion, budget: Budget | None, *, neural: bool
    ) -> tuple[pb.CompleteQueryResponse, tuple[OptionalPart, ...]]:
        """The answer of the model itself, and which of the parts that were not asked could refine it."""
        options = question.options._replace(neural=neural)
        completion = model.complete_query(question.query, options, budget)
        self._metrics.observe_completion(completion, COMPLETE_QUERY)
        if self._tracing is not None:
            self._tracing.stages(completion.timings)
        return completion_response(completion, model, explain=question.options.explain), completion.refiners

    def predict_next_word(self, model: ServingModel, question: WordQuestion, new_budget: Callable[[], Budget]) -> bytes:
        """The serialised `PredictNextWordResponse` to a text; `new_budget` is asked if no cache holds it."""

        def compute(budget: Budget) -> Computed:
            words = model.predict_next_word(question.text, question.options, budget)
            self._metrics.observe_words(words, PREDICT_NEXT_WORD)
            if self._tracing is not None:
                self._tracing.stages(words.timings)
            response = words_response(words, question.text, model, explain=question.options.explain)
            return Computed(payload=response.SerializeToString(), keep=not words.degraded)

        if question.options.explain:
            return compute(new_budget()).payload
        return self._answers.answer(_word_key(model, question), compute, new_budget)


def _query_key(model: ServingModel, question: QueryQuestion) -> AnswerKey:
    return answer_key(COMPLETE_QUERY, model, (question.query, question.options))


def _word_key(model: ServingModel, question: WordQuestion) -> AnswerKey:
    return answer_key(PREDICT_NEXT_WORD, model, (question.text, question.options))
