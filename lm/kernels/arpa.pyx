"""Reads ARPA files: token ids, log probabilities and back-off weights of one order at a time."""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint8_t
from cython.operator cimport dereference
from libc.stdlib cimport strtod
from libcpp.string cimport string
from libcpp.unordered_map cimport unordered_map


cdef class TokenIds:
    """Ids of tokens by their bytes."""

    cdef unordered_map[string, int32_t] _ids

    def __init__(self, tokens):
        cdef int32_t position = 0
        self._ids.reserve(len(tokens))
        for token in tokens:
            self._ids[token] = position
            position += 1


def parse_section(const uint8_t[::1] text, int64_t start, int order, int64_t count, TokenIds ids):
    """Parses one `\\k-grams:` section, all bytes but tab, space and newline being part of a word.

    Args:
        text: the whole file, uint8.
        start: where the section's first entry begins.
        order: words an entry.
        count: entries, as the header says.
        ids: known tokens.

    Returns:
        (tokens int32 (count, order), log probabilities float32 (count,), back-off weights float32 (count,), end),
        both logarithms to base 10.

    Raises:
        ValueError: with the byte at which an entry is malformed or holds an unknown word.
    """
    tokens = np.empty((count, order), np.int32)
    log_probs = np.empty(count, np.float32)
    backoffs = np.zeros(count, np.float32)
    cdef int32_t[:, ::1] tokens_ = tokens
    cdef float[::1] log_probs_ = log_probs
    cdef float[::1] backoffs_ = backoffs
    cdef const char* base = <const char*>&text[0]
    cdef int64_t at = start
    cdef int64_t size = text.shape[0]
    cdef int64_t entry, word_start, failed = -1
    cdef int word
    cdef char* end
    cdef string key
    cdef unordered_map[string, int32_t].iterator found
    with nogil:
        for entry in range(count):
            if failed >= 0 or at >= size:
                failed = at
                break
            log_probs_[entry] = <float>strtod(base + at, &end)
            if end == base + at or end[0] != 9:
                failed = at
                break
            at = end - base + 1
            for word in range(order):
                word_start = at
                while at < size and base[at] != 32 and base[at] != 9 and base[at] != 10:
                    at += 1
                key.assign(base + word_start, at - word_start)
                found = ids._ids.find(key)
                if found == ids._ids.end() or at >= size or (word + 1 < order and base[at] != 32):
                    failed = word_start
                    break
                tokens_[entry, word] = dereference(found).second
                if word + 1 < order:
                    at += 1
            if failed >= 0:
                break
            if base[at] == 9:
                backoffs_[entry] = <float>strtod(base + at + 1, &end)
                at = end - base
            if at >= size or base[at] != 10:
                failed = at
                break
            at += 1
    if failed >= 0:
        raise ValueError(f"byte {failed}: not an entry of order {order} with known words")
    return tokens, log_probs, backoffs, at
