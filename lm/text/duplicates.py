"""Near-duplicate queries: what differs in word order, plural, punctuation or accents alone has one key.

Which of these differences count for none is the bundle's choice, see `lm.bundle.manifest.Duplicates`.
"""

from __future__ import annotations

import collections
import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from lm.kernels.strings import letter_sums
from lm.memo import Memo

KINDS = ("accents", "punctuation", "plural", "word_order")

_LATIN_MARKS = re.compile("(?<=[a-z])[\u0300-\u036f]+")
_APOSTROPHES = re.compile("['’`]")  # noqa: RUF001 -- marks that look alike
# `+`, `#` and `$` tell names apart: c, c++ and c#.
_ASCII_MARKS = re.compile(r"[!\"%-*,\-./:-@\[-`{-~]")


_VALUES = np.random.default_rng(1).integers(1, 1 << 63, 128, np.uint64)
_VALUES[[code for code in range(128) if not chr(code).isalnum() or chr(code) in "esiy"]] = 0
"""Of each ASCII character what near-duplicates share: nothing of marks, spaces and the letters of plural endings."""


def suspects(queries: Sequence[str]) -> list[int]:
    """Rows of the queries of which others may be near-duplicates, of whatever kind: quicker than their keys."""
    sums = letter_sums(queries, _VALUES)
    if sums is None:
        return list(range(len(queries)))
    listed = sums.tolist()
    often = collections.Counter(listed)
    return [row for row, each in enumerate(listed) if often[each] > 1] if len(often) < len(listed) else []


_KEYS: Memo[tuple[str, tuple[str, ...]], str] = Memo(8 << 20)


def duplicate_key(query: str, *kinds: str) -> str:
    """What near-duplicates of a normalised query have in common, for some of `KINDS`.

    Accents are those of Latin letters: on others a mark may make another letter. Plurals are English, by the
    S-stemmer (Harman, 1991) with boxes and shoes besides. A query of marks alone keeps them.
    """
    return _KEYS.result((query, kinds), _duplicate_key)


def _duplicate_key(asked: tuple[str, tuple[str, ...]]) -> str:
    query, kinds = asked
    key = query
    if "accents" in kinds and not key.isascii():
        key = unicodedata.normalize("NFC", _LATIN_MARKS.sub("", unicodedata.normalize("NFD", key)))
    if "punctuation" in kinds and not key.replace(" ", "").isalnum():
        key = _without_marks(key)
    words = key.split()
    if "plural" in kinds:
        words = [_singular(word) for word in words]
    if "word_order" in kinds:
        words.sort()
    return " ".join(words) or query


def _without_marks(text: str) -> str:
    text = _ASCII_MARKS.sub(" ", _APOSTROPHES.sub("", text))
    if text.isascii():
        return text
    return "".join(" " if not each.isascii() and unicodedata.category(each)[0] == "P" else each for each in text)


def _singular(word: str) -> str:
    if len(word) < 4 or not word.isascii() or not word.endswith("s"):
        return word
    if word.endswith("ies"):
        return word if word.endswith(("eies", "aies")) else word[:-3] + "y"
    if word.endswith(("xes", "sses", "ches", "shes")):
        return word[:-2]
    if word.endswith("es"):
        return word if word.endswith(("aes", "ees")) else word[:-1]
    return word if word.endswith(("us", "ss")) else word[:-1]
