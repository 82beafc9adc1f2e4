"""Candidates for a typed query: the log's most popular completions and what the language model generates.

The n-gram model proposes in one compiled beam. The beam starts at the beginning of the word under the cursor, whose
typed letters are a constraint on the text: pieces may then fall as they did in training, wherever the cursor stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lm.index.denied import Denied
from lm.index.queries import QueryIndex
from lm.models.language_model import LanguageModel, State
from lm.models.parts import Part
from lm.models.vocabulary import END, SPACE
from lm.text.hangul import typed_prefixes
from suggest.rank import Candidates

BEAM_WIDTH = 20
"""30 is worth 0.3% of MRR@10, 15 costs 0.6% and 10 2.2% (`benchmarks.serving --only quality`)."""
MAX_TOKENS = 24
POPULAR = 16
"""Completions taken from the log: more than are shown, for the models may reorder them."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates for one typed query.

    Attributes:
        candidates: the log's and the n-gram model's; `log_probs` are the latter's.
        tokens: of each candidate those after the context, `END` last; none if the model cannot spell it.
        firsts: natural-log probability of the first of these by the n-gram model, 0 where there is none.
        context: tokens of the finished words.
        total: submissions of all queries in the log that begin with what was typed.
        typed_log_prob: natural-log probability of the typed part of the last word after the finished ones.
        parts: of the pool of several readings of what was typed the pools of each, one after the other.
    """

    candidates: Candidates
    tokens: Sequence[Sequence[int]]
    firsts: Sequence[float]
    context: tuple[int, ...]
    total: float
    typed_log_prob: float = 0.0
    parts: tuple[Pool, ...] = ()

    def of(self, rows: Sequence[int]) -> Pool:
        """The pool with some of its candidates."""
        tokens, firsts = [self.tokens[row] for row in rows], [self.firsts[row] for row in rows]
        return replace(self, candidates=self.candidates.of(rows), tokens=tokens, firsts=firsts)


class _Found:
    """Texts with their probabilities as they are found; several tokenisations of one text add up."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.tokens: list[Sequence[int]] = []
        self.firsts: list[float] = []
        self.log_probs: list[float] = []

    def add(self, text: str, tokens: Sequence[int], first: float, log_prob: float) -> None:
        row = self.rows.get(text)
        if row is None:
            self.rows[text] = len(self.tokens)
            self.tokens.append(tokens)
            self.firsts.append(first)
            self.log_probs.append(log_prob)
        else:
            high, low = max(self.log_probs[row], log_prob), min(self.log_probs[row], log_prob)
            self.log_probs[row] = high + math.log1p(math.exp(low - high))

    def drop_denied(self, denied: Denied, logged_N: NDArray[np.bool_]) -> list[int]:
        """Drops the texts that are in no log and must not be suggested; returns the rows of the others."""
        texts = list(self.rows)
        generated = (~logged_N).nonzero()[0]
        denied_N = denied.queries([texts[row] for row in generated.tolist()])
        if not denied_N.any():  # nearly always
            return list(range(len(texts)))
        kept: list[int] = np.setdiff1d(np.arange(len(texts)), generated[denied_N]).tolist()
        self.rows = {texts[row]: place for place, row in enumerate(kept)}
        self.tokens, self.firsts = [self.tokens[row] for row in kept], [self.firsts[row] for row in kept]
        self.log_probs = [self.log_probs[row] for row in kept]
        return kept


def propose(model: LanguageModel, index: QueryIndex | None, query: str, denied: Denied, *, whole: bool = False) -> Pool:
    """Candidates from the log and the n-gram model.

    Args:
        query: as `normalize_query` returns it: a space at its end says that the last word is finished.
        denied: what must not be generated.
        whole: suggest the query itself too, as where the user typed it otherwise; where its last word is finished, if
            it is in the log: the models then expect another word.
    """
    popular, total = index.completions(query, POPULAR) if index else ([], 0.0)
    head, _, typed = query.rpartition(" ")
    context = tuple(model.tokenizer.encode(head)) if head else ()
    state = model.state(context, Part.NGRAM)
    sentences, typed_log_prob = _beam(model, state, typed)
    found, lead, typed_query = _Found(), f"{head} " if head else "", "" if whole else query.rstrip()
    spell = model.vocabulary.spell
    for tokens, steps in sentences:
        text = lead + spell(tokens)
        if text != typed_query:
            found.add(text, tokens, steps[0], sum(steps) - typed_log_prob)
    missing = [text for text, _ in popular if text not in found.rows and text != typed_query]
    if whole and head and not typed and index is not None and index.count(head):
        ended = model.ngram.table.score(state.ngram, END)[0]
        found.add(head, (END,), ended, ended)  # of its own probability: that another word follows is not given
    if missing:
        _add_logged(model, found, missing, context, state, typed_log_prob)
    positions_N = index.positions(list(found.rows)) if index else np.full(len(found.rows), -1)
    positions_N = positions_N[found.drop_denied(denied, positions_N >= 0)]
    size, typed_size = len(found.rows), len(query)
    return Pool(
        Candidates(
            texts=list(found.rows),
            lengths=np.maximum(np.fromiter(map(len, found.rows), np.float64, size) - typed_size, 1.0),
            counts=index.counts_at(positions_N) if index else np.zeros(size),
            log_probs=np.array(found.log_probs, np.float64),
            tokens=np.maximum(np.fromiter(map(len, found.tokens), np.float64, size), 1.0),
            recency=index.recency_at(positions_N) if index else None,
        ),
        found.tokens,
        found.firsts,
        context,
        total,
        typed_log_prob,
    )


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


def _add_logged(
    model: LanguageModel,
    found: _Found,
    texts: Sequence[str],
    context: tuple[int, ...],
    state: State,
    typed_log_prob: float,
) -> None:
    """Adds queries of the log that the beam did not come by."""
    size, rests = len(context), list[list[int]]()
    for text in texts:
        tokens = model.tokenizer.encode(text)
        spelt = math.isfinite(typed_log_prob) and tuple(tokens[:size]) == context
        rests.append([*tokens[size:], END] if spelt else [])
    every = np.array([token for rest in rests for token in rest], np.int32)
    sums, firsts = model.ngram.table.score_rows(state.ngram, every, np.cumsum([0, *map(len, rests)]))
    for text, rest, log_prob, first in zip(texts, rests, sums.tolist(), firsts.tolist(), strict=True):
        found.add(text, rest, first, log_prob - typed_log_prob if rest else -math.inf)
