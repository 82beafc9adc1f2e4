"""The neural model's help: it re-scores the best candidates, and both models are mixed token by token.

What it says of a sentence after some context does not depend on what was typed. So it is remembered: while a person
types, most of the best candidates were among those of the keystroke before.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lm.language_model import LanguageModel
from lm.memo import Memo
from lm.parts import Part
from suggest.candidates import Pool
from suggest.continuations import neural_log_probs
from suggest.rank import Candidates, Floats

RESCORED = 8
"""Candidates of each reading that the neural model sees."""
SEEN = 10.0
"""Submissions of queries with the typed prefix from which on the neural model is not asked: what was typed says more.

Two prefixes in five are seen so often. MRR@10 of the query benchmark is 0.3031 so, 0.3028 where it is always asked."""
_REMEMBERED = 1 << 13
"""Sentences, about 0.7 KB each, two generations of them."""


@dataclass(frozen=True, slots=True)
class Rescored:
    """Some candidates with both models' opinions; `log_probs` of `candidates` are the mixture's.

    Attributes:
        neural: natural-log probabilities given what was typed, float64 (N,); -inf where the model was not asked.
        read: whether the model had to read; else all that it says was known.
    """

    candidates: Candidates
    neural: Floats
    read: bool


_Reading = tuple[Pool, list[int]]
"""The candidates of a reading of what was typed, and the rows of some of them."""


@dataclass(frozen=True, slots=True)
class _Ends:
    """Natural-log probabilities of all that is left of a sentence, from each token on, the first being at `start`."""

    start: int
    neural: list[float]
    mixed: list[float]


class Rescorer:
    """Re-scores candidates of a language model; without a neural part it says nothing. Threads may share it."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._known: Memo[tuple[int, ...], _Ends] = Memo(_REMEMBERED)

    def helps(self, pool: Pool) -> bool:
        """Whether there is a neural model, and the log has not seen enough of what was typed."""
        return self._model.neural is not None and pool.total < SEEN

    def rescore(self, pool: Pool, rows: Sequence[int], chosen: Candidates) -> Rescored:
        """Some of a pool's candidates, those in `rows`, with the neural model mixed in.

        The mixture's probability of the typed text is estimated from the same candidates: they hold about the same
        share of it under either model.

        Args:
            rows: best first; of each reading the first `RESCORED` are re-scored.
            chosen: the candidates in `rows`.
        """
        mixed, neural = chosen.log_probs.copy(), np.full(len(chosen.texts), -np.inf)
        if not self.helps(pool):
            return Rescored(chosen, neural, read=False)
        spelt = _spelt(pool, rows)
        ends_of_all, read = self._ends(spelt[0])
        for (part, _), places, ends in zip(*spelt, ends_of_all, strict=True):
            at, share = len(part.context), np.logaddexp.reduce(chosen.log_probs[places])
            for target, sums in (
                (neural, [each.neural[at - each.start] for each in ends]),
                (mixed, [each.mixed[at - each.start] for each in ends]),
            ):
                target[places] = np.array(sums) - np.logaddexp.reduce(sums) + share
        return Rescored(replace(chosen, log_probs=mixed), neural, read)

    def _ends(self, readings: Sequence[_Reading]) -> tuple[list[list[_Ends]], bool]:
        """What the models say of each reading's candidates; those that are not known, if any, are read all at once."""
        known = [[self._recall(part, row) for row in rows] for part, rows in readings]
        missing = [
            (part, [row for row, ends in zip(rows, found, strict=True) if ends is None])
            for (part, rows), found in zip(readings, known, strict=True)
        ]
        read = self._read([(part, rows) for part, rows in missing if rows])
        rest = iter(read)
        return [[ends or next(rest) for ends in found] for found in known], bool(read)

    def _recall(self, part: Pool, row: int) -> _Ends | None:
        ends = self._known.get((*part.context, *part.tokens[row]))
        return ends if ends is not None and ends.start <= len(part.context) else None

    def _read(self, readings: Sequence[_Reading]) -> list[_Ends]:
        """Asks the neural model, and remembers what it says."""
        found: list[_Ends] = []
        tokens = [[part.tokens[row] for row in rows] for part, rows in readings]
        contexts = [part.context for part, _ in readings]
        opinions = neural_log_probs(self._model, list(zip(contexts, tokens, strict=True))) if readings else []
        for (part, rows), rest, neural_N in zip(readings, tokens, opinions, strict=True):
            ngram_N = np.concatenate([part.steps[row] for row in rows], dtype=np.float32)
            mixed_N = _mixed(self._model, part.context, rest, ngram_N, neural_N)
            sizes = list(map(len, rest))
            sums = zip(_sums_to_end(neural_N, sizes), _sums_to_end(mixed_N, sizes), strict=True)
            for sentence, (neural, mixed) in zip(rest, sums, strict=True):
                ends = _Ends(len(part.context), neural, mixed)
                self._known.put((*part.context, *sentence), ends)
                found.append(ends)
        return found


def _spelt(pool: Pool, rows: Sequence[int]) -> tuple[list[_Reading], list[list[int]]]:
    """Of each reading the first candidates that the model can spell, and their places among `rows`."""
    readings: list[_Reading] = []
    places: list[list[int]] = []
    start = 0
    for part in pool.parts or (pool,):  # each goes on from another text
        end = start + len(part.tokens)
        own = [place for place, row in enumerate(rows) if start <= row < end and part.tokens[row - start]][:RESCORED]
        if own:
            readings.append((part, [rows[place] - start for place in own]))
            places.append(own)
        start = end
    return readings, places


def _sums_to_end(steps_N: NDArray[np.float32], sizes: Sequence[int]) -> list[list[float]]:
    """Of rows of these sizes, one after the other, the sums from each step to the row's last one."""
    steps = iter(steps_N.tolist())
    return [[*itertools.accumulate(reversed([*itertools.islice(steps, size)]))][::-1] for size in sizes]


def _mixed(
    model: LanguageModel,
    context: tuple[int, ...],
    rows: Sequence[Sequence[int]],
    ngram_N: NDArray[np.float32],
    neural_N: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The mixture's natural-log probabilities of all rows' tokens, one after the other, in one go."""
    table, before = model.ngram.table, model.state(context, Part.NGRAM).ngram
    contexts = np.concatenate([table.contexts(before, np.array(tokens, np.int32)) for tokens in rows])
    mixed_N = model.mix(ngram_N, neural_N, contexts)
    if model.recent_words is not None:
        recent, start = model.recent_words.remember((), context), 0
        for tokens in rows:
            span = slice(start, start + len(tokens))
            mixed_N[span], _ = model.recent_words.mix_tokens(mixed_N[span], tokens, recent)
            start = span.stop
    return mixed_N
