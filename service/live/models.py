"""Models as they answer now, with what is trending and without what is taken down, whatever their bundles hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from lm.errors import ModelLoadingError
from lm.text.normalize import normalize_query
from service.live.events.trending import NO_TRENDS, ModelTrends, Trending
from service.live.follower import Follower
from service.live.users.own import NOBODY, Own, UserHistories
from suggest.budget import Budget
from suggest.live import Live
from suggest.own import OwnQuery
from suggest.personal import User
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
        epoch: names what is taken down: two answers are the same only if it is.
        is_stale: whether the last changes may be missing.
        trends: what is trending.
        own: the user's own queries; `minute` is when the answer began, in minutes since 1970, if there are any.
    """

    __slots__ = ("_follower", "_view", "epoch", "is_stale", "minute", "model", "name", "own", "trends", "version")

    def __init__(
        self, model: Model, follower: Follower, own: Own = NOBODY, minute: int = 0, trends: ModelTrends = NO_TRENDS
    ) -> None:
        self.model = model
        self.name = model.name
        self.version = model.version
        self._follower = follower
        self._view = follower.view(model.name)
        self.trends = trends
        self.epoch = self._view.epoch
        self.is_stale = follower.is_stale
        self.own = own
        self.minute = minute

    def complete_query(self, query: str, options: QueryOptions, budget: Budget | None) -> QueryCompletion:
        """See `Model.complete_query`; the query is normalised."""
        view, user = self._view, self._user(options.context)
        if view.denied.is_silent:
            return QueryCompletion(suggestions=(), normalized_query=query, timings=())
        if not view.denied.generates:
            options = options._replace(generated=Generated.OFF)
        trends = (self.trends.queries,) if len(self.trends.queries) else ()
        if user is None and not view.epoch and not trends:
            return self.model.complete_query(query, options, budget)
        curated, queries = view.curated, view.entries.queries
        entries = (queries.scaled(self.model.catalogue_factor),) if len(queries) else ()
        blocked = view if view.hides else None
        live = Live(
            blocked=blocked,
            queries=(*entries, *trends),
            pins=curated.pins,
            synonyms=curated.synonyms,
            user=user,
        )
        return self.model.complete_query(query, options, budget, live)

    def _user(self, context: Sequence[str]) -> User | None:
        if not self.own.version and not context:
            return None
        session = [OwnQuery(normalize_query(query).rstrip(), " ".join(query.split()), 0.0) for query in context]
        return User.of(self.own.history, session, (self.minute + 1) * 60.0)

    def predict_next_word(self, text: str, options: WordOptions, budget: Budget | None) -> NextWords:
        """See `Model.predict_next_word`."""
        view = self._view.denied
        if view.is_silent:
            return NextWords(suggestions=(), replace_start=len(text), timings=())
        if not view.has_texts:
            return self.model.predict_next_word(text, options, budget)
        return self.model.predict_next_word(text, options, budget, view)

    def generate_text(self, prompt: str, options: GenerationOptions) -> Iterator[TextChunk]:
        """See `Model.generate_text`; what is taken down meanwhile holds for the rest of the text."""
        for chunk in self.model.generate_text(prompt, options, _Now(self._follower, self.name)):
            if not self._follower.view(self.name).denied.generates:
                break
            yield chunk
            if chunk.finish_reason is not None:
                return
        yield TextChunk(text="", finish_reason=FinishReason.STOP)


class _Now:
    """What is taken down at whichever moment it is asked."""

    def __init__(self, follower: Follower, model: str) -> None:
        self._follower = follower
        self._model = model

    def blocks(self, text: str) -> bool:
        view = self._follower.view(self._model).denied
        return view.has_texts and view.blocks(text)

    def blocks_after(self, before: str, text: str) -> bool:
        view = self._follower.view(self._model).denied
        return view.has_texts and view.blocks_after(before, text)


class LiveModels:
    """The served models, as they answer now.

    Args:
        histories: None if nobody has one.
        wall_clock: seconds since 1970.
        trending: None if nothing is.
    """

    def __init__(
        self,
        served: ServedModels,
        follower: Follower,
        histories: UserHistories | None = None,
        wall_clock: Callable[[], float] = time.time,
        trending: Trending | None = None,
    ) -> None:
        self._served = served
        self._follower = follower
        self._histories = histories
        self._wall_clock = wall_clock
        self._trending = trending

    def get(self, name: str, user: str | None = None) -> LiveModel:
        """The model of this name; of the default one if empty.

        Args:
            user: see `ServedModels.get`.

        Raises:
            ModelLoadingError: it is still being read, or nobody knows yet what is taken down.
            AutocompleteError: see `ServedModels.get`.
        """
        model = self._served.get(name, user)
        if not self._follower.is_ready:
            raise ModelLoadingError("What is taken down is still being read.", remedy="Try again.")
        return self.over(model)

    def any_user(self) -> str:
        """See `ServedModels.any_user`."""
        return self._served.any_user()

    def at_hand(self, model: LiveModel, user_pseudo_id: str) -> LiveModel | None:
        """The model as it answers a user; None if the user's own queries are yet to be read. Does not wait."""
        if self._histories is None or not user_pseudo_id:
            return model
        own = self._histories.at_hand(user_pseudo_id, model.name)
        return None if own is None else self._with_own(model, own)

    def for_user(self, model: LiveModel, user_pseudo_id: str) -> LiveModel:
        """The model as it answers a user, whose own queries are read if they must be."""
        if self._histories is None or not user_pseudo_id:
            return model
        return self._with_own(model, self._histories.of(user_pseudo_id, model.name))

    def _with_own(self, model: LiveModel, own: Own) -> LiveModel:
        if not own.version:
            return model
        return LiveModel(model.model, self._follower, own, int(self._wall_clock() // 60), model.trends)

    def over(self, model: Model) -> LiveModel:
        """A model as it answers now."""
        trends = NO_TRENDS if self._trending is None else self._trending.of(model.name, model.version)
        return LiveModel(model, self._follower, trends=trends)
