"""Answers kept in the process: least recently used ones go when entries or bytes run out."""

from __future__ import annotations

import threading
from collections import OrderedDict

_ENTRY_OVERHEAD = 250
"""Bytes that an entry takes besides its letters: two objects' headers and its place in the table."""


class MemoryCache:
    """A thread-safe cache of bounded size; also the in-memory twin of `RedisCache` in tests."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        """See `AnswerCache.get`."""
        with self._lock:
            answer = self._answers.get(key)
            if answer is not None:
                self._answers.move_to_end(key)
            return answer

    def put(self, key: str, answer: bytes) -> None:
        """See `AnswerCache.put`; an answer larger than the whole cache is not kept."""
        size = _size(key, answer)
        with self._lock:
            self._remove(key)
            if size > self._max_bytes:
                return
            self._answers[key] = answer
            self._bytes += size
            while len(self._answers) > self._max_entries or self._bytes > self._max_bytes:
                oldest, dropped = self._answers.popitem(last=False)
                self._bytes -= _size(oldest, dropped)

    def close(self) -> None:
        """See `AnswerCache.close`."""
        with self._lock:
            self._answers.clear()
            self._bytes = 0

    @property
    def entry_count(self) -> int:
        """Answers kept now."""
        return len(self._answers)

    @property
    def byte_count(self) -> int:
        """Memory that they take, about."""
        return self._bytes

    def _remove(self, key: str) -> None:
        former = self._answers.pop(key, None)
        if former is not None:
            self._bytes -= _size(key, former)


def _size(key: str, answer: bytes) -> int:
    return len(key) + len(answer) + _ENTRY_OVERHEAD
