"""A memo gives what the function gives, keeps what is in use, and holds no more bytes than it may."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lm.memo import Memo, held_bytes


def entry(key: object, value: object) -> int:
    return held_bytes(key) + held_bytes(value) + 160


@given(st.integers(1, 4), st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=20))
def test_results_are_those_of_the_function(size: int, batches: list[list[int]]) -> None:
    memo: Memo[int, int] = Memo(2 * size * entry(9, 81), largest=entry(9, 81))
    for batch in batches:
        assert memo.results(batch, lambda keys: [key**2 for key in keys]) == [key**2 for key in batch]
        assert len(memo) <= 2 * size + 1  # an entry of 0 is a little smaller than the others


def test_what_is_known_is_not_computed_again_and_what_is_in_use_stays() -> None:
    memo: Memo[int, int] = Memo(4 * entry(1, -1), largest=entry(1, -1))
    asked: list[int] = []

    def compute(keys: Sequence[int]) -> Sequence[int]:
        asked.extend(keys)
        return [-key for key in keys]

    for other in range(2, 10):
        assert memo.results([1, other], compute) == [-1, -other]
    assert asked == [1, *range(2, 10)]
    assert memo.get(2) is None


@given(st.lists(st.tuples(st.text(max_size=400), st.integers(1, 40)), max_size=60))
def test_texts_and_slices_of_arrays_stay_within_the_bytes(entries: list[tuple[str, int]]) -> None:
    memo: Memo[str, NDArray[np.float64]] = Memo(20_000, deep=True, largest=5_000)
    for text, rows in entries:
        memo.put(text, np.zeros((rows, 8))[-1])
    held = [*memo._young.items(), *memo._old.items()]
    assert (
        sum(held_bytes(text) + (array if array.base is None else array.base).nbytes for text, array in held) <= 20_000
    )


def test_a_slice_holds_the_whole_array() -> None:
    whole = np.zeros((1000, 1000), np.float32)
    assert held_bytes(whole[0]) == held_bytes(whole[0, 5:]) == held_bytes(whole) >= whole.nbytes
    assert held_bytes(whole[0].copy()) < 5000


def test_what_is_too_large_is_not_kept() -> None:
    memo: Memo[str, tuple[int, ...]] = Memo(1 << 20, deep=True)
    assert memo.result("a", lambda _: tuple(range(1000))) == tuple(range(1000))
    assert len(memo) == 0
