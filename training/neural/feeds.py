"""What a step of training reads: sentences shuffled, or a running text in parallel streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.neural.batches import Batch, Pieces, Sentences, gather
from training.neural.model import END_ID, START_ID


class Feed(Protocol):
    """Batches of one pass after the other; they depend on nothing but the seed, so that training can resume."""

    def steps(self, epoch: int) -> int:
        """Batches of a pass."""

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Those of a pass but the first `skip`."""


class SentenceFeed:
    """Sentences of about equal length together, shuffled; each begins afresh."""

    def __init__(self, sentences: Sentences, tokens_per_batch: int, seed: int) -> None:
        self._sentences, self._pieces = sentences, Pieces.cut(sentences)
        self._tokens_per_batch, self._seed = tokens_per_batch, seed

    def steps(self, epoch: int) -> int:
        """See `Feed.steps`."""
        return len(self._rows(epoch))

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """See `Feed.batches`."""
        for rows in self._rows(epoch)[skip:]:
            yield gather(self._sentences, self._pieces, rows)

    def _rows(self, epoch: int) -> list[NDArray[np.int64]]:
        return self._pieces.batches(self._tokens_per_batch, np.random.default_rng([self._seed, epoch]))


class StreamFeed:
    """A running text, its sentences in order, cut into `rows` streams that are read side by side, `bptt` tokens a step.

    Each step goes on where the one before ended (truncated back-propagation through time: Williams and Peng, 1990).
    A pass begins at a place of its own, so that cuts and the few tokens that do not fill the streams differ.
    """

    def __init__(self, sentences: Sentences, rows: int, bptt: int, seed: int | None, limit: int | None = None) -> None:
        """Holds the text in memory.

        Args:
            seed: draws where a pass begins; None: at the beginning.
            limit: targets read at most.
        """
        begins, ends = sentences.offsets[:-1], sentences.offsets[1:]
        self._inputs = np.insert(sentences.tokens, begins, START_ID)[:limit]
        self._targets = np.insert(sentences.tokens, ends, END_ID)[:limit]
        self._rows = max(1, min(rows, len(self._targets)))
        self._bptt, self._seed = bptt, seed

    def steps(self, epoch: int) -> int:  # noqa: ARG002
        """See `Feed.steps`."""
        return -(-self._length // self._bptt)

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """See `Feed.batches`."""
        total = len(self._targets)
        begin = 0 if self._seed is None else int(np.random.default_rng([self._seed, epoch]).integers(total))
        starts_B1 = (begin + np.arange(self._rows) * self._length)[:, None]
        for step in range(skip, self.steps(epoch)):
            offsets_T = np.arange(step * self._bptt, min((step + 1) * self._bptt, self._length))
            places_BT = (starts_B1 + offsets_T) % total
            yield Batch(
                inputs=self._inputs[places_BT].astype(np.int64),
                targets=self._targets[places_BT].astype(np.int64),
                valid=np.ones(places_BT.shape, bool),
                goes_on=step > 0,
            )

    @property
    def _length(self) -> int:
        """Targets of each stream."""
        return len(self._targets) // self._rows
