"""The cache component: a word of a text is likely to come again in it (Kuhn and De Mori, 1990).

    p(w | h) = (1 - c) p_mixture(w | h) + c (times that w is among the recent words) / (recent words)

The recent words are the last ones of the same text, in this sentence and those before; unknown words and the ends of
sentences are none. The weight c depends on how many there are so far, and is 0 while there are none: the recent
words' shares sum to 1 whenever they count, so probabilities do too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from lm.vocabulary import FIRST_TOKEN


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
        words, counts = np.unique(np.array(recent, np.int64), return_counts=True)
        again = np.log(weight * counts / len(recent)).astype(np.float32)
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
    window = list(recent)
    start = max(0, len(window) - limit)
    times: dict[int, int] = {}
    for token in window[start:]:
        times[token] = times.get(token, 0) + 1
    shares, counts = [], []
    for token in tokens:
        count = len(window) - start
        shares.append(times.get(token, 0) / count if count else 0.0)
        counts.append(count)
        if token < FIRST_TOKEN:
            continue
        window.append(token)
        times[token] = times.get(token, 0) + 1
        if count == limit:
            times[window[start]] -= 1
            start += 1
    return np.array(shares), np.array(counts, np.int64), tuple(window[start:])
