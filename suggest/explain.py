"""What each part of an ensemble makes of the words that it predicts, for callers who ask."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lm.language_model import LanguageModel
from lm.parts import Part
from lm.vocabulary import END
from suggest.decode import Hypothesis, complete_word
from suggest.types import ScoreTerms

_WIDTH = 16


def explain_words(
    model: LanguageModel, context: tuple[int, ...], typed: str, found: Sequence[Hypothesis]
) -> list[ScoreTerms]:
    """The n-gram and the neural model's log probability of each word that their ensemble found.

    Both are given the typed letters, as each part alone would answer.

    Args:
        context: tokens of the sentence so far.
        typed: letters of the word under the cursor.
        found: words in tokens, see `complete_word`.
    """
    parts = (Part.NGRAM,) if model.neural is None else (Part.NGRAM, Part.NEURAL)
    typed_by = {part: _typed_log_prob(model, context, typed, part) for part in parts}

    def given(hypothesis: Hypothesis, part: Part) -> float | None:
        if part not in typed_by:
            return None
        log_prob = _word_log_prob(model, context, hypothesis.tokens, part) - typed_by[part]
        return min(log_prob, 0.0) if math.isfinite(log_prob) else None

    return [
        ScoreTerms(ngram_log_prob=given(word, Part.NGRAM), neural_log_prob=given(word, Part.NEURAL)) for word in found
    ]


def _typed_log_prob(model: LanguageModel, context: tuple[int, ...], typed: str, part: Part) -> float:
    """Natural-log probability that the next word begins with the typed letters: what a part divides by."""
    best = complete_word(model, context, typed, _WIDTH, part)[:1] if typed else []
    return _word_log_prob(model, context, best[0].tokens, part) - best[0].log_prob if best else 0.0


def _word_log_prob(model: LanguageModel, context: tuple[int, ...], tokens: tuple[int, ...], part: Part) -> float:
    """Natural-log probability that a word of these tokens follows; of subwords, that it ends there as well."""
    rows = [model.next_log_probs((*context, *tokens[:position]), part) for position in range(len(tokens))]
    log_prob = sum(float(row_V[token]) for row_V, token in zip(rows, tokens, strict=True))
    if not model.joins:
        return log_prob
    after_V = model.next_log_probs((*context, *tokens), part)
    low, high = model.word_starts
    return log_prob + float(np.logaddexp(np.logaddexp.reduce(after_V[low:high]), after_V[END]))
