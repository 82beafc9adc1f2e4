"""The heaviest entries of a range are those of sorting and cutting, ties by position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lm.kernels.ranges import RangeMaxima, block_maxima


def _sorted_and_cut(weights: NDArray[np.float32], low: int, high: int, k: int) -> list[int]:
    # a stable sort leaves equal weights in the order of their positions
    order = np.argsort(-weights[low:high], kind="stable")[:k] + low
    return [int(position) for position in order]


# few different weights, so that ties are the rule
@given(
    weights=st.lists(st.integers(-3, 3), max_size=300),
    bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    k=st.integers(0, 320),
)
def test_any_range_of_a_small_array(weights: list[int], bounds: tuple[float, float], k: int) -> None:
    array = np.array(weights, np.float32)
    low, high = sorted(round(bound * len(array)) for bound in bounds)
    maxima = RangeMaxima(array, block_maxima(array))

    assert maxima.heaviest(low, high, k) == _sorted_and_cut(array, low, high, k)


@pytest.mark.parametrize("size", [63, 64, 65, 4096, 4097, 64 * 64 * 16, 70_001])
@pytest.mark.parametrize("distinct", [2, 50, 1_000_000])
def test_random_ranges_of_a_large_array(size: int, distinct: int) -> None:
    random = np.random.default_rng(size + distinct)
    array = random.integers(0, distinct, size).astype(np.float32)
    maxima = RangeMaxima(array, block_maxima(array))
    ranges = [(0, size), *(sorted(random.integers(0, size + 1, 2).tolist()) for _ in range(20))]

    for low, high in ranges:
        for k in (1, 10, 200):
            assert maxima.heaviest(low, high, k) == _sorted_and_cut(array, low, high, k)


def test_a_range_outside_of_the_array_is_refused() -> None:
    array = np.zeros(10, np.float32)
    maxima = RangeMaxima(array, block_maxima(array))

    for low, high in ((-1, 5), (0, 11), (6, 5)):
        with pytest.raises(IndexError):
            maxima.heaviest(low, high, 1)


def test_maxima_of_another_array_are_refused() -> None:
    with pytest.raises(ValueError, match="maxima of another array"):
        RangeMaxima(np.zeros(100, np.float32), block_maxima(np.zeros(1000, np.float32)))
