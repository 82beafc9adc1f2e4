"""Phrases are found as a naive search finds them, and words are those of `near_words`."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from lm.text.folding import near_words
from service.live.denied import Denied
from service.live.deny_list import DenyEntry, Operator
from service.live.phrases import spellings

words = st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=5)


def same(one: list[str], other: list[str]) -> bool:
    """Whether words are equal, joined or apart."""
    borders = [set(itertools.accumulate(map(len, each))) for each in (one, other)]
    return "".join(one) == "".join(other) and (borders[0] <= borders[1] or borders[1] <= borders[0])


def contains(text: list[str], phrase: list[str]) -> bool:
    return any(same(text[i:j], phrase) for i, j in itertools.combinations(range(len(text) + 1), 2))


@given(st.lists(st.tuples(st.booleans(), words), max_size=8), st.lists(st.integers(0, 7), max_size=4), words)
def test_phrases_are_found_as_a_naive_search_finds_them(
    denied: list[tuple[bool, list[str]]], removed: list[int], text: list[str]
) -> None:
    entries = [
        DenyEntry(operator=Operator.EXACT if exact else Operator.CONTAINS, phrase=" ".join(phrase), created_s=1.0)
        for exact, phrase in denied
    ]
    gone = {entries[place].key for place in removed if place < len(entries)}
    overlay = Denied().with_changes([(entry, True) for entry in entries])
    overlay = overlay.with_changes([(entry, False) for entry in entries if entry.key in gone])
    expected = any(
        (same if exact else contains)(text, phrase)
        for (exact, phrase), entry in zip(denied, entries, strict=True)
        if entry.key not in gone
    )
    assert overlay.view("m").blocks(" ".join(text)) is expected


@given(st.text("ab1'+#- .Q", max_size=20) | st.text(max_size=12))
def test_words_are_those_of_near_words(text: str) -> None:
    plain = [word.replace("'", "") for word in spellings(text)[0]]
    assert plain == [word.forms[0].replace("'", "") for word in near_words(text)]
