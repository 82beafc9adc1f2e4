"""Probabilities of held-out text: perplexity a token and a word, and bits a character."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END, FIRST_TOKEN, UNKNOWN
from lm.text.normalize import normalize_text, split_words
from training.progress import Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredText:
    """Held-out text with the probability that each part gives to each token, ends of sentence included.

    Attributes:
        tokens: int32 (n,).
        matched_orders: int8 (n,), how many tokens before each the n-gram model knows as a context.
        backoffs: float32 (n,), natural-log back-off weights of these contexts.
        log_probs: by part, natural logarithms, float32 (n,).
        words: words and marks, counted alike for every unit of tokens, plus one for the end of each sentence.
        characters: code points of the normalised text, plus one for the end of each sentence.
    """

    tokens: NDArray[np.int32]
    matched_orders: NDArray[np.int8]
    backoffs: NDArray[np.float32]
    log_probs: dict[Part, NDArray[np.float32]]
    words: int
    characters: int


def score_held_out(model: LanguageModel, sentences: Sequence[str], reporter: Reporter) -> ScoredText:
    """Scores the sentences of a running text."""
    normal = [normalize_text(sentence, lowercase=model.entry.lowercase) for sentence in sentences]
    split = str.split if model.entry.pretokenized else split_words
    encoded = [np.array([*model.tokenizer.encode(sentence), END], np.int32) for sentence in sentences]
    table = model.ngram.table
    orders, backoffs = table.features(np.concatenate([table.contexts(model.ngram.begin, row) for row in encoded]))
    rows: dict[Part, list[NDArray[np.float32]]] = {}
    with reporter.task(f"{model.entry.name}: score held-out text", len(sentences)) as task:
        for number, scores in enumerate(model.running_log_probs(row.tolist() for row in encoded)):
            for part, log_probs in scores.items():
                rows.setdefault(part, []).append(log_probs)
            if number % 100 == 0:
                task.update(number)
    return ScoredText(
        tokens=np.concatenate(encoded),
        matched_orders=orders,
        backoffs=backoffs,
        log_probs={part: np.concatenate(scores) for part, scores in rows.items()},
        words=sum(len(split(sentence)) + 1 for sentence in normal),
        characters=sum(len(sentence) + 1 for sentence in normal),
    )


def perplexity(log_probs: NDArray[np.float32], count: int | None = None) -> float:
    """`exp(-sum / count)`, at most 1e304. The count is that of the log probabilities, unless given for another unit."""
    nats = -float(log_probs.sum(dtype=np.float64)) / (len(log_probs) if count is None else count)
    return math.exp(min(nats, 700.0))


def perplexities(text: ScoredText) -> dict[str, Any]:
    """How well each part predicts held-out text.

    Perplexity a token compares models with the same vocabulary. Perplexity a word and bits a character compare models
    of any unit that spell every word: in a word model an unknown word costs one token.
    """
    by_part = {part.value: rows for part, rows in text.log_probs.items()}
    return {
        "tokens": len(text.tokens),
        "unknown_tokens": int((text.tokens == UNKNOWN).sum()),
        "words": text.words,
        "characters": text.characters,
        "perplexity": {part: perplexity(rows) for part, rows in by_part.items()},
        "word_perplexity": {part: perplexity(rows, text.words) for part, rows in by_part.items()},
        "bits_per_character": {part: math.log2(perplexity(rows, text.characters)) for part, rows in by_part.items()},
    }


_LAST_RANKS = (10, 100, 1000, 10000)
_SPECIAL = {"unknown": UNKNOWN, "end of sentence": END}


def by_frequency(model: LanguageModel, text: ScoredText) -> list[dict[str, Any]]:
    """Perplexity by the token's rank under the n-gram model's unigram probabilities, most frequent first.

    In a Kneser-Ney model they say in how many contexts a token was seen, not how often.
    """
    ranks = token_ranks(model)[text.tokens]
    named = text.tokens >= FIRST_TOKEN
    buckets, first = [], 1
    for last in (*_LAST_RANKS, len(model.vocabulary)):
        label = f"{first:,} to {last:,}" if last in _LAST_RANKS else f"over {first - 1:,}"
        buckets.append(_bucket(label, text, named & (first <= ranks) & (ranks <= last)))
        first = last + 1
    buckets += [_bucket(label, text, text.tokens == token) for label, token in _SPECIAL.items()]
    return [bucket for bucket in buckets if bucket["tokens"]]


def token_ranks(model: LanguageModel) -> NDArray[np.int64]:
    """Rank of each token by unigram probability, 1 for the most frequent, int64 (V,); special tokens have 0."""
    size = len(model.vocabulary)
    unigrams_V = model.ngram.table.distribution(0, 0, size)[FIRST_TOKEN:]
    ranks_V = np.zeros(size, np.int64)
    ranks_V[FIRST_TOKEN + np.argsort(-unigrams_V, kind="stable")] = np.arange(1, len(unigrams_V) + 1)
    return ranks_V


def by_matched_order(text: ScoredText) -> list[dict[str, Any]]:
    """Perplexity by how many tokens before a token the n-gram model has seen together."""
    orders = sorted(set(text.matched_orders.tolist()))
    return [_bucket(str(order), text, text.matched_orders == order) for order in orders]


def _bucket(label: str, text: ScoredText, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    count = int(chosen.sum())
    return {
        "bucket": label,
        "tokens": count,
        "perplexity": {part.value: perplexity(rows[chosen]) for part, rows in text.log_probs.items() if count},
    }
