"""Near-duplicate queries: what differs in word order, plural, spacing, punctuation or accents alone is one query.

Which of these differences count for none is the bundle's choice, see `lm.bundle.manifest.Duplicates`. Numbers are
never near: digits, the marks between them (0.5, 3:16, 3/4) and the marks and short units after them (6', 10%, 5 mm)
make another query wherever they differ, and so does another order of numbers.
"""

from __future__ import annotations

import collections
import functools
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from lm.kernels.strings import letter_sums

KINDS = ("accents", "punctuation", "plural", "word_order", "spacing")

_LATIN_MARKS = re.compile("(?<=[a-z])[\u0300-\u036f]+")
_APOSTROPHES = re.compile("['’`]")  # noqa: RUF001 -- marks that look alike
# `+`, `#` and `$` tell names apart: c, c++ and c#.
_ASCII_MARKS = re.compile(r"[!\"%-*,\-./:-@\[-`{-~]")
_DIGIT = re.compile(r"\d")
_QUOTED = re.compile(r"""(?<!\S)(["'])(?=\S)([^"']+)(?<=\S)\1(?!\S)""")
_NUMBER = re.compile(
    r"""
    (?: (?<!\S) [-.,+~<>=±≤≥]+ )?                                        # a sign or a point before it
    \d+
    (?: (?: [^\w\s()\[\]{}]+ | \s?[^\w\s()\[\]{}'"]\s? ) \d+ )*            # marks between digits
    (?: ['"*]+(?!s\b) | \s['"*]+(?!\w) | \s?[%‰]+ )?                     # marks that are units; the 80's are the 80s
    """,
    re.VERBOSE,
)
_NUMBER_SPACE = re.compile(r"(?<![.,\s])\s(?![.,\s])")
"""A space inside a number, as in `3 / 4` and `10 %`; but `5, 6` is not the decimal 5,6."""
_JOINT = re.compile(r"(?<=[^\W\d_]) | (?=[^\W\d_])")
"""A space between two words that may be written as one: not between two numbers."""
_SHORT_UNIT = 2
"""Code points: a word that follows the only number and is no longer than this may be its unit."""


_VALUES = np.random.default_rng(1).integers(1, 1 << 63, 128, np.uint64)
_VALUES[[code for code in range(128) if not chr(code).isalnum() or chr(code) in "esiy"]] = 0
"""A value for each ASCII character; 0 for marks, spaces and the letters of plural endings, which near-duplicates need
not share."""


def suspects(queries: Sequence[str]) -> list[int]:
    """Rows of the queries that may have near-duplicates among the others, of any kind. Quicker than their keys."""
    sums = letter_sums(queries, _VALUES)
    if sums is None:
        return list(range(len(queries)))
    listed = sums.tolist()
    often = collections.Counter(listed)
    return [row for row, each in enumerate(listed) if often[each] > 1] if len(often) < len(listed) else []


_LONGEST_KEPT = 128
"""Code points: keys of longer queries are not remembered. So 16,384 of them take 20 MB at most."""


def duplicate_key(query: str, *kinds: str) -> str:
    """What near-duplicates of a normalised query have in common, for some of `KINDS`.

    Accents are those of Latin letters: on others a mark may make another letter. Plurals are English, by the
    S-stemmer (Harman, 1991) with boxes and shoes besides. A query of marks alone keeps them.
    """
    return _kept_key(query, kinds) if len(query) <= _LONGEST_KEPT else _key(query, kinds)


@functools.lru_cache(1 << 14)
def _kept_key(query: str, kinds: tuple[str, ...]) -> str:
    return _key(query, kinds)


