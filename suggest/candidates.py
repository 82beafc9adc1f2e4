"""Candidates for a typed query: the log's most popular completions and what the language model generates.

The n-gram model proposes in one compiled beam; the neural model re-scores the best proposals in one batch, and both
are mixed token by token. The beam starts at the beginning of the word under the cursor, whose typed letters are a
constraint on the text: pieces may then fall as they did in training, wherever the cursor stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lm.hangul import typed_prefixes
from lm.language_model import LanguageModel, State
from lm.parts import Part
from lm.queries import QueryIndex
from lm.vocabulary import END, SPACE
from suggest.rank import Candidate

BEAM_WIDTH = 30
MAX_TOKENS = 24
POPULAR = 30
"""Completions taken from the log: more than are shown, for the models may reorder them."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its tokens after the context, `END` last, and the n-gram model's log probability of each."""

    candidate: Candidate
    tokens: tuple[int, ...]
    steps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates for one typed query.

    Attributes:
        context: tokens of the finished words.
        total: submissions of all queries in the log that begin with what was typed.
    """

    scored: tuple[Scored, ...]
    context: tuple[int, ...]
    total: float

    @property
    def candidates(self) -> list[Candidate]:
        """The candidates alone."""
        return [scored.candidate for scored in self.scored]


def propose(model: LanguageModel, index: QueryIndex | None, query: str) -> Pool:
    """Candidates from the log and the n-gram model.

    Args:
        query: as `normalize_query` returns it: a space at its end says that the last word is finished.
    """
    popular, total = index.completions(query, POPULAR) if index else ([], 0.0)
    head, _, typed = query.rpartition(" ")
    context = tuple(model.tokenizer.encode(head)) if head else ()
    state = model.state(context, Part.NGRAM)
    sentences, typed_log_prob = _beam(model, state, typed)
    found: dict[str, Scored] = {}
    for tokens, steps in sentences:
        text = f"{head} {model.vocabulary.spell(tokens)}" if head else model.vocabulary.spell(tokens)
        _add(found, text, tokens, steps, typed_log_prob)
    if math.isfinite(typed_log_prob):
        for text, _ in popular:
            if text not in found:
                _score_popular(model, found, text, context, state, typed_log_prob)
    counts = dict(popular)
    finished = [
        replace(scored, candidate=replace(scored.candidate, count=_count(counts, index, text)))
        for text, scored in found.items()
    ]
    finished += [
        Scored(Candidate(text=text, count=count, log_prob=-math.inf), (), ())
        for text, count in popular
        if text not in found
    ]
    typed_query = query.rstrip()
    return Pool(tuple(s for s in finished if s.candidate.text != typed_query), context, total)


def _beam(model: LanguageModel, state: State, typed: str) -> tuple[list[tuple[list[int], list[float]]], float]:
    """The best sentences that spell what was typed, with their steps, and its natural-log probability."""
    beams = [
        model.ngram.table.beam(state.ngram, model.vocabulary.constraint(prefix).arrays, BEAM_WIDTH, MAX_TOKENS)
        for prefix in typed_prefixes(SPACE + typed)
    ]
    if len(beams) == 1:
        sentences, typed_log_prob = beams[0]
        return sentences, typed_log_prob
    # Hangul in the making: no text is found by two of them.
    every = sorted((row for sentences, _ in beams for row in sentences), key=lambda row: -sum(row[1]))
    return every[:BEAM_WIDTH], float(np.logaddexp.reduce([log_prob for _, log_prob in beams]))


def _count(counts: dict[str, float], index: QueryIndex | None, text: str) -> float:
    known = counts.get(text)
    if known is not None:
        return known
    return index.count(text) if index else 0.0


def _score_popular(
    model: LanguageModel,
    found: dict[str, Scored],
    text: str,
    context: tuple[int, ...],
    state: State,
    typed_log_prob: float,
) -> None:
    """Adds a query of the log that the beam did not come by."""
    tokens = model.tokenizer.encode(text)
    if tuple(tokens[: len(context)]) == context:
        rest = [*tokens[len(context) :], END]
        steps, _ = model.ngram.table.score_all(state.ngram, np.array(rest, np.int32))
        _add(found, text, rest, steps.tolist(), typed_log_prob)


def _add(found: dict[str, Scored], text: str, tokens: list[int], steps: list[float], typed_log_prob: float) -> None:
    """Adds a tokenisation of a query; that of a text found before adds its probability to it."""
    ngram = sum(steps) - typed_log_prob
    known = found.get(text)
    if known is None:
        candidate = Candidate(text=text, count=0.0, log_prob=ngram, ngram_log_prob=ngram)
        found[text] = Scored(candidate, tuple(tokens), tuple(steps))
    else:
        total = float(np.logaddexp(known.candidate.log_prob, ngram))
        merged = replace(known.candidate, log_prob=total, ngram_log_prob=total)
        found[text] = replace(known, candidate=merged)


def rescore(model: LanguageModel, pool: Pool, chosen: list[Candidate]) -> list[Candidate]:
    """The chosen candidates with the neural model mixed in, token by token.

    The mixture's probability of the typed text is estimated from the same candidates: they hold about the same
    share of it under either model.
    """
    wanted = {candidate.text for candidate in chosen}
    rows = [scored for scored in pool.scored if scored.candidate.text in wanted and scored.tokens]
    if not rows or model.neural is None:
        return chosen
    neural_steps = _neural_steps(model, pool.context, rows)
    neural = np.array([steps.sum() for steps in neural_steps])
    mixed = _mixed(model, pool.context, rows, neural_steps)
    share = np.logaddexp.reduce([row.candidate.log_prob for row in rows])
    mixed_given = mixed - np.logaddexp.reduce(mixed) + share
    neural_given = neural - np.logaddexp.reduce(neural) + share
    better = {
        row.candidate.text: replace(row.candidate, log_prob=float(given), neural_log_prob=float(alone))
        for row, given, alone in zip(rows, mixed_given, neural_given, strict=True)
    }
    return [better.get(candidate.text, candidate) for candidate in chosen]


def _mixed(
    model: LanguageModel, context: tuple[int, ...], rows: list[Scored], neural_steps: list[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The mixture's log probability of each row, mixed token by token in one go."""
    table, before = model.ngram.table, model.state(context, Part.NGRAM).ngram
    contexts = np.concatenate([table.contexts(before, np.array(row.tokens, np.int32)) for row in rows])
    ngram = np.array([step for row in rows for step in row.steps], np.float32)
    mixed = model.mix(ngram, np.concatenate(neural_steps), contexts)
    starts = np.cumsum([0, *(len(row.tokens) for row in rows[:-1])])
    if model.recent_words is not None:
        recent = model.recent_words.remember((), context)
        for start, row in zip(starts, rows, strict=True):
            span = slice(start, start + len(row.tokens))
            mixed[span], _ = model.recent_words.mix_tokens(mixed[span], row.tokens, recent)
    summed: NDArray[np.float32] = np.add.reduceat(mixed, starts)
    return summed


def _neural_steps(model: LanguageModel, context: tuple[int, ...], rows: list[Scored]) -> list[NDArray[np.float32]]:
    """The neural model's log probabilities of each row's tokens after the context."""
    neural, state = model.neural, model.state(context, Part.ENSEMBLE)
    assert neural is not None
    assert state.neural is not None
    assert state.hidden is not None
    lengths = [len(row.tokens) for row in rows]
    longest = max(lengths)
    targets_BT = np.full((len(rows), longest), END, np.int64)
    for position, row in enumerate(rows):
        targets_BT[position, : lengths[position]] = row.tokens
    valid_BT = np.arange(longest) < np.array(lengths)[:, None]
    hidden_BTE = np.repeat(state.hidden[None], len(rows), axis=0)  # after the context: before the first token
    if longest > 1:
        following_BTE, _ = neural.advance(targets_BT[:, :-1], np.repeat(state.neural, len(rows), axis=1))
        hidden_BTE = np.concatenate([hidden_BTE, following_BTE], axis=1)
    flat = neural.target_log_probs(hidden_BTE[valid_BT], targets_BT[valid_BT])
    return np.split(flat, np.cumsum(lengths)[:-1])
