"""Models from counts equal their textbook definitions, worked out from a `Counter` in plain Python."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.errors import ConfigError
from lm.models.ngram import NgramModel, Smoothing
from lm.models.vocabulary import BEGIN, END, FIRST_TOKEN, SPACE, UNKNOWN, Constraint, Vocabulary
from lm.text.hangul import TypedPrefix
from training.config import NgramConfig
from training.data.encoding import EncodedText
from training.ngram.estimate import train_ngram
from training.progress import SilentReporter

_VOCABULARY = Vocabulary.from_tokens([f"{SPACE}a", f"{SPACE}ab", f"{SPACE}b", "b", "c"])
_PREDICTED = [token for token in range(len(_VOCABULARY)) if token != BEGIN]
_Ngram = tuple[int, ...]

_tokens = st.sampled_from([UNKNOWN, *range(FIRST_TOKEN, len(_VOCABULARY))])
_sentences = st.lists(_tokens, max_size=6)
_settings = st.builds(
    NgramConfig,
    smoothing=st.sampled_from(["add_delta", "stupid_backoff"]),
    order=st.integers(1, 5),
    delta=st.sampled_from([0.001, 0.3, 1.0]),
)


@dataclass(frozen=True, slots=True)
class _Naive:
    """The definitions, with histories of whole sentences."""

    counts: Counter[_Ngram]
    smoothing: Smoothing
    order: int
    delta: float

    @classmethod
    def count(cls, sentences: list[list[int]], config: NgramConfig) -> _Naive:
        counts: Counter[_Ngram] = Counter()
        for sentence in sentences:
            text = (BEGIN, *sentence, END)
            for length in range(1, config.order + 1):
                counts.update(text[start : start + length] for start in range(len(text) - length + 1))
        counts[()] = sum(counts[(token,)] for token in _PREDICTED)
        return cls(counts, config.smoothing, config.order, config.delta)

    def _continued(self, context: _Ngram) -> bool:
        return any(self.counts[(*context, token)] > 0 for token in _PREDICTED)

    def _stupid_score(self, context: _Ngram, token: int) -> float:
        if not context:
            seen = {other: max(self.counts[(other,)], 1) for other in _PREDICTED}
            return seen[token] / sum(seen.values())
        if self.counts[(*context, token)] > 0:
            return self.counts[(*context, token)] / self.counts[context]
        return 0.4 * self._stupid_score(context[1:], token)

    def probabilities(self, history: list[int]) -> dict[int, float]:
        """Of all tokens after the first ones of a sentence."""
        context = (BEGIN, *history)
        context = context[max(0, len(context) - self.order + 1) :]
        if self.smoothing == "stupid_backoff":
            scores = {token: self._stupid_score(context, token) for token in _PREDICTED}
            return {token: score / sum(scores.values()) for token, score in scores.items()}
        while not self._continued(context):
            context = context[1:]
        total = self.counts[context] + self.delta * len(_PREDICTED)
        return {token: (self.counts[(*context, token)] + self.delta) / total for token in _PREDICTED}


def _train(sentences: list[list[int]], config: NgramConfig) -> NgramModel:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encoded = EncodedText(folder / "ids.npy", folder / "offsets.npy")
        np.save(encoded.tokens, np.array([token for sentence in sentences for token in sentence], np.int32))
        np.save(encoded.offsets, np.cumsum([0, *map(len, sentences)], dtype=np.int64))
        train_ngram(config, encoded, _VOCABULARY, folder, reporter=SilentReporter(), label="counted")
        return NgramModel(folder, _VOCABULARY)  # arrays stay mapped when their files are gone


def _context(model: NgramModel, history: list[int]) -> int:
    return model.table.score_all(model.begin, np.array(history, np.int32))[1]


@settings(deadline=None)
@given(corpus=st.lists(_sentences, min_size=1, max_size=8), history=_sentences, config=_settings)
def test_distributions_and_the_best_of_them_are_as_defined(
    corpus: list[list[int]], history: list[int], config: NgramConfig
) -> None:
    model, naive = _train(corpus, config), _Naive.count(corpus, config)
    expected = naive.probabilities(history)
    context, size = _context(model, history), len(_VOCABULARY)

    log_probs = model.table.distribution(context, 0, size)
    half = np.full((1, size), 0.5, np.float32)
    model.table.mix(np.array([context]), np.array([0.25], np.float32), half)
    np.testing.assert_allclose(half[0], 0.25 * np.exp(log_probs) + 0.375, atol=1e-6)

    assert log_probs[BEGIN] == -math.inf
    assert np.exp(log_probs[_PREDICTED]) == pytest.approx([expected[token] for token in _PREDICTED], rel=1e-5)
    assert np.exp(log_probs.astype(np.float64)).sum() == pytest.approx(1, abs=1e-6)
    scores = [model.table.score(context, token)[0] for token in range(size)]
    np.testing.assert_allclose(scores, log_probs, rtol=1e-6)
    for low, high in ((0, size), (END, size), (FIRST_TOKEN, FIRST_TOKEN + 3)):
        np.testing.assert_array_equal(model.table.distribution(context, low, high), log_probs[low:high])
        ranked = sorted((token for token in range(low, high) if token != BEGIN), key=lambda t: (-scores[t], t))
        for k in (1, 3, size):
            assert model.table.successors(context, low, high, k) == [(t, scores[t]) for t in ranked[:k]]


@settings(deadline=None)
@given(corpus=st.lists(_sentences, min_size=1, max_size=8), sentence=_sentences, config=_settings)
def test_sentences_score_as_defined(corpus: list[list[int]], sentence: list[int], config: NgramConfig) -> None:
    model, naive = _train(corpus, config), _Naive.count(corpus, config)
    whole = [*sentence, END]

    expected = [math.log(naive.probabilities(whole[:position])[token]) for position, token in enumerate(whole)]

    assert model.log_probs(whole) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def _completions(naive: _Naive, constraint: Constraint, max_tokens: int) -> dict[_Ngram, float]:
    """All finished sentences of so many tokens at most that spell what was typed, with their log probabilities."""
    finished: dict[_Ngram, float] = {}
    typed = len(constraint.lows)
    paths: list[tuple[_Ngram, int, float]] = [((), 0, 0.0)]
    for _ in range(max_tokens):
        longer = []
        for tokens, offset, log_prob in paths:
            if offset < typed:
                whole = range(constraint.lows[offset], constraint.highs[offset])
                steps = [(token, typed) for token in whole] + constraint.parts(offset)
            else:
                steps = [(token, typed) for token in range(END, len(_VOCABULARY))]
            probabilities = naive.probabilities(list(tokens))
            longer += [((*tokens, t), end, log_prob + math.log(probabilities[t])) for t, end in steps]
        finished.update({tokens: log_prob for tokens, _, log_prob in longer if tokens[-1] == END})
        paths = [path for path in longer if path[0][-1] != END]
    return finished


@settings(deadline=None)
@given(
    corpus=st.lists(_sentences, min_size=1, max_size=8),
    config=_settings,
    typed=st.sampled_from(["", f"{SPACE}a", f"{SPACE}ab", f"{SPACE}b"]),
)
def test_a_beam_that_drops_nothing_finds_all_completions(
    corpus: list[list[int]], config: NgramConfig, typed: str
) -> None:
    model, naive = _train(corpus, config), _Naive.count(corpus, config)
    constraint = _VOCABULARY.constraint(TypedPrefix(typed))

    found, _ = model.table.beam(model.begin, constraint.arrays, 1000, 3)

    expected = _completions(naive, constraint, 3)
    assert {tuple(tokens): math.fsum(steps) for tokens, steps in found} == pytest.approx(expected, rel=1e-5, abs=1e-5)
    log_probs = [math.fsum(steps) for _, steps in found]
    assert log_probs == sorted(log_probs, reverse=True) or np.diff(log_probs).max() < 1e-5


def test_a_narrow_beam_prefers_low_ids_where_all_are_unseen() -> None:
    config = NgramConfig(smoothing="add_delta", order=2, delta=0.5)
    model = _train([[3]], config)
    context = _context(model, [3])

    unseen = list(range(FIRST_TOKEN, len(_VOCABULARY)))

    assert [token for token, _ in model.table.successors(context, END, len(_VOCABULARY), 4)] == [END, *unseen[:3]]


def test_a_text_without_a_sentence_says_so() -> None:
    with pytest.raises(ConfigError, match="no sentence"):
        _train([], NgramConfig(smoothing="add_delta"))
