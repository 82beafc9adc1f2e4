from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

cdef struct Packed:
    const uint8_t* blob
    const uint32_t* short_offsets
    const int64_t* long_offsets

cdef inline int64_t offset_of(const Packed* strings, int64_t index) noexcept nogil:
    return strings.long_offsets[index] if strings.short_offsets == NULL else strings.short_offsets[index]

cdef inline bint below(
    const uint8_t* text, int64_t length, const uint8_t* key, int64_t size, bint after_prefix
) noexcept nogil:
    """Whether a text comes before a key or, with `after_prefix`, begins with it."""
    cdef int order = memcmp(text, key, min(length, size))
    return order < 0 or (order == 0 and (length < size or after_prefix))

cdef class SortedStrings:
    cdef readonly object blob
    cdef readonly object offsets
    cdef readonly object heads
    cdef Packed packed
    cdef int64_t size
    cdef const uint64_t* _heads
    cdef int64_t _head_count
    cdef int64_t _heads_below(self, uint64_t bound, bint inclusive) noexcept nogil
    cdef void _narrow(self, const uint8_t* key, int64_t size, bint after_prefix, int64_t* low, int64_t* high) noexcept nogil
    cdef int64_t _lower(self, const uint8_t* key, int64_t size, bint after_prefix) noexcept nogil
