"""Predicts the word that follows a text, or completes its last one."""

from __future__ import annotations

import math
import re

from lm.language_model import LanguageModel
from lm.parts import Part
from lm.text import last_word_start, normalize_query, split_sentences
from lm.vocabulary import END
from suggest.budget import Budget
from suggest.decode import Hypothesis, complete_word
from suggest.estimate import CostEstimate
from suggest.explain import explain_words
from suggest.stages import Stages
from suggest.types import NextWords, ScoreTerms, WordSuggestion

MAX_CONTEXT = 256
"""Tokens of the sentences before that are read at most: whole sentences, so that one more letter changes none."""

_AFTER_BLANK = re.compile(r"\S*\Z")
_SPARE = 8
"""Words asked for beyond those shown, to make up for the punctuation marks left out."""


class WordPredictor:
    """Predicts words with an open language model; threads may share it."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._cost = CostEstimate(0.001)

    def predict(
        self,
        text: str,
        *,
        max_suggestions: int,
        min_probability: float,
        part: Part,
        explain: bool,
        budget: Budget | None,
    ) -> NextWords:
        """Words, most probable first; marks of punctuation are not suggested.

        Args:
            explain: give the terms of each score; those of an ensemble cost extra.

        Raises:
            UnsupportedError: the part asked for is not there.
        """
        stages = Stages()
        with stages.stage("parse"):
            start = self._word_start(text)
            context = self.context(text[:start])
            typed = normalize_query(text[start:]).strip()
            if not self._model.entry.lowercase:
                typed = text[start:].strip()
            part = self._model.part(part)
        degraded = part is Part.ENSEMBLE and not self._cost.fits(budget)
        with stages.stage("ngram" if degraded or part is Part.NGRAM else "neural"):
            asked = Part.NGRAM if degraded else part
            found = complete_word(self._model, context, typed, max_suggestions + _SPARE, asked)
        if asked is not Part.NGRAM:
            self._cost.observe(stages.timings[-1].duration_s)
        with stages.stage("rank"):
            least = math.log(min_probability) if min_probability > 0 else -math.inf
            shown = [each for each in found if each.log_prob >= least and _is_word(self._text(each))][:max_suggestions]
        terms = [ScoreTerms()] * len(shown)
        if explain:
            with stages.stage("explain"):
                terms = self._terms(context, typed, shown, asked)
        return NextWords(
            suggestions=tuple(
                WordSuggestion(text=self._text(each), log_prob=each.log_prob, terms=term)
                for each, term in zip(shown, terms, strict=True)
            ),
            replace_start=start,
            degraded=degraded,
            timings=stages.timings,
        )

    def _word_start(self, text: str) -> int:
        """The offset of the word under the cursor."""
        if self._model.entry.pretokenized:
            return len(text) - len(_AFTER_BLANK.search(text)[0])  # type: ignore[index]  # matches any text
        return last_word_start(text)

    def context(self, text: str) -> tuple[int, ...]:
        """Tokens of the text's last sentence; of those before it too, each closed by `END`, if the model reads them."""
        sentences = split_sentences(text)
        if sentences and text.rstrip().endswith((".", "!", "?")) and text[-1:].isspace():
            sentences.append("")  # the last one has ended, the next one is empty so far
        if not sentences:
            return ()
        *before, last = sentences
        context = tuple(self._model.tokenizer.encode(last))
        recent = self._model.recent_words
        limit = max(MAX_CONTEXT, recent.limit if recent else 0)
        for sentence in reversed(before if self._model.reads_on else []):
            longer = (*self._model.tokenizer.encode(sentence), END, *context)
            if len(longer) > limit:
                break
            context = longer
        return context

    def _text(self, hypothesis: Hypothesis) -> str:
        return self._model.tokenizer.decode(hypothesis.tokens)

    def _terms(self, context: tuple[int, ...], typed: str, shown: list[Hypothesis], part: Part) -> list[ScoreTerms]:
        if part is Part.ENSEMBLE:
            return explain_words(self._model, context, typed, shown)
        if part is Part.NGRAM:
            return [ScoreTerms(ngram_log_prob=each.log_prob) for each in shown]
        return [ScoreTerms(neural_log_prob=each.log_prob) for each in shown]


def _is_word(text: str) -> bool:
    return any(character.isalnum() for character in text) and text != "<unk>"
