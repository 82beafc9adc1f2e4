"""Words in any order: the heaviest entries that hold what was typed, whatever else they hold and in whatever order.

An entry matches if each finished word of the typed text stands in it, and one more of its words begins with the last
one. Words are compared by their near forms (`lm.text.folding`). Words that were typed without a space between them
(`wi-fi`, `3/4`) must stand next to each other in that order. Besides as it was typed, the text is tried

- with two neighbours joined (`map quest` finds `mapquest`),
- with a word split into two that are known (`redbull` finds `Red Bull`),
- if no entry holds all words, without those that carry little meaning (`the red bull`).

In an entry, a run of words without spaces can be typed as one too: `tshirt` finds `T-Shirt`. That does not hold for
numbers: 34 is not 3/4.

Of one typed text at most `MOST_SLOTS` words are looked for, of an entry its first `MOST_PLACES`.
See `lm.kernels.word_search` for the method and the files.
"""

# ruff: noqa: RUF001 -- letters of other scripts that look like Latin ones
from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, open_strings, save_array, save_strings
from lm.errors import BundleDamagedError
from lm.kernels.ranges import block_maxima
from lm.kernels.strings import SortedStrings, string_heads
from lm.kernels.word_lists import word_lists
from lm.kernels.word_search import (
    ALTERNATIVE,
    CONTINUES,
    JOINED,
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
_SHORT = 24
_MOST_SPLITS = 3
_MOST_JOINS = 6
_STOP_WORDS = """
    a an and at by for from in is of or the to with
    am das dem den der des die ein eine für im mit und von zu
    au de du en et la le les par pour un une
    con del el las los para por y
    da di e gli il lo per
    dos em um uma
    een het op van voor
    av för i med och og på til
    dla na od
    ve ile için
    και του της το για
    и в на с для из по от до за
    في من على של
"""
"""Words that an entry may lack if no entry holds all of the typed ones: English, German, French, Spanish, Italian,
Portuguese, Dutch, Scandinavian languages, Polish and Czech, Turkish, Greek, Russian, Arabic and Hebrew, a line each.
None of them is part of names elsewhere, as `pro`, `com` and `on` are."""
_OPTIONAL = frozenset(form for word in near_words(_STOP_WORDS) for form in word.forms)
_LEAST_JOINED, _LEAST_SPLIT = 4, 2
"""Letters of a joined word, and of the second part of a split one, from which on they may be a beginning."""
_AND = ("and", "und", "et", "y")
_RARER = 20
"""A word is not split where one of its parts is so many times rarer than it is."""


class FoundWords(NamedTuple):
    """An entry, by its rank of all by weight, and how the typed words stand in it; see `lm.index.queries.WordMatch`."""

    rank: int
    from_left: bool
    in_order: bool
    left_over: int
    regrouped: bool
    missing: int


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
        self._terms = SortedStrings(terms.blob, terms.offsets, open_array(folder / "words.terms.heads.npy", np.uint64))
        heads = open_array(folder / "words.heads.npy", np.uint32)
        if len(heads) != len(self._terms):
            raise BundleDamagedError(folder / "words.heads.npy", f"has {len(heads):,} words, not {len(self._terms):,}")
        self._search = WordSearch(
            heads,
            open_array(folder / "words.maxima.npy", np.float32),
            open_array(folder / "words.starts.npy", np.uint32, np.int64),
            open_array(folder / "words.lists.npy", np.uint8),
            open_array(folder / "words.forward_starts.npy", np.uint32, np.int64),
            open_array(folder / "words.forward.npy", np.uint8),
        )

    def __len__(self) -> int:
        """Entries."""
        return len(self._search)

    def find(self, typed: str, k: int) -> tuple[list[FoundWords], int]:
        """The heaviest k entries and the steps that were needed, about `MOST_STEPS` at most.

        Entries may lack a stop word only if none holds all words.
        """
        words = near_words(typed)
        if not words or len(words) > MOST_SLOTS or k < 1:
            return [], 0
        as_typed = _slots(typed, words)
        found, steps = self._read(words, [as_typed, *_with_and(typed, words, as_typed)], k)
        if not found and (without := _without_stop_words(as_typed)):
            rest, more = self._read(words, [without], k)
            found, steps = rest | found, steps + more
        return sorted(found.values())[:k], steps

    def _read(
        self, words: Sequence[NearWord], tried: Sequence[Sequence[_Slot]], k: int
    ) -> tuple[dict[int, FoundWords], int]:
        """By rank, what is found by words as they stand, and by the first way to read them with words regrouped."""
        found, steps = self._filled(tried, k, MOST_STEPS // 4, regrouped=False)
        others = [*self._joined(words, tried[0]), *self._split(tried[0])]
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
                entry = FoundWords(rank, from_left, in_order, places - matched, regrouped or joined, missing)
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
        return max(place, 0), place + 1

    def _joined(self, words: Sequence[NearWord], slots: Sequence[_Slot]) -> list[list[_Slot]]:
        """With two neighbours, or a run without spaces, as one word that is known."""
        spans = [(place, place + 2) for place in range(len(words) - 1)]
        spans += [(low, high) for low, high in _runs(words) if high - low > 2]
        found = []
        for low, high in spans:
            if forms := _joined_forms([word.forms for word in words[low:high]]):
                unfinished = slots[high - 1].prefix and len(forms[0]) >= _LEAST_JOINED
                slot = _Slot(forms, slots[low].glued, unfinished)
                if self._entries(slot):
                    found.append([*slots[:low], slot, *slots[high:]])
        return found[:_MOST_JOINS]

    def _split(self, slots: Sequence[_Slot]) -> list[list[_Slot]]:
        """With a word as two words that are known; those ways that many entries may fit."""
        found = []
        for place, slot in enumerate(slots):
            plain = slot.forms[0]
            if len(plain) < 3 or plain.isdigit() or slot.optional:
                continue
            least = max(self._entries(slot) // _RARER, 1)
            for cut in range(1, len(plain)):
                # most beginnings are no words, or rare ones
                entries = self._search.size(*self._term(plain[:cut]))
                if entries < least:
                    continue
                unfinished = slot.prefix and len(plain) - cut >= _LEAST_SPLIT
                second = _Slot((plain[cut:],), glued=True, prefix=unfinished)
                entries = min(entries, self._entries(second))
                if entries >= least:
                    first = _Slot((plain[:cut],), slot.glued, prefix=False)
                    found.append((entries, [*slots[:place], first, second, *slots[place + 1 :]]))
        found.sort(key=lambda row: -row[0])
        return [way for _, way in found[:_MOST_SPLITS]]

    def _entries(self, slot: _Slot) -> int:
        return sum(self._search.size(low, high) for low, high in self._ranges(slot))


def _slots(typed: str, words: Sequence[NearWord]) -> list[_Slot]:
    """Each word as it was typed, the last one unfinished unless a space follows."""
    last = -1 if typed.endswith(" ") else len(words) - 1
    return [_Slot(word.forms, word.glued and place > 0, place == last) for place, word in enumerate(words)]


def _with_and(typed: str, words: Sequence[NearWord], slots: Sequence[_Slot]) -> list[list[_Slot]]:
    """With the word for each `&` that was typed without spaces, if there is one: `h&m` is also `h and m`."""
    found = list[_Slot]()
    for place, slot in enumerate(slots):
        if slot.glued and "&" in typed[words[place - 1].end : words[place].start]:
            found.append(_Slot(_AND, glued=True, prefix=False))
        found.append(slot)
    return [found] if len(slots) < len(found) <= MOST_SLOTS else []


def _without_stop_words(slots: Sequence[_Slot]) -> list[_Slot]:
    """With the stop words not needed; empty if there are none, or no other word."""
    padded = [None, *slots, None]
    optional = [_is_optional(*around) for around in zip(padded, slots, padded[2:], strict=False)]
    if not any(optional) or all(optional):
        return []
    return [slot._replace(optional=may) for slot, may in zip(slots, optional, strict=True)]


def _is_optional(before: _Slot | None, slot: _Slot, after: _Slot | None) -> bool:
    """Whether a word may be missing: a stop word, but not within a run without spaces, nor one letter by a number."""
    form = slot.forms[0]
    if form not in _OPTIONAL or slot.glued or (after and after.glued) or (slot.prefix and len(form) < 3):
        return False
    return len(form) > 1 or not any(each and each.forms[0][0].isdigit() for each in (before, after))


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
    """The terms of an entry in the order of its text, each with its flags, see `lm.kernels.word_search`.

    Args:
        text: normalised.
    """
    terms, left = list[tuple[bytes, int]](), MOST_PLACES
    for piece in text.split(" "):
        found, places = _short_terms(piece) if len(piece) <= _SHORT else _terms(near_words(piece))
        terms += found if places <= left else _terms(near_words(piece)[:left])[0]
        left -= places
        if left <= 0:
            break
    return terms


@functools.lru_cache(1 << 15)  # of pieces of `_SHORT` code points: 30 MB at most, while an index is built
def _short_terms(piece: str) -> tuple[list[tuple[bytes, int]], int]:
    return _terms(near_words(piece))


def _terms(words: Sequence[NearWord]) -> tuple[list[tuple[bytes, int]], int]:
    """The terms of some words of an entry, and how many words these are."""
    terms = list[tuple[bytes, int]]()
    for low, high in _runs(words):
        run = words[low:high]
        joined = _joined_forms([word.forms for word in run])
        for place, word in enumerate(run):
            terms.append((word.forms[0].encode(), CONTINUES if joined and place else 0))
            terms += [(form.encode(), ALTERNATIVE) for form in word.forms[1:MOST_FORMS]]
            if not place:
                terms += [(form.encode(), ALTERNATIVE | JOINED) for form in joined]
    return terms, len(words)


def save_words(folder: Path, texts: SortedStrings, order: NDArray[np.uint32]) -> None:
    """Writes the index of the words of some texts.

    Args:
        order: positions of the texts, the heaviest first, uint32 (n,).
    """
    terms, heads, starts, lists, forward_starts, forward = word_lists(texts, order, entry_terms)
    save_strings(folder, "words.terms", terms)
    save_array(folder / "words.terms.heads.npy", string_heads(terms))
    save_array(folder / "words.heads.npy", heads)
    save_array(folder / "words.maxima.npy", block_maxima(heads.view(np.float32)))
    save_array(folder / "words.starts.npy", starts)
    save_array(folder / "words.lists.npy", lists)
    save_array(folder / "words.forward_starts.npy", forward_starts)
    save_array(folder / "words.forward.npy", forward)
