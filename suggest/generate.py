"""Generates text: ancestral, top-k, nucleus (Holtzman et al., 2020) and greedy sampling, and beam search."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lm.language_model import LanguageModel, last_sentence
from lm.parts import Part
from lm.text import ends_sentence
from lm.vocabulary import BEGIN, END, UNKNOWN
from suggest.types import FinishReason, GenerationOptions, TextChunk


def generate_text(
    model: LanguageModel, prompt: str, context: tuple[int, ...], options: GenerationOptions
) -> Iterator[TextChunk]:
    """Text that continues the prompt, as it is produced; the last chunk says why it ended.

    Args:
        context: tokens of the prompt's last sentence.

    Raises:
        UnsupportedError: the part asked for is not there.
    """
    part = model.part(options.part)
    if options.beam_width > 1:
        tokens, reason = _beam(model, context, options, part)
        yield TextChunk(text=_appended(model, prompt, context, (), tuple(tokens)), finish_reason=reason)
        return
    chance = random.Random(options.seed)
    tokens = []
    while len(tokens) < options.max_output_tokens:
        log_probs = model.next_log_probs((*context, *tokens), part)
        token = _draw(log_probs, options, chance)
        if token == END:
            yield TextChunk(text="", finish_reason=FinishReason.STOP)
            return
        text = _appended(model, prompt, context, tuple(tokens), (token,))
        tokens.append(token)
        if text:
            yield TextChunk(text=text)
    yield TextChunk(text="", finish_reason=FinishReason.LENGTH)


def _appended(
    model: LanguageModel, prompt: str, context: tuple[int, ...], before: tuple[int, ...], new: tuple[int, ...]
) -> str:
    """What the new tokens add to the text shown so far, the space before them included where there is one."""
    context = last_sentence(context)
    shown = model.tokenizer.decode((*context, *before))
    text = model.tokenizer.decode((*context, *before, *new))
    added = text[len(shown) :] if text.startswith(shown) else " " + model.tokenizer.decode(new)
    at_start = not before and (not prompt or prompt[-1].isspace() or ends_sentence(prompt))
    if not before and prompt and not context and not at_start:
        added = " " + added
    return added.lstrip(" ") if at_start else added


def _allowed(log_probs: NDArray[np.float32]) -> NDArray[np.float64]:
    masked = log_probs.astype(np.float64)
    masked[[UNKNOWN, BEGIN]] = -np.inf
    return masked


def _draw(log_probs: NDArray[np.float32], options: GenerationOptions, chance: random.Random) -> int:
    masked = _allowed(log_probs)
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
    model: LanguageModel, context: tuple[int, ...], options: GenerationOptions, part: Part
) -> tuple[list[int], FinishReason]:
    """The best finished sentence of a beam, else its best unfinished one."""
    active: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished: list[tuple[float, tuple[int, ...]]] = []
    for _ in range(options.max_output_tokens):
        states = [model.state((*context, *tokens), part) for _, tokens in active]
        proposals = []
        for (log_prob, tokens), row in zip(active, model.log_probs(states, part), strict=True):
            masked = _allowed(row)
            for token in np.argsort(-masked, kind="stable")[: options.beam_width].tolist():
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
