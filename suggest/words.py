"""Predicts the word that follows a text, or completes its last one."""

from __future__ import annotations

import math

import numpy as np

from lm.language_model import LanguageModel
from lm.parts import Part
from lm.text import is_unspaced, last_word_start
from suggest.budget import Budget
from suggest.cursor import locate
from suggest.decode import Hypothesis, complete_word
from suggest.estimate import CostEstimate
from suggest.stages import Stages
from suggest.types import NextWords, ScoreTerms, WordSuggestion

SPARE = 8
"""Words asked for beyond those shown, to make up for the punctuation marks left out."""


class WordPredictor:
    """Predicts words with an open language model; threads may share it."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._cost = CostEstimate(0.001)

    def predict(
        self, text: str, *, max_suggestions: int, min_probability: float, part: Part, budget: Budget | None
    ) -> NextWords:
        """Words, most probable first; marks of punctuation are not suggested.

        Raises:
            UnsupportedError: the part asked for is not there.
        """
        stages = Stages()
        with stages.stage("parse"):
            cursor = locate(self._model, text)
            part = self._model.part(part)
        degraded = part is Part.ENSEMBLE and not self._cost.fits(budget)
        with stages.stage("ngram" if degraded or part is Part.NGRAM else "neural"):
            asked = Part.NGRAM if degraded else part
            width = max_suggestions + SPARE
            found = complete_word(self._model, cursor.context, cursor.typed, width, asked, joined=cursor.joined)
        if asked is not Part.NGRAM:
            self._cost.observe(stages.timings[-1].duration_s)
        with stages.stage("rank"):
            least = math.log(min_probability) if min_probability > 0 else -math.inf
            words = [
                _suggestion(text, log_prob, asked)
                for text, log_prob in shown_words(self._model, found, cursor.typed)
                if log_prob >= least
            ]
        return NextWords(
            suggestions=tuple(words[:max_suggestions]),
            replace_start=cursor.start,
            degraded=degraded,
            timings=stages.timings,
        )


def shown_words(model: LanguageModel, found: list[Hypothesis], typed: str) -> list[tuple[str, float]]:
    """Words with their natural-log probabilities, best first; tokenisations of one word add theirs."""
    words: dict[str, float] = {}
    for hypothesis in found:
        text = model.tokenizer.decode(hypothesis.tokens)
        if is_word(text) and (not model.joins or _is_one_word(text, typed)):
            words[text] = float(np.logaddexp(words.get(text, -math.inf), hypothesis.log_prob))
    return sorted(((text, min(log_prob, 0.0)) for text, log_prob in words.items()), key=lambda word: -word[1])


def is_word(text: str) -> bool:
    """Whether a token's text is suggested: it is no mark of punctuation and not the unknown word."""
    return any(character.isalnum() for character in text) and text != "<unk>"


def _is_one_word(text: str, typed: str) -> bool:
    """Subwords may join a word and a mark: none at its end and, without spaces, none after what was typed."""
    return last_word_start(text) <= (len(typed) if is_unspaced(text[-1]) else len(text) - 1)


def _suggestion(text: str, log_prob: float, part: Part) -> WordSuggestion:
    return WordSuggestion(
        text=text,
        log_prob=log_prob,
        terms=ScoreTerms(
            ngram_log_prob=log_prob if part is Part.NGRAM else None,
            neural_log_prob=log_prob if part is Part.NEURAL else None,
        ),
    )
