"""Candidates: queries that may be suggested, with what log and models say of each.

Sources propose texts. `describe` makes candidates of them: each text once, with its count in the log and its
probability by the n-gram model, without what must not be suggested. `pool_readings` puts the candidates of several
readings of what was typed together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.bundle.manifest import Duplicates
from lm.index.never_generated import NeverGenerated
from lm.models.language_model import LanguageModel
from lm.models.vocabulary import END
from lm.text.duplicates import distinct, duplicate_key, suspects
from lm.text.hangul import typed_prefixes
from suggest.live import Known
from suggest.sources.source import Match, Proposal, Reading

Floats = NDArray[np.float64]
_FAR_MORE = 20.0
"""A query gives way to one that is only written otherwise if that one is so many times as popular."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """N queries that may be suggested.

    Attributes:
        texts: each once a reading of what was typed.
        lengths: characters of each that were not typed, at least 1, float64 (N,).
        counts: submissions in the log, float64 (N,); 0 for a query that only the models know.
        log_probs: the models' natural-log probabilities given what was typed, float64 (N,); -inf if they have none.
        tokens: what the language model spells the rest of each with, at least 1, float64 (N,).
        advice: natural logs of the advisers' shares, float64 (N, A); None where there are none.
        unknown_words: words of each that the adviser who knows most of them does not, float64 (N,); None where no one
            was asked.
        log_shares: natural logs of the re-ranker's shares, float64 (N,); None where it was not asked.
        weight_order: grows exactly with the weight of each in the index, float64 (N,); 0 for what is not in it; None
            where there is no index.
        recency: natural logs of one more than the submissions of late, float64 (N,); None where the log has no times.
        edits: typing errors corrected in each, int64 (N,); None where none were looked for.
        reading: number of the reading of what was typed that each completes, int64 (N,); None where there is one.
        log_posteriors: natural-log probability of that reading, float64 (N,); None where there is one.
        totals: submissions of all queries that begin with that, float64 (N,); None where
            there is one reading.
        matching: how each was found that does not begin as it was typed, see `suggest.sources.words`, float64 (N, M):
            0 for those that do; None where all do. Of the others `log_probs` are shares of what was submitted.
    """

    texts: Sequence[str]
    lengths: Floats
    counts: Floats
    log_probs: Floats
    tokens: Floats
    advice: Floats | None = None
    unknown_words: Floats | None = None
    log_shares: Floats | None = None
    weight_order: Floats | None = None
    recency: Floats | None = None
    edits: NDArray[np.int64] | None = None
    reading: NDArray[np.int64] | None = None
    log_posteriors: Floats | None = None
    totals: Floats | None = None
    matching: Floats | None = None

    @property
    def elsewhere(self) -> NDArray[np.bool_]:
        """Which do not begin as it was typed, bool (N,)."""
        return np.zeros(len(self.texts), bool) if self.matching is None else (self.matching != 0).any(axis=1)

    @property
    def from_left(self) -> NDArray[np.bool_]:
        """Which begin as it was typed or with the same words written otherwise, bool (N,)."""
        if self.matching is None:
            return np.ones(len(self.texts), bool)
        from_left_N: NDArray[np.bool_] = (self.matching[:, 1:] == 0).all(axis=1)
        return from_left_N

    @property
    def readings(self) -> list[NDArray[np.int64]]:
        """The rows of each reading of what was typed."""
        if self.reading is None:
            return [np.arange(len(self.texts))]
        return [np.flatnonzero(self.reading == number) for number in np.unique(self.reading).tolist()]

    def with_log_probs(self, log_probs: Mapping[str, float]) -> Candidates:
        """The candidates with other natural-log probabilities of some texts."""
        known = zip(self.texts, self.log_probs.tolist(), strict=True)
        return replace(self, log_probs=np.array([log_probs.get(text, own) for text, own in known], np.float64))

    def shares_of_reading(self, scores_N: Floats) -> Floats:
        """Natural logs of each one's share of its reading's list, the softmax of scores, float64 (N,)."""
        shares_N = np.array(scores_N, np.float64)
        for rows in self.readings:
            shares_N[rows] -= np.logaddexp.reduce(shares_N[rows])
        return shares_N

    def rows(self, rows: Sequence[int] | NDArray[np.int64]) -> Candidates:
        """Some of them."""
        chosen = np.asarray(rows, np.int64)
        columns = ((name, getattr(self, name)) for name in _COLUMNS)
        picked: dict[str, Any] = {name: None if column is None else column[chosen] for name, column in columns}
        return Candidates([self.texts[row] for row in rows], **picked)


_COLUMNS = tuple(field.name for field in fields(Candidates) if field.name != "texts")


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates for one typed query.

    Attributes:
        candidates: the sources'; `log_probs` are the n-gram model's.
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

    def rows(self, rows: Sequence[int]) -> Pool:
        """The pool with some of its candidates."""
        tokens, firsts = [self.tokens[row] for row in rows], [self.firsts[row] for row in rows]
        return replace(self, candidates=self.candidates.rows(rows), tokens=tokens, firsts=firsts)

    def with_more(self, more: Pool) -> Pool:
        """The pool with further candidates of the same reading behind its own."""
        both, columns = (self.candidates, more.candidates), dict[str, Any]()
        for name in _COLUMNS:
            parts = [getattr(candidates, name) for candidates in both]
            if name != "matching" and parts[0] is not None:
                columns[name] = np.concatenate(parts)
        columns["matching"] = _joined_matching(both)
        texts = [*self.candidates.texts, *more.candidates.texts]
        tokens, firsts = [*self.tokens, *more.tokens], [*self.firsts, *more.firsts]
        return replace(self, candidates=Candidates(texts, **columns), tokens=tokens, firsts=firsts)

    def distinct(self, duplicates: Duplicates, known: Known) -> Pool:
        """The pool with near-duplicates collapsed into the most popular form; entries of a catalogue all stay.

        What does not begin as it was typed goes where a query of the log does, and takes the place of a generated one
        that is only written otherwise.
        """
        candidates, size = self.candidates, len(self.tokens)
        entries = known.entries(candidates.texts)
        if candidates.matching is None:
            rows = _distinct(candidates, range(size), entries, duplicates)
        else:
            elsewhere = candidates.elsewhere.tolist()
            typed = _distinct(candidates, [row for row in range(size) if not elsewhere[row]], entries, duplicates)
            others = _distinct(candidates, [row for row in range(size) if elsewhere[row]], entries, duplicates)
            rows = _without_twins(candidates, typed, others, entries, duplicates.collapse)
        return self if len(rows) == size else self.rows(rows)


def _distinct(
    candidates: Candidates, rows: Sequence[int], entries: Sequence[bool], duplicates: Duplicates
) -> list[int]:
    texts, counts = candidates.texts, candidates.counts.tolist()
    if len(rows) < len(texts):
        texts, counts = [texts[row] for row in rows], [counts[row] for row in rows]
        entries = [entries[row] for row in rows] if entries else ()
    return [rows[place] for place in distinct(texts, counts, duplicates.collapse, duplicates.plural_ratio, entries)]


def _without_twins(
    candidates: Candidates,
    typed: Sequence[int],
    others: Sequence[int],
    entries: Sequence[bool],
    kinds: Sequence[str],
) -> list[int]:
    """The rows of what begins as it was typed and of others, without near-duplicates between them."""
    rows = [*typed, *others]
    near = {rows[place] for place in suspects([candidates.texts[row] for row in rows])}
    writing = [kind for kind in kinds if kind not in ("plural", "word_order")]
    keys = {row: [duplicate_key(candidates.texts[row], *some) for some in (writing, kinds)] for row in near}
    gone = set[int]()
    for other, row in itertools.product(near.intersection(others), near.intersection(typed)):
        same = [one == another for one, another in zip(keys[other], keys[row], strict=True)]
        entered = [bool(entries) and entries[each] for each in (other, row)]
        generated = not candidates.counts[row]
        far_more = same[0] and candidates.counts[other] >= _FAR_MORE * candidates.counts[row] and not entered[1]
        if any(same) and not all(entered) and (entered[0] or same[0] or not generated):
            gone.add(row if entered[0] or generated or far_more else other)
    return [row for row in rows if row not in gone]


def describe(
    reading: Reading,
    proposals: Iterable[Proposal],
    model: LanguageModel,
    known: Known,
    never: NeverGenerated,
) -> Pool:
    """What log and n-gram model say of the queries that sources proposed for a reading, each text once.

    Args:
        known: what is known of queries besides the model's opinion.
        never: what is not suggested unless it is known.
    """
    found = _Found()
    unscored: list[str] = []
    matches = dict[str, tuple[Match, float]]()
    for text, _, tokens, first, log_prob, match in proposals:
        if match is not None:
            matches[text] = match, log_prob
        elif tokens is None:
            unscored.append(text)
        else:
            found.add(text, tokens, first, log_prob)
    unscored = [text for text in dict.fromkeys(unscored) if text not in found.rows]
    if unscored:
        _score(model, reading, unscored, found)
    matches = {text: match for text, match in matches.items() if text not in found.rows}
    for text, (_, share) in matches.items():
        found.add(text, (), 0.0, share)
    facts = known.facts(list(found.rows))
    kept = found.drop(never, facts.known)
    size = len(found.rows)
    candidates = Candidates(
        texts=list(found.rows),
        lengths=np.maximum(np.fromiter(map(len, found.rows), np.float64, size) - len(reading.query), 1.0),
        counts=facts.counts[kept],
        weight_order=None if facts.weight_order is None else facts.weight_order[kept],
        log_probs=_with_live(found, matches, facts.live_counts, kept, reading),
        tokens=np.maximum(np.fromiter(map(len, found.tokens), np.float64, size), 1.0),
        recency=None if facts.recency is None else facts.recency[kept],
        matching=_matching(found.rows, matches) if matches else None,
    )
    return Pool(candidates, found.tokens, found.firsts, reading.context, reading.total, reading.typed_log_prob)


def _with_live(
    found: _Found, matches: Container[str], live_counts: Floats | None, kept: Sequence[int], reading: Reading
) -> Floats:
    """The models' opinions and what was submitted since these were trained, each by how much is known so."""
    log_probs_N = np.array(found.log_probs, np.float64)
    if live_counts is None:
        return log_probs_N
    typed_N = np.array([text not in matches for text in found.rows], bool)
    log_probs_N[typed_N] += log_share_of_models(reading)
    shares_N = np.where(typed_N, live_counts[kept], 0.0) / (_known_to_models(reading) + reading.live)
    with np.errstate(divide="ignore"):
        both_N: Floats = np.minimum(np.logaddexp(log_probs_N, np.log(shares_N)), 0.0)
    return both_N


