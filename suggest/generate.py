"""Generates text: ancestral, top-k, nucleus (Holtzman et al., 2020) and greedy sampling, and beam search."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lm.language_model import LanguageModel, last_sentence
from lm.parts import Part
from lm.text import ends_sentence
from lm.typed import TypedPrefix
from lm.vocabulary import BEGIN, END, SPACE, UNKNOWN, Constraint
from suggest.cursor import context_tokens, locate
from suggest.types import FinishReason, GenerationOptions, TextChunk


@dataclass(frozen=True, slots=True)
class _Opening:
    """How generated text begins.

    Attributes:
        context: tokens before what is generated, without those of a last word whose pieces are open.
        constraint: what the first tokens must spell: that word.
        shown: code points of the sentence and that word, as the tokenizer decodes them; 0 if there is no such word.
    """

    context: tuple[int, ...]
    constraint: Constraint
    shown: int = 0

    def allowed(self, log_probs: NDArray[np.float32], tokens: Sequence[int]) -> NDArray[np.float64]:
        """Log probabilities of what may follow the tokens generated so far, `-inf` for all else."""
        masked = log_probs.astype(np.float64)
        masked[[UNKNOWN, BEGIN]] = -np.inf
        spelling = self.constraint.following(tokens)
        if spelling is None:
            return masked
        kept = np.full_like(masked, -np.inf)
        kept[spelling] = masked[spelling]
        return kept


def generate_text(model: LanguageModel, prompt: str, options: GenerationOptions) -> Iterator[TextChunk]:
    """Text that continues the prompt, as it is produced; the last chunk says why it ended.

    Nothing of the prompt is replaced: subwords may go on with its last word as it is spelt (`한` to `한국`, `하` not).
    A word model takes that word as finished.

    Raises:
        UnsupportedError: the part asked for is not there.
    """
    part = model.part(options.part)
    opening = _open(model, prompt)
    if options.beam_width > 1:
        tokens, reason = _beam(model, opening, options, part)
        yield TextChunk(text=_appended(model, prompt, opening, (), tuple(tokens)), finish_reason=reason)
        return
    chance = random.Random(options.seed)
    tokens = []
    while len(tokens) < options.max_output_tokens:
        log_probs = model.next_log_probs((*opening.context, *tokens), part)
        token = _draw(opening.allowed(log_probs, tokens), options, chance)
        if token == END:
            yield TextChunk(text="", finish_reason=FinishReason.STOP)
            return
        text = _appended(model, prompt, opening, tuple(tokens), (token,))
        tokens.append(token)
        if text:
            yield TextChunk(text=text)
    yield TextChunk(text="", finish_reason=FinishReason.LENGTH)


def _open(model: LanguageModel, prompt: str) -> _Opening:
    cursor = locate(model, prompt) if model.joins else None
    if cursor is not None and cursor.typed:
        typed = TypedPrefix(cursor.typed if cursor.joined else SPACE + cursor.typed)
        constraint = model.vocabulary.constraint(typed)
        spelling = constraint.following(())
        if spelling is not None and len(spelling):
            before = model.tokenizer.decode(last_sentence(cursor.context))
            space = bool(before) and not cursor.joined
            return _Opening(cursor.context, constraint, len(before) + space + len(cursor.typed))
    return _Opening(context_tokens(model, prompt), model.vocabulary.constraint(TypedPrefix("")))


def _appended(
    model: LanguageModel, prompt: str, opening: _Opening, before: tuple[int, ...], new: tuple[int, ...]
) -> str:
    """What the new tokens add to the text shown so far, the space before them included where there is one."""
    context = last_sentence(opening.context)
    shown = model.tokenizer.decode((*context, *before))
    text = model.tokenizer.decode((*context, *before, *new))
    if len(shown) < opening.shown:
        return text[opening.shown :]
    added = text[len(shown) :] if text.startswith(shown) else " " + model.tokenizer.decode(new)
    at_start = not before and (not prompt or prompt[-1].isspace() or ends_sentence(prompt))
    if not before and prompt and not context and not at_start:
        added = " " + added
    return added.lstrip(" ") if at_start else added


def _draw(masked: NDArray[np.float64], options: GenerationOptions, chance: random.Random) -> int:
    if options.temperature == 0:
        return int(masked.argmax())
    ranked = np.argsort(-masked, kind="stable")
    if options.top_k is not None:
        ranked = ranked[: options.top_k]
    scaled = masked[ranked] / options.temperature
    weights = np.exp(scaled - scaled[0])
    weights /= weights.sum()
    cumulative = np.cumsum(weights)
    if options.top_p is not None:
        kept = int(np.searchsorted(cumulative, options.top_p)) + 1
        cumulative = cumulative[:kept]
    point = chance.random() * cumulative[-1]
    return int(ranked[min(int(np.searchsorted(cumulative, point, side="right")), len(cumulative) - 1)])


def _beam(
    model: LanguageModel, opening: _Opening, options: GenerationOptions, part: Part
) -> tuple[list[int], FinishReason]:
    """The best finished sentence of a beam, else its best unfinished one."""
    active: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished: list[tuple[float, tuple[int, ...]]] = []
    for _ in range(options.max_output_tokens):
        states = [model.state((*opening.context, *tokens), part) for _, tokens in active]
        proposals = []
        for (log_prob, tokens), row in zip(active, model.log_probs(states, part), strict=True):
            masked = opening.allowed(row, tokens)
            for token in np.argsort(-masked, kind="stable")[: options.beam_width].tolist():
                if masked[token] == -np.inf:
                    break
                proposals.append((log_prob + float(masked[token]), (*tokens, token)))
        proposals.sort(key=lambda proposal: (-proposal[0], proposal[1]))
        finished += [proposal for proposal in proposals[: options.beam_width] if proposal[1][-1] == END]
        active = [proposal for proposal in proposals[: options.beam_width] if proposal[1][-1] != END]
        best = max((log_prob for log_prob, _ in finished), default=-np.inf)
        active = [proposal for proposal in active if proposal[0] > best]
        if not active:
            break
    if finished:
        return list(max(finished)[1][:-1]), FinishReason.STOP
    return list(active[0][1]), FinishReason.LENGTH
