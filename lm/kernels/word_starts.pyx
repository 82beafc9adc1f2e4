"""Later words of sorted strings, in the order of the text from there on: a sparse suffix array.

Manber and Myers, 1993, of word starts alone. Words are parted by single spaces; no string holds a zero byte.
"""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libcpp.algorithm cimport sort
from libcpp.vector cimport vector

from lm.kernels.strings cimport Packed, SortedStrings, below, offset_of

cdef extern from *:
    """
    #include <algorithm>
    #include <cstdint>
    #include <cstring>

    struct WordStart {
        uint64_t head;        // the first 8 bytes, so that most comparisons need no look at the text
        const uint8_t* rest;  // what follows them
        uint32_t left : 24;   // bytes there
        uint32_t start : 8;
        uint32_t id;

        bool operator<(const WordStart& other) const {
            if (head != other.head) return head < other.head;
            const int order = std::memcmp(rest, other.rest, std::min<uint32_t>(left, other.left));
            if (order != 0) return order < 0;
            if (left != other.left) return left < other.left;
            return id != other.id ? id < other.id : start < other.start;
        }
    };
    """
    cdef cppclass WordStart:
        uint64_t head
        const uint8_t* rest
        uint32_t left
        uint32_t start
        uint32_t id

cdef enum:
    LAST_START = 255


cdef WordStart _word_start(const uint8_t* text, int64_t size, int64_t id, int64_t start) noexcept nogil:
    cdef WordStart made
    cdef int64_t place
    made.head = 0
    for place in range(8):
        made.head = (made.head << 8) | (text[start + place] if start + place < size else 0)
    made.rest = text + min(start + 8, size)
    made.left = max(size - start - 8, 0)
    made.id = id
    made.start = start
    return made


cdef int64_t _spaces(SortedStrings strings) noexcept nogil:
    cdef int64_t place, found = 0
    for place in range(offset_of(&strings.packed, strings.size)):
        found += strings.packed.blob[place] == 32
    return found


def sort_word_starts(SortedStrings strings, int last_word):
    """Where the second to the `last_word`-th word of each string begins, within its first 255 bytes.

    Returns:
        Positions of the strings, uint32 (m,), and the bytes before each word, uint8 (m,).
    """
    cdef vector[WordStart] found
    cdef int64_t id, start, size, at
    cdef int word
    cdef const uint8_t* text
    with nogil:
        found.reserve(_spaces(strings))
        for id in range(strings.size):
            at = offset_of(&strings.packed, id)
            text = strings.packed.blob + at
            size = offset_of(&strings.packed, id + 1) - at
            word = 1
            for start in range(1, min(size, LAST_START + 1)):
                if text[start - 1] == 32:
                    word += 1
                    if word > last_word:
                        break
                    found.push_back(_word_start(text, size, id, start))
        sort(found.begin(), found.end())
    ids, starts = np.empty(found.size(), np.uint32), np.empty(found.size(), np.uint8)
    cdef uint32_t[::1] ids_ = ids
    cdef uint8_t[::1] starts_ = starts
    for at in range(<int64_t>found.size()):
        ids_[at] = found[at].id
        starts_[at] = found[at].start
    return ids, starts


cdef class WordStarts:
    """What `sort_word_starts` found in these strings."""

    cdef readonly object ids
    cdef readonly object starts
    cdef SortedStrings _strings
    cdef const uint32_t[::1] _ids
    cdef const uint8_t[::1] _starts

    def __init__(self, SortedStrings strings, ids, starts):
        if len(ids) != len(starts):
            raise ValueError(f"{len(ids)} strings but {len(starts)} word starts")
        self._strings = strings
        self.ids = ids
        self.starts = starts
        self._ids = ids
        self._starts = starts

    def __len__(self):
        return self._ids.shape[0]

    cdef int64_t _lower(self, const uint8_t* key, int64_t size, bint after_prefix) noexcept nogil:
        cdef int64_t low = 0
        cdef int64_t high = self._ids.shape[0]
        cdef int64_t middle, start, length
        cdef const Packed* packed = &self._strings.packed
        while low < high:
            middle = (low + high) >> 1
            start = offset_of(packed, self._ids[middle]) + self._starts[middle]
            length = offset_of(packed, <int64_t>self._ids[middle] + 1) - start
            if below(packed.blob + start, length, key, size, after_prefix):
                low = middle + 1
            else:
                high = middle
        return low

    def between(self, bytes first, bytes last):
        """Half-open range of entries from the texts not below `first` to those that begin with `last`."""
        return self._lower(first, len(first), False), self._lower(last, len(last), True)