def log_share_of_models(reading: Reading) -> float:
    """Natural log of the share of the submissions behind a reading that the models have learnt from."""
    known = _known_to_models(reading)
    return math.log(known / (known + reading.live))


def _known_to_models(reading: Reading) -> float:
    """One more than the log has, for the models know something of what nobody typed."""
    return 1.0 + max(reading.total - reading.live, 0.0)


def _matching(texts: Iterable[str], matches: Mapping[str, tuple[Match, float]]) -> Floats:
    none = (0.0,) * len(Match._fields)
    return np.array([matches[text][0].features if text in matches else none for text in texts])


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

    def drop(self, never: NeverGenerated, known_N: NDArray[np.bool_]) -> list[int]:
        """Drops the texts that nobody knows and that must not be suggested; returns the rows of the others."""
        texts = list(self.rows)
        generated = (~known_N).nonzero()[0]
        dropped_N = never.includes([texts[row] for row in generated.tolist()])
        if not dropped_N.any():  # nearly always
            return list(range(len(texts)))
        kept: list[int] = np.setdiff1d(np.arange(len(texts)), generated[dropped_N]).tolist()
        self.rows = {texts[row]: place for place, row in enumerate(kept)}
        self.tokens, self.firsts = [self.tokens[row] for row in kept], [self.firsts[row] for row in kept]
        self.log_probs = [self.log_probs[row] for row in kept]
        return kept


