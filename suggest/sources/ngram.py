"""The n-gram model as a source: the most probable queries that begin with what was typed, in one compiled beam."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lm.kernels.word_walk import WordWalk
from lm.models.language_model import LanguageModel
from lm.models.vocabulary import SPACE
from lm.text.hangul import typed_prefixes
from suggest.sources.source import Proposal, Reading, Request

BEAM_WIDTH = 20
"""A wider beam gains little: 30 is worth 0.3% of MRR@10, 15 costs 0.6% and 10 2.2%."""
MAX_TOKENS = 24

_Sentences = list[tuple[list[int], list[float]]]
"""Tokens and the natural-log probability of each."""


class NgramSource:
    """Proposes what the n-gram model generates, and notes how probable what was typed is.

    Args:
        words: those that what is generated may hold and end with, walked by the model's tokens; None: any.
    """

    def __init__(self, model: LanguageModel, words: WordWalk | None = None) -> None:
        self._model = model
        self._words = words

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:  # noqa: ARG002
        """See `Source.propose`; of a text that several tokenisations spell there are several proposals."""
        sentences, typed_log_prob = self._beam(reading)
        reading.typed_log_prob = typed_log_prob
        lead, excluded = f"{reading.head} " if reading.head else "", reading.excluded
        spell = self._model.vocabulary.spell
        spelt = ((lead + spell(tokens), tokens, steps) for tokens, steps in sentences)
        return [
            Proposal(text, reading, tokens, steps[0], sum(steps) - typed_log_prob)
            for text, tokens, steps in spelt
            if text != excluded
        ]

    def _beam(self, reading: Reading) -> tuple[_Sentences, float]:
        """The best sentences that spell what was typed, and its natural-log probability."""
        table, vocabulary = self._model.ngram.table, self._model.vocabulary
        beams = [
            table.beam(reading.state.ngram, vocabulary.constraint(prefix).arrays, BEAM_WIDTH, MAX_TOKENS, self._words)
            for prefix in typed_prefixes(SPACE + reading.typed)
        ]
        if len(beams) == 1:
            return beams[0]
        # Hangul in the making: no text is found by two of them.
        every = sorted((row for sentences, _ in beams for row in sentences), key=lambda row: -sum(row[1]))
        return every[:BEAM_WIDTH], float(np.logaddexp.reduce([log_prob for _, log_prob in beams]))
