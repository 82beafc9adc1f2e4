"""The noisy channel: how probable it is that someone who means one text types another.

What was meant is found as in Kernighan, Church and Gale (1990): the text that is most probable in itself and by
what the fingers may have made of it. A cost is the negative natural log of the probability of one such error at one
place; where a wrong letter may be any, its share of the alphabet is in it.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_EDITS = 2
_KEYS = ("1234567890-", "qwertyuiop[", "asdfghjkl;'", "zxcvbnm,./")
_OFFSETS = (0.0, 0.5, 0.75, 1.25)
"""How far each row of a QWERTY keyboard is moved to the right, in widths of a key."""
_REACH = 1.3
_CHARACTERS = 0x180
"""Latin with its accents: Unicode's blocks up to Latin Extended-A."""


@dataclass(frozen=True, slots=True)
class TypingErrors:
    """Costs in nats.

    Attributes:
        substitution: another letter in place of the right one; `near_substitution` that of a neighbouring key, or a
            vowel in place of a vowel; `accent` the same letter with another accent or none.
        omission: a letter left out; `omitted_double` one that should have come twice.
        insertion: a letter too many; `inserted_double` the same one twice, `inserted_near` the key beside it.
        transposition: two letters in each other's place.
        first_letter: on top of any of these at the first letter of a word, which is rarely wrong (Yannakoudakis and
            Fawthrop, 1983).
        omitted_space, inserted_space, moved_space, replaced_space: of the space between two words.
    """

    substitution: float = 8.0
    near_substitution: float = 6.5
    accent: float = 3.0
    omission: float = 5.0
    omitted_double: float = 4.0
    insertion: float = 8.0
    inserted_double: float = 5.5
    inserted_near: float = 7.0
    transposition: float = 5.0
    first_letter: float = 1.0
    omitted_space: float = 5.0
    inserted_space: float = 7.0
    moved_space: float = 6.0
    replaced_space: float = 8.0


@functools.cache
def kinship() -> NDArray[np.uint8]:
    """How near two characters are, uint8 (384, 384): 1 on near keys or two vowels, 2 but for accents, else 0."""
    table = np.zeros((_CHARACTERS, _CHARACTERS), np.uint8)
    places = {key: (column + _OFFSETS[row], row) for row, keys in enumerate(_KEYS) for column, key in enumerate(keys)}
    for first, (x, y) in places.items():
        for second, (across, down) in places.items():
            if first != second and (x - across) ** 2 + (y - down) ** 2 <= _REACH**2:
                table[ord(first), ord(second)] = 1
    for first, second in itertools.permutations("aeiou", 2):  # what writers take for each other
        table[ord(first), ord(second)] = 1
    bases = [unicodedata.normalize("NFD", chr(code))[0] for code in range(_CHARACTERS)]
    for code, base in enumerate(bases):
        for other in (ord(base), *(other for other in range(0xC0, _CHARACTERS) if bases[other] == base)):
            if base.isalpha() and code != other < _CHARACTERS:
                table[code, other] = table[other, code] = 2
    table.flags.writeable = False
    return table
