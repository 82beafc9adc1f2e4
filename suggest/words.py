"""Predicts the word that follows a text, or completes its last one."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np

from lm.index.never_generated import NeverGenerated
from lm.memo import Memo
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.text.normalize import is_unspaced, last_word_start, normalize_query
from suggest.budget import Budget, CostEstimate, OptionalPart, Work
from suggest.cursor import Before, Cursor, locate, read_before
from suggest.decode import Hypothesis, complete_word
from suggest.scores import Word, explain_words
from suggest.types import NextWords, ScoreTerms, WordOptions, WordSuggestion
from suggest.writing import Writer, rest_of

SPARE = 8
"""Words asked for beyond those shown, to make up for the punctuation marks left out."""
_PHRASE = 200
"""Code points before a word in which a blocked phrase may begin."""
_CONTEXT_BYTES = 4 << 20


class WordPredictor:
    """Predicts words with an open language model; threads may share it."""

    def __init__(self, model: LanguageModel, never: NeverGenerated | None = None) -> None:
        self._model = model
        self._never = never or NeverGenerated()
        self._writer = Writer(model)
        self._contexts: Memo[tuple[str, str], Before] = Memo(_CONTEXT_BYTES, deep=True, largest=_CONTEXT_BYTES // 128)
        self._cost = CostEstimate(0.001)

    def predict(self, text: str, options: WordOptions, budget: Budget | None) -> NextWords:
        """Words, most probable first; neither marks of punctuation nor what is never generated after the text.

        They are written as the model's text writes them, with the capitals that were typed.

        Raises:
            UnsupportedError: the part asked for is not there.
        """
        work = Work(budget)
        with work.stage("parse"):
            cursor = locate(self._model, text, self._read)
            part = self._model.part(options.part)
        degraded = part is Part.ENSEMBLE and not work.allows(OptionalPart.NEURAL, self._cost)
        asked = Part.NGRAM if degraded else part
        with work.stage("ngram" if asked is Part.NGRAM else "neural"):
            width = options.max_suggestions + SPARE
            found = complete_word(self._model, cursor.context, cursor.typed, width, asked, joined=cursor.joined)
        if asked is not Part.NGRAM:
            self._cost.observe(work.timings[-1].duration_s)
        with work.stage("rank"):
            least = math.log(options.min_probability) if options.min_probability > 0 else -math.inf
            words = shown_words(self._model, found, cursor.typed)
            before = normalize_query(text[max(cursor.start - _PHRASE, 0) : cursor.start])
            allowed = (
                word
                for word in words
                if word.log_prob >= least and not self._never.forbids(before, normalize_query(word.text))
            )
            shown = list(itertools.islice(allowed, options.max_suggestions))
        terms = [ScoreTerms()] * len(shown)
        if options.explain:
            with work.stage("explain"):
                terms = self._terms(cursor, shown, asked)
        typed, place = text[cursor.start :], self._writer.place(cursor.sentence)
        written = [self._writer.write(word.text, place, typed) for word in shown]
        return NextWords(
            suggestions=tuple(
                WordSuggestion(text, word.log_prob, term)
                for text, word, term in zip(written, shown, terms, strict=True)
            ),
            replace_start=cursor.start,
            ghost_text=self._ghost(written, shown, typed, options),
            left_out=work.left_out,
            timings=work.timings,
        )

    def _ghost(self, written: list[str], shown: list[Word], typed: str, options: WordOptions) -> str:
        """The rest of the best word if it is probable enough."""
        least = options.min_ghost_probability
        least = self._model.entry.min_ghost_probability if least is None else least
        return rest_of(written[0], typed) if shown and math.exp(shown[0].log_prob) >= least else ""

    def _read(self, model: LanguageModel, text: str, following: str) -> Before:
        """What is before a word, which stays the same while its letters are typed."""
        return self._contexts.result((text, following), lambda asked: read_before(model, *asked))

    def _terms(self, cursor: Cursor, words: list[Word], part: Part) -> list[ScoreTerms]:
        if part is Part.ENSEMBLE:
            return explain_words(self._model, cursor, words)
        if part is Part.NGRAM:
            return [ScoreTerms(ngram_log_prob=word.log_prob) for word in words]
        return [ScoreTerms(neural_log_prob=word.log_prob) for word in words]


def shown_words(model: LanguageModel, found: Sequence[Hypothesis], typed: str) -> list[Word]:
    """Words, best first; tokenisations of one word add their probabilities."""
    spellings: dict[str, list[Hypothesis]] = {}
    for hypothesis in found:
        text = model.tokenizer.decode(hypothesis.tokens)
        if is_word(text) and (not model.joins or _is_one_word(text, typed)):
            spellings.setdefault(text, []).append(hypothesis)
    words = []
    for text, spelt in spellings.items():
        log_prob = float(functools.reduce(np.logaddexp, (each.log_prob for each in spelt)))
        words.append(Word(text, min(log_prob, 0.0), tuple(spelt)))
    return sorted(words, key=lambda word: -word.log_prob)


def is_word(text: str) -> bool:
    """Whether a token's text is suggested: it is no mark of punctuation and not the unknown word."""
    return (text.isalnum() or any(map(str.isalnum, text))) and text != "<unk>"


def _is_one_word(text: str, typed: str) -> bool:
    """Subwords may join a word and a mark: none at its end and, without spaces, none after what was typed."""
    return last_word_start(text) <= (len(typed) if is_unspaced(text[-1]) else len(text) - 1)
