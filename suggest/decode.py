"""The decoder for words and subwords: a beam over a language model's own mixture.

What was typed of a word is a constraint on the text. After some of its bytes are spelt, the tokens that spell all
the rest are one range of ids, and those that spell only a part are few. A word model is the special case of one
token per word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lm.language_model import LanguageModel, State
from lm.parts import Part
from lm.vocabulary import BEGIN, END, SPACE, UNKNOWN, Constraint

MAX_WORD_TOKENS = 12


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Tokens after the context, their natural-log probability, and how many typed bytes they spell."""

    tokens: tuple[int, ...]
    log_prob: float
    offset: int


def complete_word(
    model: LanguageModel, context: tuple[int, ...], typed: str, width: int, part: Part
) -> list[Hypothesis]:
    """The most probable words that begin with the typed letters.

    Args:
        context: tokens of the sentence so far.
        typed: letters of the word under the cursor; empty at the start of a word.
        width: words returned at most, and hypotheses kept a step.

    Returns:
        Best first; probabilities are given the typed letters, where there are any.
    """
    constraint = model.vocabulary.constraint(SPACE + typed)
    active = [Hypothesis((), 0.0, 0)]
    finished: list[Hypothesis] = []
    typed_mass = 0.0
    for _ in range(MAX_WORD_TOKENS):
        log_probs_BV = _after(model, context, active, part)
        proposals: list[Hypothesis] = []
        for hypothesis, log_probs_V in zip(active, log_probs_BV, strict=True):
            if hypothesis.offset < len(constraint.lows):
                typed_mass += np.exp(hypothesis.log_prob) * _mass(log_probs_V, constraint, hypothesis.offset)
                proposals += _spell(hypothesis, log_probs_V, constraint, width)
            else:
                ended = float(np.logaddexp(_total(log_probs_V, *model.word_starts), log_probs_V[END]))
                finished.append(Hypothesis(hypothesis.tokens, hypothesis.log_prob + ended, hypothesis.offset))
                proposals += _go_on(hypothesis, log_probs_V, model.word_starts, width)
        proposals.sort(key=lambda proposal: (-proposal.log_prob, proposal.tokens))
        if not model.joins:
            finished = proposals
            break
        active = _worth(proposals[:width], finished, width)
        if not active:
            break
    given = float(np.log(typed_mass)) if typed and typed_mass > 0 else 0.0
    best = sorted(finished, key=lambda done: (-done.log_prob, done.tokens))[:width]
    return [Hypothesis(done.tokens, min(done.log_prob - given, 0.0), done.offset) for done in best]


def _after(model: LanguageModel, context: tuple[int, ...], active: list[Hypothesis], part: Part) -> NDArray[np.float32]:
    """Log probabilities of the token after each hypothesis, (B, V)."""
    if len(active) == 1 and not active[0].tokens:
        return model.next_log_probs(context, part)[None]
    states: list[State] = []
    for hypothesis in active:
        states.append(model.state((*context, *hypothesis.tokens), part))
    return model.log_probs(states, part)


def _mass(log_probs_V: NDArray[np.float32], constraint: Constraint, offset: int) -> float:
    return float(np.exp(log_probs_V[constraint.lows[offset] : constraint.highs[offset]]).sum(dtype=np.float64))


def _total(log_probs_V: NDArray[np.float32], low: int, high: int) -> float:
    return float(np.log(np.exp(log_probs_V[low:high]).sum(dtype=np.float64) + 1e-300))


def _spell(
    hypothesis: Hypothesis, log_probs_V: NDArray[np.float32], constraint: Constraint, width: int
) -> list[Hypothesis]:
    """The hypothesis with a token more of the typed letters."""
    low, high = int(constraint.lows[hypothesis.offset]), int(constraint.highs[hypothesis.offset])
    whole = [(low + int(row), len(constraint.lows)) for row in _heaviest(log_probs_V[low:high], width)]
    return [
        Hypothesis((*hypothesis.tokens, token), hypothesis.log_prob + float(log_probs_V[token]), offset)
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
        Hypothesis(
            (*hypothesis.tokens, int(token)),
            hypothesis.log_prob + float(inside[token]),
            hypothesis.offset,
        )
        for token in _heaviest(inside, width)
        if np.isfinite(inside[token])
    ]


def _worth(proposals: list[Hypothesis], finished: list[Hypothesis], width: int) -> list[Hypothesis]:
    """Those that may still enter the best finished ones: going on only lowers a probability."""
    if len(finished) < width:
        return proposals
    floor = sorted((done.log_prob for done in finished), reverse=True)[width - 1]
    return [proposal for proposal in proposals if proposal.log_prob > floor]


def _heaviest(log_probs: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions of the k largest, unordered."""
    if len(log_probs) <= k:
        return np.arange(len(log_probs))
    return np.argpartition(-log_probs, k - 1)[:k]
