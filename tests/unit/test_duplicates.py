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
        ("word_order", "iphone 15 case", "case iphone 15"),
        ("word_order", "5 mm drill", "drill 5 mm"),
        ("punctuation", "covid-19", "covid 19"),
        ("punctuation", "10 % off", "10% off"),
        ("punctuation", "3 / 4 inch", "3/4 inch"),
        ("punctuation", "the 80's", "the 80s"),
        ("punctuation", '"route 66"', "route 66"),
        ("punctuation", "what is 10?", "what is 10"),
        ("punctuation", "room (10)", "room 10"),
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
        ("drill bit 0.5 mm", "drill bit 5.0 mm"),
        ("cable 6' black", 'cable 6" black'),
        ("cable 6 ' black", 'cable 6 " black'),
        ("john 3:16", "john 16:3"),
        ("3/4 inch", "4/3 inch"),
        ("1/2 inch", "12 inch"),
        ("10% off", "10 off"),
        ("-5 degrees", "5 degrees"),
        (".5 mm", "5 mm"),
        ("5, 6", "5,6"),
        ("1 23", "12 3"),
        ("5* hotel", "5 hotel"),
        ("bolt m 3", "bolt 3 m"),
        ("5 mm 10 cm", "5 cm 10 mm"),
        ("2 pack 500 ml", "500 pack 2 ml"),
        ("3-4", "3 4"),
        ("10:30", "10.30"),
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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("map quest", "mapquest"),
        ("wi-fi", "wifi"),
        ("wi fi", "wi-fi"),
        ("5mm drill", "5 mm drill"),
        ("café au lait", "cafeaulait"),
    ],
)
def test_words_that_are_joined_are_one_query(one: str, other: str) -> None:
    assert _distinct([one, other], [9, 500], Duplicates()) == [1]
    assert _distinct([one, other], [500, 9], Duplicates()) == [0]
    assert _distinct([one, other], [500, 9], Duplicates(collapse=("plural",))) == [0, 1]


@pytest.mark.parametrize(("one", "other"), [("1 23", "12 3"), ("5 .5", "5.5"), ("2 4", "24"), ("red bull", "bullred")])
def test_others_stay_apart_however_they_are_spaced(one: str, other: str) -> None:
    assert _distinct([one, other], [9, 500], Duplicates()) == [0, 1]


def test_entries_of_a_catalogue_all_stay() -> None:
    texts, counts = ["red-shoe", "red shoe", "shoe red", "redshoe"], [1, 2, 900, 900]
    every = distinct(texts, counts, Duplicates().collapse, 3.0, [True, True, False, False])
    assert every == [0, 1]  # other forms of an entry give way to it, however popular
    assert distinct(texts, counts, Duplicates().collapse, 3.0, [False, False, True, True]) == [2, 3]


def _distinct(texts: list[str], counts: list[float], duplicates: Duplicates) -> list[int]:
    return distinct(texts, counts, duplicates.collapse, duplicates.plural_ratio)
