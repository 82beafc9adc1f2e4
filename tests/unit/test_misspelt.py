"""Which queries of a log misspell a far more popular one, and that they count as it."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from lm.index.never_generated import hash_query
from training.data.misspelt import mend_counts, misspelt_queries
from training.job import read_lines_of

_LOG = {
    "wireless headphones": 900,
    "wireless headpphones": 6,
    "headphones": 500,
    "haedphones": 4,
    "headphnes": 3,
    "headphones case": 80,
    "wireless headpphones case": 4,
    "wireless headphones case": 90,
}


@pytest.mark.parametrize(
    ("rare", "popular"),
    [
        ("wireless headpphones", "wireless headphones"),  # a letter twice
        ("baluetooth speaker", None),  # another letter too many
        ("recieve sms", "receive sms"),  # two letters in each other's place
        ("accomodation", "accommodation"),  # one of two
        ("restaurnt near me", "restaurant near me"),  # one left out
        ("математка", "математика"),
    ],
)
def test_misspelt_queries_are_found(rare: str, popular: str | None) -> None:
    log = {rare: 3, popular or "bluetooth speaker": 100, "other query": 9}

    assert misspelt_queries(list(log), list(log.values()), 20) == ({rare: popular} if popular else {})


@pytest.mark.parametrize(
    ("rare", "popular"),
    [
        ("bath", "math"),
        ("lord focus", "ford focus"),
        ("shirts men", "shorts men"),  # another letter in place of the right one
        ("red shoe", "red shoes"),
        ("shoes", "shoe"),
        ("boxes", "box"),
        ("table samsung", "tablet samsung"),  # a word that goes on
        ("cafés paris", "cafes paris"),
        ("model 12344", "model 1234"),
        ("iphone15 case", "iphone155 case"),
    ],
)
def test_other_words_stay(rare: str, popular: str) -> None:
    log = {rare: 3, popular: 900, "other query": 9}

    assert misspelt_queries(list(log), list(log.values()), 20) == {}


def test_query_and_word_must_be_far_rarer() -> None:
    for rare in (5, 6):
        log = {"recieve sms": rare, "receive sms": 100}
        assert bool(misspelt_queries(list(log), list(log.values()), 20)) == (rare == 5)
    log = {"recieve sms": 2, "receive sms": 100, "recieve mail": 50, "receive mail": 900}
    assert misspelt_queries(list(log), list(log.values()), 20) == {}  # the word itself is not rare enough


def test_a_word_that_mostly_stands_elsewhere_is_a_word() -> None:
    log = {"free trail": 3, "free trial": 400, "trail": 4, "trail shoes": 5, "trial lawyer": 90}

    assert misspelt_queries(list(log), list(log.values()), 20) == {}


def test_what_is_misspelt_counts_as_what_was_meant(tmp_path: Path) -> None:
    rows = sorted(_LOG)
    counts, recent = [float(_LOG[row]) for row in rows], [_LOG[row] / 2 for row in rows]
    table = {"query": rows, "count": counts, "display": [None] * len(rows), "recent": recent}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "train.parquet")
    withheld = pyarrow.table({"hash": pyarrow.array([7], pyarrow.uint64())})
    pyarrow.parquet.write_table(withheld, tmp_path / "withheld.parquet")
    (tmp_path / "train_lm.txt").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")

    misspelt = mend_counts(tmp_path, "withheld.parquet", tmp_path.glob("train_lm*.txt"), 20)

    right = {
        "wireless headphones": 906.0,
        "headphones": 507.0,
        "headphones case": 80.0,
        "wireless headphones case": 94.0,
    }
    found = pyarrow.parquet.read_table(tmp_path / "train.parquet").to_pydict()
    assert dict(zip(found["query"], found["count"], strict=True)) == right
    assert found["query"] == sorted(right)
    assert found["recent"] == [right[query] / 2 for query in sorted(right)]
    hashes = pyarrow.parquet.read_table(tmp_path / "withheld.parquet")["hash"].to_pylist()
    assert set(hashes) == {7, *map(hash_query, misspelt)}
    assert read_lines_of(tmp_path / "train_lm.txt") == [misspelt.get(row, row) for row in rows]
    assert [path.name for path in tmp_path.glob("*.mended")] == []


@pytest.mark.parametrize(
    ("rare", "popular"), [("angel", "angle"), ("mousse", "mouse"), ("metre", "meter"), ("trial", "trail")]
)
def test_what_may_be_a_word_needs_a_query_of_several_words(rare: str, popular: str) -> None:
    assert not misspelt_queries([rare, popular], [10, 1000], 20)
    log = {rare: 3, f"{rare} shop": 2, popular: 1000, f"{popular} shop": 400}
    assert misspelt_queries(list(log), list(log.values()), 20) == {rare: popular, f"{rare} shop": f"{popular} shop"}
