"""The query index gives what sorting and cutting all queries gives."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.index.queries import QueryIndex
from lm.kernels.ranges import RangeSums, block_sums
from tests.query_indexes import QueryRow, build_query_index

_TEXTS = st.text("ab ü", min_size=1, max_size=12).map(lambda text: " ".join(text.split())).filter(bool)
_LOGS = st.dictionaries(_TEXTS, st.integers(1, 4), max_size=40)


def _open(log: dict[str, int]) -> QueryIndex:
    with tempfile.TemporaryDirectory() as folder:
        build_query_index(Path(folder), [QueryRow(query, count) for query, count in log.items()])
        return QueryIndex(Path(folder))  # its files stay mapped


@given(log=_LOGS, typed=st.text("ab ü", max_size=4), k=st.integers(0, 30))
def test_completions(log: dict[str, int], typed: str, k: int) -> None:
    matching = {query: count for query, count in log.items() if query.startswith(typed)}
    best = sorted(matching, key=lambda query: (-matching[query], query.encode()))

    found, total = _open(log).completions(typed, k)

    assert found == [(query, log[query]) for query in best[:k]]
    assert total == sum(matching.values())


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 1000])
def test_sums_of_ranges(size: int) -> None:
    random = np.random.default_rng(size)
    weights = random.integers(0, 9, size).astype(np.float32)
    sums = RangeSums(weights, block_sums(weights))

    for low, high in [(0, size), *(sorted(random.integers(0, size + 1, 2).tolist()) for _ in range(50))]:
        assert sums.between(low, high) == weights[low:high].sum()
    with pytest.raises(IndexError):
        sums.between(0, size + 1)


def test_sums_of_another_array_are_refused() -> None:
    with pytest.raises(ValueError, match="sums of another array"):
        RangeSums(np.zeros(100, np.float32), np.zeros(1))
