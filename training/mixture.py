"""Weights of a mixture, by expectation-maximisation on held-out text.

By context, the weights of an order are drawn towards the one weight of all, and those of its buckets towards the
order's (maximum a posteriori under a Dirichlet prior), so that thin buckets do no harm. They are kept only if they
predict text that they were not fitted on better than the one weight does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.language_model import LanguageModel
from lm.mixture import ContextBuckets, ContextWeights, Mixture
from lm.ngram import BEGIN_CONTEXT
from lm.parts import Part
from lm.vocabulary import END
from training.evaluate import token_scores
from training.progress import Reporter

ITERATIONS = 100
BUCKETS_PER_ORDER = 8
PSEUDO_COUNT = 50.0
"""Tokens that a bucket's prior counts for; the optimum is flat, see `benchmarks/RESULTS.md`."""
_SMALLEST = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutScores:
    """What the parts say of held-out tokens, in running order.

    Attributes:
        ngram, neural: natural-log probabilities, float32 (n,).
        orders, backoffs: of the contexts before them, int8 and float32 (n,); see `SuccessorKernel.features`.
    """

    ngram: NDArray[np.float32]
    neural: NDArray[np.float32]
    orders: NDArray[np.int8]
    backoffs: NDArray[np.float32]

    def __getitem__(self, span: slice) -> HeldOutScores:
        """The scores of some of the tokens."""
        return HeldOutScores(
            ngram=self.ngram[span], neural=self.neural[span], orders=self.orders[span], backoffs=self.backoffs[span]
        )

    def log_likelihood(self, mixture: Mixture) -> float:
        """Mean natural-log probability of a token."""
        log_ngram, log_neural = mixture.log_weights(self.orders, self.backoffs)
        return float(np.logaddexp(self.ngram + log_ngram, self.neural + log_neural).mean(dtype=np.float64))


def held_out_scores(model: LanguageModel, sentences: Sequence[str], reporter: Reporter) -> HeldOutScores:
    """Scores the sentences of a running text, their ends included, with a model that has a neural part."""
    scores = token_scores(model, sentences, reporter)
    table = model.ngram.table
    encoded = [np.array([*model.tokenizer.encode(sentence), END], np.int32) for sentence in sentences]
    contexts = np.concatenate([table.contexts(BEGIN_CONTEXT, tokens) for tokens in encoded])
    orders, backoffs = table.features(contexts)
    return HeldOutScores(ngram=scores[Part.NGRAM], neural=scores[Part.NEURAL], orders=orders, backoffs=backoffs)


def bucket_weights(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    buckets: NDArray[np.int64],
    prior: NDArray[np.float64],
    pseudo_count: float,
) -> NDArray[np.float64]:
    """The weights of the first of two components, one a bucket, that make the tokens most probable.

    Each step of expectation-maximisation (Dempster, Laird and Rubin, 1977) sets a bucket's weight to the share of its
    tokens that the first component accounts for, with `pseudo_count` tokens more that are shared as the prior says.
    It begins at the prior, so the likelihood of the tokens is never below that under the prior.

    Args:
        first, second: natural-log probabilities of the same tokens, float32 (n,).
        buckets: int64 (n,), each token's.
        prior: float64 (number of buckets,).
    """
    odds = np.exp(np.clip(second.astype(np.float64) - first, -700.0, 700.0))
    counts = np.bincount(buckets, minlength=len(prior)) + pseudo_count
    weights = prior
    for _ in range(ITERATIONS):
        weight = weights[buckets]
        accounted = np.bincount(buckets, weight / (weight + (1.0 - weight) * odds), len(prior))
        found = np.divide(accounted + pseudo_count * prior, counts, out=prior.copy(), where=counts > 0)
        weights = np.clip(found, _SMALLEST, 1.0 - _SMALLEST)
    return weights


def ngram_weight(scores: HeldOutScores) -> float:
    """The one weight that makes held-out tokens most probable (Jelinek and Mercer, 1980)."""
    all_in_one = np.zeros(len(scores.ngram), np.int64)
    return float(bucket_weights(scores.ngram, scores.neural, all_in_one, np.array([0.5]), 0.0)[0])


def context_weights(
    scores: HeldOutScores,
    order_count: int,
    *,
    per_order: int = BUCKETS_PER_ORDER,
    pseudo_count: float = PSEUDO_COUNT,
) -> ContextWeights:
    """The weights by context that make held-out tokens most probable.

    Args:
        order_count: orders that may match, 0 included.
        per_order: buckets of an order at most, about equally full.
        pseudo_count: tokens that each prior counts for.
    """
    bounds = [_bounds(scores.backoffs[scores.orders == order], per_order) for order in range(order_count)]
    dealt = ContextBuckets(bounds)
    whole = np.full(order_count, ngram_weight(scores))
    orders = scores.orders.astype(np.int64)
    by_order = bucket_weights(scores.ngram, scores.neural, orders, whole, pseudo_count)
    buckets = dealt.of(scores.orders, scores.backoffs)
    prior = np.repeat(by_order, dealt.per_order)
    weights = bucket_weights(scores.ngram, scores.neural, buckets, prior, pseudo_count)
    rows = weights.reshape(order_count, dealt.per_order).tolist()
    return ContextWeights(
        backoffs=tuple(map(tuple, bounds)),
        ngram_weights=tuple(tuple(row[: len(bound) + 1]) for row, bound in zip(rows, bounds, strict=True)),
    )


def _bounds(backoffs: NDArray[np.float32], per_order: int) -> Sequence[float]:
    """Ascending bounds that part an order's back-off weights into about equally full buckets."""
    if not len(backoffs):
        return []
    quantiles = np.quantile(backoffs, np.arange(1, per_order) / per_order, method="lower")
    bounds: list[float] = np.unique(quantiles[quantiles < backoffs.max()]).tolist()
    return bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedMixture:
    """What was fitted, and what decided.

    Attributes:
        by_context: None if the one weight does as well.
        perplexity: on the half of the held-out tokens that neither was fitted on, `single` and `by_context`.
    """

    ngram_weight: float
    by_context: ContextWeights | None
    perplexity: dict[str, float]

    @property
    def metrics(self) -> dict[str, Any]:
        """For the bundle's metrics."""
        return {"perplexity": self.perplexity, "kept": "by_context" if self.by_context else "single"}


def fit_mixture(scores: HeldOutScores, order_count: int) -> FittedMixture:
    """Fits both kinds of weights on one half of the tokens, compares them on the other, refits the better on all."""
    half = len(scores.ngram) // 2
    fitting, comparing = scores[:half], scores[half:]
    single = Mixture(ngram_weight(fitting))
    by_context = Mixture(0.5, context_weights(fitting, order_count))
    likelihoods = {
        "single": comparing.log_likelihood(single),
        "by_context": comparing.log_likelihood(by_context),
    }
    better = likelihoods["by_context"] > likelihoods["single"]
    return FittedMixture(
        ngram_weight=ngram_weight(scores),
        by_context=context_weights(scores, order_count) if better else None,
        perplexity={name: float(np.exp(-likelihood)) for name, likelihood in likelihoods.items()},
    )
