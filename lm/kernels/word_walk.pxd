from libc.stdint cimport int32_t, uint8_t

cdef enum:
    # what ends at a node: 0 nothing, 1 a word
    TYPED_QUERY = 2  # a word that may end a query if its beginning was typed
    ANY_QUERY = 3  # a word that may end any query

cdef struct Words:
    int32_t free
    int32_t typed  # the state 0 of the word whose beginning was typed; states in it are so much higher
    bint any_unspaced
    int32_t bare
    int32_t starts_low
    int32_t starts_high
    const int32_t* tokens
    const int32_t* children
    const uint8_t* ends
    const int32_t* roots
    const uint8_t* unspaced

cdef inline int32_t node_of(const Words* words, int32_t state) noexcept nogil:
    return state - words.typed if state >= words.typed else state

cdef inline bint ends_word(const Words* words, int32_t node) noexcept nogil:
    return node == words.free or (node > 0 and words.ends[node] > 0)

cdef inline bint ends_query(const Words* words, int32_t state) noexcept nogil:
    cdef int32_t node = node_of(words, state)
    cdef int32_t least = TYPED_QUERY if node < state else ANY_QUERY
    return node == words.free or (node > 0 and words.ends[node] >= least)

cdef inline bint may_be_free(const Words* words, int32_t node) noexcept nogil:
    """Whether a script without spaces may begin: not in the middle of another script's word."""
    return node > 0 and (node == words.bare or ends_word(words, node))

cdef inline int32_t step_inside(const Words* words, int32_t node, int32_t token) noexcept nogil:
    """The node after a token that begins no word; -1 if it may not follow."""
    cdef int32_t low, end, high, middle
    if node == words.free or (words.unspaced[token] and may_be_free(words, node)):
        return words.free
    low, end = words.children[node], words.children[node + 1]
    high = end
    while low < high:
        middle = (low + high) >> 1
        if words.tokens[middle] < token:
            low = middle + 1
        else:
            high = middle
    return low if low < end and words.tokens[low] == token else -1

cdef inline int32_t step(const Words* words, int32_t state, int32_t token) noexcept nogil:
    """The state after a token that is not the end; -1 if it may not follow."""
    cdef int32_t node = node_of(words, state), after
    if state < 0 or token < 3:  # the special tokens
        return -1
    if words.starts_low <= token < words.starts_high:
        after = words.roots[token] if node == 0 or ends_word(words, node) else -1
        return after + words.typed if after >= 0 and state == words.typed else after
    after = step_inside(words, node, token)
    return after + words.typed if after >= 0 and node < state else after

cdef class WordWalk:
    cdef object _keep
    cdef Words words
    cdef int32_t _token_count
    cdef void _mask(self, int32_t state, float* log_probs) noexcept nogil
    cdef void _mask_inside(self, int32_t node, int32_t low, int32_t high, float* log_probs) noexcept nogil
    cdef _check(self, int32_t state)
