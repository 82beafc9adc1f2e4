"""The heaviest entries of any range of an array, by a tree of block maxima, best first.

Level 0 is the array; an entry of level j + 1 is the largest of 16 entries of level j. The range is covered by
few blocks, which wait in a heap; taking the best entry opens one block a level. The array may be given by places in
another one, so that several orders share one array of weights.
"""

import numpy as np
from libc.math cimport INFINITY
from libcpp.algorithm cimport make_heap, nth_element, pop_heap, push_heap
from libcpp.vector cimport vector

cdef extern from "<math.h>" nogil:
    float nextafterf(float, float)

cdef enum:
    SHIFT = 4
    FANOUT = 16  # entries that share a cache line; of 64, a look-up read twice as much
    SUM_SHIFT = 6
    SUMMED = 64


cdef inline bint _lighter(const Entry& first, const Entry& second) noexcept nogil:
    # Ties go to the lower position, so that the order is the same on every machine; a block is opened only if it
    # begins before whatever else is as heavy, or a range of equal weights would be opened whole.
    cdef int64_t start, other
    if first.weight != second.weight:
        return first.weight < second.weight
    start, other = first.index << (SHIFT * first.level), second.index << (SHIFT * second.level)
    if start != other:
        return start > other
    return first.level < second.level


def block_maxima(weights):
    """All levels above the array, one after the other: float32 (about n / 15,)."""
    levels = []
    level = np.ascontiguousarray(weights, dtype=np.float32)
    while len(level) > FANOUT:
        level = np.maximum.reduceat(level, np.arange(0, len(level), FANOUT))
        levels.append(level)
    return np.concatenate(levels) if levels else np.empty(0, np.float32)


cdef inline float _at(const Tree* tree, int level, int64_t index) noexcept nogil:
    if level > 0:
        return tree.maxima[tree.starts[level] + index]
    return tree.weights[index if tree.places == NULL else tree.places[index]]


cdef inline Entry _entry(const Tree* tree, int level, int64_t index) noexcept nogil:
    cdef Entry entry
    entry.level = level
    entry.index = index
    entry.weight = _at(tree, level, index)
    return entry


cdef void cover(const Tree* tree, int64_t low, int64_t high, vector[Entry]& heap) noexcept nogil:
    """Covers the range with few blocks, the largest in the middle, as a heap."""
    _cover(tree, low, high, heap)
    make_heap(heap.begin(), heap.end(), &_lighter)


cdef void _cover(const Tree* tree, int64_t low, int64_t high, vector[Entry]& found) noexcept nogil:
    cdef int level = 0
    found.clear()
    while low < high:
        while low < high and (level == tree.levels or (low & (FANOUT - 1)) != 0):
            found.push_back(_entry(tree, level, low))
            low += 1
        # The last block of a level may be a short one: it is whole if the range goes to the level's end.
        while low < high and (high & (FANOUT - 1)) != 0 and high != tree.sizes[level]:
            high -= 1
            found.push_back(_entry(tree, level, high))
        if low >= high:
            return
        low >>= SHIFT
        high = (high + FANOUT - 1) >> SHIFT
        level += 1


cdef bint take(const Tree* tree, float floor, vector[Entry]& heap, Entry* best) noexcept nogil:
    """Takes the best entry left that is above `floor`; False if there is none."""
    cdef Entry top
    cdef int64_t child, end
    while heap.size() > 0:
        top = heap.front()
        if top.weight <= floor:
            return False
        pop_heap(heap.begin(), heap.end(), &_lighter)
        heap.pop_back()
        if top.level == 0:
            best[0] = top
            return True
        child = top.index << SHIFT
        end = min(child + FANOUT, tree.sizes[top.level - 1])
        while child < end:
            if _at(tree, top.level - 1, child) > floor:
                heap.push_back(_entry(tree, top.level - 1, child))
                push_heap(heap.begin(), heap.end(), &_lighter)
            child += 1
    return False


