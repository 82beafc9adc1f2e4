"""Which queries are near-duplicates, and which are not."""

from __future__ import annotations

import pytest

from lm.bundle.manifest import Duplicates
from lm.text.duplicates import KINDS, distinct, duplicate_key


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("accents", "são paulo", "sao paulo"),
        ("accents", "crème brûlée", "creme brulee"),
        ("punctuation", "lowe's", "lowes"),
        ("punctuation", "new-york", "new york"),
        ("punctuation", "what is dna?", "what is dna"),
        ("punctuation", "「日本」", "日本"),
        ("plural", "red shoes", "red shoe"),
        ("plural", "bakeries", "bakery"),
        ("plural", "boxes", "box"),
        ("plural", "dresses", "dress"),
        ("plural", "houses", "house"),
        ("word_order", "hotel paris", "paris hotel"),
    ],
)
def test_one_kind_makes_them_equal(kind: str, one: str, other: str) -> None:
    assert duplicate_key(one, kind) == duplicate_key(other, kind)
    rest = [each for each in KINDS if each != kind]
    assert duplicate_key(one, *rest) != duplicate_key(other, *rest)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("c++", "c#"),
        ("c", "c#"),
        ("gas", "ga"),
        ("business", "busines"),
        ("virus", "viru"),
        ("мой", "мои"),
        ("が", "か"),
        ("की", "का"),
        ("?", "!"),
        ("한국", "한구"),
        ("new york", "new yorker"),
    ],
)
def test_others_stay_apart(one: str, other: str) -> None:
    assert duplicate_key(one, *KINDS) != duplicate_key(other, *KINDS)


def test_a_plural_gives_way_only_to_what_is_far_more_popular() -> None:
    texts, duplicates = ["red shoes", "red shoe", "red shoes sale"], Duplicates(plural_ratio=3.0)

    assert _distinct(texts, [9, 3, 1], duplicates) == [0, 2]
    assert _distinct(texts, [8, 3, 1], duplicates) == [0, 1, 2]
    assert _distinct(texts, [3, 9, 1], duplicates) == [1, 2]
    assert _distinct(texts, [9, 0, 1], duplicates) == [0, 1, 2]  # generated: the log says nothing of its popularity
    assert _distinct(texts, [9, 3, 1], Duplicates(collapse=("accents",))) == [0, 1, 2]


def test_the_most_popular_form_stays_wherever_it_stands() -> None:
    assert _distinct(["lowes", "lowe's", "lowes'"], [2, 5, 5], Duplicates()) == [1]
    assert _distinct(["cafe", "café"], [0, 0], Duplicates()) == [0]
    assert _distinct([], [], Duplicates()) == []


def _distinct(texts: list[str], counts: list[float], duplicates: Duplicates) -> list[int]:
    return distinct(texts, counts, duplicates.collapse, duplicates.plural_ratio)
