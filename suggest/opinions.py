"""What the models besides the first n-gram model say of candidates: advisers, the neural model, the re-ranker.

**Advisers** are further language models of queries, such as one of words beside one of subwords, or one of the newest
log alone. They see the same queries in another way, and the ranking gives each the weight that held-out queries say
(a log-linear combination: Klakow, 1998).

**The neural model** gives its opinion of the next token, mixed into the candidates' log probabilities. What stands
after the next token is the n-gram model's alone. The neural model reads the finished words once, and then a letter more
costs a look at one distribution. To read what each candidate goes on with is not better: MRR@10 of the query benchmark
is 0.3051 without and 0.3033 with it, and on another half of the queries 0.2859 and 0.2855.

**The re-ranker** scores complete queries, forwards and backwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lm.memo import Memo
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END, UNKNOWN
from suggest.candidates import Candidates, Floats, Pool

_OPINION_BYTES = 8 << 20
SEEN = 10.0
"""Submissions of queries with the typed prefix from which on the neural model is not asked: what was typed says more.

Two prefixes in five are seen so often. MRR@10 of the query benchmark is the same where it is always asked."""

_Reading = tuple[Pool, list[int], NDArray[np.int64]]
"""The candidates of a reading of what was typed, the rows of some of them, and their places among all chosen ones."""


@dataclass(frozen=True, slots=True)
class _Opinion:
    """A model's natural-log probability of a query, and the words of it that are unknown to the model."""

    log_prob: float
    unknown_words: int


class Advisers:
    """Further language models of queries; threads may share them. What they say of a query is remembered."""

    def __init__(self, models: Sequence[LanguageModel]) -> None:
        self._models = [(model, Memo[str, _Opinion](_OPINION_BYTES)) for model in models]

    def __len__(self) -> int:
        return len(self._models)

    def advise(self, candidates: Candidates) -> Candidates:
        """The candidates with each adviser's opinion.

        `advice` becomes the natural logs of their shares, the softmax of each whole query's log probability over the
        list of its reading; `unknown_words` the words of a query that are unknown to the adviser that knows most of
        them.
        """
        if not self._models or not candidates.texts:
            return candidates
        advice, unknown = [], []
        for model, memo in self._models:
            opinions = memo.results(candidates.texts, partial(_opinions, model))
            advice.append(candidates.shares_of_reading(np.array([opinion.log_prob for opinion in opinions])))
            if not model.joins:
                unknown.append([opinion.unknown_words for opinion in opinions])
        unknown_words = np.min(np.array(unknown, np.float64), axis=0) if unknown else None
        return replace(candidates, advice=np.array(advice).T, unknown_words=unknown_words)


def _opinions(model: LanguageModel, texts: Sequence[str]) -> list[_Opinion]:
    rows = [[*model.tokenizer.encode(text), END] for text in texts]
    tokens_N = np.array([token for row in rows for token in row], np.int32)
    scores, _ = model.ngram.table.score_rows(model.ngram.begin, tokens_N, np.cumsum([0, *map(len, rows)]))
    return [_Opinion(score, row.count(UNKNOWN)) for score, row in zip(scores.tolist(), rows, strict=True)]


class Rescorer:
    """Re-scores candidates of a language model; without a neural part it says nothing. Threads may share it."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def helps(self, pool: Pool) -> bool:
        """Whether a neural model is to re-score, and the log has not seen enough of what was typed."""
        return self._model.neural is not None and self._model.entry.neural_use == "rank" and pool.total < SEEN

    def rescore(self, pool: Pool, rows: Sequence[int], chosen: Candidates) -> tuple[Candidates, bool]:
        """Some of a pool's candidates, those in `rows`, with the neural model mixed into their log probabilities.

        The mixture's probability of the typed text is estimated from the same candidates: they hold about the same
        share of it under either model.

        Args:
            chosen: the candidates in `rows`.

        Returns:
            The candidates, and whether the model had to read; else all that it says was known.
        """
        if not self.helps(pool):
            return chosen, False
        mixed_N, read = chosen.log_probs.copy(), False
        for part, own, places in _readings(pool, rows):
            read = read or not self._model.knows_next(part.context, Part.ENSEMBLE)
            mixed_V = self._model.next_log_probs(part.context, Part.ENSEMBLE)
            gains = mixed_V[[part.tokens[row][0] for row in own]] - np.array([part.firsts[row] for row in own])
            mixed_N[places] = _share(mixed_N[places] + gains, mixed_N[places])
        return replace(chosen, log_probs=mixed_N), read

    def opinions(self, pool: Pool, rows: Sequence[int], chosen: Candidates) -> Floats:
        """The neural model's natural-log probabilities of whole candidates given what was typed, float64 (N,).

        It reads them to their ends, which costs extra. -inf where it cannot tell.

        Args:
            rows, chosen: as for `rescore`.
        """
        neural_N = np.full(len(rows), -np.inf)
        for part, own, places in _readings(pool, rows) if self._model.neural is not None else ():
            whole_N = continuation_log_probs(self._model, part.context, [part.tokens[row] for row in own])
            neural_N[places] = _share(whole_N, chosen.log_probs[places])
        return neural_N


def _readings(pool: Pool, rows: Sequence[int]) -> Iterator[_Reading]:
    """The candidates among `rows` that the model can spell, of each reading of what was typed."""
    start = 0
    for part in pool.parts or (pool,):  # each goes on from another text
        end = start + len(part.tokens)
        places = [place for place, row in enumerate(rows) if start <= row < end and part.tokens[row - start]]
        if places:
            yield part, [rows[place] - start for place in places], np.array(places)
        start = end


def _share(log_probs_N: Floats, held_N: Floats) -> Floats:
    """Log probabilities moved so that they add up to what others add up to."""
    moved: Floats = log_probs_N - np.logaddexp.reduce(log_probs_N) + np.logaddexp.reduce(held_N)
    return moved


def continuation_log_probs(
    model: LanguageModel, context: tuple[int, ...], continuations: Sequence[Sequence[int]]
) -> Floats:
    """The neural model's natural-log probability of each continuation of a sentence's beginning, float64 (N,).

    Args:
        continuations: at least one, each of at least one token.
    """
    neural, state = model.neural, model.state(context, Part.ENSEMBLE)
    assert neural is not None
    assert state.neural is not None
    assert state.hidden is not None
    lengths_N = np.array([len(tokens) for tokens in continuations])
    given_NT = np.arange(lengths_N.max()) < lengths_N[:, None]
    tokens_NT = np.full(given_NT.shape, END, np.int64)
    tokens_NT[given_NT] = np.concatenate(continuations)
    after_NTE, _ = neural.advance(tokens_NT, np.repeat(state.neural, len(tokens_NT), axis=1))
    first_N1E = np.repeat(state.hidden[None], len(tokens_NT), axis=0)
    before_NTE = np.concatenate([first_N1E, after_NTE[:, :-1]], axis=1)
    steps = neural.target_log_probs(before_NTE[given_NT], tokens_NT[given_NT])
    whole_N: Floats = np.add.reduceat(steps, np.cumsum(lengths_N) - lengths_N, dtype=np.float64)
    return whole_N


def rerank(model: LanguageModel, candidates: Candidates) -> Candidates:
    """The candidates with the logs of their shares: the softmax of a reading's pseudo-log-likelihoods."""
    if model.reranker is None or not len(candidates.texts):
        return candidates
    scores_N = model.reranker.scores([model.tokenizer.encode(text) for text in candidates.texts])
    return replace(candidates, log_shares=candidates.shares_of_reading(scores_N))
