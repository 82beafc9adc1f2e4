"""Words within two typing errors of a typed one, or that begin with such: best-first over a trie of code points.

Each visited node keeps the row of a weighted Damerau-Levenshtein distance (optimal string alignment: no letter is edited
twice) between its spelling and the typed letters, for exactly 0, 1 and 2 edits, in the band that two edits can reach.
"""

from libc.math cimport INFINITY, log
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libcpp.algorithm cimport pop_heap, push_heap
from libcpp.vector cimport vector

cdef enum:
    MOST_VISITS = 50000  # nodes that a search looks at, whatever the words are; usually a tenth of them at most
    EDITS = 2
    BAND = 5  # typed positions depth - 2 .. depth + 2

cdef struct Visit:
    int32_t node
    int32_t parent
    int32_t depth
    float settled  # the least cost at which a node above spells all that was typed
    float row[EDITS + 1][BAND]

cdef struct Open:
    float bound
    int32_t visit

cdef struct Match:
    float score
    float cost
    int32_t edits
    int32_t visit


cdef bint _lower_bound(const Open& first, const Open& second) noexcept nogil:
    # the heap's front has the highest bound; ties: the earlier visit
    if first.bound != second.bound:
        return first.bound < second.bound
    return first.visit > second.visit


cdef bint _better(const Match& first, const Match& second) noexcept nogil:
    # the heap's front is the worst match; ties: the earlier visit
    if first.score != second.score:
        return first.score > second.score
    return first.visit < second.visit


cdef inline bint _is_next(uint32_t character, const Visit* visit, const uint32_t* typed, int32_t size) noexcept nogil:
    """Whether a typed letter that may come next, in the band that two edits can reach, is this one."""
    cdef int32_t at
    for at in range(max(visit.depth - 2, 0), min(visit.depth + 3, size)):
        if typed[at] == character:
            return True
    return False


