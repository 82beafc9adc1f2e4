"""The neural model's help: its opinion of the next token, mixed into the candidates' log probabilities.

What stands after the next token is the n-gram model's alone. The neural model reads the finished words once, and then
a letter more costs a look at one distribution; to read what each candidate goes on with takes three times as long as
all the n-gram model does. Nor is it better: MRR@10 of the query benchmark is 0.3051 so, 0.3033 where it reads on, and
on another half of the queries 0.2859 and 0.2855.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from suggest.candidates import Pool
from suggest.continuations import neural_log_probs
from suggest.rank import Candidates, Floats

SEEN = 10.0
"""Submissions of queries with the typed prefix from which on the neural model is not asked: what was typed says more.

Two prefixes in five are seen so often. MRR@10 of the query benchmark is the same where it is always asked."""

_Reading = tuple[Pool, list[int], NDArray[np.int64]]
"""The candidates of a reading of what was typed, the rows of some of them, and their places among all chosen ones."""


@dataclass(frozen=True, slots=True)
class Rescored:
    """Some candidates with both models' opinions; `log_probs` of `candidates` are the mixture's.

    Attributes:
        read: whether the model had to read; else all that it says was known.
    """

    candidates: Candidates
    read: bool


class Rescorer:
    """Re-scores candidates of a language model; without a neural part it says nothing. Threads may share it."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def helps(self, pool: Pool) -> bool:
        """Whether there is a neural model, and the log has not seen enough of what was typed."""
        return self._model.neural is not None and pool.total < SEEN

    def rescore(self, pool: Pool, rows: Sequence[int], chosen: Candidates) -> Rescored:
        """Some of a pool's candidates, those in `rows`, with the neural model mixed in.

        The mixture's probability of the typed text is estimated from the same candidates: they hold about the same
        share of it under either model.

        Args:
            chosen: the candidates in `rows`.
        """
        if not self.helps(pool):
            return Rescored(chosen, read=False)
        mixed_N, read = chosen.log_probs.copy(), False
        for part, own, places in _readings(pool, rows):
            read = read or not self._model.knows_next(part.context, Part.ENSEMBLE)
            mixed_V = self._model.next_log_probs(part.context, Part.ENSEMBLE)
            gains = mixed_V[[part.tokens[row][0] for row in own]] - np.array([part.firsts[row] for row in own])
            mixed_N[places] = _share(mixed_N[places] + gains, mixed_N[places])
        return Rescored(replace(chosen, log_probs=mixed_N), read)

    def opinions(self, pool: Pool, rows: Sequence[int], chosen: Candidates) -> Floats:
        """The neural model's natural-log probabilities of whole candidates given what was typed, float64 (N,).

        It reads them to their ends; who wants to know pays for it. -inf where it cannot tell.

        Args:
            rows, chosen: as for `rescore`.
        """
        neural_N = np.full(len(rows), -np.inf)
        readings = list(_readings(pool, rows)) if self._model.neural is not None else []
        groups = [(part.context, [part.tokens[row] for row in own]) for part, own, _ in readings]
        steps_of_all = neural_log_probs(self._model, groups) if groups else []
        for (_, continuations), (_, _, places), steps in zip(groups, readings, steps_of_all, strict=True):
            starts = np.cumsum([0, *map(len, continuations[:-1])])
            neural_N[places] = _share(np.add.reduceat(steps, starts, dtype=np.float64), chosen.log_probs[places])
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
