"""Generates text: ancestral, top-k, nucleus (Holtzman et al., 2020) and greedy sampling, and beam search."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from lm.index.never_generated import NeverGenerated
from lm.models.language_model import LanguageModel, last_sentence
from lm.models.parts import Part
from lm.models.vocabulary import BEGIN, END, SPACE, UNKNOWN, Constraint
from lm.text.hangul import TypedPrefix
from lm.text.normalize import last_word_start, normalize_query
from lm.text.sentences import open_sentence
from suggest.cursor import locate, read_before
from suggest.types import Blocked, FinishReason, GenerationOptions, TextChunk
from suggest.writing import Pen

_DRAWS = 100
"""Tokens that are drawn, and forbidden, before the text ends instead."""
_BEFORE = 200
"""Code points of a prompt in which what is never generated may begin."""


@dataclass(frozen=True, slots=True)
class _Opening:
    """How generated text begins.

    Attributes:
        context: tokens before what is generated, without those of a last word whose pieces are open.
        constraint: what the first tokens must spell: that word.
        shown: code points of the sentence and that word, as the tokenizer decodes them; 0 if there is no such word.
        typed: that word as it was typed.
    """

    context: tuple[int, ...]
    constraint: Constraint
    shown: int = 0
    typed: str = ""

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


@dataclass(frozen=True, slots=True)
class _Guard:
    """Keeps out of generated text what is never generated. It is judged word by word as each is finished.

    What the user wrote is not ours to judge: a prompt that is forbidden itself may be continued, by what is not.
    """

    model: LanguageModel
    prompt: str
    line: str  # the prompt's last sentence, with the space at its end
    opening: _Opening
    never: NeverGenerated
    blocked: Blocked | None = None

    def forbids(self, tokens: tuple[int, ...]) -> bool:
        """Whether tokens bring in what is never generated. Unless `END` is the last one, their last word may go on."""
        ended = tokens[-1:] == (END,)
        text = _appended(self.model, self.prompt, self.opening, (), tokens[:-1] if ended else tokens)
        return (ended and self._withholds(text)) or self._brings_in(text, finished=ended)

    def finishes_forbidden(self, tokens: tuple[int, ...]) -> bool:
        """Whether generated tokens bring in what is never generated if their last word does not go on."""
        return self._brings_in(_appended(self.model, self.prompt, self.opening, (), tokens), finished=True)

    def _withholds(self, text: str) -> bool:
        typed, whole = normalize_query(self.line).strip(), normalize_query(self.line + text).strip()
        blocked = self.blocked is not None and self.blocked.blocks(whole)
        return whole != typed and (blocked or self.never.withholds(whole))

    def _brings_in(self, text: str, *, finished: bool) -> bool:
        written = self.prompt[-_BEFORE:]
        whole, start = written + text, last_word_start(written)
        head, word = normalize_query(written[:start]), normalize_query(written[start:])
        if not text[:1].isalnum() and self._forbids(head, word):
            start = len(whole) - len(text.lstrip())
        before, new = normalize_query(whole[:start]), normalize_query(whole[start:])
        if not finished and self.model.joins:
            new = new[: last_word_start(new)]
        return self._forbids(before, new)

    def _forbids(self, before: str, new: str) -> bool:
        return self.never.forbids(before, new) or (self.blocked is not None and self.blocked.blocks_after(before, new))


def generate_text(
    model: LanguageModel,
    prompt: str,
    options: GenerationOptions,
    never: NeverGenerated | None = None,
    blocked: Blocked | None = None,
) -> Iterator[TextChunk]:
    """Text that continues the prompt, as it is produced; the last chunk says why it ended.

    Nothing of the prompt is replaced: subwords may go on with its last word as it is spelt (`한` to `한국`, `하` not).
    A word model takes that word as finished. What is never generated is drawn anew: words and phrases as they are
    finished, and the end of a line that as a whole is a withheld query. So is what is blocked at present.

    Raises:
        UnsupportedError: the part asked for is not there.
    """
    part = model.part(options.part)
    opening = _open(model, prompt)
    line = _last_line(prompt)
    guard = _Guard(model, prompt, line, opening, never or NeverGenerated(), blocked)
    pen = Pen(model, line, opening.typed)
    if options.beam_width > 1:
        tokens, reason = _beam(model, opening, options, part, guard)
        text = pen.write(_appended(model, prompt, opening, (), tokens), finished=True)
        yield TextChunk(text=text, finish_reason=reason)
        return
    chance, shown = random.Random(options.seed), 0
    tokens = ()
    while len(tokens) < options.max_output_tokens:
        log_probs = model.next_log_probs((*opening.context, *tokens), part)
        token = _draw_allowed(opening.allowed(log_probs, tokens), options, chance, guard, tokens)
        if token is None or token == END:
            break
        tokens = (*tokens, token)
        if guard.forbids((*tokens, END)):
            continue  # a word that is forbidden unless it goes on is not shown before it does
        text = pen.write(
            "".join(
                _appended(model, prompt, opening, tokens[:place], tokens[place : place + 1])
                for place in range(shown, len(tokens))
            )
        )
        shown = len(tokens)
        if text:
            yield TextChunk(text=text)
    full = len(tokens) == options.max_output_tokens
    rest = pen.write("", finished=True)
    yield TextChunk(text=rest, finish_reason=FinishReason.LENGTH if full else FinishReason.STOP)


def _draw_allowed(
    masked: NDArray[np.float64],
    options: GenerationOptions,
    chance: random.Random,
    guard: _Guard,
    tokens: tuple[int, ...],
) -> int | None:
    """A token that brings in nothing forbidden; None if none was found."""
    for _ in range(_DRAWS):
        if not np.isfinite(masked).any():
            break
        token = _draw(masked, options, chance)
        if not guard.forbids((*tokens, token)):
            return token
        masked[token] = -np.inf
        low, high = guard.model.word_starts
        if low <= token < high and guard.finishes_forbidden(tokens):
            masked[low:high] = -np.inf  # whatever word comes next
    return None


def _last_line(prompt: str) -> str:
    """The sentence under way, with the space at its end."""
    line = open_sentence(prompt)
    return line + " " if line and prompt[-1].isspace() else line


def _open(model: LanguageModel, prompt: str) -> _Opening:
    cursor = locate(model, prompt) if model.joins else None
    if cursor is not None and cursor.typed:
        typed = TypedPrefix(cursor.typed if cursor.joined else SPACE + cursor.typed)
        constraint = model.vocabulary.constraint(typed)
        spelling = constraint.following(())
        if spelling is not None and len(spelling):
            before = model.tokenizer.decode(last_sentence(cursor.context))
            space = bool(before) and not cursor.joined
            shown = len(before) + space + len(cursor.typed)
            return _Opening(cursor.context, constraint, shown, prompt[cursor.start :])
    return _Opening(read_before(model, prompt).tokens, model.vocabulary.constraint(TypedPrefix("")))


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
    at_start = not before and (not prompt or prompt[-1].isspace() or not open_sentence(prompt))
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
    model: LanguageModel, opening: _Opening, options: GenerationOptions, part: Part, guard: _Guard
) -> tuple[tuple[int, ...], FinishReason]:
    """The best finished sentence of a beam, else its best unfinished one; none if all are forbidden."""
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
        best_ones = list(islice((each for each in proposals if not guard.forbids(each[1])), options.beam_width))
        finished += [proposal for proposal in best_ones if proposal[1][-1] == END]
        active = [proposal for proposal in best_ones if proposal[1][-1] != END]
        best = max((log_prob for log_prob, _ in finished), default=-np.inf)
        active = [proposal for proposal in active if proposal[0] > best]
        if not active:
            break
    if finished:
        return max(finished)[1][:-1], FinishReason.STOP
    unfinished = [tokens for _, tokens in active if not guard.forbids((*tokens, END))]
    return (unfinished[0] if unfinished else ()), FinishReason.LENGTH
