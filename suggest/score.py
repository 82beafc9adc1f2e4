"""Scores text word by word with exactly the probabilities of the ensemble.

In scripts that put no spaces between words, a piece of a subword model is a word.
"""

from __future__ import annotations

import math

from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END, SPACE, UNKNOWN
from lm.text.normalize import is_unspaced
from suggest.types import TextScore, TokenScore


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
