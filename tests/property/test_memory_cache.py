"""The cache of the process against a naive list of what was used last."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from service.cache.answers import _ENTRY_OVERHEAD, MemoryCache

_ANSWERS = st.integers(0, 600).map(bytes)
_STEPS = st.lists(st.tuples(st.sampled_from("abcdé"), st.none() | _ANSWERS), max_size=60)


class _Naive:
    """Least recently used first, sizes added up anew each time."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self.entries: list[tuple[bytes, bytes]] = []

    def get(self, key: bytes) -> bytes | None:
        found = [entry for entry in self.entries if entry[0] == key]
        self.entries = [entry for entry in self.entries if entry[0] != key] + found
        return found[0][1] if found else None

    def put(self, key: bytes, answer: bytes) -> None:
        self.entries = [entry for entry in self.entries if entry[0] != key]
        if self.size([(key, answer)]) <= self._max_bytes:
            self.entries.append((key, answer))
        while len(self.entries) > self._max_entries or self.size(self.entries) > self._max_bytes:
            del self.entries[0]

    def size(self, entries: list[tuple[bytes, bytes]]) -> int:
        return sum(sys.getsizeof(key) + sys.getsizeof(answer) + _ENTRY_OVERHEAD for key, answer in entries)


@given(steps=_STEPS, max_entries=st.integers(1, 4), max_bytes=st.integers(300, 2500))
def test_it_keeps_what_a_naive_cache_keeps(
    steps: list[tuple[str, bytes | None]], max_entries: int, max_bytes: int
) -> None:
    cache, naive = MemoryCache(max_entries=max_entries, max_bytes=max_bytes), _Naive(max_entries, max_bytes)
    for text, answer in steps:
        key: bytes = text.encode()
        if answer is None:
            assert cache.get(key) == naive.get(key)
        else:
            cache.put(key, answer)
            naive.put(key, answer)
        assert cache.entry_count == len(naive.entries)
        assert cache.byte_count == naive.size(naive.entries)
