"""Builds the lists that `lm.kernels.word_search` searches, without an object an entry where the text is ASCII."""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from lm.arrays import pack_offsets
from lm.kernels.strings cimport SortedStrings, offset_of
from lm.kernels.strings import SortedStrings as _Strings
from lm.kernels.word_search import (
    ALTERNATIVE, CONTINUES, JOINED, LOWEST_KEY, MOST_ITEMS, MOST_JOINED, MOST_PLACES, MOST_RUN, MOST_TERMS,
    RANKS_A_BLOCK,
)

cdef extern from *:
    """
    #include <algorithm>
    #include <cstdint>
    #include <cstring>
    #include <deque>
    #include <numeric>
    #include <string>
    #include <string_view>
    #include <unordered_map>
    #include <vector>

    struct WordLimits {
        uint32_t alternative, joined, continues;
        size_t places, items, run, joined_size, block;
    };

    // Terms by their number in the order of their first use; forward lists of such numbers with flags above them.
    struct WordBuilder {
        WordLimits limits;
        std::deque<std::string> terms;
        std::unordered_map<std::string_view, uint32_t> numbers;
        std::vector<uint32_t> forward;
        std::vector<int64_t> starts{0};

        uint32_t number(std::string_view term) {
            auto found = numbers.find(term);
            if (found != numbers.end()) return found->second;
            terms.emplace_back(term);
            return numbers[terms.back()] = terms.size() - 1;
        }

        static constexpr int TERM_BITS = 29;
        static constexpr uint32_t TERM = (1u << TERM_BITS) - 1;

        void add(std::string_view term, uint32_t flags) {
            if (forward.size() - starts.back() < limits.items) forward.push_back(number(term) | flags << TERM_BITS);
        }

        uint32_t term_count() const { return terms.size(); }

        void end_entry() { starts.push_back(forward.size()); }

        // The words of one run without a space, as `lm.index.words.entry_terms` gives them.
        void add_run(const std::vector<std::string_view>& run) {
            bool whole = run.size() > 1 && run.size() <= limits.run;
            std::string joined;
            for (size_t place = 0; whole && place < run.size(); ++place) {
                if (place > 0) whole = !(is_digit(run[place - 1].back()) && is_digit(run[place].front()));
                joined += run[place];
            }
            whole = whole && joined.size() <= limits.joined_size;
            for (size_t place = 0; place < run.size(); ++place) {
                add(run[place], whole && place > 0 ? limits.continues : 0);
                if (whole && place == 0) add(joined, limits.joined);
            }
        }

        static bool is_digit(char c) { return '0' <= c && c <= '9'; }
        static bool is_letter(char c) { return 'a' <= c && c <= 'z'; }

        // `lm.text.folding.near_words` of normalised ASCII.
        void add_ascii(std::string_view text) {
            std::vector<std::string_view> run;
            size_t places = 0, place = 0;
            while (place < text.size() && places < limits.places) {
                const size_t end = word_end(text, place);
                if (end > place) {
                    run.push_back(text.substr(place, end - place));
                    ++places;
                    place = end;
                } else if (is_blank(text[place++])) {
                    add_run(run);
                    run.clear();
                }
            }
            add_run(run);
        }

        // Where the word ends that begins here; here if there is none.
        static size_t word_end(std::string_view text, size_t start) {
            size_t end = start;
            while (end < text.size() && is_digit(text[end])) ++end;
            if (end > start) return end;
            while (end < text.size() && is_letter(text[end])) ++end;
            if (end == start || end - start > 2 || (start > 0 && is_digit(text[start - 1]))) return end;
            size_t marks = end;  // of `c++`, but not of `a+b`
            while (marks < text.size() && (text[marks] == '+' || text[marks] == '#')) ++marks;
            return marks < text.size() && is_letter(text[marks]) ? end : marks;
        }

        static bool is_blank(char c) { return (0 <= c && c <= 32) || c == 127; }

        // Numbers the terms anew in their byte order, in which they go into one blob.
        std::string sort_terms(std::vector<int64_t>& lengths) {
            std::vector<uint32_t> order(terms.size()), after(terms.size());
            std::iota(order.begin(), order.end(), 0);
            std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return terms[a] < terms[b]; });
            std::string blob;
            for (uint32_t old : order) {
                after[old] = lengths.size();
                lengths.push_back(terms[old].size());
                blob += terms[old];
            }
            for (auto& word : forward) word = (word & ~TERM) | after[word & TERM];
            return blob;
        }

        // Calls back with each entry and term of it, once, entry after entry.
        template <typename Each> void each_term(Each each) const {
            std::vector<int64_t> last(terms.size(), -1);
            for (int64_t entry = 0; entry + 1 < (int64_t)starts.size(); ++entry)
                for (int64_t at = starts[entry]; at < starts[entry + 1]; ++at) {
                    const uint32_t term = forward[at] & TERM;
                    if (last[term] != entry) each(entry, term);
                    last[term] = entry;
                }
        }

        // The first rank of each term, and its list after that, see `lm.kernels.word_search`.
        std::vector<uint8_t> encode_lists(std::vector<uint32_t>& firsts, std::vector<int64_t>& lengths) const {
            std::vector<int64_t> ends(terms.size());
            each_term([&](int64_t, uint32_t term) { ++ends[term]; });
            std::exclusive_scan(ends.begin(), ends.end(), ends.begin(), int64_t{0});
            std::vector<uint32_t> ranks(forward.size());
            each_term([&](int64_t entry, uint32_t term) { ranks[ends[term]++] = entry; });
            std::vector<uint8_t> lists;
            int64_t begin = 0;
            for (int64_t end : ends) {
                const size_t before = lists.size();
                firsts.push_back(ranks[begin]);
                if (end - begin > 1) encode(ranks.data() + begin, end - begin, lists);
                lengths.push_back(lists.size() - before);
                begin = end;
            }
            return lists;
        }

        void encode(const uint32_t* ranks, size_t count, std::vector<uint8_t>& lists) const {
            const size_t skips = (count - 2) / limits.block;
            put_number(lists, skips);
            size_t skip = lists.size();
            lists.resize(skip + 8 * skips);
            const size_t begin = lists.size();
            for (size_t place = 1; place < count; ++place) {
                if (place > 1 && (place - 1) % limits.block == 0) {
                    const uint32_t there[2] = {ranks[place - 1], (uint32_t)(lists.size() - begin)};
                    std::memcpy(lists.data() + skip, there, 8);
                    skip += 8;
                }
                put_number(lists, ranks[place] - ranks[place - 1]);
            }
        }

        static void put_number(std::vector<uint8_t>& bytes, uint32_t number) {
            for (; number > 127; number >>= 7) bytes.push_back(number | 128);
            bytes.push_back(number);
        }

        // The forward lists in 3 bytes a term, if these hold the number and the flags, else in 4.
        std::vector<uint8_t> pack_forward() const {
            const int width = terms.size() <= 1 << 21 ? 3 : 4, bits = 8 * width - (32 - TERM_BITS);
            std::vector<uint8_t> packed;
            packed.reserve(width * forward.size());
            for (uint32_t word : forward) {
                word = (word & TERM) | (word >> TERM_BITS) << bits;
                for (int byte = 0; byte < width; ++byte) packed.push_back(word >> (8 * byte));
            }
            return packed;
        }
    };
    """
    cdef cppclass WordLimits:
        uint32_t alternative, joined, continues
        size_t places, items, run, joined_size, block

    cdef cppclass string_view "std::string_view":
        string_view(const char*, size_t) except +

    cdef cppclass WordBuilder:
        WordLimits limits
        vector[int64_t] starts
        void add(string_view term, uint32_t bits) except + nogil
        void add_ascii(string_view text) except + nogil
        void end_entry() except + nogil
        uint32_t term_count() noexcept nogil
        string sort_terms(vector[int64_t]& lengths) except + nogil
        vector[uint8_t] encode_lists(vector[uint32_t]& firsts, vector[int64_t]& lengths) except + nogil
        vector[uint8_t] pack_forward() except + nogil


