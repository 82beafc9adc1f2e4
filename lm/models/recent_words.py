"""The cache component: a word of a text is likely to come again in it (Kuhn and De Mori, 1990).

    p(w | h) = (1 - c) p_mixture(w | h) + c (sum of d(age) over the recent words that are w) / (sum over all)

The recent words are the last ones of the same text, in this sentence and those before; unknown words and the ends of
sentences are none. The weight c depends on how many there are so far, and is 0 while there are none: the recent
words' shares sum to 1 whenever they count, so probabilities do too.

A word counts the less the older it is (Clarkson and Robinson, 1997), here d(age) = 1 / (10 + age): on text with a
perplexity of 88.9 without recent words, 500 of them that all count alike gave 86.8, these 85.4, and how many are
remembered then hardly matters (`benchmarks/RESULTS.md`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from lm.models.vocabulary import FIRST_TOKEN

_OFFSET = 10.0


class RecentWords(BaseModel):
    """How many recent words are remembered, and what they count for.

    Attributes:
        limit: words remembered at most.
        weights: c while there are 1, 2 to 3, 4 to 7, ... words, each between 0 and 1, both excluded; the last one
            holds for more words too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int
    weights: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.limit < 1 or not self.weights or not all(0 < weight < 1 for weight in self.weights):
            raise ValueError("limit must be 1 at least, weights there and between 0 and 1")
        return self

    def remember(self, recent: tuple[int, ...], tokens: Iterable[int]) -> tuple[int, ...]:
        """The recent words after more tokens."""
        return (*recent, *(token for token in tokens if token >= FIRST_TOKEN))[-self.limit :]

    def weight(self, count: int) -> float:
        """c while there are `count` recent words."""
        return self.weights[min(age(count), len(self.weights) - 1)] if count else 0.0

    def mix(self, log_probs: NDArray[np.float32], recent: tuple[int, ...]) -> None:
        """Mixes the recent words into natural-log probabilities of all tokens, float32 (V,), in place."""
        if not recent:
            return
        weight = self.weight(len(recent))
        log_probs += np.float32(np.log1p(-weight))
        words, rows = np.unique(np.array(recent, np.int64), return_inverse=True)
        decay = _decay(len(recent))
        again = np.log(weight * np.bincount(rows, decay) / decay.sum()).astype(np.float32)
        log_probs[words] = np.logaddexp(log_probs[words], again)

    def mix_tokens(
        self, log_probs: NDArray[np.float32], tokens: Iterable[int], recent: tuple[int, ...]
    ) -> tuple[NDArray[np.float32], tuple[int, ...]]:
        """As `mix`, for the log probability of each of consecutive tokens, float32 (n,).

        Returns:
            The mixed ones, and the recent words after the tokens.
        """
        shares, counts, recent = shares_of(tokens, recent, self.limit)
        weights = np.array([self.weight(count) for count in counts.tolist()])
        with np.errstate(divide="ignore"):
            again = np.log(weights * shares)
        mixed: NDArray[np.float32] = np.logaddexp(log_probs + np.log1p(-weights), again).astype(np.float32)
        return mixed, recent


def age(count: int) -> int:
    """Which of the weights is meant while there are `count` recent words, 1 at least."""
    return count.bit_length() - 1


def shares_of(
    tokens: Iterable[int], recent: tuple[int, ...], limit: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[int, ...]]:
    """What recent words say of consecutive tokens.

    Returns:
        Each token's share of the recent words before it, float64 (n,); their number, int64 (n,); and the recent
        words after all of them.
    """
    listed = list(tokens)
    words = np.array([*recent, *(token for token in listed if token >= FIRST_TOKEN)], np.int64)
    decay = _decay(limit)
    totals = np.cumsum(decay[::-1])
    shares, counts = np.zeros(len(listed)), np.zeros(len(listed), np.int64)
    end = len(recent)
    for row, token in enumerate(listed):
        count = counts[row] = min(end, limit)
        if count:
            shares[row] = decay[-count:] @ (words[end - count : end] == token) / totals[count - 1]
        end += token >= FIRST_TOKEN
    return shares, counts, tuple(words[-limit:].tolist())


@lru_cache(maxsize=64)
def _decay(count: int) -> NDArray[np.float64]:
    """What each of `count` recent words counts for, the oldest first."""
    decay: NDArray[np.float64] = 1.0 / (_OFFSET + np.arange(count, 0.0, -1.0))
    return decay
