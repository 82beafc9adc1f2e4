"""Of near-duplicates the most popular form alone stays: against comparing every query with every other."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from lm.bundle.manifest import Duplicates
from lm.text.duplicates import KINDS, distinct, duplicate_key, suspects

_WORDS = st.sampled_from(
    [
        "red",
        "box",
        "boxes",
        "city",
        "cities",
        "dress",
        "dresses",
        "c++",
        "c",
        "shoe",
        "shoes",
        "shoe's",
        "café",
        "cafe",
        "cafes",
        "re",
        "d",
        "1.5",
        "15",
        "1",
        "5",
        "mm",
        "5mm",
        "5'",
        '5"',
    ]
)
_TEXTS = st.lists(st.lists(_WORDS, min_size=1, max_size=3).map(" ".join), unique=True, max_size=15)
_COLLAPSE = st.lists(st.sampled_from(KINDS), unique=True).map(tuple)


def _naive(texts: list[str], counts: list[int], duplicates: Duplicates, entries: list[bool]) -> list[int]:
    kept = list(range(len(texts)))
    same = [kind for kind in duplicates.collapse if kind not in ("plural", "spacing")]
    joined = [kind for kind in duplicates.collapse if kind not in ("plural", "word_order")]

    def stays(row: int, kinds: list[str]) -> bool:
        forms = [r for r in kept if duplicate_key(texts[r], *kinds) == duplicate_key(texts[row], *kinds)]
        return entries[row] or row == min(forms, key=lambda r: (not entries[r], -counts[r], r))

    for kinds in [same] * bool(same) + [joined] * ("spacing" in joined):
        kept = [row for row in kept if stays(row, kinds)]
    if "plural" not in duplicates.collapse:
        return kept

    def gives_way(row: int) -> bool:
        key = duplicate_key(texts[row], *duplicates.collapse)
        forms = [r for r in kept if counts[r] > 0 and duplicate_key(texts[r], *duplicates.collapse) == key]
        ahead = min(forms, key=lambda r: (-counts[r], r))
        return ahead != row and counts[ahead] >= duplicates.plural_ratio * counts[row]

    return [row for row in kept if entries[row] or not (counts[row] > 0 and gives_way(row))]


@given(texts=_TEXTS, data=st.data(), collapse=_COLLAPSE, ratio=st.sampled_from([1.0, 2.0, 3.0]))
def test_what_stays(texts: list[str], data: st.DataObject, collapse: tuple[str, ...], ratio: float) -> None:
    counts = [data.draw(st.integers(0, 9)) for _ in texts]
    duplicates = Duplicates(collapse=collapse, plural_ratio=ratio)
    entries = [data.draw(st.booleans()) for _ in texts]

    found = distinct(texts, counts, duplicates.collapse, duplicates.plural_ratio, entries)
    assert found == _naive(texts, counts, duplicates, entries)
    none = [False] * len(texts)
    assert distinct(texts, counts, collapse, ratio) == _naive(texts, counts, duplicates, none)


_NUMBERED = st.text("056.,:/-%'\"x m", min_size=1, max_size=8).map(lambda text: " ".join(text.split()))


@given(one=_NUMBERED, other=_NUMBERED, kinds=_COLLAPSE)
def test_numbers_never_collapse(one: str, other: str, kinds: tuple[str, ...]) -> None:
    """What has one key has the same digits in the same order, and between two of them the same marks or spaces."""
    if duplicate_key(one, *kinds) == duplicate_key(other, *kinds):
        assert _numbers(one) == _numbers(other)


def _numbers(text: str) -> tuple[list[str], list[str]]:
    between = re.findall(r"(?<=\d)[^\dxm]+(?=\d)", text)
    return re.findall(r"\d+", text), ["".join(marks.split()) for marks in between]


@given(text=st.text(max_size=20), kinds=_COLLAPSE)
def test_a_key_is_its_own_key(text: str, kinds: tuple[str, ...]) -> None:
    """Plurals aside: what is left of `ssss` may end in s again."""
    kinds = tuple(kind for kind in kinds if kind != "plural")
    key = duplicate_key(text, *kinds)

    assert duplicate_key(key, *kinds) == key


@given(texts=st.lists(st.one_of(st.text("abesiy x'-é", max_size=8), _WORDS), min_size=2, max_size=6), kinds=_COLLAPSE)
def test_what_is_not_suspected_has_a_key_of_its_own(texts: list[str], kinds: tuple[str, ...]) -> None:
    keys = [duplicate_key(text, *kinds) for text in texts]
    assert all(row in suspects(texts) for row, key in enumerate(keys) if keys.count(key) > 1)
