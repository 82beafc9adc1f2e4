"""Results that were wanted lately, in a bounded number of bytes.

While a person types, most candidates of a keystroke were candidates of the one before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ENTRY_BYTES = 160
"""What an entry takes besides its key and its value, with a number or two that these may refer to."""
_ARRAY_BYTES = 112
"""What an array takes besides its numbers."""


class Memo(Generic[K, V]):
    """Remembers the last results; threads may share it.

    Two dictionaries take turns: when the younger one is full, the older one goes. A key in use stays, because what is
    found in the older one moves to the younger. There is no lock: where two threads put at once, the size of one entry
    may go uncounted until the dictionaries change places.

    Args:
        max_bytes: what all keys and results may hold.
        deep: whether keys or results hold others, as arrays and tuples of texts do; then `held_bytes` measures them.
        largest: an entry that holds more is not kept; None: a thousandth of `max_bytes`, so that one text
            pushes out few others.
    """

    def __init__(self, max_bytes: int, *, deep: bool = False, largest: int | None = None) -> None:
        self._half = max_bytes // 2
        self._largest = min(largest or max_bytes // 1024, self._half)
        self._size_of = held_bytes if deep else sys.getsizeof
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._young_bytes = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """The result that was put under a key, if it is still there."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keeps a result, which is never None."""
        size = self._size_of(key) + self._size_of(value) + _ENTRY_BYTES
        if size > self._largest:
            return
        if self._young_bytes + size > self._half:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[key] = value
        self._young_bytes += size

    def results(self, keys: Sequence[K], compute: Callable[[Sequence[K]], Sequence[V]]) -> list[V]:
        """The results for some keys, in their order. All that are not known are computed at once."""
        found = list(map(self.get, keys))
        missing = [place for place, value in enumerate(found) if value is None]
        if missing:
            wanted = [keys[place] for place in missing]
            for place, key, value in zip(missing, wanted, compute(wanted), strict=True):
                found[place] = value
                self.put(key, value)
        return found  # type: ignore[return-value]

    def result(self, key: K, compute: Callable[[K], V]) -> V:
        """The result for a key."""
        value = self.get(key)
        if value is None:
            value = compute(key)
            self.put(key, value)
        return value


def held_bytes(value: Any) -> int:
    """Bytes that a value keeps from being freed.

    A slice of an array keeps the whole array. Tuples and slotted values count with what they hold; what several of
    them share counts each time.
    """
    if isinstance(value, np.ndarray):
        while isinstance(value.base, np.ndarray):
            value = value.base
        return int(value.nbytes) + _ARRAY_BYTES
    size = sys.getsizeof(value)
    if isinstance(value, tuple):
        return size + sum(map(held_bytes, value))
    return size + sum(held_bytes(getattr(value, name)) for name in getattr(type(value), "__slots__", ()))
