"""The mixture's weights: how contexts are dealt, and expectation-maximisation against a naive one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from lm.models.mixture import ContextBuckets, ContextWeights, Mixture, log_add
from training.fit.mixture import HeldOutScores, bucket_weights, context_weights, fit_mixture, ngram_weight

few = settings(max_examples=50, deadline=None)
_ORDERS = 3


def _scores(seed: int, count: int, *, informative: bool = True) -> HeldOutScores:
    """Made-up text in which the n-gram model is the better one where its back-off weight is low."""
    chance = np.random.default_rng(seed)
    orders = chance.integers(0, _ORDERS, count).astype(np.int8)
    backoffs = np.where(orders > 0, -chance.exponential(1.0, count), 0.0).astype(np.float32)
    trust = 1 / (1 + np.exp(3.0 * (backoffs + 1.0))) if informative else np.full(count, 0.5)
    ngram_knows = chance.random(count) < trust
    known, unknown = chance.uniform(-1, 0, count), chance.uniform(-8, -4, count)
    return HeldOutScores(
        ngram=np.where(ngram_knows, known, unknown).astype(np.float32),
        neural=np.where(ngram_knows, unknown, known).astype(np.float32),
        orders=orders,
        backoffs=backoffs,
        order_count=_ORDERS,
        tokens=chance.integers(0, 40, count).astype(np.int32),
    )


@few
@given(
    backoffs=st.lists(
        st.lists(st.floats(-9, 0, width=32), max_size=5, unique=True).map(sorted), min_size=1, max_size=4
    ),
    data=st.data(),
)
def test_a_context_is_in_the_bucket_of_the_bounds_it_exceeds(backoffs: list[list[float]], data: st.DataObject) -> None:
    orders = data.draw(st.lists(st.integers(0, len(backoffs) - 1), min_size=1, max_size=20))
    values = data.draw(st.lists(st.floats(-10, 1, width=32), min_size=len(orders), max_size=len(orders)))
    buckets = ContextBuckets(backoffs)
    found = buckets.numbers(np.array(orders, np.int8), np.array(values, np.float32))
    expected = [
        order * buckets.per_order + sum(value > bound for bound in backoffs[order])
        for order, value in zip(orders, values, strict=True)
    ]
    assert found.tolist() == expected
    assert max(expected) < buckets.count


def test_weights_follow_the_context() -> None:
    mixture = Mixture(0.5, ContextWeights(backoffs=((), (-1.0,)), ngram_weights=((0.1,), (0.8, 0.3))))
    orders, backoffs = np.array([0, 1, 1, 1], np.int8), np.array([0.0, -2.0, -1.0, -0.5], np.float32)
    log_ngram, log_neural = mixture.log_weights(orders, backoffs)
    assert np.exp(log_ngram) == pytest.approx([0.1, 0.8, 0.8, 0.3])
    assert np.exp(log_neural) == pytest.approx([0.9, 0.2, 0.2, 0.7])


def test_one_weight_holds_for_all_contexts() -> None:
    log_ngram, log_neural = Mixture(1.0).log_weights(np.zeros(4, np.int8), np.zeros(4, np.float32))
    assert (log_ngram.tolist(), log_neural.tolist()) == ([0.0], [-math.inf])


@pytest.mark.parametrize(
    ("backoffs", "weights", "fault"),
    [(((-1.0,),), ((0.5,),), "one longer"), (((),), ((1.0,),), "between 0 and 1"), (((),), (), "one longer")],
)
def test_weights_that_do_not_fit_are_refused(
    backoffs: tuple[tuple[float, ...], ...], weights: tuple[tuple[float, ...], ...], fault: str
) -> None:
    with pytest.raises(ValidationError, match=fault):
        ContextWeights(backoffs=backoffs, ngram_weights=weights)


def _objective(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    buckets: list[int],
    weights: list[float],
    prior: list[float],
    pseudo_count: float,
) -> float:
    tokens = sum(
        math.log(weights[bucket] * math.exp(one) + (1 - weights[bucket]) * math.exp(other))
        for one, other, bucket in zip(first.tolist(), second.tolist(), buckets, strict=True)
    )
    believed = sum(
        share * math.log(weight) + (1 - share) * math.log(1 - weight)
        for share, weight in zip(prior, weights, strict=True)
    )
    return tokens + pseudo_count * believed


@few
@given(seed=st.integers(0, 1000), count=st.integers(1, 60), pseudo_count=st.sampled_from([0.0, 3.0, 50.0]))
def test_expectation_maximisation_equals_a_naive_one_that_only_climbs(
    seed: int, count: int, pseudo_count: float
) -> None:
    scores = _scores(seed, count)
    buckets = scores.orders.tolist()
    prior = [0.3, 0.5, 0.9]
    weights, before = list(prior), -math.inf
    for _ in range(100):
        climbed = _objective(scores.ngram, scores.neural, buckets, weights, prior, pseudo_count)
        assert climbed >= before - 1e-9
        before = climbed
        for bucket in range(_ORDERS):
            rows = [row for row in range(count) if buckets[row] == bucket]
            accounted = 0.0
            for row in rows:
                ngram = weights[bucket] * math.exp(scores.ngram[row])
                accounted += ngram / (ngram + (1 - weights[bucket]) * math.exp(scores.neural[row]))
            if rows or pseudo_count:
                weight = (accounted + pseudo_count * prior[bucket]) / (len(rows) + pseudo_count)
                weights[bucket] = min(max(weight, 1e-3), 1 - 1e-3)
    found = bucket_weights(scores.ngram, scores.neural, np.array(buckets, np.int64), np.array(prior), pseudo_count)
    assert found.tolist() == pytest.approx(weights, abs=1e-6)


@few
@given(seed=st.integers(0, 1000), count=st.integers(2, 400))
def test_weights_by_context_are_never_worse_on_the_text_they_were_fitted_on(seed: int, count: int) -> None:
    scores = _scores(seed, count, informative=seed % 2 == 0)
    single = scores.mixed(Mixture(ngram_weight(scores))).mean(dtype=np.float64)
    by_context = scores.mixed(Mixture(0.5, context_weights(scores, pseudo_count=5.0))).mean(dtype=np.float64)
    assert by_context >= single - 1e-6


def test_a_thin_bucket_stays_with_the_weight_of_all() -> None:
    scores = _scores(1, 2000)
    thin = HeldOutScores(
        tokens=scores.tokens,
        ngram=scores.ngram,
        neural=scores.neural,
        order_count=2,
        orders=(np.arange(2000) == 7).astype(np.int8),
        backoffs=scores.backoffs,
    )
    weights = context_weights(thin, per_order=1).ngram_weights
    assert weights[1][0] == pytest.approx(ngram_weight(scores), abs=0.03)


def test_weights_by_context_are_kept_where_they_help() -> None:
    fitted = fit_mixture(_scores(2, 6000))
    assert fitted.by_context is not None
    assert fitted.metrics["kept"] == ["by_context"]
    assert fitted.perplexity["by_context"] < 0.98 * fitted.perplexity["single"]
    low, high = fitted.by_context.ngram_weights[2][0], fitted.by_context.ngram_weights[2][-1]
    assert low > high


def test_weights_by_context_are_left_where_they_do_not() -> None:
    """Ten tokens of fitting say nothing of what follows."""
    kept = [fit_mixture(_scores(seed, 20, informative=False)) for seed in range(40)]
    assert all((f.by_context is None) == (f.perplexity["by_context"] >= 0.9999 * f.perplexity["single"]) for f in kept)
    assert any(fitted.by_context is None for fitted in kept)


_log_probs = st.lists(st.floats(-100, 0, width=32) | st.just(-math.inf), min_size=8, max_size=8)


@few
@given(_log_probs, _log_probs)
def test_probabilities_add_up_as_numpy_adds_them(first: list[float], second: list[float]) -> None:
    one, other = np.array(first, np.float32), np.array(second, np.float32)
    np.testing.assert_allclose(log_add(one, other), np.logaddexp(one, other), atol=1e-5, rtol=1e-6)
