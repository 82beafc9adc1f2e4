from libc.stdint cimport int64_t, uint32_t
from libcpp.vector cimport vector

cdef struct Entry:
    float weight
    int level
    int64_t index

cdef struct Tree:
    const float* weights
    const uint32_t* places
    const float* maxima
    int levels
    int64_t sizes[12]
    int64_t starts[12]

cdef void cover(const Tree* tree, int64_t low, int64_t high, vector[Entry]& heap) noexcept nogil
cdef bint take(const Tree* tree, float floor, vector[Entry]& heap, Entry* best) noexcept nogil

cdef class RangeMaxima:
    cdef readonly object weights
    cdef readonly object places
    cdef readonly object maxima
    cdef Tree tree

cdef class RangeSums:
    cdef const float[::1] _weights
    cdef const double[::1] _sums
