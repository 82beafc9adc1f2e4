"""Look-up in strings sorted by their bytes, kept as one blob with offsets."""

import numpy as np
from libcpp.algorithm cimport reverse
from libcpp.vector cimport vector

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    STRIDE = 64
    HEAD = 8


cdef inline uint64_t _head(const uint8_t* text, int64_t size, uint8_t padding) noexcept nogil:
    """The first 8 bytes as a number: such numbers are in the order of the strings, which hold no zero byte."""
    cdef uint64_t head = 0
    cdef int place
    for place in range(HEAD):
        head = (head << 8) | (text[place] if place < size else padding)
    return head


def string_heads(SortedStrings strings):
    """The first 8 bytes of every 64th string: uint64 (ceil(n / 64),)."""
    heads = np.empty((strings.size + STRIDE - 1) // STRIDE, np.uint64)
    cdef uint64_t[::1] heads_ = heads
    cdef int64_t place, start
    for place in range(len(heads)):
        start = offset_of(&strings.packed, place * STRIDE)
        heads_[place] = _head(strings.packed.blob + start, offset_of(&strings.packed, place * STRIDE + 1) - start, 0)
    return heads


cdef class SortedStrings:
    """Immutable strings in ascending byte order.

    Args:
        blob: uint8 (total bytes,), all strings one after the other.
        offsets: uint32 or, for blobs of 4 GiB and more, int64 (n + 1,), where each starts.
        heads: what `string_heads` gives, for large sets: a look-up then touches few pages of the blob; else None.
    """

    def __init__(self, blob, offsets, heads=None):
        cdef const uint64_t[::1] heads_ = heads
        cdef const uint8_t[::1] blob_ = blob
        cdef const uint32_t[::1] short_offsets
        cdef const int64_t[::1] long_offsets
        self.blob = blob
        self.offsets = offsets
        self.size = len(offsets) - 1
        if self.size < 0 or int(offsets[self.size]) != len(blob):
            raise ValueError(f"offsets of other strings, which do not end at byte {len(blob)}")
        self.heads = heads
        self._head_count = 0 if heads is None else len(heads)
        if self._head_count not in (0, (self.size + STRIDE - 1) // STRIDE):
            raise ValueError(f"heads of other strings: {len(heads)} for {self.size}")
        self._heads = &heads_[0] if self._head_count else NULL
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
        cdef int64_t middle, start, length
        if self._head_count:
            self._narrow(key, size, after_prefix, &low, &high)
        while low < high:
            middle = (low + high) >> 1
            start = offset_of(&self.packed, middle)
            length = offset_of(&self.packed, middle + 1) - start
            if below(self.packed.blob + start, length, key, size, after_prefix):
                low = middle + 1
            else:
                high = middle
        return low

    cdef void _narrow(self, const uint8_t* key, int64_t size, bint after_prefix, int64_t* low, int64_t* high) noexcept nogil:
        """Between which strings `_lower` has to look, by the heads alone."""
        cdef bint whole = size < HEAD
        cdef uint64_t bound = _head(key, size, 255 if after_prefix else 0)
        # Of a short prefix all heads up to the last that begins with it are of strings before the place looked for.
        cdef int64_t below = self._heads_below(bound, after_prefix and whole)
        cdef int64_t above = self._heads_below(bound, True)
        low[0] = (below - 1) * STRIDE + 1 if below else 0
        high[0] = above * STRIDE if above < self._head_count else self.size

    cdef int64_t _heads_below(self, uint64_t bound, bint inclusive) noexcept nogil:
        cdef int64_t low = 0
        cdef int64_t high = self._head_count
        cdef int64_t middle
        while low < high:
            middle = (low + high) >> 1
            if self._heads[middle] < bound or (inclusive and self._heads[middle] == bound):
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

    def find_all(self, texts):
        """Positions of some texts, -1 for what is not there: int64 (n,); UTF-8 of their own. Half the time of `find`."""
        cdef Py_ssize_t place, size
        cdef const char* key
        cdef int64_t position, start
        positions = np.empty(len(texts), np.int64)
        cdef int64_t[::1] positions_ = positions
        for place in range(positions_.shape[0]):
            key = PyUnicode_AsUTF8AndSize(texts[place], &size)
            position = self._lower(<const uint8_t*>key, size, False)
            positions_[place] = -1
            if position < self.size:
                start = offset_of(&self.packed, position)
                if offset_of(&self.packed, position + 1) - start == size and memcmp(self.packed.blob + start, key, size) == 0:
                    positions_[place] = position
        return positions

    def prefix_range(self, bytes prefix):
        """Half-open range of positions whose strings begin with `prefix`."""
        return self._lower(prefix, len(prefix), False), self._lower(prefix, len(prefix), True)

    def between(self, bytes first, bytes last):
        """Half-open range of positions from the strings not below `first` to those that begin with `last`."""
        return self._lower(first, len(first), False), self._lower(last, len(last), True)


def spellings(SortedStrings strings, bytes literal, bytes first, bytes last, int32_t base):
    """How the strings spell what was typed, string after string: the arrays of `lm.models.vocabulary.Constraint`.

    Args:
        literal: what was typed, but for a character that is still one of several.
        first, last: the first and last of what was typed; equal, or that character longer than `literal`.
        base: the token of the first string.

    Returns:
        (lows, highs) int32 (L,), part_starts int32 (L + 1,), part_tokens and part_offsets int32.
    """
    cdef const uint8_t* text = literal
    cdef const uint8_t* lowest = first
    cdef const uint8_t* highest = last
    cdef Py_ssize_t size = len(literal), first_size = len(first), last_size = len(last)
    cdef Py_ssize_t length = size + (first_size > size), offset, end, place
    cdef int64_t low, start, found
    cdef size_t before
    cdef vector[int32_t] tokens, ends, counts
    cdef vector[bint] useful
    lows, highs, starts = np.empty(length, np.int32), np.empty(length, np.int32), np.zeros(length + 1, np.int32)
    cdef int32_t[::1] lows_ = lows, highs_ = highs, starts_ = starts
    for offset in range(length):
        lows_[offset] = base + <int32_t>strings._lower(lowest + offset, first_size - offset, False)
        highs_[offset] = base + <int32_t>strings._lower(highest + offset, last_size - offset, True)
        useful.push_back(lows_[offset] < highs_[offset])
        counts.push_back(0)
    for offset in range(size - 1, -1, -1):  # backwards: what a part leads to is known then
        before = tokens.size()
        for end in range(offset + 1, length):
            low = strings._lower(text + offset, end - offset, False)
            if low == strings.size:
                break
            start = offset_of(&strings.packed, low)
            found = offset_of(&strings.packed, low + 1) - start
            if found < end - offset or memcmp(strings.packed.blob + start, text + offset, end - offset) != 0:
                break  # nothing begins so, nor with more
            if found == end - offset and useful[end]:  # the shortest that begins so stands first
                tokens.push_back(<int32_t>low + base)
                ends.push_back(<int32_t>end)
        counts[offset] = <int32_t>(tokens.size() - before)
        useful[offset] = useful[offset] or counts[offset] > 0
        reverse(tokens.begin() + before, tokens.end())
        reverse(ends.begin() + before, ends.end())
    for offset in range(length):
        starts_[offset + 1] = starts_[offset] + counts[offset]
    # the last offset's came first, each offset's longest first: the other way round they are in order
    part_tokens = np.array([tokens[place] for place in range(<Py_ssize_t>tokens.size() - 1, -1, -1)], np.int32)
    part_offsets = np.array([ends[place] for place in range(<Py_ssize_t>ends.size() - 1, -1, -1)], np.int32)
    return lows, highs, starts, part_tokens, part_offsets


def letter_sums(texts, const uint64_t[::1] values):
    """Sums of values of each text's bytes, uint64 (n,), which do not depend on their order; None if one is not ASCII.

    Args:
        values: of each ASCII character, uint64 (128,).
    """
    cdef Py_ssize_t place, at, size
    cdef const char* text
    cdef uint64_t total
    sums = np.empty(len(texts), np.uint64)
    cdef uint64_t[::1] sums_ = sums
    for place in range(sums_.shape[0]):
        text = PyUnicode_AsUTF8AndSize(texts[place], &size)
        total = 0
        for at in range(size):
            if <uint8_t>text[at] > 127:
                return None
            total += values[<uint8_t>text[at]]
        sums_[place] = total
    return sums
