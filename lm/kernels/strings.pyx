"""Look-up in strings sorted by their bytes, kept as one blob with offsets."""

import numpy as np
from libc.string cimport memcmp
from libc.stdint cimport int64_t, uint8_t


cdef class SortedStrings:
    """Immutable strings in ascending byte order.

    Args:
        blob: uint8 (total bytes,), all strings one after the other.
        offsets: int64 (n + 1,), where each starts.
    """

    cdef readonly object blob
    cdef readonly object offsets
    cdef const uint8_t[::1] _blob
    cdef const int64_t[::1] _offsets

    def __init__(self, blob, offsets):
        self.blob = blob
        self.offsets = offsets
        self._blob = blob if len(blob) else np.zeros(1, np.uint8)
        self._offsets = offsets

    def __len__(self):
        return self._offsets.shape[0] - 1

    def __getitem__(self, Py_ssize_t index):
        """The string at `index`, as bytes."""
        if index < 0 or index >= self._offsets.shape[0] - 1:
            raise IndexError(index)
        cdef int64_t start = self._offsets[index]
        cdef int64_t end = self._offsets[index + 1]
        return (<const char*>&self._blob[0])[start:end]

    cdef int64_t _lower(self, const uint8_t* key, int64_t size, bint after_prefix) noexcept nogil:
        """First position not below `key`; with `after_prefix`, first one past all that begin with it."""
        cdef int64_t low = 0
        cdef int64_t high = self._offsets.shape[0] - 1
        cdef int64_t middle, length, order
        while low < high:
            middle = (low + high) >> 1
            length = self._offsets[middle + 1] - self._offsets[middle]
            order = memcmp(&self._blob[self._offsets[middle]], key, min(length, size))
            if order == 0:
                if length < size:
                    order = -1
                elif after_prefix:
                    order = -1
            if order < 0:
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, bytes key):
        """Position of `key`, or -1."""
        cdef const uint8_t* start = key
        cdef int64_t size = len(key)
        cdef int64_t position = self._lower(start, size, False)
        if position == self._offsets.shape[0] - 1:
            return -1
        if self._offsets[position + 1] - self._offsets[position] != size:
            return -1
        if memcmp(&self._blob[self._offsets[position]], start, size) != 0:
            return -1
        return position

    def prefix_range(self, bytes prefix):
        """Half-open range of positions whose strings begin with `prefix`."""
        cdef const uint8_t* start = prefix
        return self._lower(start, len(prefix), False), self._lower(start, len(prefix), True)

    def between(self, bytes first, bytes last):
        """Half-open range of positions from the strings not below `first` to those that begin with `last`."""
        cdef const uint8_t* low = first
        cdef const uint8_t* high = last
        return self._lower(low, len(first), False), self._lower(high, len(last), True)
