"""A walk over the words that exist, token by token: which tokens may follow, and where a query may end.

A state is an int32: a node in a trie of the words' tokens; 0 where no token has been taken yet; the number of nodes in
a script without spaces, whose pieces go on as they like; -1 where no word goes on so. In the word whose beginning was
typed each is higher by `WordWalk.typed`, where such a word starts.
"""

import numpy as np
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, uint8_t

cdef enum:
    UNKNOWN = 0
    BEGIN = 1
    END = 2


cdef class WordWalk:
    """A trie in order of level; see `lm.index.existing_words` for the arrays. It never changes."""

    def __init__(self, const int32_t[::1] tokens, const int32_t[::1] children, const uint8_t[::1] ends,
                 const uint8_t[::1] unspaced, starts, int32_t bare_token):
        """
        Args:
            tokens: of each node the token that leads to it, int32 (N,); of the nodes below one in ascending order.
            children: where the nodes below each one begin, int32 (N + 1,).
            ends: what ends at each node, uint8 (N,): 0 nothing, 1 a word, 2 one that may end a query if its beginning was
                typed, 3 one that may end any query.
            unspaced: which tokens hold a letter of a script without spaces, uint8 (V,).
            starts: half-open range of the tokens that begin a word.
            bare_token: the one that is nothing but the space before a word; negative if there is none.
        """
        cdef int32_t node, token
        cdef Words* words = &self.words
        self._token_count = <int32_t>unspaced.shape[0]
        words.free = <int32_t>tokens.shape[0]
        words.typed = words.free + 1
        words.any_unspaced = np.asarray(unspaced).any()
        words.starts_low, words.starts_high = starts
        words.tokens, words.children = &tokens[0], &children[0]
        words.ends, words.unspaced = &ends[0], &unspaced[0]
        roots = np.full(self._token_count, -1, np.int32)
        cdef int32_t[::1] roots_ = roots
        for node in range(children[0], children[1]):
            roots_[tokens[node]] = node
        for token in range(words.starts_low, words.starts_high):
            if unspaced[token]:
                roots_[token] = words.free
        words.roots = &roots_[0]
        words.bare = max(roots_[bare_token], 0) if bare_token >= 0 else 0
        self._keep = (tokens, children, ends, unspaced, roots_)

    def advance(self, const int32_t[::1] states, const int32_t[::1] tokens):
        """The states int32 (N,) after one token more each; -1 where no word goes on so, and after `END`."""
        cdef Py_ssize_t row
        if states.shape[0] != tokens.shape[0]:
            raise ValueError(f"{states.shape[0]} states and {tokens.shape[0]} tokens")
        after = np.empty(len(states), np.int32)
        cdef int32_t[::1] after_ = after
        for row in range(states.shape[0]):
            self._check(states[row])
            if not 0 <= tokens[row] < self._token_count:
                raise IndexError(f"token {tokens[row]} of {self._token_count}")
            after_[row] = step(&self.words, states[row], tokens[row])
        return after

    def may_end(self, const int32_t[::1] states):
        """Where a query may end, bool (N,)."""
        cdef Py_ssize_t row
        ends = np.empty(len(states), np.bool_)
        cdef uint8_t[::1] ends_ = ends.view(np.uint8)
        for row in range(states.shape[0]):
            self._check(states[row])
            ends_[row] = ends_query(&self.words, states[row])
        return ends

    @property
    def typed(self):
        """The state from which a word starts whose beginning was typed. It may be a rarer end of a query."""
        return self.words.typed

    def mask(self, const int32_t[::1] states, float[:, ::1] log_probs):
        """Sets to -inf, in place, what may not follow each state.

        Args:
            states: int32 (B,).
            log_probs: of all tokens after each, float32 (B, V).
        """
        cdef Py_ssize_t row
        if log_probs.shape[0] != states.shape[0] or log_probs.shape[1] != self._token_count:
            raise ValueError("These are not log probabilities of all tokens after each state.")
        for row in range(states.shape[0]):
            self._check(states[row])
        with nogil:
            for row in range(states.shape[0]):
                self._mask(states[row], &log_probs[row, 0])

    cdef void _mask(self, int32_t state, float* log_probs) noexcept nogil:
        cdef const Words* words = &self.words
        cdef int32_t token, node = node_of(words, state)
        cdef bint begins = node == 0 or ends_word(words, node)
        log_probs[UNKNOWN] = log_probs[BEGIN] = -INFINITY
        if not ends_query(words, state):
            log_probs[END] = -INFINITY
        for token in range(words.starts_low, words.starts_high):
            if not begins or words.roots[token] < 0:
                log_probs[token] = -INFINITY
        if node != words.free:
            self._mask_inside(node, END + 1, words.starts_low, log_probs)
            self._mask_inside(node, words.starts_high, self._token_count, log_probs)

    cdef void _mask_inside(self, int32_t node, int32_t low, int32_t high, float* log_probs) noexcept nogil:
        """`_mask` of tokens that begin no word."""
        cdef const Words* words = &self.words
        cdef int32_t token, child = 0, last = 0
        cdef bint free = may_be_free(words, node)
        if node >= 0:
            child, last = words.children[node], words.children[node + 1]
        for token in range(low, high):
            while child < last and words.tokens[child] < token:
                child += 1
            if not (child < last and words.tokens[child] == token) and not (free and words.unspaced[token]):
                log_probs[token] = -INFINITY

    cdef _check(self, int32_t state):
        if not -1 <= state <= self.words.typed + self.words.free:
            raise IndexError(f"state {state} of {self.words.typed + self.words.free}")
