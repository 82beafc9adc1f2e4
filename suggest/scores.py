"""Scores of words: what each part of an ensemble makes of the words that it predicts, and of those of a given text.

In scripts that put no spaces between words, a piece of a subword model is a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END, SPACE, UNKNOWN
from lm.text.normalize import is_unspaced
from suggest.cursor import Cursor
from suggest.decode import Hypothesis, complete_word
from suggest.types import ScoreTerms, TextScore, TokenScore

_WIDTH = 16


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was found.

    Attributes:
        log_prob: natural-log probability given the typed letters, at most 0; the sum over its spellings.
        spellings: in tokens, see `complete_word`.
    """

    text: str
    log_prob: float
    spellings: tuple[Hypothesis, ...]


def explain_words(model: LanguageModel, cursor: Cursor, words: Sequence[Word]) -> list[ScoreTerms]:
    """The n-gram and the neural model's log probability of each word that their ensemble found.

    Both are given the typed letters, as each part alone would answer. At the start of a word the neural model is not
    asked of words outside its short list.
    """
    parts = (Part.NGRAM,) if model.neural is None else (Part.NGRAM, Part.NEURAL)
    typed_by = {part: _typed_log_prob(model, cursor, part) for part in parts}

    listed = None
    if model.neural is not None and model.neural.short_list is not None and not cursor.typed:
        listed = set(model.neural.short_list.tokens.tolist())

    def given(word: Word, part: Part) -> float | None:
        spellings = [spelling.tokens for spelling in word.spellings]
        asked = part is Part.NGRAM or listed is None or any(map(listed.issuperset, spellings))
        if part not in typed_by or not asked:
            return None
        spelt = [_word_log_prob(model, cursor.context, tokens, part) for tokens in spellings]
        log_prob = float(np.logaddexp.reduce(spelt)) - typed_by[part]
        return min(log_prob, 0.0) if math.isfinite(log_prob) else None

    return [ScoreTerms(None, given(word, Part.NGRAM), given(word, Part.NEURAL)) for word in words]


def _typed_log_prob(model: LanguageModel, cursor: Cursor, part: Part) -> float:
    """Natural-log probability that the next word begins with the typed letters: what a part divides by."""
    if not cursor.typed:
        return 0.0
    best = complete_word(model, cursor.context, cursor.typed, _WIDTH, part, joined=cursor.joined)[:1]
    return _word_log_prob(model, cursor.context, best[0].tokens, part) - best[0].log_prob if best else 0.0


def _word_log_prob(model: LanguageModel, context: tuple[int, ...], tokens: tuple[int, ...], part: Part) -> float:
    """Natural-log probability that a word of these tokens follows; of subwords, that it ends there as well.

    Without spaces a word is a piece, which need not end.
    """
    rows = [model.next_log_probs((*context, *tokens[:position]), part) for position in range(len(tokens))]
    log_prob = sum(float(row_V[token]) for row_V, token in zip(rows, tokens, strict=True))
    if not model.joins or is_unspaced(model.vocabulary.spell(tokens)[-1:]):
        return log_prob
    after_V = model.next_log_probs((*context, *tokens), part)
    low, high = model.word_starts
    return log_prob + float(np.logaddexp(np.logaddexp.reduce(after_V[low:high]), after_V[END]))


def score_text(model: LanguageModel, text: str, part: Part) -> TextScore:
    """Scores a text as one sentence: a score a word, then one for its end.

    Raises:
        UnsupportedError: the part asked for is not there.
    """
    part = model.part(part)
    tokens = [*model.tokenizer.encode(text), END]
    log_probs = model.token_log_probs(tokens)[part].tolist()
    scores: list[TokenScore] = []
    word: list[int] = []
    word_log_prob = 0.0
    for token, log_prob in zip(tokens, log_probs, strict=True):
        if word and _begins_word(model, word, token):
            scores.append(_word_score(model, word, word_log_prob))
            word, word_log_prob = [], 0.0
        word.append(token)
        word_log_prob += log_prob
    scores.append(TokenScore(token="</s>", log_prob=word_log_prob, out_of_vocabulary=False))
    total = math.fsum(score.log_prob for score in scores)
    return TextScore(token_scores=tuple(scores), log_prob=total, perplexity=math.exp(min(-total / len(scores), 700.0)))


def _begins_word(model: LanguageModel, word: list[int], token: int) -> bool:
    if token == END or not model.joins:
        return True
    text = model.vocabulary.token(token).decode()
    return text.startswith(SPACE) or (is_unspaced(text[0]) and model.vocabulary.spell(word) != "")


def _word_score(model: LanguageModel, word: list[int], log_prob: float) -> TokenScore:
    unknown = UNKNOWN in word
    text = "".join(model.vocabulary.token(token).decode() for token in word).replace(SPACE, "")
    return TokenScore(token=text, log_prob=log_prob, out_of_vocabulary=unknown)
