"""Conjunctive search: the heaviest entries that hold a word of each of several sets, with a bound on the work.

After Gog, Pibiri and Venturini, "Efficient and effective query auto-completion" (SIGIR 2020). An entry is known by its
rank: 0 is the heaviest. Each term has the ranks of its entries; the terms are sorted, so a prefix is one range of them.

- `heads`, uint32 (terms,): `LOWEST_KEY` and how many ranks come after the term's first. Read as float32 these are in
  the order of what they count, so that `lm.kernels.ranges` finds the best term of a range.
- `lists`, uint8: the ranks after the first, each as its distance from the one before, 7 bits a byte, the low ones
  first, the high bit set if more follow. Before them the number of skips, written so too, and the skips: the rank after
  each `RANKS_A_BLOCK` of them, uint32, and where it goes on from there, uint32. Nothing for a term of one entry.
- `forward`, uint8: the terms of each entry in the order of its text, the heaviest entry first, 3 or 4 bytes each: its
  number, and in the 3 bits above it flags.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libcpp.algorithm cimport pop_heap, push_heap, sort
from libcpp.vector cimport vector

from lm.kernels.ranges cimport Entry, RangeMaxima, cover, take

cdef extern from *:
    """
    #include <algorithm>
    #include <cstdint>
    #include <cstring>
    #include <vector>

    static inline uint32_t key_of(float weight) {
        uint32_t key;
        std::memcpy(&key, &weight, sizeof key);
        return key;
    }

    static inline uint32_t read_number(const uint8_t*& at, const uint8_t* end) {
        uint32_t number = 0;
        for (int shift = 0; at != end; shift += 7) {
            number |= (uint32_t)(*at & 127) << (shift & 31);
            if (!(*at++ & 128)) break;
        }
        return number;
    }

    static inline uint32_t read_word(const uint8_t* at) {
        uint32_t word;
        std::memcpy(&word, at, sizeof word);
        return word;
    }

    // Ascending ranks: a term's list, or an array. Of a damaged list no byte beyond its end is read.
    struct RankList {
        static constexpr uint32_t END = 0xFFFFFFFF;
        uint32_t rank = END;
        const uint8_t* at = nullptr;
        const uint8_t* end = nullptr;
        const uint8_t* skips = nullptr;
        int64_t skip = 0, skip_count = 0;
        const uint32_t* array = nullptr;
        const uint32_t* array_end = nullptr;

        RankList() = default;
        RankList(uint32_t first, const uint8_t* begin, const uint8_t* end) : rank(first), at(begin), end(end) {
            if (at == end) return;
            skip_count = read_number(at, end);
            if (skip_count > (end - at) / 8) skip_count = (end - at) / 8;
            skips = at;
            at += 8 * skip_count;
        }
        explicit RankList(const std::vector<uint32_t>& ranks)
            : array(ranks.data()), array_end(ranks.data() + ranks.size()) { next(); }

        // So that the earliest is on top of a heap.
        bool operator<(const RankList& other) const { return rank > other.rank; }

        void next() {
            if (array != array_end) rank = *array++;
            else if (at != end) rank += read_number(at, end);
            else rank = END;
        }

        // Goes to the first rank that is not below `least`, by galloping over the skips; returns the steps taken.
        int64_t seek(uint32_t least) {
            int64_t steps = 1, read = 0;
            if (rank >= least) return steps;
            int64_t low = skip, step = 1;  // all skips before `low` are below
            while (low + step <= skip_count && read_word(skips + 8 * (low + step - 1)) < least) {
                low += step;
                step *= 2;
                ++steps;
            }
            for (step /= 2; step > 0; step /= 2, ++steps)
                if (low + step <= skip_count && read_word(skips + 8 * (low + step - 1)) < least) low += step;
            skip = low;
            if (low > 0 && read_word(skips + 8 * (low - 1)) > rank) {
                rank = read_word(skips + 8 * (low - 1));
                at = skips + 8 * skip_count;
                at += std::min<int64_t>(read_word(skips + 8 * (low - 1) + 4), end - at);
            }
            for (; rank < least; ++read) next();
            return steps + read / 4;
        }
    };
    """
    uint32_t key_of(float weight) noexcept nogil

    cppclass RankList:
        uint32_t rank
        RankList() noexcept nogil
        RankList(uint32_t first, const uint8_t* begin, const uint8_t* end) noexcept nogil
        RankList(const vector[uint32_t]& ranks) noexcept nogil
        void next() noexcept nogil
        int64_t seek(uint32_t least) noexcept nogil

CONTINUES, JOINED, ALTERNATIVE = 1, 2, 4
"""Flags of a word: the joined form before goes on to here; a run of words from here on, written as one, which is also
another form of the word before; another form of the word before."""
LOWEST_KEY = 0x00800000
"""The least normal float32: smaller ones may count as zero, if some library says so to the processor."""
RANKS_A_BLOCK = 64
MOST_TERMS = 1 << 29
MOST_PLACES, MOST_ITEMS = 64, 256
"""Words of an entry that are looked at, and their forms."""
MOST_RUN, MOST_JOINED = 8, 64
"""Words of a run that is joined, and bytes of the joined form."""
MOST_SLOTS = 32
MOST_FORMS = 4
"""Sets of terms that one typed word may stand for."""

cdef uint32_t END = 0xFFFFFFFF

cdef enum:
    FLAG_BITS = 3
    CONTINUES_FLAG = 1
    JOINED_FLAG = 2
    ALTERNATIVE_FLAG = 4
    LOWEST = 0x00800000
    PLACES = 64
    ITEMS = 256
    SLOTS = 32
    FORMS = 4
    LAY_STEPS = 1024  # what laying typed words on an entry may cost
    LOOK_STEPS = 10  # what looking at an entry costs, in steps of a list
    TAKE_STEPS = 32  # what taking the next heaviest entry of a range costs
    SORT_STEPS = 4  # what sorting a rank costs


cdef struct Slot:
    int forms
    uint32_t lows[FORMS]
    uint32_t highs[FORMS]
    bint glued
    bint optional
    bint prefix
    int64_t size


cdef struct Cursor:
    int lists
    RankList forms[FORMS]


cdef struct Item:
    uint32_t term
    int place
    int span
    bint joined


cdef struct Laid:
    uint64_t covered
    int missing
    bint in_order
    bint joined


cdef struct Found:
    uint32_t rank
    int places
    Laid laid


cdef inline bint _holds(const Slot* slot, uint32_t term) noexcept nogil:
    cdef int form
    for form in range(slot.forms):
        if slot.lows[form] <= term < slot.highs[form]:
            return True
    return False


cdef struct Words:
    Item items[ITEMS]
    int size
    int places


cdef class WordSearch:
    """An inverted index of words, see the module.

    Args:
        heads: uint32 (terms,).
        maxima: `lm.kernels.ranges.block_maxima` of the heads read as float32.
        starts: uint32 or int64 (terms + 1,), where each term's list begins in `lists`.
        lists: uint8.
        forward_starts: uint32 or int64 (entries + 1,), how many terms come before each entry's.
        forward: uint8.
    """

    cdef object _keep
    cdef RangeMaxima _tree
    cdef const uint32_t[::1] _heads
    cdef const uint32_t[::1] _starts32
    cdef const int64_t[::1] _starts64
    cdef const uint8_t* _lists
    cdef int64_t _list_size
    cdef const uint32_t[::1] _forward_starts32
    cdef const int64_t[::1] _forward_starts64
    cdef const uint8_t* _forward
    cdef int64_t _word_count
    cdef int _width
    cdef int64_t _entries

    def __init__(self, heads, maxima, starts, lists, forward_starts, forward):
        cdef const uint8_t[::1] lists_ = lists
        cdef const uint8_t[::1] forward_ = forward
        self._keep = (lists, forward)
        self._heads = heads
        self._tree = RangeMaxima(heads.view("float32"), maxima)
        if starts.dtype.itemsize == 4:
            self._starts32 = starts
        else:
            self._starts64 = starts
        if forward_starts.dtype.itemsize == 4:
            self._forward_starts32 = forward_starts
        else:
            self._forward_starts64 = forward_starts
        words = int(forward_starts[len(forward_starts) - 1])
        self._word_count = words
        self._width = len(forward) // max(words, 1)
        if len(starts) != len(heads) + 1 or int(starts[len(heads)]) != len(lists) or len(forward) not in (3 * words, 4 * words):
            raise ValueError("lists of other words")
        self._lists = &lists_[0] if len(lists) else NULL
        self._list_size = len(lists)
        self._forward = &forward_[0] if len(forward) else NULL
        self._entries = len(forward_starts) - 1

    def __len__(self):
        """Entries."""
        return self._entries

    cdef inline int64_t _start(self, int64_t term) noexcept nogil:
        return self._starts64[term] if self._starts32 is None else self._starts32[term]

    cdef inline int64_t _forward_start(self, int64_t rank) noexcept nogil:
        return self._forward_starts64[rank] if self._forward_starts32 is None else self._forward_starts32[rank]

    cdef inline uint32_t _rank_of(self, uint32_t head) noexcept nogil:
        return <uint32_t>(self._entries - 1) - (head - LOWEST)

    cdef inline RankList _list(self, int64_t term) noexcept nogil:
        cdef int64_t start = self._start(term), end = self._start(term + 1)
        if not 0 <= start <= end <= self._list_size:
            start = end = 0
        return RankList(self._rank_of(self._heads[term]), self._lists + start, self._lists + end)

    cdef int64_t _size(self, int64_t low, int64_t high) noexcept nogil:
        return self._start(high) - self._start(low) + high - low

    def size(self, int64_t low, int64_t high):
        """About how many entries the terms of [low, high) have, up to a factor of four: bytes of their lists."""
        return self._size(low, high)

    def search(self, slots, int64_t k, int64_t steps):
        """The heaviest k entries that fill all slots, heaviest first.

        Args:
            slots: (ranges, glued, optional, prefix) each, at most `MOST_SLOTS`: of every one that is not optional the
                entry must hold a term of one of its ranges of terms, each at another place, and one that is glued
                right after the one before it.
            steps: how much work may be done; fewer entries are found if that is not enough.

        Returns:
            The entries, as (rank, words of it, words that were matched, slots not filled, from left, in order, by a
            joined form), and the steps that were needed.
        """
        cdef vector[Slot] made
        cdef vector[Found] found
        cdef int64_t needed
        for ranges, glued, optional, prefix in slots[:SLOTS]:
            made.push_back(self._slot(ranges, glued, optional, prefix))
        with nogil:
            needed = self._search(made, k, steps, found)
        return [self._described(&each) for each in found], needed

    cdef Slot _slot(self, ranges, bint glued, bint optional, bint prefix) except *:
        cdef Slot slot
        slot.forms = 0
        slot.size = 0
        slot.glued = glued
        slot.optional = optional
        slot.prefix = prefix
        for low, high in ranges[:FORMS]:
            slot.lows[slot.forms] = low
            slot.highs[slot.forms] = high
            slot.forms += 1
            slot.size += self._size(low, high)
        return slot

    cdef object _described(self, const Found* found):
        cdef const Laid* laid = &found.laid
        cdef bint from_left = laid.in_order and (laid.covered & (laid.covered + 1)) == 0
        matched = int(laid.covered).bit_count()
        return (
            found.rank, found.places, matched, laid.missing, from_left, bool(laid.in_order), bool(laid.joined)
        )

    cdef int64_t _search(self, vector[Slot]& slots, int64_t k, int64_t steps, vector[Found]& found) noexcept nogil:
        cdef vector[Cursor] cursors
        cdef vector[uint32_t] ranks
        cdef int64_t left = steps, shortest = -1, least, size
        cdef size_t place, swap
        cdef int prefix = -1
        for place in range(slots.size()):
            if slots[place].optional:
                continue
            if slots[place].size == 0:
                return 0
            if slots[place].prefix:
                prefix = <int>place
                continue
            cursors.push_back(self._cursor(&slots[place]))
            # the shortest list first
            swap = cursors.size() - 1
            if shortest < 0 or slots[place].size < shortest:
                shortest = slots[place].size
                cursors[0], cursors[swap] = cursors[swap], cursors[0]
        if prefix < 0:
            if cursors.size():
                self._walk(slots, cursors, k, &left, found)
            return steps - left
        size = slots[prefix].size
        if shortest < 0:
            self._heaviest(slots, k, &left, found)
            return steps - left
        # Walking the other lists, a match comes once in so many entries if words are independent of each other.
        least = min(shortest, (k + 1) * self._entries // size)
        if size * SORT_STEPS <= min(least * LOOK_STEPS, left):
            self._collect(&slots[prefix], ranks)
            left -= size * SORT_STEPS
            cursors.insert(cursors.begin() + (0 if size < shortest else cursors.size()), _cursor_of(ranks))
        self._walk(slots, cursors, k, &left, found)
        return steps - left

    cdef Cursor _cursor(self, const Slot* slot) noexcept nogil:
        cdef Cursor cursor
        cdef int form
        cursor.lists = slot.forms
        for form in range(slot.forms):
            cursor.forms[form] = self._list(slot.lows[form])
        return cursor

    cdef void _collect(self, const Slot* slot, vector[uint32_t]& ranks) noexcept nogil:
        """All ranks of a prefix, in order."""
        cdef int form
        cdef int64_t term
        cdef RankList found
        for form in range(slot.forms):
            for term in range(slot.lows[form], slot.highs[form]):
                found = self._list(term)
                while found.rank != END:
                    ranks.push_back(found.rank)
                    found.next()
        sort(ranks.begin(), ranks.end())

    cdef void _walk(
        self, vector[Slot]& slots, vector[Cursor]& cursors, int64_t k, int64_t* left, vector[Found]& found
    ) noexcept nogil:
        """Entries that stand in all lists, looked at one by one."""
        cdef uint32_t rank = 0, other
        cdef size_t place
        while <int64_t>found.size() < k and left[0] > 0:
            rank = other = _seek(&cursors[0], rank, left)
            for place in range(1, cursors.size()):
                if other != rank or rank == END:
                    break
                other = _seek(&cursors[place], rank, left)
            if other == END:
                return
            if other == rank:
                self._look(slots, rank, left, found)
                other += 1
            rank = other

    cdef void _heaviest(self, vector[Slot]& slots, int64_t k, int64_t* left, vector[Found]& found) noexcept nogil:
        """The heaviest entries of a prefix alone; those of its forms are merged."""
        cdef vector[uint32_t] ranks
        cdef int form
        cdef size_t place
        cdef Slot* slot = &slots[slots.size() - 1]
        for form in range(slot.forms):
            self._heaviest_of_range(slot.lows[form], slot.highs[form], k, left, ranks)
        sort(ranks.begin(), ranks.end())
        for place in range(ranks.size()):
            if <int64_t>found.size() == k:
                return
            if place == 0 or ranks[place] != ranks[place - 1]:
                self._look(slots, ranks[place], left, found)

    cdef void _heaviest_of_range(
        self, int64_t low, int64_t high, int64_t k, int64_t* left, vector[uint32_t]& ranks
    ) noexcept nogil:
        """The heaviest k entries of the terms of a range: those of a term come into play once its first was taken."""
        cdef vector[Entry] terms
        cdef vector[RankList] begun
        cdef RankList best
        cdef Entry term
        cdef int64_t taken = 0
        cdef uint32_t last = END
        cover(&self._tree.tree, low, high, terms)
        while taken < k and left[0] > 0:
            left[0] -= TAKE_STEPS
            if terms.size() and (
                begun.empty() or self._rank_of(key_of(terms.front().weight)) < begun.front().rank
            ):
                if not take(&self._tree.tree, 0.0, terms, &term):
                    return
                best = self._list(term.index)
            elif begun.size():
                best = begun.front()
                pop_heap(begun.begin(), begun.end())
                begun.pop_back()
            else:
                return
            if best.rank != last:  # several words of an entry may begin so
                last = best.rank
                ranks.push_back(last)
                taken += 1
            best.next()
            if best.rank != END:
                begun.push_back(best)
                push_heap(begun.begin(), begun.end())

    cdef void _look(self, vector[Slot]& slots, uint32_t rank, int64_t* left, vector[Found]& found) noexcept nogil:
        """Takes an entry if the typed words can be laid on its words, best in their order."""
        cdef Words entry
        cdef Found made
        cdef int spare = LAY_STEPS
        cdef bint fits
        if rank >= self._entries:  # only in damaged lists
            left[0] -= LOOK_STEPS
            return
        self._read(rank, &entry)
        left[0] -= LOOK_STEPS + entry.size * <int64_t>slots.size() // 8
        if not _fits(slots, &entry):
            return
        made.rank = rank
        made.places = entry.places
        made.laid.in_order = True
        fits = _lay(slots, &entry, 0, 0, 0, &made.laid, &spare)
        left[0] -= LAY_STEPS - spare
        if not fits:
            spare = LAY_STEPS
            made.laid.in_order = False
            fits = _lay(slots, &entry, 0, 0, 0, &made.laid, &spare)
            left[0] -= LAY_STEPS - spare
        if fits:
            found.push_back(made)

    cdef void _read(self, int64_t rank, Words* entry) noexcept nogil:
        cdef int64_t at
        cdef const uint8_t* words = self._forward
        cdef uint32_t word
        cdef int bits = 8 * self._width - FLAG_BITS
        cdef int size = 0, place = -1, last
        cdef Item* item
        cdef int64_t start = self._forward_start(rank), end = min(self._forward_start(rank + 1), self._word_count)
        for at in range(max(start, 0), end):
            if size == ITEMS:
                break
            words = self._forward + self._width * at
            word = words[0] | words[1] << 8 | <uint32_t>words[2] << 16
            if self._width == 4:
                word |= <uint32_t>words[3] << 24
            if not (word >> bits) & ALTERNATIVE_FLAG:
                place += 1
                if (word >> bits) & CONTINUES_FLAG:
                    for last in range(size):
                        item = &entry.items[last]
                        if item.joined and item.place + item.span == place:
                            item.span += 1
            item = &entry.items[size]
            item.term = word & ((<uint32_t>1 << bits) - 1)
            item.place = place
            item.span = 1
            item.joined = (word >> bits) & JOINED_FLAG != 0
            size += 1
        entry.size = size
        entry.places = place + 1


cdef Cursor _cursor_of(vector[uint32_t]& ranks) noexcept nogil:
    cdef Cursor cursor
    cursor.lists = 1
    cursor.forms[0] = RankList(ranks)
    return cursor


cdef uint32_t _seek(Cursor* cursor, uint32_t rank, int64_t* left) noexcept nogil:
    """The first rank of the lists that is not below `rank`; `END` if there is none."""
    cdef uint32_t best = END
    cdef int form
    for form in range(cursor.lists):
        left[0] -= cursor.forms[form].seek(rank)
        best = min(best, cursor.forms[form].rank)
    return best


cdef bint _fits(vector[Slot]& slots, const Words* entry) noexcept nogil:
    """Whether each slot has a word of the entry, the last slot first: most entries lack that."""
    cdef size_t slot = slots.size()
    cdef int item
    cdef bint there
    while slot > 0:
        slot -= 1
        if not slots[slot].optional:
            there = False
            for item in range(entry.size):
                if _holds(&slots[slot], entry.items[item].term):
                    there = True
                    break
            if not there:
                return False
    return True


cdef bint _lay(
    vector[Slot]& slots, const Words* entry, size_t slot, uint64_t covered, int after, Laid* laid, int* spare
) noexcept nogil:
    """Lays the slots from this one on, each on free words, in their order if `laid` says so."""
    cdef const Item* item
    cdef uint64_t bits
    cdef int place
    if slot == slots.size():
        laid.covered = covered
        laid.missing = 0
        laid.joined = False
        return True
    if spare[0] <= 0:
        return False
    spare[0] -= 1 + entry.size // 8
    for place in range(entry.size):
        item = &entry.items[place]
        if (item.place != after if slots[slot].glued else laid.in_order and item.place < after):
            continue
        bits = ((<uint64_t>1 << item.span) - 1 if item.span < PLACES else <uint64_t>-1) << item.place
        if bits & covered or not _holds(&slots[slot], item.term):
            continue
        if _lay(slots, entry, slot + 1, covered | bits, item.place + item.span, laid, spare):
            laid.joined |= item.joined
            return True
    if slots[slot].optional and _lay(slots, entry, slot + 1, covered, after, laid, spare):
        laid.missing += 1
        return True
    return False
