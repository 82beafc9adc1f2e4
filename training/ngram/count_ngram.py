"""N-gram models straight from counts: add-delta smoothing and stupid back-off, as small and exact baselines.

Each sentence is counted with one `<s>` before it, which is a context and never predicted, and `</s>` after it.
Contexts at its beginning are shorter. `c(h)` is how often h was continued, `h'` is h without its first token, and V
are the tokens that can be predicted: all but `<s>`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lm.errors import ConfigError
from lm.models.ngram import save_table
from lm.models.vocabulary import BEGIN, END, Vocabulary
from training.config import NgramConfig
from training.data.encoding import EncodedText
from training.progress import Reporter

BACKOFF = 0.4
"""The factor of stupid back-off, as its authors set it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The distinct n-grams of one order k, by context and then by token; order 1 has all tokens, by id.

    Attributes:
        tokens: last token, int32 (n,).
        counts: how often it occurs, int64 (n,).
        contexts: position in order k - 1 of the n-gram without its last token, int64 (n,); zeros for order 1.
        suffixes: position in order k - 1 of the n-gram without its first token, int64 (n,); zeros for order 1.
    """

    tokens: NDArray[np.int32]
    counts: NDArray[np.int64]
    contexts: NDArray[np.int64]
    suffixes: NDArray[np.int64]


def train_counts(
    config: NgramConfig, train: EncodedText, vocabulary: Vocabulary, folder: Path, *, reporter: Reporter, label: str
) -> None:
    """Counts n-grams, smooths the counts and writes the successor table into `folder`; raises as `count_ngrams`."""
    with reporter.task(f"{label}: n-gram counts"):
        orders = count_ngrams(train, len(vocabulary), config.order)
        smoothed = _add_delta(orders, config.delta) if config.smoothing == "add_delta" else _stupid_backoff(orders)
    with reporter.task(f"{label}: successor table"):
        save_table(_levels(orders, smoothed), folder, config.smoothing)


def count_ngrams(train: EncodedText, vocabulary_size: int, order: int) -> list[Counts]:
    """Counts the n-grams of all orders up to `order`, in memory.

    Raises:
        ConfigError: the text has no sentence.
    """
    text = _delimited(train)
    unigrams = np.bincount(text, minlength=vocabulary_size)
    nowhere = np.zeros(vocabulary_size, np.int64)
    orders = [Counts(np.arange(vocabulary_size, dtype=np.int32), unigrams, nowhere, nowhere)]
    begins = np.arange(len(text))  # where an n-gram of this order begins in the text ...
    positions = text.astype(np.int64)  # ... and which one it is
    for length in range(2, order + 1):
        begins = begins[text[begins + length - 2] != END]
        keys = positions[begins] * vocabulary_size + text[begins + length - 1]
        distinct, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        contexts, tokens = np.divmod(distinct, vocabulary_size)
        orders.append(Counts(tokens.astype(np.int32), counts, contexts, positions[begins[first] + 1]))
        positions = np.zeros(len(text), np.int64)
        positions[begins] = inverse
    return orders


def _delimited(train: EncodedText) -> NDArray[np.int32]:
    """All sentences one after the other, each between `<s>` and `</s>`."""
    tokens, offsets = np.load(train.tokens, mmap_mode="r"), np.load(train.offsets)
    sentence_count = len(offsets) - 1
    if sentence_count == 0:
        raise ConfigError("The training text has no sentence.", remedy="Give more text.")
    text = np.empty(len(tokens) + 2 * sentence_count, np.int32)
    begins = offsets[:-1] + 2 * np.arange(sentence_count)
    ends = offsets[1:] + 2 * np.arange(sentence_count) + 1
    inner = np.ones(len(text), bool)
    inner[begins] = inner[ends] = False
    text[inner], text[begins], text[ends] = tokens, BEGIN, END
    return text


_Smoothed: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Of one order: natural-log probabilities, and back-off weights as `lm.models.ngram` has them, (n,)."""


def _add_delta(orders: list[Counts], delta: float) -> list[_Smoothed]:
    """Lidstone's law after the longest context h that was continued: `(c(hw) + delta) / (c(h) + delta |V|)`.

    (Lidstone, 1920; Chen and Goodman, 1999, section 2.1.) A token that never followed h has
    `delta / (c(h) + delta |V|)`, which takes the place of the back-off weight.
    """
    size = len(orders[0].tokens) - 1
    smoothed = []
    continued = np.array([orders[0].counts.sum() - orders[0].counts[BEGIN]])
    for order in orders:
        mass = continued[order.contexts] + delta * size
        log_probs = np.log(order.counts + delta) - np.log(mass)
        backoffs = np.log(delta) - np.log(order.counts + delta * size)
        smoothed.append((log_probs, backoffs))
        continued = order.counts
    smoothed[0][0][BEGIN] = -np.inf
    return smoothed


def _stupid_backoff(orders: list[Counts]) -> list[_Smoothed]:
    """Stupid back-off (Brants et al., 2007, section 4), each context's scores divided by their sum.

    `S(w|h) = c(hw) / c(h)` if hw was seen, else `0.4 S(w|h')`; `S(w) = c(w) / N`, where a token that was never seen
    counts as seen once. With `Z(h) = sum over V of S(v|h)` the probability `p(w|h) = S(w|h) / Z(h)` has back-off form:
    unseen, it is `b(h) p(w|h')` with the weight `b(h) = 0.4 Z(h') / Z(h)`. What h was seen with scores 1 in all, so
    `Z(h) = 1 + 0.4 (Z(h') - sum of S(v|h') over v seen after h)`, from the shortest context up, and `Z() = 1`.
    """
    counts = np.maximum(orders[0].counts, 1).astype(np.float64)
    counts[BEGIN] = 0
    scores = counts / counts.sum()
    log_probs = np.log(scores, out=np.full(len(scores), -np.inf), where=scores > 0)
    sums = np.ones(1)
    smoothed = []
    for shorter, order in itertools.pairwise(orders):
        listed = np.bincount(order.contexts, scores[order.suffixes], minlength=len(shorter.tokens))
        shorter_sums = sums[shorter.suffixes]
        continued = np.bincount(order.contexts, minlength=len(shorter.tokens)) > 0
        sums = continued + BACKOFF * (shorter_sums - listed)
        smoothed.append((log_probs, np.log(BACKOFF * shorter_sums / sums)))
        scores = order.counts / shorter.counts[order.contexts]
        log_probs = np.log(scores / sums[order.contexts])
    smoothed.append((log_probs, np.zeros(len(log_probs))))
    return smoothed


def _levels(orders: list[Counts], smoothed: list[_Smoothed]) -> list[dict[str, NDArray[Any]]]:
    """The orders as `save_table` takes them."""
    levels: list[dict[str, NDArray[Any]]] = []
    for order, (log_probs, backoffs) in zip(orders, smoothed, strict=True):
        if levels:
            bounds = np.arange(len(levels[-1]["tokens"]) + 1)
            levels[-1]["successors"] = np.searchsorted(order.contexts, bounds)
        levels.append(
            {"tokens": order.tokens, "log_probs": log_probs, "backoffs": backoffs, "suffixes": order.suffixes}
        )
    return levels
