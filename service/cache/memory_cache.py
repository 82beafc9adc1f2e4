"""Answers kept in the process: the least recently used ones go when entries or bytes run out."""

from __future__ import annotations

import sys
import threading

from cachetools import LRUCache

from service.ports import AnswerKey

_ENTRY_OVERHEAD = 260
"""Bytes that an entry takes besides its key and its answer: places in two tables, the pair, its size and the link that
orders it. As tracemalloc counts them it is 230 to 310, as the tables double, from 1,000 to 100,000 entries."""
_Entry = tuple[AnswerKey, bytes]


class MemoryCache:
    """A thread-safe cache of bounded size; also the in-memory twin of `RedisCache` in tests."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._entries: LRUCache[AnswerKey, _Entry] = LRUCache(max_bytes, getsizeof=_size)

    def get(self, key: AnswerKey) -> bytes | None:
        """See `AnswerCache.get`."""
        with self._lock:
            entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def put(self, key: AnswerKey, answer: bytes) -> None:
        """See `AnswerCache.put`; an answer larger than the whole cache is not kept."""
        entry = key, answer
        with self._lock:
            if _size(entry) > self._entries.maxsize:
                self._entries.pop(key, None)
                return
            self._entries[key] = entry
            if len(self._entries) > self._max_entries:
                self._entries.popitem()

    def close(self) -> None:
        """See `AnswerCache.close`."""
        with self._lock:
            self._entries.clear()

    @property
    def entry_count(self) -> int:
        """Answers kept now."""
        return len(self._entries)

    @property
    def byte_count(self) -> int:
        """Memory that they take, about."""
        return int(self._entries.currsize)


def _size(entry: _Entry) -> int:
    key, answer = entry
    return sys.getsizeof(key) + sys.getsizeof(answer) + _ENTRY_OVERHEAD