cdef class FuzzyTrie:
    """A trie in order of level, so that a node's children are neighbours; see `lm.index.lexicon` for the arrays."""

    cdef object _keep
    cdef const uint32_t[::1] _characters
    cdef const uint32_t[::1] _children
    cdef const float[::1] _counts
    cdef const float[::1] _masses
    cdef const uint8_t[:, ::1] _kinship
    cdef int32_t _known  # characters that `kinship` knows
    cdef float _substitution[4]
    cdef float _cheapest  # of all errors
    cdef float _omission, _omitted_double, _insertion, _inserted_double, _inserted_near, _transposition, _first

    def __init__(self, characters, children, counts, masses, kinship, costs):
        """
        Args:
            kinship: uint8 (K, K): how near two characters are: 0 not, 1 neighbours, 2 but for accents.
            costs: by name, in nats; see `lm.text.typing_errors.TypingErrors`.
        """
        self._keep = (characters, children, counts, masses, kinship)
        self._characters, self._children, self._counts, self._masses = characters, children, counts, masses
        self._kinship = kinship
        self._known = kinship.shape[0]
        self._substitution[0] = costs["substitution"]
        self._substitution[1] = costs["near_substitution"]
        self._substitution[2] = costs["accent"]
        self._omission = costs["omission"]
        self._omitted_double = costs["omitted_double"]
        self._insertion = costs["insertion"]
        self._inserted_double = costs["inserted_double"]
        self._inserted_near = costs["inserted_near"]
        self._transposition = costs["transposition"]
        self._first = costs["first_letter"]
        self._cheapest = min(self._substitution[0], self._substitution[1], self._substitution[2], self._omission,
                             self._omitted_double, self._insertion, self._inserted_double, self._inserted_near,
                             self._transposition)

    cdef int32_t _child(self, int32_t node, uint32_t character) noexcept nogil:
        cdef uint32_t low = self._children[node], end = self._children[node + 1], high = end, middle
        while low < high:
            middle = (low + high) >> 1
            if self._characters[middle] < character:
                low = middle + 1
            else:
                high = middle
        return <int32_t>low if low < end and self._characters[low] == character else -1

    def find(self, str text):
        """(count of the word, count of all words that begin with it); zeros if there is none."""
        cdef int32_t node = 0
        for character in text:
            node = self._child(node, ord(character))
            if node < 0:
                return 0.0, 0.0
        return self._counts[node], self._masses[node]

    cdef inline uint8_t _kin(self, uint32_t first, uint32_t second) noexcept nogil:
        if first >= <uint32_t>self._known or second >= <uint32_t>self._known:
            return 0
        return self._kinship[first, second]

    cdef inline float _extra(self, const uint32_t* typed, int32_t at, uint32_t before) noexcept nogil:
        """Cost of the letter typed at `at` being one too many, after `before` was meant."""
        cdef float first = self._first if at == 0 else 0.0
        if typed[at] == before:
            return self._inserted_double + first
        return first + (self._inserted_near if self._kin(typed[at], before) == 1 else self._insertion)

    cdef void _fill(self, Visit* visit, const Visit* above, const Visit* higher, const uint32_t* typed,
                    int32_t size) noexcept nogil:
        """The row of a node from those of the node above it and of the one above that, where there are such."""
        cdef int32_t depth = visit.depth, edits, band, at
        cdef uint32_t character = self._characters[visit.node]
        cdef uint32_t before = self._characters[above.node] if above != NULL else 0
        cdef float best, first = self._first if depth == 1 else 0.0
        cdef float omission = first + (self._omitted_double if depth > 1 and before == character else self._omission)
        for edits in range(EDITS + 1):
            for band in range(BAND):
                at = depth - 2 + band  # letters of the typed ones that are accounted for
                best = INFINITY
                if 0 <= at <= size:
                    if above == NULL:
                        best = 0.0 if edits == 0 and at == 0 else INFINITY
                    else:
                        if at > 0 and typed[at - 1] == character:
                            best = above.row[edits][band]
                        if edits > 0:
                            if at > 0 and typed[at - 1] != character:
                                best = min(best, above.row[edits - 1][band] + first
                                           + self._substitution[self._kin(typed[at - 1], character)])
                            if band + 1 < BAND:
                                best = min(best, above.row[edits - 1][band + 1] + omission)
                            if (higher != NULL and at > 1 and before != character and typed[at - 1] == before
                                    and typed[at - 2] == character):
                                best = min(best, higher.row[edits - 1][band] + self._transposition
                                           + (self._first if depth == 2 else 0.0))
                    if edits > 0 and at > 0 and band > 0:
                        best = min(best, visit.row[edits - 1][band - 1]
                                   + self._extra(typed, at - 1, character if above != NULL else 0))
                visit.row[edits][band] = best

    cdef inline float _least(self, const Visit* visit, const Visit* above, const uint32_t* typed, int32_t size,
                             int max_edits, bint edited) noexcept nogil:
        """No node below spells what was typed at a lower cost than this; `edited`: with a further error below."""
        cdef float least = INFINITY
        cdef int32_t edits, band, at, spare = 1 if edited else 0
        for band in range(BAND):
            for edits in range(max_edits + 1 - spare):
                least = min(least, visit.row[edits][band])
        if edited:
            least += self._cheapest
        if above != NULL:
            for band in range(BAND):
                at = visit.depth - 2 + band  # of two letters that may have changed places, the second meant one
                if 0 < at < size and typed[at] == self._characters[visit.node]:
                    for edits in range(max_edits):
                        least = min(least, above.row[edits][band] + self._transposition)
        return least

    def search(self, str text, bint unfinished, int k, int max_edits, float floor):
        """The k best spellings of what may have been meant, the typed one itself left out.

        Args:
            unfinished: find beginnings of words, weighed by all words that begin so. One that a shorter beginning of
                it explains at no higher cost is left out. Otherwise whole words.
            max_edits: 0, 1 or 2.
            floor: the least score that counts.

        Returns:
            (matches, visited): a list of (spelling, score, cost, edits), best first, where score is the natural log of
            the words' count less the cost; and how many nodes were looked at.
        """
        cdef int32_t visited = 0
        cdef vector[uint32_t] letters
        cdef vector[Visit] visits
        cdef vector[Open] heap
        cdef vector[Match] found
        for character in text:
            letters.push_back(ord(character))
        if letters.size() and self._children.shape[0] > 1:
            with nogil:
                visited = self._search(letters, unfinished, k, min(max_edits, <int>EDITS), floor, visits, heap, found)
        cdef Match match
        matches = []
        for match in found:
            matches.append((self._spell(visits, match.visit), match.score, match.cost, match.edits))
        matches.sort(key=lambda row: (-row[1], row[0]))
        return matches, visited

    cdef int32_t _search(self, vector[uint32_t]& letters, bint unfinished, int k, int max_edits, float floor,
                         vector[Visit]& visits, vector[Open]& heap, vector[Match]& found) noexcept nogil:
        cdef int32_t size = <int32_t>letters.size(), node, edits, band, best_edits
        cdef const uint32_t* typed = letters.data()
        cdef Visit visit, above, higher
        cdef Open entry
        cdef Match match
        cdef float weight, cost, lowest
        cdef int32_t visited = 0
        cdef bint exact  # only children without a further error can still count
        visit.node, visit.parent, visit.depth, visit.settled = 0, -1, 0, INFINITY
        self._fill(&visit, NULL, NULL, typed, size)
        visits.push_back(visit)
        entry.bound, entry.visit = INFINITY, 0
        heap.push_back(entry)
        while heap.size() > 0 and visited < MOST_VISITS:
            pop_heap(heap.begin(), heap.end(), &_lower_bound)
            entry = heap.back()
            heap.pop_back()
            if found.size() == <size_t>k and entry.bound <= found.front().score:
                break
            above = visits[entry.visit]  # a copy: the vector grows
            if above.parent >= 0:
                higher = visits[above.parent]
            lowest = max(floor, found.front().score) if found.size() == <size_t>k else floor
            exact = <float>log(self._masses[above.node]) - self._least(
                &above, &higher if above.parent >= 0 else NULL, typed, size, max_edits, True) < lowest
            for node in range(<int32_t>self._children[above.node], <int32_t>self._children[above.node + 1]):
                visited += 1
                if exact and not _is_next(self._characters[node], &above, typed, size):
                    continue
                visit.node, visit.parent, visit.depth = node, entry.visit, above.depth + 1
                self._fill(&visit, &above, &higher if above.parent >= 0 else NULL, typed, size)
                visit.settled = above.settled
                band = size - visit.depth + 2
                cost, best_edits = INFINITY, 0
                if 0 <= band < BAND:
                    for edits in range(max_edits + 1):
                        if visit.row[edits][band] < cost:
                            cost, best_edits = visit.row[edits][band], edits
                if unfinished:
                    weight = self._masses[node] if cost < above.settled else 0.0
                    visit.settled = min(cost, above.settled)
                else:
                    weight = self._counts[node]
                match.visit = -1
                if best_edits > 0 and weight > 0:
                    match.score, match.cost, match.edits = <float>log(weight) - cost, cost, best_edits
                    if match.score >= floor and (found.size() < <size_t>k or match.score > found.front().score):
                        match.visit = <int32_t>visits.size()
                entry.bound = <float>log(self._masses[node]) - self._least(
                    &visit, &above, typed, size, max_edits, False)
                if match.visit < 0 and (entry.bound < floor or (
                        found.size() == <size_t>k and entry.bound <= found.front().score)):
                    continue
                visits.push_back(visit)
                if match.visit >= 0:
                    if found.size() == <size_t>k:
                        pop_heap(found.begin(), found.end(), &_better)
                        found.pop_back()
                    found.push_back(match)
                    push_heap(found.begin(), found.end(), &_better)
                if entry.bound >= floor and entry.bound > -INFINITY:
                    entry.visit = <int32_t>visits.size() - 1
                    heap.push_back(entry)
                    push_heap(heap.begin(), heap.end(), &_lower_bound)
                entry.visit = visit.parent
        return visited

    cdef str _spell(self, vector[Visit]& visits, int32_t visit):
        characters = []
        while visits[visit].parent >= 0:
            characters.append(chr(self._characters[visits[visit].node]))
            visit = visits[visit].parent
        return "".join(reversed(characters))
