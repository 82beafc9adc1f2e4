"""The table of asks, and how other engines are asked."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from benchmarks.command import Skipped
from benchmarks.matching import rivals
from benchmarks.matching.__main__ import grade, shares, wrong
from benchmarks.matching.asks import Ask, Shown, Table, fault, read_tables
from lm.errors import InputError
from training.progress import SilentReporter

TABLE = """
source = "catalogue"
entries = [["a", 9, "Tea-Pot"], ["b", 5, "Tea Cup"], ["c", 4, "Tea Cup"]]
[asks]
prefixes = [{ typed = "tea", first = "Tea-Pot", also = ["b", "c"] }, { typed = "cup t", first = "b" }]
joined = [{ typed = "teapot", first = "Tea-Pot" }]
"""
SHOWN = [Shown("Tea-Pot", "a"), Shown("Tea Cup", "b")]


def _tables(folder: Path, text: str = TABLE) -> list[Table]:
    (folder / "tea.toml").write_text(text, encoding="utf-8")
    return read_tables(folder)


def test_the_table_has_enough_asks_in_enough_scripts() -> None:
    asks = [ask for table in read_tables() for _, ask in table.all_asks()]
    letters = {letter for ask in asks for letter in ask.typed if letter.isalpha()}
    scripts = {unicodedata.name(letter).split()[0] for letter in letters} - {"FULLWIDTH", "HALFWIDTH", "MODIFIER"}
    assert len(asks) >= 150
    assert len(scripts) >= 15


def test_a_kind_of_asks_has_several() -> None:
    kinds: dict[str, int] = {}
    for table in read_tables():
        for kind, _ in table.all_asks():
            kinds[kind] = kinds.get(kind, 0) + 1
    assert min(kinds.values()) >= 5


def test_no_ask_stands_twice_in_a_table() -> None:
    for table in read_tables():
        typed = [ask.typed for _, ask in table.all_asks()]
        assert len(set(typed)) == len(typed), table.name


@pytest.mark.parametrize(
    ("ask", "problem"),
    [
        (Ask(typed="t", first="a"), ""),
        (Ask(typed="t", first="Tea-Pot", also=("b",)), ""),
        (Ask(typed="t", first="b"), "at place 2"),
        (Ask(typed="t", first="b", within=2), ""),
        (Ask(typed="t", first="c"), "not found"),
        (Ask(typed="t", first="a", also=("b", "c")), "without c"),
        (Ask(typed="t", first="a", never=("Tea Cup",)), "with Tea Cup"),
    ],
)
def test_a_list_is_judged(ask: Ask, problem: str) -> None:
    assert fault(ask, SHOWN) == problem


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('first = "b"', 'first = "Tea Cup"', "not one entry is 'Tea Cup'"),
        ('["c", 4', '["b", 4', "two entries have one id"),
        ("typed = ", "type = ", "asks.prefixes.0"),
        ('"catalogue"', '"shop"', "source"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, was: str, now: str, said: str) -> None:
    with pytest.raises(InputError, match=r"tea\.toml") as error:
        _tables(tmp_path, TABLE.replace(was, now, 1))
    assert said in str(error.value)


def test_another_engine_answers_in_a_process_of_its_own(tmp_path: Path) -> None:
    tables = _tables(tmp_path) * 2
    lists = rivals.rivals(SilentReporter())["SQLite FTS5"](tables)
    assert [[item.id for item in shown] for shown in lists[1]] == [["a", "b", "c"], ["b", "c"], []]
    graded = {"SQLite FTS5": grade(tables, lists)}
    assert shares(graded)[2:] == ["| prefixes | 4 | 100% |", "| joined | 2 | 0% |", "| all | 6 | 67% |"]
    assert wrong("it", graded["SQLite FTS5"])[:2] == [
        "Wrong of it: 2 of 6",
        "- joined, tea: `teapot` for Tea-Pot: not found (nothing)",
    ]


def test_an_engine_that_cannot_be_had_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Skipped, match="no java"):
        rivals.rivals(SilentReporter())["Lucene infix"](_tables(tmp_path))


def test_an_engine_that_fails_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "_PROGRAMS", tmp_path)
    with pytest.raises(Skipped, match=r"python_engines\.py"):
        rivals.rivals(SilentReporter())["SQLite FTS5"](_tables(tmp_path))
