"""Look-up in strings sorted by their bytes, kept as one blob with offsets."""

import numpy as np
from libc.string cimport memcmp


cdef class SortedStrings:
    """Immutable strings in ascending byte order.

    Args:
        blob: uint8 (total bytes,), all strings one after the other.
        offsets: uint32 or, for blobs of 4 GiB and more, int64 (n + 1,), where each starts.
    """

    def __init__(self, blob, offsets):
        cdef const uint8_t[::1] blob_ = blob
        cdef const uint32_t[::1] short_offsets
        cdef const int64_t[::1] long_offsets
        self.blob = blob
        self.offsets = offsets
        self.size = len(offsets) - 1
        self.packed.blob = &blob_[0] if len(blob) else NULL
        self.packed.short_offsets = NULL
        self.packed.long_offsets = NULL
        if offsets.dtype == np.uint32:
            short_offsets = offsets
            self.packed.short_offsets = &short_offsets[0]
        else:
            long_offsets = offsets
            self.packed.long_offsets = &long_offsets[0]

    def __len__(self):
        return self.size

    def __getitem__(self, Py_ssize_t index):
        """The string at `index`, as bytes."""
        if index < 0 or index >= self.size:
            raise IndexError(index)
        cdef int64_t start = offset_of(&self.packed, index)
        return (<const char*>self.packed.blob + start)[: offset_of(&self.packed, index + 1) - start]

    cdef int64_t _lower(self, const uint8_t* key, int64_t size, bint after_prefix) noexcept nogil:
        """First position not below `key`; with `after_prefix`, first one past all that begin with it."""
        cdef int64_t low = 0
        cdef int64_t high = self.size
        cdef int64_t middle, start, length, order
        while low < high:
            middle = (low + high) >> 1
            start = offset_of(&self.packed, middle)
            length = offset_of(&self.packed, middle + 1) - start
            order = memcmp(self.packed.blob + start, key, min(length, size))
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
        cdef int64_t position = self._lower(key, len(key), False)
        if position == self.size or self[position] != key:
            return -1
        return position

    def prefix_range(self, bytes prefix):
        """Half-open range of positions whose strings begin with `prefix`."""
        return self._lower(prefix, len(prefix), False), self._lower(prefix, len(prefix), True)

    def between(self, bytes first, bytes last):
        """Half-open range of positions from the strings not below `first` to those that begin with `last`."""
        return self._lower(first, len(first), False), self._lower(last, len(last), True)
