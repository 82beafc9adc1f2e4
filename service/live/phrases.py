"""Finds denied phrases in texts by their words, in the forms in which words are near (`lm.text.folding`).

Words may stand joined or apart: two texts are the same phrase if their letters are, and if words part in one of them
only where they part in the other as well. So `harrypotter` and `s e x` get around nothing, and `pen island` is free.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lm.kernels.phrase_runs import note_phrase, phrase_runs
from lm.text.folding import near_words, normalize_query

if TYPE_CHECKING:
    from service.live.deny_list import DenyEntry

_PLAIN = re.compile(r"[a-z]+|[0-9]+")
_OTHER_WORDS = frozenset({"hell", "shell", "ill", "well", "were", "wed", "shed", "id"})
"""What some contractions would be without their apostrophe."""
_MOST_SPELLINGS = 16
_KEY_BYTES = 8
_LEAST_TABLE = 1 << 10
"""Bytes."""
Words = list[str]
_Found = bytes | tuple[bytes, ...]


def spellings(text: str) -> Sequence[Words]:
    """The words of a text in their near forms: usually one list, several where `ö` may be `o` or `oe`."""
    if text.isascii() and not ("'" in text or "+" in text or "#" in text):
        return (_PLAIN.findall(text.lower()),)
    text = normalize_query(text)
    words = near_words(text)
    forms = [word.forms for word in words]
    for place in range(1, len(words)):
        word, before = words[place], words[place - 1]
        apostrophe = word.glued and word.start - before.end == 1 and text[before.end] == "'"
        if apostrophe and forms[place - 1][0] + forms[place][0] in _OTHER_WORDS:
            forms[place] = tuple("'" + form for form in word.forms)
    return [list(each) for each in itertools.islice(itertools.product(*forms), _MOST_SPELLINGS)]


def folded(text: str) -> str:
    """The words of a text in all their near forms, a line for each spelling; empty if it has no word."""
    return "\n".join(map(" ".join, spellings(text)))


class Phrases:
    """Denied phrases, each with the entry that denies it. A value: `with_changes` makes another one.

    They are found by a hash of their letters; what is found is compared, so that no other text is taken for it. A table
    tells first whether there may be one (`lm.kernels.phrase_runs`).

    Args:
        runs: whether a phrase is found where it is a part of a text.
    """

    __slots__ = ("_found", "_longest", "_runs", "_table")

    def __init__(self, *, runs: bool) -> None:
        self._runs = runs
        self._found: dict[int, _Found] = {}
        self._table = bytearray(_LEAST_TABLE if runs else 0)
        self._longest = 0

    def __len__(self) -> int:
        return len(self._found)

    def hold(self, key: str, phrase: str) -> bool:
        """Whether a phrase of an entry is there."""
        words = spellings(phrase)[0]
        return _item(key, words) in _several(self._found.get(hash("".join(words)), ()))

    def with_changes(self, changes: Sequence[tuple[str, DenyEntry, bool]]) -> Phrases:
        """With the phrases of some entries more or less.

        Args:
            changes: key of each entry, the entry, and whether it is there from now on.
        """
        if not changes:
            return self
        made = Phrases(runs=self._runs)
        made._found, made._table, made._longest = self._found.copy(), self._table.copy(), self._longest
        for key, entry, there in changes:
            for words in spellings(entry.phrase):
                made._change(_item(key, words), "".join(words), there)
        if self._runs and len(made._found) > len(made._table):
            made._table = bytearray(2 << len(made._found).bit_length())
            for found in made._found.values():
                for item in _several(found):
                    note_phrase(item[_KEY_BYTES:].decode().replace(" ", ""), made._table)
        return made

    def _change(self, item: bytes, letters: str, there: bool) -> None:
        found = _several(self._found.get(hash(letters), ()))
        if there == (item in found):
            return
        items = (*found, item) if there else tuple(each for each in found if each != item)
        if items:
            self._found[hash(letters)] = items if len(items) > 1 else items[0]
            self._longest = max(self._longest, len(letters))
            if self._runs:
                note_phrase(letters, self._table)
        else:
            del self._found[hash(letters)]

    def in_text(self, text: Sequence[Words]) -> bool:
        """Whether a text, given as its `spellings`, is denied."""
        denies = self._denies_run if self._runs else self._denies
        return denies(text[0]) if len(text) == 1 else any(map(denies, text))

    def ends_in(self, words: Words, start: int) -> bool:
        """Whether a phrase stands in words of a text and ends at one from a place on."""
        return self._denies_run(words, start)

    def _denies(self, words: Words) -> bool:
        found = self._found.get(hash("".join(words)))
        return found is not None and _same(words, found)

    def _denies_run(self, words: Words, start: int = 0) -> bool:
        runs = phrase_runs(words, self._found, self._table, self._longest, start)
        return bool(runs) and any(self._denies(words[first:end]) for first, end in runs)


def _item(key: str, words: Words) -> bytes:
    """A phrase as it is kept, behind the key of its entry."""
    return bytes.fromhex(key) + " ".join(words).encode()


def _several(found: _Found) -> tuple[bytes, ...]:
    return (found,) if isinstance(found, bytes) else found


def _same(words: Words, found: _Found) -> bool:
    """Whether words are one of some phrases, joined or apart."""
    if isinstance(found, bytes) and found[_KEY_BYTES:] == " ".join(words).encode():
        return True
    letters, borders = "".join(words), _borders(words)
    for item in _several(found):
        others = item[_KEY_BYTES:].decode().split(" ")
        if "".join(others) == letters:
            theirs = _borders(others)
            if borders <= theirs or theirs <= borders:
                return True
    return False


def _borders(words: Words) -> set[int]:
    return set(itertools.accumulate(map(len, words)))
