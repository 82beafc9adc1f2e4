"""Where a model is good: perplexity by how frequent a token is, and by how much of its context is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.models.language_model import LanguageModel
from lm.models.vocabulary import END, FIRST_TOKEN, UNKNOWN
from training.evaluation.perplexity import ScoredText, perplexity

_LAST_RANKS = (10, 100, 1000, 10000)


def by_frequency(model: LanguageModel, text: ScoredText) -> list[dict[str, Any]]:
    """Perplexity by the token's rank under the n-gram model's unigram probabilities, most frequent first.

    Of a Kneser-Ney model these say in how many contexts a token was seen, not how often.
    """
    ranks = token_ranks(model)[text.tokens]
    named = text.tokens >= FIRST_TOKEN
    buckets, first = [], 1
    for last in (*_LAST_RANKS, len(model.vocabulary)):
        label = f"{first:,} to {last:,}" if last in _LAST_RANKS else f"over {first - 1:,}"
        buckets.append(_bucket(label, text, named & (first <= ranks) & (ranks <= last)))
        first = last + 1
    buckets.append(_bucket("unknown", text, text.tokens == UNKNOWN))
    buckets.append(_bucket("end of sentence", text, text.tokens == END))
    return [bucket for bucket in buckets if bucket["tokens"]]


def token_ranks(model: LanguageModel) -> NDArray[np.int64]:
    """Rank of each token by unigram probability, 1 for the most frequent, int64 (V,); special tokens have 0."""
    size = len(model.vocabulary)
    unigrams_V = model.ngram.table.distribution(0, 0, size)[FIRST_TOKEN:]
    ranks_V = np.zeros(size, np.int64)
    ranks_V[FIRST_TOKEN + np.argsort(-unigrams_V, kind="stable")] = np.arange(1, len(unigrams_V) + 1)
    return ranks_V


def by_matched_order(text: ScoredText) -> list[dict[str, Any]]:
    """Perplexity by how many tokens of the context before a token the n-gram model has seen together."""
    orders = sorted(set(text.matched_orders.tolist()))
    return [_bucket(str(order), text, text.matched_orders == order) for order in orders]


def _bucket(label: str, text: ScoredText, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    count = int(chosen.sum())
    return {
        "bucket": label,
        "tokens": count,
        "perplexity": {part.value: perplexity(rows[chosen]) for part, rows in text.log_probs.items() if count},
    }
