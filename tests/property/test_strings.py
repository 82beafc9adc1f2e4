"""Look-up in sorted strings finds what a walk through all of them finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.vocabulary import sorted_strings

# two low letters, a high byte and a null byte: prefixes of one another are the rule
_STRINGS = st.lists(st.sampled_from([b"\x00", b"a", b"b", b"\xff"]), max_size=4).map(b"".join)


@given(strings=st.sets(_STRINGS, max_size=40), key=_STRINGS)
def test_find(strings: set[bytes], key: bytes) -> None:
    ordered = sorted(strings)

    assert sorted_strings(ordered).find(key) == (ordered.index(key) if key in strings else -1)


@given(strings=st.sets(_STRINGS, max_size=40), prefix=_STRINGS)
def test_prefix_range(strings: set[bytes], prefix: bytes) -> None:
    ordered = sorted(strings)

    low, high = sorted_strings(ordered).prefix_range(prefix)

    assert ordered[low:high] == [string for string in ordered if string.startswith(prefix)]
    assert low == sum(string < prefix for string in ordered)  # an empty range stands where they would


@given(strings=st.sets(_STRINGS, max_size=40), bounds=st.tuples(_STRINGS, _STRINGS))
def test_between(strings: set[bytes], bounds: tuple[bytes, bytes]) -> None:
    ordered = sorted(strings)
    first, last = sorted(bounds)

    low, high = sorted_strings(ordered).between(first, last)

    assert ordered[low:high] == [s for s in ordered if s >= first and (s <= last or s.startswith(last))]


@given(strings=st.sets(_STRINGS, max_size=40))
def test_all_strings_come_back(strings: set[bytes]) -> None:
    packed = sorted_strings(sorted(strings))

    assert [packed[position] for position in range(len(packed))] == sorted(strings)


@pytest.mark.parametrize("position", [-1, 2])
def test_a_position_outside_is_refused(position: int) -> None:
    packed = sorted_strings([b"a", b"b"])

    with pytest.raises(IndexError):
        packed[position]
