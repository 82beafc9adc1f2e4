"""Conjunctive search: the heaviest entries that hold a word of each of several sets, with a bound on the work.

After Gog, Pibiri and Venturini, "Efficient and effective query auto-completion" (SIGIR 2020). An entry is known by its
key, a uint32 from `LOWEST_KEY` on: the heaviest entry has the highest. Read as a float32, a key has its place in the
order too, so that `lm.kernels.ranges` serves keys as it serves weights. Each term has the keys of its entries, highest
first; the lists of all terms stand one after the other. The terms are sorted, so a prefix is one range of them, and of
their lists. The forward list of an entry has its terms in the order of its text; the heaviest entry's comes first.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libcpp.algorithm cimport sort
from libcpp.vector cimport vector

from lm.kernels.ranges cimport Entry, RangeMaxima, cover, take

cdef extern from *:
    """
    #include <cstdint>
    #include <cstring>

    static inline uint32_t key_of(float weight) {
        uint32_t key;
        std::memcpy(&key, &weight, sizeof key);
        return key;
    }
    """
    uint32_t key_of(float weight) noexcept nogil

# Of a forward list: the low bits are the term, the high ones say how it stands there.
cdef enum:
    TERM = (1 << 29) - 1
    CONTINUES = 1 << 29  # the joined form before goes on to here
    JOINED = 1 << 30  # a run of glued words from here on, written as one; an alternative too

# another form of the word before; see above
ALTERNATIVE_BIT, JOINED_BIT, CONTINUES_BIT = 1 << 31, 1 << 30, 1 << 29
LOWEST_KEY = 0x00800000
"""The least normal float32: smaller ones may count as zero, if some library says so to the processor."""
MOST_TERMS = 1 << 29
MOST_PLACES, MOST_ITEMS = 64, 256
"""Words of an entry that are looked at, and their forms."""
MOST_RUN, MOST_JOINED = 8, 64
"""Words of a run that is joined, and bytes of the joined form."""
MOST_SLOTS = 32
MOST_FORMS = 4
"""Sets of terms that one typed word may stand for."""

cdef enum:
    PLACES = 64
    ITEMS = 256
    SLOTS = 32
    FORMS = 4
    LAY_STEPS = 1024  # what laying typed words on an entry may cost
    LOOK_STEPS = 10  # what looking at an entry costs, in steps of a list
    TAKE_STEPS = 32  # what taking the next heaviest entry of a range costs
    SORT_STEPS = 4  # what sorting a key costs


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
    const uint32_t* at[FORMS]
    const uint32_t* ends[FORMS]


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
    uint32_t key
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
        starts: uint32 or int64 (terms + 1,), where each term's list begins.
        lists: uint32 (m,), keys.
        maxima: `lm.kernels.ranges.block_maxima` of the lists read as float32.
        forward_starts: uint32 or int64 (entries + 1,).
        forward: uint32 (l,), terms with their high bits.
    """

    cdef object _keep
    cdef const uint32_t[::1] _starts32
    cdef const int64_t[::1] _starts64
    cdef const uint32_t* _lists
    cdef RangeMaxima _tree
    cdef const uint32_t[::1] _forward_starts32
    cdef const int64_t[::1] _forward_starts64
    cdef const uint32_t* _forward
    cdef int64_t _entries
    cdef uint32_t _top

    def __init__(self, starts, lists, maxima, forward_starts, forward):
        cdef const uint32_t[::1] lists_ = lists
        cdef const uint32_t[::1] forward_ = forward
        self._keep = (lists, forward)
        if starts.dtype.itemsize == 4:
            self._starts32 = starts
        else:
            self._starts64 = starts
        if forward_starts.dtype.itemsize == 4:
            self._forward_starts32 = forward_starts
        else:
            self._forward_starts64 = forward_starts
        if int(starts[-1]) != len(lists) or int(forward_starts[-1]) != len(forward):
            raise ValueError("lists of other words")
        self._lists = &lists_[0] if len(lists) else NULL
        self._forward = &forward_[0] if len(forward) else NULL
        self._tree = RangeMaxima(lists.view("float32"), maxima)
        self._entries = len(forward_starts) - 1
        self._top = LOWEST_KEY + self._entries - 1

    cdef inline int64_t _start(self, int64_t term) noexcept nogil:
        return self._starts64[term] if self._starts32 is None else self._starts32[term]

    cdef inline int64_t _forward_start(self, int64_t rank) noexcept nogil:
        return self._forward_starts64[rank] if self._forward_starts32 is None else self._forward_starts32[rank]

    def entries(self, int64_t low, int64_t high):
        """How many entries the terms of [low, high) have; one counts once for each of them."""
        return self._start(high) - self._start(low)

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
            slot.size += self._start(high) - self._start(low)
        return slot

    cdef object _described(self, const Found* found):
        cdef const Laid* laid = &found.laid
        cdef bint from_left = laid.in_order and (laid.covered & (laid.covered + 1)) == 0
        matched = int(laid.covered).bit_count()
        return (
            self._top - found.key, found.places, matched, laid.missing, from_left, bool(laid.in_order), bool(laid.joined)
        )

    cdef int64_t _search(self, vector[Slot]& slots, int64_t k, int64_t steps, vector[Found]& found) noexcept nogil:
        cdef vector[Cursor] cursors
        cdef vector[uint32_t] keys
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
            self._collect(&slots[prefix], keys)
            left -= size * SORT_STEPS
            cursors.insert(cursors.begin() + (0 if size < shortest else cursors.size()), _cursor_of(keys))
        self._walk(slots, cursors, k, &left, found)
        return steps - left

    cdef Cursor _cursor(self, const Slot* slot) noexcept nogil:
        cdef Cursor cursor
        cdef int form
        cursor.lists = slot.forms
        for form in range(slot.forms):
            cursor.at[form] = self._lists + self._start(slot.lows[form])
            cursor.ends[form] = self._lists + self._start(slot.highs[form])
        return cursor

    cdef void _collect(self, const Slot* slot, vector[uint32_t]& keys) noexcept nogil:
        """All keys of a prefix, in order."""
        cdef int form
        for form in range(slot.forms):
            keys.insert(
                keys.end(), self._lists + self._start(slot.lows[form]), self._lists + self._start(slot.highs[form])
            )
        sort(keys.rbegin(), keys.rend())

    cdef void _walk(
        self, vector[Slot]& slots, vector[Cursor]& cursors, int64_t k, int64_t* left, vector[Found]& found
    ) noexcept nogil:
        """Entries that stand in all lists, looked at one by one."""
        cdef uint32_t key = 0xFFFFFFFF, other
        cdef size_t place
        while <int64_t>found.size() < k and left[0] > 0:
            other = _seek(&cursors[0], key, left)
            if other == 0:
                return
            key = other
            for place in range(1, cursors.size()):
                other = _seek(&cursors[place], key, left)
                if other != key:
                    break
            if other == 0:
                return
            if other == key:
                self._look(slots, key, left, found)
                other = key - 1
            key = other

    cdef void _heaviest(self, vector[Slot]& slots, int64_t k, int64_t* left, vector[Found]& found) noexcept nogil:
        """The heaviest entries of a prefix alone; those of its forms are merged."""
        cdef vector[Entry] heap
        cdef vector[uint32_t] keys
        cdef Entry best
        cdef uint32_t key = 0
        cdef int64_t taken
        cdef int form
        cdef size_t place
        cdef Slot* slot = &slots[slots.size() - 1]
        for form in range(slot.forms):
            cover(&self._tree.tree, self._start(slot.lows[form]), self._start(slot.highs[form]), heap)
            taken = 0
            key = 0
            while taken < k and left[0] > 0 and take(&self._tree.tree, 0.0, heap, &best):
                left[0] -= TAKE_STEPS
                if key_of(best.weight) != key:  # several words of an entry may begin so
                    key = key_of(best.weight)
                    keys.push_back(key)
                    taken += 1
        sort(keys.rbegin(), keys.rend())
        key = 0
        for place in range(keys.size()):
            if <int64_t>found.size() == k:
                return
            if keys[place] != key:
                key = keys[place]
                self._look(slots, key, left, found)

    cdef void _look(self, vector[Slot]& slots, uint32_t key, int64_t* left, vector[Found]& found) noexcept nogil:
        """Takes an entry if the typed words can be laid on its words, best in their order."""
        cdef Words entry
        cdef Found made
        cdef int spare = LAY_STEPS
        cdef bint fits
        self._read(key, &entry)
        left[0] -= LOOK_STEPS + entry.size * <int64_t>slots.size() // 8
        if not _fits(slots, &entry):
            return
        made.key = key
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

    cdef void _read(self, uint32_t key, Words* entry) noexcept nogil:
        cdef int64_t at, rank = self._top - key
        cdef const uint32_t* words = self._forward
        cdef int64_t end = self._forward_start(rank + 1)
        cdef Item* item
        cdef int size = 0, place = -1, last
        for at in range(self._forward_start(rank), end):
            if size == ITEMS:
                break
            if not words[at] >> 31:
                place += 1
                if words[at] & CONTINUES:
                    for last in range(size):
                        item = &entry.items[last]
                        if item.joined and item.place + item.span == place:
                            item.span += 1
            item = &entry.items[size]
            item.term = words[at] & TERM
            item.place = place
            item.span = 1
            item.joined = (words[at] & JOINED) != 0
            size += 1
        entry.size = size
        entry.places = place + 1


cdef Cursor _cursor_of(vector[uint32_t]& keys) noexcept nogil:
    cdef Cursor cursor
    cursor.lists = 1
    cursor.at[0] = keys.data()
    cursor.ends[0] = keys.data() + keys.size()
    return cursor


cdef uint32_t _seek(Cursor* cursor, uint32_t key, int64_t* left) noexcept nogil:
    """The highest key of the lists that is not above `key`, by galloping; 0 if there is none."""
    cdef uint32_t best = 0
    cdef const uint32_t* low
    cdef const uint32_t* end
    cdef int64_t step, size
    cdef int place
    for place in range(cursor.lists):
        low, end, step = cursor.at[place], cursor.ends[place], 1
        left[0] -= 1
        if low < end and low[0] > key:
            while step < end - low and low[step] > key:  # all up to `low` are above
                low += step
                step *= 2
                left[0] -= 1
            size = min(step, end - low) - 1  # the first that is not above is one of so many after low, or the next
            low += 1
            while size > 0:
                if low[size >> 1] > key:
                    low += (size >> 1) + 1
                    size -= (size >> 1) + 1
                else:
                    size >>= 1
                left[0] -= 1
            cursor.at[place] = low
        if low < end and low[0] > best:
            best = low[0]
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
