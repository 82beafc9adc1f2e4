"""Words in any order: the heaviest entries that hold what was typed, whatever else they hold and in whatever order.

An entry matches if each finished word of the typed text stands in it, and one more of its words begins with the last
one. Words are compared by their near forms (`lm.text.folding`). Words that were typed without a space between them
(`wi-fi`, `3/4`) must stand next to each other in that order. Besides as it was typed, the text is tried

- with two neighbours joined (`map quest` finds `mapquest`),
- with a word split into two that are known (`redbull` finds `Red Bull`),
- if less was found than asked for, without words that carry little meaning (`the red bull`).

In an entry, a run of words without spaces can be typed as one too: `tshirt` finds `T-Shirt`. That does not hold for
numbers: 34 is not 3/4.

Of one typed text at most `MOST_SLOTS` words are looked for, of an entry its first `MOST_PLACES`.
See `lm.kernels.word_search` for the method and the files.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, open_strings, save_array, save_strings
from lm.kernels.ranges import block_maxima
from lm.kernels.strings import SortedStrings, string_heads
from lm.kernels.word_lists import word_lists
from lm.kernels.word_search import (
    ALTERNATIVE_BIT,
    CONTINUES_BIT,
    JOINED_BIT,
    MOST_FORMS,
    MOST_JOINED,
    MOST_PLACES,
    MOST_RUN,
    MOST_SLOTS,
    WordSearch,
)
from lm.text.folding import NearWord, near_words
from lm.text.normalize import is_unspaced

MOST_STEPS = 1 << 19
"""What a look-up may cost, in steps of a list; one that needs more finds fewer entries."""
_MOST_SPLITS = 3
_MOST_JOINS = 6
_STOP_WORDS = (
    "a an and at by for from in is of on or the to with "
    "am das dem den der des die ein eine fuer fur im mit und von zu "
    "au de du en et la le les par pour un une "
    "con del el las los para por y "
    "da di e gli il lo per "
    "as com do dos em o os um uma "
    "een het op van voor &"
)
"""Words that an entry may lack: English, German, French, Spanish, Italian, Portuguese, Dutch; near forms."""
_OPTIONAL = frozenset(_STOP_WORDS.split())


class FoundWords(NamedTuple):
    """An entry, by its rank of all by weight, and how the typed words stand in it; see `lm.index.queries.WordMatch`."""

    rank: int
    from_left: bool
    in_order: bool
    left_over: int
    regrouped: bool


class _Slot(NamedTuple):
    """A word to be found, in one of its forms."""

    forms: tuple[str, ...]
    glued: bool
    prefix: bool
    optional: bool = False


class WordIndex:
    """An open index of the words of entries."""

    def __init__(self, folder: Path) -> None:
        """Maps what `save_words` wrote; raises `BundleDamagedError` if a file is not what it should be."""
        terms = open_strings(folder, "words.terms")
        self._terms = SortedStrings(terms.blob, terms.offsets, open_array(folder / "words.heads.npy", np.uint64))
        self._search = WordSearch(
            open_array(folder / "words.starts.npy", np.uint32, np.int64),
            open_array(folder / "words.lists.npy", np.uint32),
            open_array(folder / "words.maxima.npy", np.float32),
            open_array(folder / "words.forward_starts.npy", np.uint32, np.int64),
            open_array(folder / "words.forward.npy", np.uint32),
        )

    def find(self, typed: str, k: int) -> tuple[list[FoundWords], int]:
        """The heaviest k entries, heaviest first, and the steps that were needed, about `MOST_STEPS` at most."""
        words = near_words(typed)
        if not words or len(words) > MOST_SLOTS or k < 1:
            return [], 0
        as_typed = _slots(typed, words)
        found, steps = self._read(words, as_typed, k)
        if len(found) < k and (without := _without_stop_words(as_typed)):
            rest, more = self._read(words, without, k)
            found, steps = rest | found, steps + more
        return sorted(found.values())[:k], steps

    def _read(self, words: Sequence[NearWord], slots: Sequence[_Slot], k: int) -> tuple[dict[int, FoundWords], int]:
        """By rank, what is found by words as they stand, and regrouped."""
        found, steps = self._filled([slots], k, MOST_STEPS // 4, regrouped=False)
        others = [*_joined(words, slots), *self._split(slots)]
        regrouped, more = self._filled(others, k, MOST_STEPS // 4, regrouped=True)
        return regrouped | found, steps + more

    def _filled(
        self, tried: Sequence[Sequence[_Slot]], k: int, steps: int, *, regrouped: bool
    ) -> tuple[dict[int, FoundWords], int]:
        """By rank, what some ways to read the typed text find together; the first of them that finds it counts."""
        found: dict[int, FoundWords] = {}
        used = 0
        for place, slots in enumerate(tried):
            ranges = [self._ranges(slot) for slot in slots]
            if not all(has or slot.optional for has, slot in zip(ranges, slots, strict=True)):
                continue
            asked = [(has, slot.glued, slot.optional, slot.prefix) for has, slot in zip(ranges, slots, strict=True)]
            rows, more = self._search.search(asked, k, (steps - used) // (len(tried) - place))
            used += more
            for rank, places, matched, missing, from_left, in_order, joined in rows:
                left_over = places - matched + missing
                entry = FoundWords(rank, from_left, in_order, left_over, regrouped or joined)
                found.setdefault(rank, entry)
        return found, used

    def _ranges(self, slot: _Slot) -> list[tuple[int, int]]:
        """The terms that may fill a slot."""
        ranges = []
        for form in slot.forms[:MOST_FORMS]:
            low, high = self._terms.prefix_range(form.encode()) if slot.prefix else self._term(form)
            if low < high:
                ranges.append((low, high))
        return ranges

    def _term(self, form: str) -> tuple[int, int]:
        place = self._terms.find(form.encode())
        return place, (place + 1 if place >= 0 else place)

    def _split(self, slots: Sequence[_Slot]) -> list[list[_Slot]]:
        """With a word as two words that are known; those ways that many entries may fit."""
        found = []
        for place, slot in enumerate(slots):
            plain = slot.forms[0]
            for cut in range(1, 0 if len(plain) < 3 or plain.isdigit() or slot.optional else len(plain)):
                first = _Slot((plain[:cut],), slot.glued, prefix=False)
                second = _Slot((plain[cut:],), glued=True, prefix=slot.prefix)
                entries = self._entries(first)
                if entries and (entries := min(entries, self._entries(second))):
                    found.append((entries, [*slots[:place], first, second, *slots[place + 1 :]]))
        found.sort(key=lambda row: -row[0])
        return [way for _, way in found[:_MOST_SPLITS]]

    def _entries(self, slot: _Slot) -> int:
        return sum(self._search.entries(low, high) for low, high in self._ranges(slot))


def _slots(typed: str, words: Sequence[NearWord]) -> list[_Slot]:
    """Each word as it was typed, the last one unfinished unless a space follows."""
    finished, slots, end = typed.endswith(" "), list[_Slot](), 0
    for word in words:
        glued = word.glued and "&" not in typed[end : word.start]  # `h&m` may be `h and m`
        slots.append(_Slot(word.forms, glued and bool(slots), prefix=word is words[-1] and not finished))
        end = word.end
    return slots


def _joined(words: Sequence[NearWord], slots: Sequence[_Slot]) -> list[list[_Slot]]:
    """With two neighbours as one word, or a run without spaces."""
    spans = [(place, place + 2) for place in range(len(words) - 1)]
    spans += [(low, high) for low, high in _runs(words) if high - low > 2]
    found = []
    for low, high in spans[:_MOST_JOINS]:
        if forms := _joined_forms([word.forms for word in words[low:high]]):
            slot = _Slot(forms, slots[low].glued, slots[high - 1].prefix)
            found.append([*slots[:low], slot, *slots[high:]])
    return found


def _without_stop_words(as_typed: Sequence[_Slot]) -> list[_Slot]:
    """With the stop words not needed; empty if there are none, or no other word."""
    glued = [slot.glued for slot in as_typed[1:]] + [False]
    optional = [
        not (slot.glued or after) and slot.forms[0] in _OPTIONAL and (len(slot.forms[0]) > 2 or not slot.prefix)
        for slot, after in zip(as_typed, glued, strict=True)
    ]
    if not any(optional) or all(optional):
        return []
    return [slot._replace(optional=may) for slot, may in zip(as_typed, optional, strict=True)]


def _runs(words: Sequence[NearWord]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of words without a space between them, all words in one of them."""
    low = 0
    for high in range(1, len(words) + 1):
        if high == len(words) or not words[high].glued:
            yield low, high
            low = high