def _score(model: LanguageModel, reading: Reading, texts: Sequence[str], found: _Found) -> None:
    """Adds texts with their probabilities by the n-gram model; where it spells the finished words otherwise, none.

    A query that ends with the finished words does not go on as the others do, so its own probability stands.
    """
    size, rests = len(reading.context), list[list[int]]()
    for text in texts:
        tokens = model.tokenizer.encode(text)
        spelt = math.isfinite(reading.typed_log_prob) and tuple(tokens[:size]) == reading.context
        rests.append([*tokens[size:], END] if spelt else [])
    every = np.array([token for rest in rests for token in rest], np.int32)
    sums, firsts = model.ngram.table.score_rows(reading.state.ngram, every, np.cumsum([0, *map(len, rests)]))
    for text, rest, log_prob, first in zip(texts, rests, sums.tolist(), firsts.tolist(), strict=True):
        given = 0.0 if text == reading.head else reading.typed_log_prob
        found.add(text, rest, first, log_prob - given if rest else -math.inf)


def pool_readings(
    reading: Reading, pool: Pool, corrected: Iterable[tuple[Reading, Pool]], kinds: Sequence[str]
) -> tuple[Pool, dict[str, Reading]]:
    """One pool of all readings of what was typed, and of each corrected candidate which reading it completes.

    Args:
        reading, pool: of what was typed as it stands.
        corrected: the most probable first; a text that several lead to counts as the first one's. One that was found
            elsewhere besides is there twice.
        kinds: differences of `lm.text.duplicates` that make no other query: a reading gives way to those before it
            where these have it as often in the log.
    """
    typed = typed_prefixes(reading.query)
    elsewhere_N = pool.candidates.elsewhere
    texts = {text for text, elsewhere in zip(pool.candidates.texts, elsewhere_N.tolist(), strict=True) if not elsewhere}
    again = set(pool.candidates.texts) - texts
    counts: dict[str, float] = {}
    _note(pool.candidates, kinds, counts)
    parts, owners = [(reading, pool)], dict[str, Reading]()
    for other, proposed in corrected:
        rows = [
            row
            for row, text in enumerate(proposed.candidates.texts)
            if text not in texts and not any(prefix.begins(text) for prefix in typed)
            if text in again or counts.get(duplicate_key(text, *kinds), -1.0) < proposed.candidates.counts[row]
        ]
        part = proposed.rows(rows)
        _note(part.candidates, kinds, counts)
        texts.update(part.candidates.texts)
        again.difference_update(part.candidates.texts)
        owners |= dict.fromkeys(part.candidates.texts, other)
        parts.append((other, part))
    return _joined(parts), owners


