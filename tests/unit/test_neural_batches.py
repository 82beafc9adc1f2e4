"""Batches against a naive walk over the sentences."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lm.errors import InputError
from training.neural.batches import MAX_PIECE, Pieces, Sentences, batches_of_epoch, gather

LENGTHS = [3, 1, 0, 400, 7, 128, 127, 129, 2, 5] * 3


@pytest.fixture
def sentences(tmp_path: Path) -> Sentences:
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64)
    np.save(tmp_path / "tokens.npy", np.arange(3, 3 + offsets[-1], dtype=np.int32))  # all different
    np.save(tmp_path / "offsets.npy", offsets)
    return Sentences.open(tmp_path / "tokens.npy", tmp_path / "offsets.npy")


def test_every_target_comes_once_after_the_token_before_it(sentences: Sentences) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    for begin, end in pairwise(sentences.offsets):
        words = [int(word) for word in sentences.tokens[begin:end]]
        expected.update(zip([1, *words], [*words, 2], strict=True))
    pieces = Pieces.cut(sentences)
    found: Counter[tuple[int, int]] = Counter()
    for rows in batches_of_epoch(pieces, 300, seed=1, epoch=0):
        batch = gather(sentences, pieces, rows)
        assert batch.inputs.shape[1] <= MAX_PIECE
        assert batch.size < 300 + MAX_PIECE
        found.update(zip(batch.inputs[batch.valid], batch.targets[batch.valid], strict=True))
    assert found == expected
    assert sum(found.values()) == sentences.target_count == sum(sentences.token_counts(2000))


def test_epochs_differ_and_repeat(sentences: Sentences) -> None:
    pieces = Pieces.cut(sentences)

    def order(epoch: int) -> list[int]:
        return [int(row) for rows in batches_of_epoch(pieces, 300, seed=1, epoch=epoch) for row in rows]

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_a_limit_takes_sentences_from_the_whole_text(sentences: Sentences) -> None:
    pieces = Pieces.cut(sentences, sentences.target_count // 3)
    assert set(pieces.sentence) == set(range(0, len(LENGTHS), 3))


@pytest.mark.parametrize(
    ("tokens", "offsets"),
    [
        (np.zeros(3, np.int32), np.array([0, 2])),
        (np.zeros(3, np.int32), np.array([3])),
        (np.zeros(3, np.int64), np.array([0, 3])),
        (np.zeros((3, 1), np.int32), np.array([0, 3])),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tokens: np.ndarray, offsets: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "tokens.npy", tokens)
    np.save(tmp_path / "offsets.npy", offsets)
    with pytest.raises(InputError):
        Sentences.open(tmp_path / "tokens.npy", tmp_path / "offsets.npy")


def test_a_file_that_is_no_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokens.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"tokens\.npy"):
        Sentences.open(tmp_path / "tokens.npy", tmp_path / "offsets.npy")