def _joined_forms(words: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Words as one, in as many forms as the one with the most has; none where digits would meet, or it is too long."""
    meet = any(before[0][-1].isdigit() and after[0][0].isdigit() for before, after in itertools.pairwise(words))
    if not 1 < len(words) <= MOST_RUN or meet or any(is_unspaced(forms[0]) for forms in words):
        return ()
    most = min(max(map(len, words)), MOST_FORMS)
    joined = ["".join(forms[min(place, len(forms) - 1)] for forms in words) for place in range(most)]
    return tuple(form for form in dict.fromkeys(joined) if len(form.encode()) <= MOST_JOINED)


def entry_terms(text: str) -> list[tuple[bytes, int]]:
    """The terms of an entry in the order of its text, each with its high bits, see `lm.kernels.word_search`."""
    words = near_words(text)[:MOST_PLACES]
    terms = []
    for low, high in _runs(words):
        run = words[low:high]
        joined = _joined_forms([word.forms for word in run])
        for place, word in enumerate(run):
            terms.append((word.forms[0].encode(), CONTINUES_BIT if joined and place else 0))
            terms += [(form.encode(), ALTERNATIVE_BIT) for form in word.forms[1:MOST_FORMS]]
            if not place:
                terms += [(form.encode(), ALTERNATIVE_BIT | JOINED_BIT) for form in joined]
    return terms


def save_words(folder: Path, texts: SortedStrings, order: NDArray[np.uint32]) -> None:
    """Writes the index of the words of some texts.

    Args:
        order: positions of the texts, the heaviest first, uint32 (n,).
    """
    terms, starts, lists, forward_starts, forward = word_lists(texts, order, entry_terms)
    save_strings(folder, "words.terms", terms)
    save_array(folder / "words.heads.npy", string_heads(terms))
    save_array(folder / "words.starts.npy", starts)
    save_array(folder / "words.lists.npy", lists)
    save_array(folder / "words.maxima.npy", block_maxima(lists.view(np.float32)))
    save_array(folder / "words.forward_starts.npy", forward_starts)
    save_array(folder / "words.forward.npy", forward)
