"""Batches against a naive walk over the sentences."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lm.errors import InputError
from training.data.encoding import EncodedText
from training.neural.data import MAX_PIECE, SentenceFeed, Sentences, StreamFeed

LENGTHS = [3, 1, 0, 400, 7, 128, 127, 129, 2, 5] * 3


@pytest.fixture
def sentences(tmp_path: Path) -> Sentences:
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64)
    np.save(tmp_path / "tokens.npy", np.arange(3, 3 + offsets[-1], dtype=np.int32))  # all different
    np.save(tmp_path / "offsets.npy", offsets)
    return Sentences.open(EncodedText(tmp_path / "tokens.npy", tmp_path / "offsets.npy"))


def test_every_target_comes_once_after_the_token_before_it(sentences: Sentences) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    for begin, end in pairwise(sentences.offsets):
        words = [int(word) for word in sentences.tokens[begin:end]]
        expected.update(zip([1, *words], [*words, 2], strict=True))
    found: Counter[tuple[int, int]] = Counter()
    for batch in SentenceFeed(sentences, 300, seed=1).batches(0, 0):
        assert batch.inputs.shape[1] <= MAX_PIECE
        assert batch.size < 300 + MAX_PIECE
        found.update(zip(batch.inputs[batch.valid], batch.targets[batch.valid], strict=True))
    assert found == expected
    assert sum(found.values()) == sentences.target_count == sum(sentences.token_counts(2000))


def test_a_part_that_is_read_twice_counts_twice(tmp_path: Path) -> None:
    for name, tokens, offsets in (("all", [5, 6, 7, 8], [0, 1, 4]), ("part", [5], [0, 1])):
        np.save(tmp_path / f"{name}.ids.npy", np.array(tokens, np.int32))
        np.save(tmp_path / f"{name}.offsets.npy", np.array(offsets, np.int64))
    both = Sentences.open(EncodedText.named(tmp_path, "all"), EncodedText.named(tmp_path, "part"))
    assert both.tokens.tolist() == [5, 6, 7, 8, 5]
    assert both.offsets.tolist() == [0, 1, 4, 5]
    assert both.token_counts(10).tolist() == [0, 0, 3, 0, 0, 2, 1, 1, 1, 0]


def test_epochs_differ_and_repeat(sentences: Sentences) -> None:
    feed = SentenceFeed(sentences, 300, seed=1)

    def order(epoch: int) -> list[int]:
        return [int(token) for batch in feed.batches(epoch, 0) for token in batch.targets[batch.valid]]

    assert order(0) == order(0)
    assert order(0) != order(1)


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_streams_read_the_text_in_order(sentences: Sentences, rows: int) -> None:
    inputs, targets = [], []
    for begin, end in pairwise(sentences.offsets):
        words = [int(word) for word in sentences.tokens[begin:end]]
        inputs += [1, *words]
        targets += [*words, 2]
    batches = list(StreamFeed(sentences, rows, 10, seed=None).batches(0, 0))
    length = len(targets) // rows
    for row in range(rows):
        read = slice(row * length, (row + 1) * length)
        assert [int(token) for batch in batches for token in batch.inputs[row]] == inputs[read]
        assert [int(token) for batch in batches for token in batch.targets[row]] == targets[read]
    assert [batch.continues for batch in batches] == [False] + [True] * (len(batches) - 1)


def test_streams_begin_elsewhere_in_each_pass_and_can_be_skipped(sentences: Sentences) -> None:
    feed = StreamFeed(sentences, 4, 16, seed=1)
    first, second = (list(feed.batches(epoch, 0)) for epoch in (0, 1))
    assert len(first) == feed.steps(0)
    assert not np.array_equal(first[0].targets, second[0].targets)
    again = list(feed.batches(0, 3))
    assert all(np.array_equal(one.targets, two.targets) for one, two in zip(first[3:], again, strict=True))


def test_a_limit_takes_sentences_from_the_whole_text(sentences: Sentences) -> None:
    feed = SentenceFeed(sentences, 300, seed=None, limit=sentences.target_count // 3)
    read = {int(token) for batch in feed.batches(0, 0) for token in batch.targets[batch.valid]} - {2}
    begins = sentences.offsets
    assert read == {
        int(token) for row in range(0, len(LENGTHS), 3) for token in sentences.tokens[begins[row] : begins[row + 1]]
    }


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
        Sentences.open(EncodedText(tmp_path / "tokens.npy", tmp_path / "offsets.npy"))


def test_a_file_that_is_no_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokens.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"tokens\.npy"):
        Sentences.open(EncodedText(tmp_path / "tokens.npy", tmp_path / "offsets.npy"))