def _note(candidates: Candidates, kinds: Sequence[str], counts: dict[str, float]) -> None:
    """Notes how often each query of the log was submitted in its most popular form."""
    for text, count in zip(candidates.texts, candidates.counts.tolist(), strict=True):
        if count > 0:
            key = duplicate_key(text, *kinds)
            counts[key] = max(count, counts.get(key, 0.0))


def _joined(parts: Sequence[tuple[Reading, Pool]]) -> Pool:
    pools = [pool for _, pool in parts]
    every, sizes = [pool.candidates for pool in pools], [len(pool.tokens) for pool in pools]
    columns = ["lengths", "counts", "log_probs", "tokens"]
    columns += [name for name in ("recency", "weight_order") if getattr(every[0], name) is not None]
    joined: dict[str, Any] = {"matching": _joined_matching(every)}
    joined |= {name: np.concatenate([getattr(each, name) for each in every]) for name in columns}
    return replace(
        pools[0],
        candidates=Candidates(
            texts=[text for candidates in every for text in candidates.texts],
            edits=np.repeat([reading.edits for reading, _ in parts], sizes),
            reading=np.repeat(np.arange(len(parts)), sizes),
            log_posteriors=np.repeat([reading.log_posterior for reading, _ in parts], sizes),
            totals=np.repeat([float(pool.total) for pool in pools], sizes),
            **joined,
        ),
        tokens=[tokens for pool in pools for tokens in pool.tokens],
        firsts=[first for pool in pools for first in pool.firsts],
        total=float(sum(np.exp(reading.log_posterior) * pool.total for reading, pool in parts)),
        parts=tuple(pools),
    )


def _joined_matching(every: Sequence[Candidates]) -> Floats | None:
    if all(candidates.matching is None for candidates in every):
        return None
    width = len(Match._fields)
    return np.concatenate(
        [np.zeros((len(each.texts), width)) if each.matching is None else each.matching for each in every]
    )
