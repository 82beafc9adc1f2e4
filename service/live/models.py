"""Models as they answer now, with what is trending and without what is taken down, whatever their bundles hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lm.errors import ModelLoadingError
from service.live.follower import Follower
from service.live.overlay import View
from service.live.trending import NO_TRENDS, ModelTrends, Trending
from suggest.budget import Budget
from suggest.live import NOTHING, Live
from suggest.types import (
    FinishReason,
    Generated,
    GenerationOptions,
    NextWords,
    QueryCompletion,
    QueryOptions,
    TextChunk,
    WordOptions,
)

if TYPE_CHECKING:
    from service.models.served_models import ServedModels
    from suggest.model import Model


class LiveModel:
    """A model and what is taken down for it as an answer begins, which holds for all of this answer.

    Attributes:
        model: the model as its bundle has it.
        epoch: names what is taken down and what is trending: two answers are the same only if it is.
        is_stale: whether the last changes may be missing.
    """

    __slots__ = ("_follower", "_live", "_view", "epoch", "is_stale", "model", "name", "version")

    def __init__(self, model: Model, follower: Follower, trends: ModelTrends = NO_TRENDS) -> None:
        self.model = model
        self.name = model.name
        self.version = model.version
        self._follower = follower
        self._view = follower.view(model.name)
        self._live = _live(self._view, trends)
        self.epoch = f"{self._view.epoch} {trends.epoch}" if trends.epoch else self._view.epoch
        self.is_stale = follower.is_stale

    def complete_query(self, query: str, options: QueryOptions, budget: Budget | None) -> QueryCompletion:
        """See `Model.complete_query`; the query is normalised."""
        view = self._view
        if view.is_silent:
            return QueryCompletion(suggestions=(), normalized_query=query, timings=())
        if not view.generates:
            options = options._replace(generated=Generated.OFF)
        return self.model.complete_query(query, options, budget, self._live)

    def predict_next_word(self, text: str, options: WordOptions, budget: Budget | None) -> NextWords:
        """See `Model.predict_next_word`."""
        view = self._view
        if view.is_silent:
            return NextWords(suggestions=(), replace_start=len(text), timings=())
        if not view.has_texts:
            return self.model.predict_next_word(text, options, budget)
        return self.model.predict_next_word(text, options, budget, view)

    def generate_text(self, prompt: str, options: GenerationOptions) -> Iterator[TextChunk]:
        """See `Model.generate_text`; what is taken down meanwhile holds for the rest of the text."""
        for chunk in self.model.generate_text(prompt, options, _Now(self._follower, self.name)):
            if not self._follower.view(self.name).generates:
                break
            yield chunk
            if chunk.finish_reason is not None:
                return
        yield TextChunk(text="", finish_reason=FinishReason.STOP)


def _live(view: View, trends: ModelTrends) -> Live:
    if not view.has_texts and not len(trends.queries):
        return NOTHING
    return Live(blocked=view if view.has_texts else None, queries=(trends.queries,) if len(trends.queries) else ())


class _Now:
    """What is taken down at whichever moment it is asked."""

    def __init__(self, follower: Follower, model: str) -> None:
        self._follower = follower
        self._model = model

    def blocks(self, text: str) -> bool:
        view = self._follower.view(self._model)
        return view.has_texts and view.blocks(text)

    def blocks_after(self, before: str, text: str) -> bool:
        view = self._follower.view(self._model)
        return view.has_texts and view.blocks_after(before, text)


class LiveModels:
    """The served models, as they answer now."""

    def __init__(self, served: ServedModels, follower: Follower, trending: Trending | None = None) -> None:
        self._served = served
        self._follower = follower
        self._trending = trending

    def get(self, name: str) -> LiveModel:
        """The model of this name; of the default one if empty.

        Raises:
            ModelLoadingError: it is still being read, or nobody knows yet what is taken down.
            AutocompleteError: see `ServedModels.get`.
        """
        model = self._served.get(name)
        if not self._follower.is_ready:
            raise ModelLoadingError("What is taken down is still being read.", remedy="Try again.")
        return self.over(model)

    def over(self, model: Model) -> LiveModel:
        """A model as it answers now."""
        trends = NO_TRENDS if self._trending is None else self._trending.of(model.name, model.version)
        return LiveModel(model, self._follower, trends)
