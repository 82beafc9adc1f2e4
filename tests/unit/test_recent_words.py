"""The cache component against counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lm.models.recent_words import RecentWords, shares_of
from lm.models.vocabulary import END, FIRST_TOKEN, UNKNOWN
from training.fit.mixture import HeldOutScores, fit_mixture, fit_recent_words

few = settings(max_examples=50, deadline=None)
_SIZE = 12
_TOKENS = st.lists(st.sampled_from([UNKNOWN, END, *range(FIRST_TOKEN, _SIZE)]), max_size=40)
_RECENT = RecentWords(limit=5, weights=(0.05, 0.1, 0.2))


def _by_hand(before: list[int], token: int, limit: int) -> tuple[float, int]:
    words = [word for word in before if word >= FIRST_TOKEN][-limit:]
    decay = [1 / (10 + age) for age in range(len(words), 0, -1)]
    used = sum(weight for word, weight in zip(words, decay, strict=True) if word == token)
    return (used / sum(decay) if words else 0.0), len(words)


@few
@given(before=_TOKENS, tokens=_TOKENS, limit=st.integers(1, 9))
def test_shares_are_those_of_the_words_before(before: list[int], tokens: list[int], limit: int) -> None:
    _, _, recent = shares_of(before, (), limit)
    shares, counts, after = shares_of(tokens, recent, limit)
    expected = [_by_hand([*before, *tokens[:end]], token, limit) for end, token in enumerate(tokens)]
    assert shares.tolist() == pytest.approx([share for share, _ in expected])
    assert counts.tolist() == [count for _, count in expected]
    remember = RecentWords(limit=limit, weights=(0.5,)).remember
    assert after == remember(remember((), before), tokens)


@few
@given(before=_TOKENS, seed=st.integers(0, 100))
def test_probabilities_sum_to_1_and_agree_with_those_of_single_tokens(before: list[int], seed: int) -> None:
    log_probs = np.log(np.random.default_rng(seed).dirichlet(np.ones(_SIZE))).astype(np.float32)
    recent = _RECENT.remember((), before)
    mixed = log_probs.copy()
    _RECENT.mix(mixed, recent)
    assert math.fsum(np.exp(mixed.astype(np.float64))) == pytest.approx(1.0, abs=1e-5)
    for token in range(_SIZE):
        alone, _ = _RECENT.mix_tokens(log_probs[token : token + 1], [token], recent)
        assert alone[0] == pytest.approx(mixed[token], abs=1e-5)
    if not recent:
        np.testing.assert_array_equal(mixed, log_probs)


@pytest.mark.parametrize(("count", "weight"), [(0, 0.0), (1, 0.05), (2, 0.1), (3, 0.1), (4, 0.2), (5, 0.2), (80, 0.2)])
def test_the_weight_grows_with_the_words_there_are(count: int, weight: float) -> None:
    assert _RECENT.weight(count) == weight


@pytest.mark.parametrize("fields", [{"limit": 0, "weights": (0.1,)}, {"limit": 3, "weights": ()}])
def test_impossible_values_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="limit must be 1"):
        RecentWords.model_validate(fields)
    with pytest.raises(ValidationError, match="between 0 and 1"):
        RecentWords(limit=3, weights=(1.0,))


def _text(seed: int, *, repeats: bool) -> HeldOutScores:
    """Stretches of few words each, or each word again only after all others; no model knows which comes next."""
    chance = np.random.default_rng(seed)
    stretches = [chance.choice(chance.integers(FIRST_TOKEN, 500, 8), 100) for _ in range(20)]
    tokens = np.concatenate(stretches) if repeats else np.tile(np.arange(FIRST_TOKEN, 500), 4)
    log_probs = np.full(len(tokens), -math.log(500 - FIRST_TOKEN), np.float32)
    zeros = np.zeros(len(tokens))
    return HeldOutScores(
        tokens=tokens.astype(np.int32),
        ngram=log_probs,
        neural=log_probs,
        orders=zeros.astype(np.int8),
        backoffs=zeros.astype(np.float32),
        order_count=1,
    )


def test_recent_words_are_kept_where_words_come_again() -> None:
    fitted = fit_mixture(_text(1, repeats=True), 50)
    assert fitted.metrics["kept"] == ["recent_words"]
    assert fitted.perplexity["recent_words"] < 0.5 * fitted.perplexity["single"]
    assert fitted.recent_words is not None
    assert max(fitted.recent_words.weights) > 0.5


def test_recent_words_are_left_where_they_do_not() -> None:
    fitted = fit_mixture(_text(1, repeats=False), 50)
    assert fitted.recent_words is None
    assert fitted.metrics["kept"] == ["single"]
    assert fit_mixture(_text(1, repeats=True)).recent_words is None


@few
@given(seed=st.integers(0, 50), limit=st.integers(1, 60))
def test_recent_words_are_no_worse_on_the_text_they_were_fitted_on(seed: int, limit: int) -> None:
    scores = _text(seed, repeats=True)
    fitted = fit_recent_words(scores.ngram, scores.tokens, limit)
    one = RecentWords(limit=limit, weights=(0.05,))
    better, worse = (weights.mix_tokens(scores.ngram, scores.tokens.tolist(), ())[0] for weights in (fitted, one))
    assert better.mean(dtype=np.float64) >= worse.mean(dtype=np.float64) - 1e-6
