"""Weights of a mixture, fitted on held-out text: one weight, weights by context, and the weight of recent words.

By context, the weights of an order are drawn towards the one weight of all, and those of its buckets towards the
order's. So buckets with few tokens do no harm. Each refinement is kept only if it predicts other text better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.bundle.manifest import LanguageModelEntry
from lm.models.language_model import LanguageModel
from lm.models.mixture import ContextBuckets, ContextWeights, Mixture
from lm.models.parts import Part
from lm.models.recent_words import RecentWords, age, shares_of
from training.evaluation.perplexity import score_held_out
from training.progress import Reporter

PSEUDO_COUNT = 50.0
"""A prior counts as much as this many tokens. The optimum is flat, see `benchmarks/RESULTS.md`."""
BUCKETS_PER_ORDER = 8
_CLEARLY = 1 - 1e-4
"""A smaller gain is rounding."""
_FIRST_GUESS = 0.05
"""Share of the recent words from which fitting begins."""
_ITERATIONS = 100
_SMALLEST = 1e-3


def bucket_weights(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    buckets: NDArray[np.int64],
    prior: NDArray[np.float64],
    pseudo_count: float,
) -> NDArray[np.float64]:
    """The weights of the first component, one a bucket, that make the tokens most probable.

    Each step sets a bucket's weight to the share of its tokens that the first component accounts for. The prior adds
    `pseudo_count` tokens (the maximum a posteriori under a Dirichlet prior). Fitting begins at the prior, so the tokens
    are never less probable than under the prior.

    Args:
        first, second: natural-log probabilities of the same tokens, float32 (n,); those of `first` may be -inf.
        buckets: int64 (n,), each token's.
        prior: float64 (number of buckets,).
    """
    odds = np.exp(np.clip(second.astype(np.float64) - first, -700.0, 700.0))
    counts = np.bincount(buckets, minlength=len(prior)) + pseudo_count
    weights = prior
    for _ in range(_ITERATIONS):
        weight = weights[buckets]
        accounted = np.bincount(buckets, weight / (weight + (1.0 - weight) * odds), len(prior))
        found = np.divide(accounted + pseudo_count * prior, counts, out=prior.copy(), where=counts > 0)
        weights = np.clip(found, _SMALLEST, 1.0 - _SMALLEST)
    return weights


def fit_recent_words(log_probs: NDArray[np.float32], tokens: NDArray[np.int32], limit: int) -> RecentWords:
    """The weights that make the tokens most probable. They are drawn towards one weight for any number of words.

    Args:
        log_probs: natural-log probabilities of the tokens without recent words, float32 (n,).
        tokens: of a running text, ends of sentences included, int32 (n,).
        limit: words that are remembered at most.
    """
    shares, counts, _ = shares_of(tokens.tolist(), (), limit)
    some = counts > 0
    with np.errstate(divide="ignore"):
        again = np.log(shares[some]).astype(np.float32)
    ages = np.array([age(count) for count in counts[some].tolist()], np.int64)
    together, guess = np.zeros(len(ages), np.int64), np.array([_FIRST_GUESS])
    whole = bucket_weights(again, log_probs[some], together, guess, 0.0)
    prior = np.full(age(limit) + 1, whole[0])
    weights = bucket_weights(again, log_probs[some], ages, prior, PSEUDO_COUNT)
    return RecentWords(limit=limit, weights=tuple(weights.tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutScores:
    """The scores of held-out tokens, in running order.

    Attributes:
        tokens: ends of sentences included, int32 (n,).
        ngram, neural: natural-log probabilities, float32 (n,). Without a neural model both are the n-gram's.
        orders, backoffs: of the contexts before them, int8 and float32 (n,); see `SuccessorKernel.features`.
        order_count: number of orders that can match, 0 included.
    """

    tokens: NDArray[np.int32]
    ngram: NDArray[np.float32]
    neural: NDArray[np.float32]
    orders: NDArray[np.int8]
    backoffs: NDArray[np.float32]
    order_count: int

    def halves(self) -> tuple[HeldOutScores, HeldOutScores]:
        """The first tokens and the others."""
        arrays = ("tokens", "ngram", "neural", "orders", "backoffs")
        middle = len(self.tokens) // 2
        first, second = (
            replace(self, **{name: getattr(self, name)[span] for name in arrays})
            for span in (slice(middle), slice(middle, None))
        )
        return first, second

    def mixed(self, mixture: Mixture) -> NDArray[np.float32]:
        """Natural-log probabilities of the tokens by a mixture, float32 (n,)."""
        log_ngram, log_neural = mixture.log_weights(self.orders, self.backoffs)
        mixed: NDArray[np.float32] = np.logaddexp(self.ngram + log_ngram, self.neural + log_neural)
        return mixed


def held_out_scores(model: LanguageModel, sentences: Sequence[str], reporter: Reporter) -> HeldOutScores:
    """Scores the sentences of a running text, their ends included."""
    scored = score_held_out(model, sentences, reporter)
    return HeldOutScores(
        tokens=scored.tokens,
        ngram=scored.log_probs[Part.NGRAM],
        neural=scored.log_probs.get(Part.NEURAL, scored.log_probs[Part.NGRAM]),
        orders=scored.matched_orders,
        backoffs=scored.backoffs,
        order_count=model.ngram.order,
    )


def ngram_weight(scores: HeldOutScores) -> float:
    """The one weight that makes held-out tokens most probable (Jelinek and Mercer, 1980)."""
    all_in_one = np.zeros(len(scores.ngram), np.int64)
    return float(bucket_weights(scores.ngram, scores.neural, all_in_one, np.array([0.5]), 0.0)[0])


def context_weights(
    scores: HeldOutScores, *, per_order: int = BUCKETS_PER_ORDER, pseudo_count: float = PSEUDO_COUNT
) -> ContextWeights:
    """The weights by context that make held-out tokens most probable.

    Args:
        per_order: largest number of buckets of an order, about equally full.
        pseudo_count: number of tokens that each prior counts for.
    """
    bounds = [_bounds(scores.backoffs[scores.orders == order], per_order) for order in range(scores.order_count)]
    dealt = ContextBuckets(bounds)
    whole = np.full(scores.order_count, ngram_weight(scores))
    orders = scores.orders.astype(np.int64)
    by_order = bucket_weights(scores.ngram, scores.neural, orders, whole, pseudo_count)
    buckets = dealt.numbers(scores.orders, scores.backoffs)
    prior = np.repeat(by_order, dealt.per_order)
    weights = bucket_weights(scores.ngram, scores.neural, buckets, prior, pseudo_count)
    rows = weights.reshape(scores.order_count, dealt.per_order).tolist()
    return ContextWeights(
        backoffs=tuple(map(tuple, bounds)),
        ngram_weights=tuple(tuple(row[: len(bound) + 1]) for row, bound in zip(rows, bounds, strict=True)),
    )


def _bounds(backoffs: NDArray[np.float32], per_order: int) -> Sequence[float]:
    """Ascending bounds that split an order's back-off weights into about equally full buckets."""
    if not len(backoffs):
        return []
    quantiles = np.quantile(backoffs, np.arange(1, per_order) / per_order, method="lower")
    bounds: list[float] = np.unique(quantiles[quantiles < backoffs.max()]).tolist()
    return bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedMixture:
    """The fitted weights, and the figures that decided.

    Attributes:
        by_context: None if one weight is as good.
        recent_words: None if they were not asked for or do not help.
        perplexity: of the half of the tokens that was not used for fitting: with the `single` weight, `by_context`, and
            with `recent_words` added to the better of both.
    """

    ngram_weight: float
    by_context: ContextWeights | None
    recent_words: RecentWords | None
    perplexity: dict[str, float]

    @property
    def metrics(self) -> dict[str, Any]:
        """For the bundle's metrics."""
        kept = {"by_context": self.by_context is not None, "recent_words": self.recent_words is not None}
        return {"perplexity": self.perplexity, "kept": [name for name, there in kept.items() if there] or ["single"]}

    def apply(self, entry: LanguageModelEntry) -> LanguageModelEntry:
        """The entry with these weights."""
        weights: dict[str, Any] = {"recent_words": self.recent_words}
        if entry.neural_kind:
            weights |= {"ngram_weight": self.ngram_weight, "context_weights": self.by_context}
        return entry.model_copy(update=weights)


