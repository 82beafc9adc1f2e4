"""Which runs of words may be one of some phrases: those whose letters have the hash of a phrase's letters.

The words are joined, so that words of a phrase may stand joined or apart. A table of bits tells for nearly all runs
that no phrase begins with the same letters and is as long; only for the others hashes are compared.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.object cimport PyObject_Hash

cdef enum:
    HEAD = 8  # letters


cdef inline size_t _place(str head, Py_ssize_t size, bytearray table):
    cdef size_t mixed = <size_t> PyObject_Hash(head) ^ (<size_t> size * <size_t> 0x9E3779B97F4A7C15)
    return mixed & (8 * <size_t> PyByteArray_GET_SIZE(table) - 1)


def note_phrase(str letters not None, bytearray table not None):
    """Sets the bit of a phrase in a table, whose size is a power of two."""
    cdef size_t place = _place(letters[:HEAD], len(letters), table)
    (<unsigned char*> PyByteArray_AS_STRING(table))[place >> 3] |= 1 << (place & 7)


def phrase_runs(
    list words not None, dict hashes not None, bytearray table not None, Py_ssize_t longest, Py_ssize_t start=0
):
    """The first word of each run, and the word after its last one.

    Args:
        hashes: has the hash of each phrase's letters as a key.
        table: of all phrases; see `note_phrase`.
        longest: letters of the longest phrase.
        start: the last word of a run is this one or a later one.
    """
    cdef const unsigned char* bits = <const unsigned char*> PyByteArray_AS_STRING(table)
    cdef Py_ssize_t first, last, begin, end, count = len(words), next_begin = 0
    cdef size_t place
    cdef str head, letters = "".join(words)
    cdef list found = []
    for first in range(count):
        begin = end = next_begin
        next_begin += len(<str> words[first])
        head = letters[begin:begin + HEAD]
        for last in range(first, count):
            end += len(<str> words[last])
            if end - begin > longest:
                break
            if last < start:
                continue
            place = _place(head if end - begin >= HEAD else letters[begin:end], end - begin, table)
            if bits[place >> 3] >> (place & 7) & 1 and hash(letters[begin:end]) in hashes:
                found.append((first, last + 1))
    return found
