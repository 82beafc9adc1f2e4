"""The query index gives what counting through all queries gives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lm.errors import BundleDamagedError
from lm.index.queries import QueryIndex
from lm.index.shown import MOST_FORMS, Shown
from lm.text.hangul import typed_prefixes
from tests.query_indexes import QueryRow, build_query_index

_COUNTS = {"new york": 50, "new york times": 50, "new": 7, "news": 90, "nüsse": 3, "weather": 20, "日本": 4}


def _index(folder: Path, counts: dict[str, int]) -> QueryIndex:
    rows = [QueryRow(query, count) for query, count in counts.items()]
    assert build_query_index(folder, rows) == len(counts)
    return QueryIndex(folder)


def _naive(counts: dict[str, int], prefix: str, k: int) -> tuple[list[tuple[str, float]], float]:
    matching = [(query, count) for query, count in counts.items() if query.startswith(prefix)]
    best = sorted(matching, key=lambda row: (-row[1], row[0].encode()))[:k]
    return [(query, float(count)) for query, count in best], float(sum(count for _, count in matching))


@pytest.mark.parametrize("prefix", ["", "n", "new", "new ", "new york", "nü", "日", "zebra", "newsx"])
@pytest.mark.parametrize("k", [0, 1, 3, 100])
def test_completions(tmp_path: Path, prefix: str, k: int) -> None:
    assert _index(tmp_path, _COUNTS).completions(prefix, k) == _naive(_COUNTS, prefix, k)


def test_completions_of_many_queries_with_many_ties(tmp_path: Path) -> None:
    chance = random.Random(3)
    counts = {"".join(chance.choices("abc ü", k=chance.randint(1, 9))): chance.randint(1, 12) for _ in range(6000)}
    index = _index(tmp_path, counts)

    for prefix in ["", "a", "ab", "abc", "ü", " b", "cc", "aaaaaaaaaa"]:
        for k in (1, 10, 300):
            assert index.completions(prefix, k) == _naive(counts, prefix, k)


@pytest.mark.parametrize("typed", ["ㅎ", "하", "한", "한국", "고", "닭", "장바ㄱ", "ㅋㅋ", "ㅋ", "맛집 ㅅ", "ㅃ"])
@pytest.mark.parametrize("k", [1, 3, 100])
def test_hangul_in_the_making_completes_in_all_its_ways(tmp_path: Path, typed: str, k: int) -> None:
    texts = "한국 하나 하늘 한강 하다 히 힣 고기 과자 괴물 달걀 닭 닭갈비 장바구니 장바ㄱ 장박 ㅋㅋ ㅋㅋㅋ 카카오 맛집"
    counts = {text: 1 + 7 * number % 5 for number, text in enumerate([*texts.split(), "맛집 서울", "맛집 ㅅ"])}
    matching = {
        text: count for text, count in counts.items() if any(each.begins(text) for each in typed_prefixes(typed))
    }

    assert _index(tmp_path, counts).completions(typed, k) == _naive(matching, "", k)


def test_counts(tmp_path: Path) -> None:
    index = _index(tmp_path, _COUNTS)

    assert len(index) == len(_COUNTS)
    assert {query: index.count(query) for query in _COUNTS} == _COUNTS
    assert index.count("new yor") == index.count("") == 0.0


def test_texts_to_display_and_payloads_are_those_given(tmp_path: Path) -> None:
    rows = [
        QueryRow("iphone 15", 4, "iPhone 15", '{"sku": 7}'),
        QueryRow("nüsse", 3, "Nüsse"),
        QueryRow("apple", 2, payload="fruit"),
        QueryRow("zebra", 1),
    ]
    assert build_query_index(tmp_path, rows) == 4
    index = QueryIndex(tmp_path)

    for row in rows:
        assert index.shown([row.query]) == [((row.display or row.query, row.payload or "", 1.0, bool(row.payload)),)]
    assert index.shown(["iphone", "zzz"]) == [(("iphone", "", 1.0, False),), (("zzz", "", 1.0, False),)]
    assert index.entries_at(index.positions(["apple", "nüsse", "zebra", "zzz"])).tolist() == [True, False, False, False]
    assert index.entry_count == 2
    assert index.total == 10


def test_a_query_may_have_several_forms(tmp_path: Path) -> None:
    forms = (Shown("iPhone 15", "new", 0.75), Shown("", "used", 0.25))
    many = tuple(Shown("Gift card", f"{number}", 1 / 1000) for number in range(1000))
    rows = [QueryRow("apple", 2, "Apple"), QueryRow("gift card", 9, forms=many), QueryRow("iphone 15", 4, forms=forms)]
    build_query_index(tmp_path, rows)
    index = QueryIndex(tmp_path)

    assert index.entry_count == 2
    found = index.shown(["iphone 15", "zzz", "apple", "gift card"])
    assert found[0] == (("iPhone 15", "new", 0.75, True), ("iphone 15", "used", 0.25, True))
    assert found[1:3] == [(("zzz", "", 1.0, False),), (("Apple", "", 1.0, False),)]
    assert found[3] == tuple(form._replace(entry=True) for form in many[:MOST_FORMS])  # bounded work


def test_an_empty_index_completes_nothing(tmp_path: Path) -> None:
    index = _index(tmp_path, {})

    assert len(index) == 0
    assert index.completions("a", 5) == index.completions("", 5) == ([], 0.0)
    assert index.word_matches("a", 5) == []
    assert index.count("a") == 0.0


def test_a_file_of_another_type_is_damage(tmp_path: Path) -> None:
    _index(tmp_path, _COUNTS)
    (tmp_path / "counts.npy").write_bytes((tmp_path / "sums.npy").read_bytes())

    with pytest.raises(BundleDamagedError, match=r"counts\.npy: holds float64, not float32"):
        QueryIndex(tmp_path)
