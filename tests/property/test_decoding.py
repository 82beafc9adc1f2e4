"""The most probable tokens of a distribution are those of sorting it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.kernels.ranges import largest


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 40), st.integers(1, 50), st.integers(0, 1 << 30))
def test_the_heaviest_are_those_of_sorting(size: int, k: int, levels: int, seed: int) -> None:
    values = -np.random.default_rng(seed).integers(0, levels, size).astype(np.float32)
    values[values == -levels + 1] = -np.inf
    found = largest(values, k)
    assert len(set(found.tolist())) == min(k, size)
    assert sorted(values[found].tolist()) == sorted(values.tolist())[-k:]
