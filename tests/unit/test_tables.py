"""Tables come out as they were written, and what is broken costs no more than its own row."""

from __future__ import annotations

import csv
import io
import itertools
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import write_table

from lm.errors import InputError
from training.data.sources import BadRows
from training.data.tables import read_columns, read_parquet

FIELD = st.text(st.sampled_from('ab ,"\n\t\u00e9'), max_size=6)


def read(path: Path, *columns: str) -> tuple[list[tuple[int, list[Any]]], dict[str, int]]:
    bad = BadRows(stop=False)
    return list(read_columns(path, columns, bad.report)), dict(bad.counts)


def test_an_open_quote_costs_its_row_alone(tmp_path: Path) -> None:
    good = [f"query {number},{number}" for number in range(20_000)]
    lines = ["query,n", *good[:10_000], '"to be or not to be,3', *good[10_000:]]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    rows, bad = read(tmp_path / "log.csv", "query", "n")
    assert [fields for _, fields in rows] == [line.split(",") for line in good]
    assert [line for line, _ in rows] == [*range(2, 10_002), *range(10_003, 20_003)]
    assert bad == {"not_csv": 1}
    with pytest.raises(InputError, match="line 10002: no proper CSV: a quote is not closed"):
        list(read_columns(tmp_path / "log.csv", ["query"]))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("broken", "lost"),
    [
        ('"open', 1),  # at the end of the file too
        ('"open,3', 1),
        ('one,"open', 1),
        ('"closed" too early,3', 1),
        ('"open,3\n"open,4', 2),
        ('"open,3\nfive,5\n"quoted, well",6', 1),
        ('"open,3\nfive,5\nsix"six,6', 1),
        ('"open,3\nfive,5\nsix",6,7', 2),
    ],
)
def test_rows_after_a_broken_one_are_read(tmp_path: Path, broken: str, lost: int, end: str) -> None:
    lines = ["query,n", "first,1", *broken.split("\n"), "last,9"]
    for text in (lines, lines[:-1]):
        (tmp_path / "log.csv").write_bytes(end.join(text).encode())
        rows, bad = read(tmp_path / "log.csv", "query", "n")
        assert rows[0] == (2, ["first", "1"])
        assert sum(bad.values()) == lost
        assert len(rows) == len(text) - 1 - lost
    assert read(tmp_path / "log.csv", "query", "n")[0][-1][0] <= len(lines) - 1


def test_line_ends_of_both_kinds_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(b'\xef\xbb\xbfquery,n\r\none,1\n"two\nlines",2\r\n\r\nthree,3\n5" nail,4')
    assert read(tmp_path / "log.csv", "n", "query") == (
        [(2, ["1", "one"]), (3, ["2", "two\nlines"]), (6, ["3", "three"]), (7, ["4", '5" nail'])],
        {},
    )


@settings(deadline=None)
@given(st.lists(st.tuples(FIELD, FIELD), max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_whatever_is_written_as_csv_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], end: str, all_quoted: bool
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = io.StringIO(newline="")
    style = csv.excel if not all_quoted else csv.unix_dialect
    csv.writer(text, style, lineterminator=end).writerows([("query", "n"), *rows])
    path.write_bytes(text.getvalue().encode())
    found, bad = read(path, "query", "n")
    assert [tuple(fields) for _, fields in found] == rows
    assert not bad
    lines = [2 + sum(field.count("\n") for row in rows[:place] for field in row) for place in range(len(rows))]
    assert [line for line, _ in found] == list(itertools.starmap(int.__add__, enumerate(lines)))


@pytest.mark.parametrize(
    "texts",
    [
        pyarrow.array(["one", None, "one"]),
        pyarrow.array(["one", None, "one"], pyarrow.large_string()),
        pyarrow.array(["one", None, "one"], pyarrow.string_view()),
        pyarrow.array(["one", None, "one"], pyarrow.binary()),
        pyarrow.array(["one", None, "one"], pyarrow.large_binary()),
        pyarrow.array(["one", None, "one"]).dictionary_encode(),
        pyarrow.array(["one", None, "one"], pyarrow.large_string()).dictionary_encode(),
    ],
    ids=lambda texts: str(texts.type)[:30],
)
def test_any_kind_of_text_in_parquet(tmp_path: Path, texts: pyarrow.Array) -> None:
    write_table(pyarrow.table({"query": texts}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", "query")[0] == [(1, ["one"]), (2, [None]), (3, ["one"])]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pyarrow.array([Decimal(43)], pyarrow.decimal128(38, 0)), Decimal(43)),
        (pyarrow.array([43], pyarrow.uint64()), 43),
        (pyarrow.array([43], pyarrow.int8()).dictionary_encode(), 43),
        (pyarrow.array([date(2024, 1, 1)], pyarrow.date32()), datetime(2024, 1, 1)),
        (pyarrow.array([1_704_067_200], pyarrow.timestamp("s")), datetime(2024, 1, 1)),
        (pyarrow.array([1_704_067_200_000_000_001], pyarrow.timestamp("ns")), datetime(2024, 1, 1)),
        (pyarrow.array([1_704_067_200_000], pyarrow.timestamp("ms", "Europe/Berlin")), datetime(2024, 1, 1)),
        (pyarrow.array([1_704_067_200_000_000_000], pyarrow.timestamp("ns", "+05:00")), datetime(2024, 1, 1)),
        (pyarrow.array([2**62], pyarrow.timestamp("us")), datetime(9999, 12, 31)),  # the latest that Python knows
        (pyarrow.array([{"a": [1]}]), {"a": [1]}),
        (pyarrow.array([b"\xff"]), b"\xff"),
    ],
    ids=lambda value: str(getattr(value, "type", ""))[:30],
)
def test_values_of_parquet_come_as_plain_ones(tmp_path: Path, values: pyarrow.Array, expected: object) -> None:
    folder = tmp_path / "a [b] *" / "query=two"  # a path is no pattern, and says nothing about columns
    folder.mkdir(parents=True)
    write_table(pyarrow.table({"query": ["one"], 'the "value"': values}), folder / "a.parquet")
    assert list(read_parquet(folder / "a.parquet", ["query", 'the "value"'])) == [["one", expected]]


def test_bytes_that_are_no_text_in_parquet(tmp_path: Path) -> None:
    write_table(pyarrow.table({"query": [b"\xff"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: .*") as caught:
        list(read_parquet(tmp_path / "a.parquet", ["query"]))
    assert caught.value.remedy
