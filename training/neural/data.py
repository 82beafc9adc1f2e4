"""The training text as batches: sentences of about equal length, or one running text read as parallel streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lm.errors import InputError
from lm.models.vocabulary import BEGIN, END
from training.data.encoding import EncodedText

MAX_PIECE = 128
"""Targets in a row of a batch. A longer sentence is cut into pieces, and each piece begins with an empty state."""
_BATCHES_PER_CHUNK = 64  # pieces are sorted by length within this many shuffled batches
_REMEDY = "Delete the work folder and train again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """Encoded sentences, one behind the other, as memory-mapped arrays.

    Attributes:
        tokens: tokens of all sentences without `<s>` and `</s>`, int32.
        offsets: where each sentence begins and, last, where the last one ends; int64.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def open(cls, *texts: EncodedText) -> Sentences:
        """Opens encoded text. Several texts are held in memory, one behind the other.

        Raises:
            InputError: a file cannot be read, or the two do not belong together.
        """
        opened = []
        for text in texts:
            tokens, offsets = _open(text.tokens, np.int32), _open(text.offsets, np.int64)
            if len(offsets) < 2 or offsets[-1] != len(tokens):
                raise InputError(text.offsets, "holds no sentences, or does not belong to the tokens.", remedy=_REMEDY)
            opened.append(cls(tokens=tokens, offsets=offsets))
        return opened[0] if len(opened) == 1 else cls._joined(opened)

    @classmethod
    def _joined(cls, parts: Sequence[Sentences]) -> Sentences:
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        tokens = np.concatenate([part.tokens for part in parts])
        return cls(tokens=tokens, offsets=np.concatenate([[0], np.cumsum(lengths)]))

    @property
    def target_count(self) -> int:
        """Number of tokens to predict: every token, and the end of every sentence."""
        return len(self.tokens) + len(self.offsets) - 1

    def token_counts(self, vocabulary_size: int) -> NDArray[np.int64]:
        """How often each token is a target, (V,)."""
        counts = np.bincount(self.tokens, minlength=vocabulary_size)
        counts[END] += len(self.offsets) - 1
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Inputs and targets of one step.

    Attributes:
        inputs: the token before each target, (B, T) int64; 0 after the end of a row.
        targets: (B, T) int64.
        valid: where there is a target, (B, T).
        continues: whether each row goes on where the same row of the batch before ended.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    valid: NDArray[np.bool_]
    continues: bool = False

    @property
    def size(self) -> int:
        """Number of targets."""
        return int(self.valid.sum())


class SentenceFeed:
    """Batches of sentences that are about equally long. Each sentence begins with an empty state."""

    def __init__(self, sentences: Sentences, tokens_per_batch: int, seed: int | None, limit: int | None = None) -> None:
        """Cuts the sentences into pieces of at most `MAX_PIECE` targets.

        Args:
            tokens_per_batch: about so many targets are in a batch.
            seed: shuffles pieces and batches; None: they come in order of length.
            limit: an epoch has at most about so many targets, taken evenly from the whole text.
        """
        stride = 1 if limit is None else max(1, -(-sentences.target_count // limit))
        chosen = np.arange(0, len(sentences.offsets) - 1, stride)
        targets = sentences.offsets[chosen + 1] - sentences.offsets[chosen] + 1
        pieces = -(-targets // MAX_PIECE)
        place = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        self._sentences, self._tokens_per_batch, self._seed = sentences, tokens_per_batch, seed
        self._sentence = np.repeat(chosen, pieces)  # of each piece: the sentence, its first target, number of targets
        self._start = place * MAX_PIECE
        self._length = np.minimum(MAX_PIECE, np.repeat(targets, pieces) - self._start)

    def steps(self, epoch: int) -> int:
        """Number of batches in an epoch."""
        return len(self._plan(epoch))

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """The batches of an epoch, without the first `skip`."""
        for pieces in self._plan(epoch)[skip:]:
            yield self._read(pieces)

    def _plan(self, epoch: int) -> list[NDArray[np.int64]]:
        """The pieces of each batch."""
        rng = None if self._seed is None else np.random.default_rng([self._seed, epoch])
        order, total = np.arange(len(self._length)), int(self._length.sum())
        chunk_size = len(order)
        if rng is not None:
            order = rng.permutation(len(order))
            chunk_size = max(1, len(order) * _BATCHES_PER_CHUNK * self._tokens_per_batch // max(1, total))
        batches: list[NDArray[np.int64]] = []
        for begin in range(0, len(order), chunk_size):
            chunk = order[begin : begin + chunk_size]
            chunk = chunk[np.argsort(self._length[chunk], kind="stable")]
            numbers = (np.cumsum(self._length[chunk]) - 1) // self._tokens_per_batch
            batches += np.split(chunk, np.flatnonzero(np.diff(numbers)) + 1)
        return batches if rng is None else [batches[index] for index in rng.permutation(len(batches))]

    def _read(self, pieces: NDArray[np.int64]) -> Batch:
        tokens, offsets = self._sentences.tokens, self._sentences.offsets
        begin_B1 = offsets[self._sentence[pieces]][:, None]
        length_B1 = offsets[self._sentence[pieces] + 1][:, None] - begin_B1
        steps_T = np.arange(int(self._length[pieces].max()))
        place_BT = self._start[pieces][:, None] + steps_T
        valid_BT = steps_T < self._length[pieces][:, None]
        before_BT, at_BT = (tokens[np.clip(begin_B1 + place_BT + ahead, 0, len(tokens) - 1)] for ahead in (-1, 0))
        inputs_BT = np.where(place_BT == 0, BEGIN, before_BT)
        targets_BT = np.where(place_BT == length_B1, END, at_BT)
        return Batch(
            inputs=np.where(valid_BT, inputs_BT, 0).astype(np.int64),
            targets=np.where(valid_BT, targets_BT, 0).astype(np.int64),
            valid=valid_BT,
        )


class StreamFeed:
    """The sentences in order as one running text, cut into `rows` streams that are read side by side.

    Each step reads `bptt` tokens of every stream and goes on where the step before ended (truncated back-propagation
    through time: Williams and Peng, 1990). Each epoch begins at another place of the text, so that the text is cut at
    other places and other tokens are left over at the end.
    """

    def __init__(self, sentences: Sentences, rows: int, bptt: int, seed: int | None, limit: int | None = None) -> None:
        """Holds the text in memory.

        Args:
            seed: draws the place where an epoch begins; None: at the beginning.
            limit: how many targets an epoch has at most.
        """
        begins, ends = sentences.offsets[:-1], sentences.offsets[1:]
        self._inputs = np.insert(sentences.tokens, begins, BEGIN)[:limit]
        self._targets = np.insert(sentences.tokens, ends, END)[:limit]
        self._rows = max(1, min(rows, len(self._targets)))
        self._length = len(self._targets) // self._rows  # targets of each stream
        self._bptt, self._seed = bptt, seed

    def steps(self, epoch: int) -> int:  # noqa: ARG002
        """See `SentenceFeed.steps`."""
        return -(-self._length // self._bptt)

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """See `SentenceFeed.batches`."""
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
                continues=step > 0,
            )


Feed: TypeAlias = SentenceFeed | StreamFeed
"""What a run reads. The batches depend on the seed alone, so that training can resume at any step."""


def _open(path: Path, dtype: type[np.generic]) -> Any:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(path, f"cannot be read as an array: {error}.", remedy=_REMEDY) from None
    if array.ndim != 1 or array.dtype != dtype:
        raise InputError(path, f"holds {array.dtype} of {array.ndim} dimensions.", remedy=_REMEDY)
    return array