cdef cbool _is_ascii(const uint8_t* text, int64_t size) noexcept nogil:
    cdef int64_t place
    for place in range(size):
        if text[place] > 127:
            return False
    return True


def word_lists(SortedStrings strings, const uint32_t[::1] order, entry_terms):
    """Terms, their lists, and the forward lists of some entries.

    Args:
        order: positions of the strings, the heaviest first.
        entry_terms: `lm.index.words.entry_terms`, asked for what is not ASCII.

    Returns:
        The terms, sorted; heads, starts, lists, forward starts and forward lists, see `WordSearch`.
    """
    cdef WordBuilder builder
    cdef int64_t rank, start, size
    cdef const char* text
    cdef bytes term
    builder.limits.alternative, builder.limits.joined = ALTERNATIVE, ALTERNATIVE | JOINED
    builder.limits.continues, builder.limits.places, builder.limits.block = CONTINUES, MOST_PLACES, RANKS_A_BLOCK
    builder.limits.items, builder.limits.run, builder.limits.joined_size = MOST_ITEMS, MOST_RUN, MOST_JOINED
    builder.starts.reserve(order.shape[0] + 1)
    for rank in range(order.shape[0]):
        start = offset_of(&strings.packed, order[rank])
        size = offset_of(&strings.packed, <int64_t>order[rank] + 1) - start
        text = <const char*>strings.packed.blob + start
        if _is_ascii(<const uint8_t*>text, size):
            builder.add_ascii(string_view(text, size))
        else:
            for term, flags in entry_terms(text[:size].decode()):
                builder.add(string_view(term, len(term)), flags)
        builder.end_entry()
    if builder.term_count() > MOST_TERMS:
        raise ValueError(f"more than {MOST_TERMS:,} distinct words")
    cdef vector[int64_t] sizes, lengths
    cdef vector[uint32_t] firsts
    cdef string blob = builder.sort_terms(sizes)
    cdef vector[uint8_t] lists = builder.encode_lists(firsts, lengths)
    cdef vector[uint8_t] forward = builder.pack_forward()
    return (
        _Strings(np.frombuffer(<bytes>blob, np.uint8), pack_offsets(_array(sizes.data(), sizes.size(), np.int64))),
        np.uint32(LOWEST_KEY + max(order.shape[0] - 1, 0)) - _array(firsts.data(), firsts.size(), np.uint32),
        pack_offsets(_array(lengths.data(), lengths.size(), np.int64)),
        _array(lists.data(), lists.size(), np.uint8),
        pack_offsets(np.diff(_array(builder.starts.data(), builder.starts.size(), np.int64))),
        _array(forward.data(), forward.size(), np.uint8),
    )


cdef object _array(const void* numbers, size_t size, dtype):
    """A copy."""
    made = np.empty(size, dtype)
    cdef uint8_t[::1] bytes_ = made.view(np.uint8)
    if size:
        memcpy(&bytes_[0], numbers, made.nbytes)
    return made
