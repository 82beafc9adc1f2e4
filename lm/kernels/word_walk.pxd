from libc.stdint cimport int32_t, uint8_t

cdef enum:
    A_QUERY = 2  # what ends at a node: 0 nothing, 1 a word, 2 a word that may end a query

cdef struct Words:
    int32_t free
    bint any_unspaced
    int32_t bare
    int32_t starts_low
    int32_t starts_high
    const int32_t* tokens
    const int32_t* children
    const uint8_t* ends
    const int32_t* roots
    const uint8_t* unspaced

cdef inline bint ends_word(const Words* words, int32_t state) noexcept nogil:
    return state == words.free or (state > 0 and words.ends[state] > 0)

cdef inline bint ends_query(const Words* words, int32_t state) noexcept nogil:
    return state == words.free or (state > 0 and words.ends[state] == A_QUERY)

cdef inline bint may_be_free(const Words* words, int32_t state) noexcept nogil:
    """Whether a script without spaces may begin: not in the middle of another script's word."""
    return state > 0 and (state == words.bare or ends_word(words, state))

cdef inline int32_t step(const Words* words, int32_t state, int32_t token) noexcept nogil:
    """The state after a token that is not the end; -1 if it may not follow."""
    cdef int32_t low, end, high, middle
    if state < 0 or token < 3:  # the special tokens
        return -1
    if words.starts_low <= token < words.starts_high:
        return words.roots[token] if state == 0 or ends_word(words, state) else -1
    if state == words.free:
        return state
    if words.unspaced[token] and may_be_free(words, state):
        return words.free
    low, end = words.children[state], words.children[state + 1]
    high = end
    while low < high:
        middle = (low + high) >> 1
        if words.tokens[middle] < token:
            low = middle + 1
        else:
            high = middle
    return low if low < end and words.tokens[low] == token else -1

cdef class WordWalk:
    cdef object _keep
    cdef Words words
    cdef int32_t _token_count
    cdef void _mask(self, int32_t state, float* log_probs) noexcept nogil
    cdef void _mask_inside(self, int32_t state, int32_t low, int32_t high, float* log_probs) noexcept nogil
    cdef _check(self, int32_t state)