def fit_mixture(scores: HeldOutScores, recent_words: int = 0) -> FittedMixture:
    """Fits on one half of the tokens, compares on the other half, then fits on all what is kept.

    Args:
        recent_words: number of words that the cache component remembers; 0 for no such component.
    """
    fitting, comparing = scores.halves()
    single, by_context = Mixture(ngram_weight(fitting)), Mixture(0.5, context_weights(fitting))
    perplexity = {
        "single": _perplexity(comparing.mixed(single)),
        "by_context": _perplexity(comparing.mixed(by_context)),
    }
    better = perplexity["by_context"] < _CLEARLY * perplexity["single"]
    weight, weights = ngram_weight(scores), context_weights(scores) if better else None
    recent = None
    if recent_words:
        mixture = by_context if better else single
        candidate = fit_recent_words(fitting.mixed(mixture), fitting.tokens, recent_words)
        with_recent, _ = candidate.mix_tokens(comparing.mixed(mixture), comparing.tokens.tolist(), ())
        perplexity["recent_words"] = _perplexity(with_recent)
        if perplexity["recent_words"] < _CLEARLY * perplexity["by_context" if better else "single"]:
            recent = fit_recent_words(scores.mixed(Mixture(weight, weights)), scores.tokens, recent_words)
    return FittedMixture(ngram_weight=weight, by_context=weights, recent_words=recent, perplexity=perplexity)


def _perplexity(log_probs: NDArray[np.float32]) -> float:
    return float(np.exp(-log_probs.mean(dtype=np.float64)))