cdef class RangeMaxima:
    """Weights float32 and what `block_maxima` made of them.

    Args:
        places: uint32 (n,), not checked: entry i weighs `weights[places[i]]`; None: it weighs `weights[i]`.
    """

    def __init__(self, weights, maxima, places=None):
        cdef const float[::1] weights_ = weights
        cdef const float[::1] maxima_ = maxima
        cdef const uint32_t[::1] places_ = places
        cdef int64_t size = len(weights if places is None else places)
        cdef int64_t start = 0
        self.weights = weights
        self.places = places
        self.maxima = maxima
        self.tree.weights = &weights_[0] if size else NULL
        self.tree.places = &places_[0] if size and places is not None else NULL
        self.tree.maxima = &maxima_[0] if len(maxima) else NULL
        self.tree.levels = 0
        self.tree.sizes[0] = size
        while size > FANOUT:
            size = (size + FANOUT - 1) >> SHIFT
            self.tree.levels += 1
            self.tree.sizes[self.tree.levels] = size
            self.tree.starts[self.tree.levels] = start
            start += size
        if start != len(maxima):
            raise ValueError(f"maxima of another array: {len(maxima)} entries, not {start}")

    def heaviest(self, int64_t low, int64_t high, Py_ssize_t k):
        """Positions of the k heaviest entries of [low, high), heaviest first; equal ones by position."""
        cdef vector[Entry] heap
        cdef Entry best
        cdef float floor
        if not 0 <= low <= high <= self.tree.sizes[0]:
            raise IndexError(f"[{low}, {high}) of {self.tree.sizes[0]} entries")
        positions = []
        _cover(&self.tree, low, high, heap)
        floor = _prune(heap, k)
        while len(positions) < k and take(&self.tree, floor, heap, &best):
            positions.append(best.index)
        return positions


cdef float _prune(vector[Entry]& entries, Py_ssize_t k) noexcept nogil:
    """Makes a heap of the entries that may hold one of the k heaviest; returns what these are above.

    Each block holds an entry that is as heavy as the block, so that of k disjoint blocks k entries are known.
    """
    cdef vector[float] weights
    cdef size_t place, kept = 0
    cdef float floor = -INFINITY
    if 1 <= k <= <Py_ssize_t>entries.size():
        for place in range(entries.size()):
            weights.push_back(entries[place].weight)
        nth_element(weights.begin(), weights.begin() + (weights.size() - k), weights.end())
        floor = nextafterf(weights[weights.size() - k], -INFINITY)
        for place in range(entries.size()):
            if entries[place].weight > floor:
                entries[kept] = entries[place]
                kept += 1
        entries.resize(kept)
    make_heap(entries.begin(), entries.end(), &_lighter)
    return floor


def block_sums(weights):
    """Sum of all weights before each block of 64, and that of all: float64 (ceil(n / 64) + 1,)."""
    weights = np.ascontiguousarray(weights, dtype=np.float32)
    if not len(weights):
        return np.zeros(1)
    sums = np.add.reduceat(weights, np.arange(0, len(weights), SUMMED), dtype=np.float64)
    return np.concatenate(([0.0], np.cumsum(sums)))


cdef class RangeSums:
    """Weights float32 (n,) and what `block_sums` made of them."""

    def __init__(self, weights, sums):
        if len(sums) != (len(weights) + SUMMED - 1) // SUMMED + 1:
            raise ValueError(f"sums of another array: {len(sums)} entries for {len(weights)} weights")
        self._weights = weights
        self._sums = sums

    def between(self, int64_t low, int64_t high):
        """Sum of the weights of [low, high)."""
        cdef int64_t first = (low + SUMMED - 1) >> SUM_SHIFT
        cdef int64_t last = high >> SUM_SHIFT
        cdef int64_t place
        cdef double total = 0.0
        if not 0 <= low <= high <= self._weights.shape[0]:
            raise IndexError(f"[{low}, {high}) of {self._weights.shape[0]} entries")
        if first >= last:
            for place in range(low, high):
                total += self._weights[place]
            return total
        for place in range(low, first << SUM_SHIFT):
            total += self._weights[place]
        for place in range(last << SUM_SHIFT, high):
            total += self._weights[place]
        return total + (self._sums[last] - self._sums[first])


cdef struct Weighed:
    float weight
    int64_t position


cdef inline bint _heavier(const Weighed& first, const Weighed& second) noexcept nogil:
    # A heap ordered by this has its lightest in front, of equal ones the last.
    if first.weight != second.weight:
        return first.weight > second.weight
    return first.position < second.position


def largest(const float[:] weights, Py_ssize_t k):
    """Positions of the k largest of an array without a tree, unordered, int64; of equal ones the first."""
    cdef vector[Weighed] kept
    cdef Weighed entry
    cdef float least = -INFINITY
    cdef size_t size = max(k, 0)
    with nogil:
        for entry.position in range(weights.shape[0]):
            if kept.size() == size and not weights[entry.position] > least:
                continue
            if size == 0:
                break
            if kept.size() == size:
                pop_heap(kept.begin(), kept.end(), &_heavier)
                kept.pop_back()
            entry.weight = weights[entry.position]
            kept.push_back(entry)
            push_heap(kept.begin(), kept.end(), &_heavier)
            if kept.size() == size:
                least = kept.front().weight
    return np.array([entry.position for entry in kept], np.int64)
