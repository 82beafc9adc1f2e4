"""A memo gives what the function gives, keeps what is in use, and no more than it may."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lm.memo import Memo


@given(st.integers(1, 4), st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=20))
def test_results_are_those_of_the_function(size: int, batches: list[list[int]]) -> None:
    memo: Memo[int, int] = Memo(size)
    for batch in batches:
        assert memo.of(batch, lambda keys: [key**2 for key in keys]) == [key**2 for key in batch]
        assert len(memo) <= 2 * size


def test_what_is_known_is_not_computed_again_and_what_is_in_use_stays() -> None:
    memo: Memo[int, int] = Memo(2)
    asked: list[int] = []

    def compute(keys: Sequence[int]) -> Sequence[int]:
        asked.extend(keys)
        return [-key for key in keys]

    for other in range(1, 9):
        assert memo.of([0, other], compute) == [0, -other]
    assert asked == [0, *range(1, 9)]
    assert memo.get(1) is None
