"""Answers kept in the process: least recently used ones go when entries or bytes run out."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict

from service.ports import AnswerKey

_ENTRY_OVERHEAD = 190 + 49
"""Bytes that an entry takes besides its text and its answer: the key's tuple and a place in the table, by tracemalloc
145 to 192, as the table doubles, from 1,000 to 100,000 entries; and what each string has besides its characters."""
_TEXT = 3
"""Where in a key the typed text stands; the other fields are the same objects in all keys, or small."""


class MemoryCache:
    """A thread-safe cache of bounded size; also the in-memory twin of `RedisCache` in tests."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._answers: OrderedDict[AnswerKey, bytes] = OrderedDict()

    def get(self, key: AnswerKey) -> bytes | None:
        """See `AnswerCache.get`."""
        answer = self._answers.get(key)
        if answer is not None:
            # No lock, as each of the two steps is one of C: 0.7 us, against 1.5 with a lock. Between them the answer
            # may have gone.
            try:  # noqa: SIM105 -- `suppress` takes longer than all the rest
                self._answers.move_to_end(key)
            except KeyError:
                pass
        return answer

    def put(self, key: AnswerKey, answer: bytes) -> None:
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

    def _remove(self, key: AnswerKey) -> None:
        former = self._answers.pop(key, None)
        if former is not None:
            self._bytes -= _size(key, former)


def _size(key: AnswerKey, answer: bytes) -> int:
    # not `getsizeof` of the text: that grows once its UTF-8 is asked for, and differs between equal texts
    return len(str(key[_TEXT]).encode()) + sys.getsizeof(answer) + _ENTRY_OVERHEAD