def _key(query: str, kinds: tuple[str, ...]) -> str:
    key = query
    if "accents" in kinds and not key.isascii():
        key = unicodedata.normalize("NFC", _LATIN_MARKS.sub("", unicodedata.normalize("NFD", key)))
    numbered = _DIGIT.search(key) is not None
    if "punctuation" in kinds and not key.replace(" ", "").isalnum():
        key = _around_numbers(key) if numbered else _without_marks(key)
    words = key.split()
    if "plural" in kinds:
        words = [_singular(word) for word in words]
    if "word_order" in kinds:
        words = _in_one_order(words) if numbered else sorted(words)
    elif "spacing" in kinds:
        return _JOINT.sub("", " ".join(words)) or query
    return " ".join(words) or query


def _around_numbers(text: str) -> str:
    """The text without marks except those of its numbers, and these without the spaces that do not tell them apart."""
    text = _QUOTED.sub(r"\2", text)
    pieces, end = list[str](), 0
    for number in _NUMBER.finditer(text):
        pieces += [_without_marks(text[end : number.start()]), _NUMBER_SPACE.sub("", number.group())]
        end = number.end()
    return "".join([*pieces, _without_marks(text[end:])])


def _in_one_order(words: Sequence[str]) -> list[str]:
    """The words sorted, but for the numbers: they come last, in their order, each with what may be its unit."""
    others, numbers = list[str](), list[str]()
    several = sum(_DIGIT.search(word) is not None for word in words) > 1
    after = False
    for word in words:
        number = _DIGIT.search(word) is not None
        unit = after and (several or len(word) <= _SHORT_UNIT)
        (numbers if number or unit else others).append(word)
        after = number and word[-1].isdigit()
    return sorted(others) + numbers


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


def distinct(
    texts: Sequence[str],
    counts: Sequence[float],
    kinds: Collection[str],
    plural_ratio: float,
    entries: Sequence[bool] = (),
) -> list[int]:
    """Rows of the queries that stay if near-duplicates collapse into the most popular form, in their order.

    Of equally popular forms the first stays. Spacing and plurals collapse only among queries of the log, and a plural,
    which is another query more often than a mark of punctuation is, only into a form that is `plural_ratio` times as
    popular. Entries of a catalogue are the operator's: all stay, and other forms of them go, however popular.

    Args:
        counts: submissions in the log; 0 for a query that is not in it.
        kinds: of `KINDS`, differences that make no other query.
        entries: whether each is an entry; empty if none is.
    """
    rows = near = suspects(texts)
    if not near:
        return list(range(len(texts)))
    entered = {row for row in near if entries[row]} if entries else set[int]()
    same = [kind for kind in kinds if kind not in ("plural", "spacing")]
    joined = [kind for kind in kinds if kind not in ("plural", "word_order")] if "spacing" in kinds else []
    for differences in filter(None, (same, joined)):
        some = rows if differences is same else [row for row in rows if counts[row] > 0]
        keys = {row: duplicate_key(texts[row], *differences) for row in some}
        best = _most_popular(some, keys, counts, entered)
        rows = [row for row in rows if row in entered or row not in keys or row == best[keys[row]]]
    if "plural" in kinds:
        logged = [row for row in rows if counts[row] > 0]
        keys = {row: duplicate_key(texts[row], *kinds) for row in logged}
        best = _most_popular(logged, keys, counts)
        rows = [
            row
            for row in rows
            if row in entered or row not in keys or _stays(row, best[keys[row]], counts, plural_ratio)
        ]
    gone = set(near).difference(rows)
    return [row for row in range(len(texts)) if row not in gone]


def _most_popular(
    rows: Iterable[int], keys: dict[int, str], counts: Sequence[float], first: Collection[int] = ()
) -> dict[str, int]:
    """The row of the most popular form of each key; one of `first` before all others."""
    best: dict[str, int] = {}
    for row in rows:
        there = best.setdefault(keys[row], row)
        if (row in first, counts[row]) > (there in first, counts[there]):
            best[keys[row]] = row
    return best


def _stays(row: int, best: int, counts: Sequence[float], ratio: float) -> bool:
    return row == best or counts[best] < ratio * counts[row]
