"""Look-up in sorted strings finds what a walk through all of them finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.arrays import sorted_strings
from lm.kernels.strings import SortedStrings, string_heads

# two low letters, a high byte and a null byte: prefixes of one another are the rule
_STRINGS = st.lists(st.sampled_from([b"\x00", b"a", b"b", b"\xff"]), max_size=4).map(b"".join)


@given(strings=st.sets(_STRINGS, max_size=40), key=_STRINGS)
def test_find(strings: set[bytes], key: bytes) -> None:
    ordered = sorted(strings)

    assert sorted_strings(ordered).find(key) == (ordered.index(key) if key in strings else -1)


_TEXTS = st.text("\0abü漢", max_size=4)


@given(texts=st.sets(_TEXTS, max_size=40), asked=st.lists(_TEXTS, max_size=5))
def test_find_all(texts: set[str], asked: list[str]) -> None:
    ordered = sorted(texts, key=str.encode)

    found = sorted_strings([text.encode() for text in ordered]).find_all(asked)

    assert found.tolist() == [ordered.index(text) if text in texts else -1 for text in asked]


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


_LONG = st.lists(st.sampled_from([b"aaaa", b"aaab", b"b", "ü".encode()]), max_size=5).map(b"".join)


@given(strings=st.sets(_LONG, min_size=1, max_size=300), bounds=st.tuples(_LONG, _LONG))
def test_heads_change_nothing(strings: set[bytes], bounds: tuple[bytes, bytes]) -> None:
    plain = sorted_strings(sorted(strings))
    headed = SortedStrings(plain.blob, plain.offsets, string_heads(plain))
    first, last = sorted(bounds)

    assert headed.between(first, last) == plain.between(first, last)
    assert headed.prefix_range(first) == plain.prefix_range(first)
    assert headed.find(last) == plain.find(last)


@pytest.mark.parametrize("key", [b"", b"000", b"0001", b"000123", b"00012345", b"00012345678", b"1", b"~"])
def test_heads_of_many_strings_change_nothing(key: bytes) -> None:
    plain = sorted_strings([f"{number:07d}{'x' * (number % 5)}".encode() for number in range(20_000)])
    headed = SortedStrings(plain.blob, plain.offsets, string_heads(plain))

    assert headed.prefix_range(key) == plain.prefix_range(key)
    assert [headed.find(plain[place]) for place in range(0, 20_000, 37)] == list(range(0, 20_000, 37))


def test_heads_of_other_strings_are_refused() -> None:
    plain = sorted_strings([b"a", b"b"])
    with pytest.raises(ValueError, match="heads of other strings"):
        SortedStrings(plain.blob, plain.offsets, np.zeros(3, np.uint64))


@given(strings=st.sets(_STRINGS, max_size=40))
def test_all_strings_come_back(strings: set[bytes]) -> None:
    packed = sorted_strings(sorted(strings))

    assert [packed[position] for position in range(len(packed))] == sorted(strings)


@pytest.mark.parametrize("position", [-1, 2])
def test_a_position_outside_is_refused(position: int) -> None:
    packed = sorted_strings([b"a", b"b"])

    with pytest.raises(IndexError):
        packed[position]
