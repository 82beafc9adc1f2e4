"""The key of a cached answer holds all that the answer depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from lm.index.tags import TagFilter
from lm.models.parts import Part
from service.cache.redis_cache import redis_key
from service.live.events.trending import NO_TRENDS, ModelTrends
from service.live.models import LiveModel
from service.live.users.own import NOBODY, Own
from service.rpc.completer import COMPLETE_QUERY, PREDICT_NEXT_WORD, question_key
from service.rpc.requests import Question
from suggest.types import Generated, QueryOptions, WordOptions

OTHER: dict[str, Any] = {
    "max_suggestions": 3,
    "generated": Generated.OFF,
    "min_acceptance_prob": 0.0,
    "neural": False,
    "correct": False,
    "explain": True,
    "tags": TagFilter(("a",)),
    "context": ("a",),
    "min_probability": 0.5,
    "min_ghost_probability": 0.25,
    "part": Part.NGRAM,
}


@dataclass
class Named:
    """All that a key asks of a model."""

    name: str = "shop"
    version: str = "20260101-000000"
    epoch: str = ""
    own: Own = NOBODY
    trends: ModelTrends = NO_TRENDS
    minute: int = 0


def query_key(options: QueryOptions, query: str = "new", model: Named | None = None) -> bytes:
    return question_key(COMPLETE_QUERY, cast(LiveModel, model or Named()), Question(query, "", options))


def word_key(options: WordOptions, text: str = "new", model: Named | None = None) -> bytes:
    return question_key(PREDICT_NEXT_WORD, cast(LiveModel, model or Named()), Question(text, "", options))


@pytest.mark.parametrize("field", QueryOptions._fields)
def test_every_option_of_a_query_changes_the_key(field: str) -> None:
    usual, changed = query_key(QueryOptions()), query_key(QueryOptions()._replace(**{field: OTHER[field]}))
    assert usual != changed
    assert redis_key(usual) != redis_key(changed)


@pytest.mark.parametrize("field", WordOptions._fields)
def test_every_option_of_words_changes_the_key(field: str) -> None:
    usual, changed = word_key(WordOptions()), word_key(WordOptions()._replace(**{field: OTHER[field]}))
    assert usual != changed
    assert redis_key(usual) != redis_key(changed)


def test_method_model_version_and_text_change_the_key() -> None:
    keys = [
        query_key(QueryOptions()),
        query_key(QueryOptions(), query="new "),
        query_key(QueryOptions(), model=Named(name="other")),
        query_key(QueryOptions(), model=Named(version="20260102-000000")),
        query_key(QueryOptions(), model=Named(epoch="a")),
        query_key(QueryOptions(), model=Named(epoch="b")),
        word_key(WordOptions()),
        word_key(WordOptions(), text="new "),
    ]
    assert len(set(keys)) == len({redis_key(key) for key in keys}) == len(keys)
    assert query_key(QueryOptions()) == query_key(QueryOptions())


def test_what_a_user_has_searched_for_changes_the_key_and_stays_in_the_process() -> None:
    usual, asked_before = query_key(QueryOptions()), query_key(QueryOptions(context=("a",)))
    keys = [query_key(QueryOptions(), model=Named(own=Own(version=version), minute=7)) for version in "ab"]
    later = query_key(QueryOptions(), model=Named(own=Own(version="a"), minute=8))
    assert len({usual, asked_before, *keys, later}) == 5
    assert [key.endswith(b":own") for key in (usual, asked_before, *keys)] == [False, True, True, True]
    assert query_key(QueryOptions(), model=Named(own=Own())) == usual
