"""The decoder for words and subwords: a beam over a language model's own mixture.

What was typed of a word is a constraint on the text. After some of its bytes are spelt, the tokens that spell all
the rest are one range of ids, and those that spell only a part are few. Hangul in the making is several constraints,
one of which a word must meet. A word model is the special case of one token per word. In scripts that put no spaces
between words, a word is one more token of a subword model.
"""

from __future__ import annotations

import itertools
import math
import operator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lm.kernels.ranges import largest
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import BEGIN, END, SPACE, UNKNOWN, Constraint
from lm.text.hangul import typed_prefixes
from lm.text.normalize import is_unspaced

MAX_WORD_TOKENS = 12


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Tokens after the context, their natural-log probability, and how many bytes of which constraint they spell."""

    tokens: tuple[int, ...]
    log_prob: float
    offset: int
    constraint: Constraint

    @property
    def rest(self) -> tuple[int, int]:
        """Half-open range of the tokens that spell all the rest of the constraint."""
        return int(self.constraint.lows[self.offset]), int(self.constraint.highs[self.offset])

    def with_token(self, token: int, log_prob: float, offset: int) -> Hypothesis:
        """This one and a token more."""
        return Hypothesis((*self.tokens, token), self.log_prob + log_prob, offset, self.constraint)


def complete_word(
    model: LanguageModel, context: tuple[int, ...], typed: str, width: int, part: Part, *, joined: bool = False
) -> list[Hypothesis]:
    """The most probable words that begin with the typed letters.

    Args:
        context: tokens of the sentence so far.
        typed: letters of the word under the cursor; empty at the start of a word.
        width: words returned at most, and hypotheses kept a step.
        joined: the word stands without a space after the context; for subwords.

    Returns:
        Best first; probabilities are given the typed letters, where there are any.
    """
    prefixes = typed_prefixes(typed if joined else SPACE + typed)
    constraints = [model.vocabulary.constraint(prefix) for prefix in prefixes]
    if not model.joins:
        return _whole_words(model, context, typed, constraints, width, part)
    active = [Hypothesis((), 0.0, 0, constraint) for constraint in constraints]
    finished: list[Hypothesis] = []
    typed_mass = 0.0
    for _ in range(MAX_WORD_TOKENS):
        log_probs_BV = _after(model, context, active, part)
        proposals: list[Hypothesis] = []
        for hypothesis, log_probs_V in zip(active, log_probs_BV, strict=True):
            if hypothesis.offset < len(hypothesis.constraint.lows):
                if typed:
                    typed_mass += np.exp(hypothesis.log_prob) * _mass(log_probs_V, hypothesis.rest)
                proposals += _spell(hypothesis, log_probs_V, width)
                continue
            if hypothesis.tokens and not _ends_unspaced(model, hypothesis):
                next_word = np.log(_mass(log_probs_V, model.word_starts) + 1e-300)
                ended = float(np.logaddexp(next_word, log_probs_V[END]))
                finished.append(replace(hypothesis, log_prob=hypothesis.log_prob + ended))
            proposals += _go_on(hypothesis, log_probs_V, model.word_starts, width)
        proposals.sort(key=lambda proposal: (-proposal.log_prob, proposal.tokens))
        best = [(proposal, _is_piece(model, proposal, typed)) for proposal in proposals[:width]]
        finished += [proposal for proposal, whole in best if whole]
        active = _worth([proposal for proposal, whole in best if not whole], finished, width)
        if not active:
            break
    given = float(np.log(typed_mass)) if typed and typed_mass > 0 else 0.0
    finished.sort(key=lambda done: (-done.log_prob, done.tokens))
    return [
        Hypothesis(done.tokens, min(done.log_prob - given, 0.0), done.offset, done.constraint)
        for done in finished[:width]
    ]


def _whole_words(
    model: LanguageModel, context: tuple[int, ...], typed: str, constraints: list[Constraint], width: int, part: Part
) -> list[Hypothesis]:
    """`complete_word` of a word model: a token is a word, so one step does.

    Of all words only frequent ones are among the first; once a letter is typed, any may be.
    """
    if not typed and part is Part.ENSEMBLE and model.has_short_list:
        log_probs_V = model.likely_log_probs([model.state(context, part)])[0]
    else:
        log_probs_V = model.next_log_probs(context, part)
    found: list[tuple[float, int, Constraint]] = []
    mass = 0.0
    for constraint in constraints:
        low, high = int(constraint.lows[0]), int(constraint.highs[0])
        inside = log_probs_V[low:high]
        rows = largest(inside, width)
        found += zip((-inside[rows]).tolist(), (rows + low).tolist(), itertools.repeat(constraint))
        mass += float(np.exp(inside).sum(dtype=np.float64)) if typed else 0.0
    given = math.log(mass) if mass > 0 else 0.0
    found.sort(key=operator.itemgetter(0, 1))
    return [
        Hypothesis((token,), min(-cost - given, 0.0), len(constraint.lows), constraint)
        for cost, token, constraint in found[:width]
    ]


def _after(model: LanguageModel, context: tuple[int, ...], active: list[Hypothesis], part: Part) -> NDArray[np.float32]:
    """Log probabilities of the token after each hypothesis, (B, V)."""
    if not active[0].tokens:
        row = model.next_log_probs(context, part)
        return np.broadcast_to(row, (len(active), len(row)))
    return model.log_probs([model.state((*context, *hypothesis.tokens), part) for hypothesis in active], part)


def _ends_unspaced(model: LanguageModel, hypothesis: Hypothesis) -> bool:
    return model.joins and is_unspaced(model.vocabulary.token(hypothesis.tokens[-1]).decode()[-1:])


def _is_piece(model: LanguageModel, hypothesis: Hypothesis, typed: str) -> bool:
    """Whether a script without spaces makes it a word: it holds more than was typed."""
    spelt = hypothesis.offset == len(hypothesis.constraint.lows) and _ends_unspaced(model, hypothesis)
    return spelt and len(model.vocabulary.spell(hypothesis.tokens)) > len(typed)


def _mass(log_probs_V: NDArray[np.float32], tokens: tuple[int, int]) -> float:
    return float(np.exp(log_probs_V[slice(*tokens)]).sum(dtype=np.float64))


def _spell(hypothesis: Hypothesis, log_probs_V: NDArray[np.float32], width: int) -> list[Hypothesis]:
    """The hypothesis with a token more of the typed letters."""
    constraint = hypothesis.constraint
    low, high = hypothesis.rest
    whole = [(low + int(row), len(constraint.lows)) for row in largest(log_probs_V[low:high], width)]
    return [
        hypothesis.with_token(token, float(log_probs_V[token]), offset)
        for token, offset in whole + constraint.parts(hypothesis.offset)
    ]


def _go_on(
    hypothesis: Hypothesis, log_probs_V: NDArray[np.float32], word_starts: tuple[int, int], width: int
) -> list[Hypothesis]:
    """The hypothesis with one more token of the same word."""
    inside = log_probs_V.copy()
    inside[word_starts[0] : word_starts[1]] = -np.inf
    inside[[UNKNOWN, BEGIN, END]] = -np.inf
    return [
        hypothesis.with_token(int(token), float(inside[token]), hypothesis.offset)
        for token in largest(inside, width)
        if np.isfinite(inside[token])
    ]


def _worth(proposals: list[Hypothesis], finished: list[Hypothesis], width: int) -> list[Hypothesis]:
    """Those that may still enter the best finished ones: going on only lowers a probability."""
    if len(finished) < width:
        return proposals
    floor = sorted((done.log_prob for done in finished), reverse=True)[width - 1]
    return [proposal for proposal in proposals if proposal.log_prob > floor]
