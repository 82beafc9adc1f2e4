"""What people type is found in titles that are written otherwise, with bounded work on any data."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm.index import words
from lm.index.queries import QueryIndex, WordMatch
from tests.query_indexes import QueryRow, build_query_index

_TEXT = (
    "usb-c cable|t-shirt red|coca-cola zero|nike air zoom running shoes|iphone 15 case|iphone15 pro|mapquest|"
    "map quest of the world|red bull|redbull can|mueller milch|müller joghurt|wf-m5799|3/4 inch|4/3 lens|0.5 mm|"
    "5.0 mm|new york|new new york|wi-fi router|wifi extender|wi fi plug|galaxy s24|東京タワー|京都|"
    "tom & jerry|h and m"
)
_TITLES = _TEXT.split("|")


def _open(folder: Path, counts: dict[str, float]) -> QueryIndex:
    build_query_index(folder, [QueryRow(query, count) for query, count in counts.items()])
    return QueryIndex(folder)


@pytest.fixture(scope="module")
def titles(tmp_path_factory: pytest.TempPathFactory) -> QueryIndex:
    return _open(tmp_path_factory.mktemp("titles"), {title: 99 - place for place, title in enumerate(_TITLES)})


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("usb c", "usb-c cable"),
        ("t shirt", "t-shirt red"),
        ("tshirt", "t-shirt red"),
        ("coca cola ", "coca-cola zero"),
        ("shoes nik", "nike air zoom running shoes"),
        ("shoes nik ", ""),
        ("iphone15", "iphone 15 case|iphone15 pro"),
        ("iphone 15 ", "iphone 15 case|iphone15 pro"),
        ("map quest", "mapquest|map quest of the world"),
        ("mapquest ", "mapquest|map quest of the world"),
        ("redb", "redbull can"),
        ("redbu", "red bull|redbull can"),
        ("the red bull ", "red bull|redbull can"),
        ("müller", "mueller milch|müller joghurt"),
        ("mueller", "mueller milch|müller joghurt"),
        ("m5799", "wf-m5799"),
        ("wfm5799 ", "wf-m5799"),
        ("3/4", "3/4 inch"),
        ("4/3", "4/3 lens"),
        ("34", ""),
        ("05", ""),
        ("5.0", "5.0 mm"),
        ("new new", "new new york"),
        ("wi-fi", "wi-fi router|wifi extender|wi fi plug"),
        ("wifi ", "wi-fi router|wifi extender|wi fi plug"),
        ("galaxys24", "galaxy s24"),
        ("京タ", "東京タワー"),
        ("京東", ""),
        ("tom and jerry", "tom & jerry"),
        ("tom and", "tom & jerry"),
        ("h&m", "h and m"),
        ("the s24 ", "galaxy s24"),
        ("galaxy a 24", ""),
        ("!?", ""),
        ("", ""),
        (" ", ""),
        ("\u0301" * 256, ""),
        ("a " * 128, ""),
    ],
)
def test_titles_are_found_however_they_are_typed(titles: QueryIndex, typed: str, found: str) -> None:
    assert "|".join(match.text for match in titles.word_matches(typed, 10)) == found


@pytest.mark.parametrize(
    ("typed", "match"),
    [
        ("coca cola", ("coca-cola zero", True, True, 1, False, 0)),
        ("nike run", ("nike air zoom running shoes", False, True, 3, False, 0)),
        ("case iphone", ("iphone 15 case", False, False, 1, False, 0)),
        ("cocacola", ("coca-cola zero", True, True, 1, True, 0)),
        ("galaxy s 24", ("galaxy s24", True, True, 0, False, 0)),
        ("the galaxy s", ("galaxy s24", True, True, 1, False, 1)),
    ],
)
def test_how_the_words_stand_is_said(
    titles: QueryIndex, typed: str, match: tuple[str, bool, bool, int, bool, int]
) -> None:
    assert titles.word_matches(typed, 1) == [WordMatch(match[0], 99 - _TITLES.index(match[0]), *match[1:])]


def test_an_unfinished_word_is_no_stop_word_while_some_word_begins_so(tmp_path: Path) -> None:
    index = _open(tmp_path, {"old lamp": 9, "red lamp deluxe": 5, "blue lamp": 3})
    found = {typed: [match.text for match in index.word_matches(typed, 10)] for typed in ("lamp del", "lamp del ")}
    assert found == {"lamp del": ["red lamp deluxe"], "lamp del ": ["old lamp", "red lamp deluxe", "blue lamp"]}


def test_entries_without_a_word_and_an_empty_index_are_searched(tmp_path: Path) -> None:
    assert _open(tmp_path, {}).word_matches("a", 5) == []
    index = _open(tmp_path, {"!?": 3, "b": 2, "'": 1})
    assert [match.text for match in index.word_matches("b", 5)] == ["b"]
    assert index.word_matches("!", 5) == index.word_matches("c", 5) == []


def test_weights_keep_their_order_up_to_two_to_the_53rd(tmp_path: Path) -> None:
    numbers = [(7919 * place) % 400 for place in range(400)]
    index = _open(tmp_path, {f"item {number:03d} x": 2.0**53 - number for number in numbers})
    expected = [f"item {number:03d} x" for number in range(50)]

    assert [text for text, _ in index.completions("item", 50)[0]] == expected
    assert [match.text for match in index.word_matches("x item", 50)] == expected


_SHARED = {
    "all of two words": "acme widget {}",
    "no one of both": "{0:b}",
    "a prefix of all": "ab{} abc",
    "one word again and again": "a a a a a a a a a a a a a a a a a a a a a a a a b{}",
}


@pytest.fixture(scope="module", params=_SHARED)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> QueryIndex:
    title = _SHARED[request.param]
    made = [title.format(number) for number in range(30_000)]
    if request.param == "no one of both":
        made = [f"{'odd' if number % 2 else 'even'} {number}" for number in range(30_000)]
    return _open(
        tmp_path_factory.mktemp("shared"), {text: 1 + 7919 * place % 30_000 for place, text in enumerate(made)}
    )


@pytest.mark.parametrize("most", [2_000, words.MOST_STEPS])
def test_work_is_bounded_whatever_the_data(shared: QueryIndex, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MOST_STEPS", most)
    usual = ["a", "ab", "acme w", "widget acme ", "odd even ", "even odd", "odd e", "abc ab", "a a a a a b", "b1 a a"]
    wide = ["a " * 32, "a " * 31 + "b", "b " + "a " * 31, "a-" * 31 + "c"]
    for typed in usual + wide:
        found, steps = shared._words.find(typed, 20)
        assert steps <= most + 20 * 2_500
        assert [each.rank for each in found] == sorted({each.rank for each in found})
