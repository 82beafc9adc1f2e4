"""The mixture of an n-gram and a neural model: one weight, or weights that depend on the context.

    p(w | h) = weight(h) p_ngram(w | h) + (1 - weight(h)) p_neural(w | h)

(Jelinek and Mercer, 1980). A weight depends on the context alone, never on the word that follows, so probabilities
sum to 1 as those of the parts do.

Contexts with alike weights share a bucket: by how many words of the context the n-gram model has seen together, and
among those by the context's back-off weight. That is the n-gram model's own estimate of how much it has not seen of
what comes next: it stands for the context's count and entropy, and costs one look at the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator


class ContextWeights(BaseModel):
    """The n-gram model's share by context: a row an order that may match, 0 first.

    Attributes:
        backoffs: ascending bounds of natural-log back-off weights: n of them part an order into n + 1 buckets, and
            a context is in the bucket with as high a number as there are bounds below its back-off weight.
        ngram_weights: the share in each bucket, each between 0 and 1, both excluded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backoffs: tuple[tuple[float, ...], ...]
    ngram_weights: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if [len(row) + 1 for row in self.backoffs] != [len(row) for row in self.ngram_weights]:
            raise ValueError("each row of ngram_weights must be one longer than that of backoffs")
        if not all(0 < weight < 1 for row in self.ngram_weights for weight in row):
            raise ValueError("weights must be between 0 and 1")
        return self


class ContextBuckets:
    """Deals contexts into buckets, by the bounds of each order as `ContextWeights` holds them.

    Attributes:
        count: buckets of all orders; an order's are consecutive, and all orders have equally many numbers.
        per_order: numbers that an order has, used or not.
    """

    def __init__(self, backoffs: Sequence[Sequence[float]]) -> None:
        self.per_order = max(map(len, backoffs)) + 1
        self.count = self.per_order * len(backoffs)
        self._bounds_OB = np.full((len(backoffs), self.per_order - 1), np.inf, np.float32)
        for order, bounds in enumerate(backoffs):
            self._bounds_OB[order, : len(bounds)] = bounds

    def numbers(self, orders: NDArray[np.int8], backoffs: NDArray[np.float32]) -> NDArray[np.int64]:
        """Bucket numbers int64 (n,) of contexts, from what `SuccessorKernel.features` says of them."""
        exceeded = (backoffs[:, None] > self._bounds_OB[orders]).sum(axis=1)
        buckets: NDArray[np.int64] = orders * np.int64(self.per_order) + exceeded
        return buckets


class Mixture:
    """Open weights, ready to mix: the one weight, and those by context, which come before it."""

    def __init__(self, ngram_weight: float, by_context: ContextWeights | None = None) -> None:
        with np.errstate(divide="ignore"):
            self._log_weights = np.log(np.array([[ngram_weight], [1.0 - ngram_weight]], np.float32))
        self._buckets: ContextBuckets | None = None
        if by_context is not None:
            self._buckets = ContextBuckets(by_context.backoffs)
            weights = np.full((len(by_context.backoffs), self._buckets.per_order), ngram_weight)
            for order, row in enumerate(by_context.ngram_weights):
                weights[order, : len(row)] = row
            self._log_weights = np.log(np.stack([weights.ravel(), 1.0 - weights.ravel()])).astype(np.float32)

    def log_weights(
        self, orders: NDArray[np.int8], backoffs: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Natural logs of the n-gram model's weight and of the neural one's, float32 (n,) each, or (1,) if one."""
        if self._buckets is None:
            return self._log_weights[0], self._log_weights[1]
        buckets = self._buckets.numbers(orders, backoffs)
        return self._log_weights[0, buckets], self._log_weights[1, buckets]


def log_add(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """`np.logaddexp`, of whole distributions at once: several times as fast."""
    high = np.maximum(first, second)
    low = np.minimum(first, second)
    low -= np.where(high > -np.inf, high, np.float32(0.0))
    np.exp(low, out=low)
    low += 1.0
    np.log(low, out=low)
    low += high
    return low
