"""Sentences of token ids on disk, cut into batches whose sentences are about equally long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.errors import InputError
from training.neural.model import END_ID, START_ID

MAX_PIECE = 128  # targets in a piece; a longer sentence is cut, the state does not pass from piece to piece
BATCHES_PER_CHUNK = 64  # pieces are sorted by length within this many shuffled batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """Sentences behind each other, as memory-mapped arrays.

    Attributes:
        tokens: all sentences' tokens without `<s>` and `</s>`, int32.
        offsets: where each sentence begins and, last, where the last ends; int64.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def open(cls, tokens: Path, offsets: Path) -> Sentences:
        """Opens two `.npy` files.

        Raises:
            InputError: a file cannot be read, or they do not belong together.
        """
        opened = cls(tokens=_open(tokens, np.int32), offsets=_open(offsets, np.int64))
        if len(opened.offsets) < 2 or opened.offsets[-1] != len(opened.tokens):
            raise InputError(
                offsets, "holds no sentences, or others than the tokens.", remedy="Delete the work folder."
            )
        return opened

    @property
    def target_count(self) -> int:
        """Tokens to predict: one for each token and one for each sentence's end."""
        return len(self.tokens) + len(self.offsets) - 1

    def token_counts(self, vocabulary_size: int) -> NDArray[np.int64]:
        """How often each id is a target, (V,)."""
        counts = np.bincount(self.tokens, minlength=vocabulary_size)
        counts[END_ID] += len(self.offsets) - 1
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Stretches of sentences with at most `MAX_PIECE` targets; columns of one table.

    Attributes:
        sentence: number of the sentence.
        start: place of the first target in it.
        length: number of targets, `</s>` included.
    """

    sentence: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]

    @classmethod
    def cut(cls, sentences: Sentences, max_targets: int | None = None) -> Pieces:
        """Cuts sentences; with `max_targets` only so many that are evenly spread."""
        stride = 1 if max_targets is None else max(1, -(-sentences.target_count // max_targets))
        chosen = np.arange(0, len(sentences.offsets) - 1, stride)
        targets = sentences.offsets[chosen + 1] - sentences.offsets[chosen] + 1
        pieces = -(-targets // MAX_PIECE)
        place = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        start = place * MAX_PIECE
        length = np.minimum(MAX_PIECE, np.repeat(targets, pieces) - start)
        return cls(sentence=np.repeat(chosen, pieces), start=start, length=length)

    def batches(self, tokens_per_batch: int, rng: np.random.Generator | None) -> list[NDArray[np.int64]]:
        """Rows of each batch: all pieces, about `tokens_per_batch` targets at a time.

        Args:
            rng: shuffles pieces and batches; without it they come in order of length.
        """
        order = np.arange(len(self.length)) if rng is None else rng.permutation(len(self.length))
        total = int(self.length.sum())
        chunk_size = max(1, len(order) * BATCHES_PER_CHUNK * tokens_per_batch // max(1, total))
        if rng is None:
            chunk_size = len(order)
        batches: list[NDArray[np.int64]] = []
        for begin in range(0, len(order), chunk_size):
            chunk = order[begin : begin + chunk_size]
            chunk = chunk[np.argsort(self.length[chunk], kind="stable")]
            numbers = (np.cumsum(self.length[chunk]) - 1) // tokens_per_batch
            batches += np.split(chunk, np.flatnonzero(np.diff(numbers)) + 1)
        return batches if rng is None else [batches[index] for index in rng.permutation(len(batches))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Inputs and targets of one step.

    Attributes:
        inputs: token before each target, (B, T) int64; what lies after a row's end is 0.
        targets: (B, T) int64.
        valid: where there is a target, (B, T).
        goes_on: whether each row continues that of the batch before.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    valid: NDArray[np.bool_]
    goes_on: bool = False

    @property
    def size(self) -> int:
        """Number of targets."""
        return int(self.valid.sum())


def gather(sentences: Sentences, pieces: Pieces, rows: NDArray[np.int64]) -> Batch:
    """Reads the tokens of a batch."""
    sentence = pieces.sentence[rows]
    begin_B1 = sentences.offsets[sentence][:, None]
    length_B1 = sentences.offsets[sentence + 1][:, None] - begin_B1
    steps_T = np.arange(int(pieces.length[rows].max()))
    place_BT = pieces.start[rows][:, None] + steps_T
    valid_BT = steps_T < pieces.length[rows][:, None]
    last = len(sentences.tokens) - 1
    before_BT = sentences.tokens[np.clip(begin_B1 + place_BT - 1, 0, last)]
    at_BT = sentences.tokens[np.clip(begin_B1 + place_BT, 0, last)]
    inputs_BT = np.where(place_BT == 0, START_ID, before_BT)
    targets_BT = np.where(place_BT == length_B1, END_ID, at_BT)
    return Batch(
        inputs=np.where(valid_BT, inputs_BT, 0).astype(np.int64),
        targets=np.where(valid_BT, targets_BT, 0).astype(np.int64),
        valid=valid_BT,
    )


def batches_in_order(sentences: Sentences, pieces: Pieces, tokens_per_batch: int) -> Iterator[Batch]:
    """All batches for evaluation, shortest pieces first."""
    for rows in pieces.batches(tokens_per_batch, None):
        yield gather(sentences, pieces, rows)


def _open(path: Path, dtype: type[np.generic]) -> Any:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(path, f"cannot be read as an array: {error}.", remedy="Delete the work folder.") from None
    if array.ndim != 1 or array.dtype != dtype:
        raise InputError(path, f"holds {array.dtype} of {array.ndim} dimensions.", remedy="Delete the work folder.")
    return array
