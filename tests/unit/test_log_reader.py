"""A log's rows are the same in every format, and a field that cannot be read is named."""

from __future__ import annotations

import gzip
import lzma
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from pyarrow.parquet import write_table

from lm.errors import InputError
from training.config_log import QueryLogSource
from training.data.log_reader import read_log


@pytest.mark.parametrize("name", ["log.tsv", "log.tsv.gz", "log.csv.xz", "log.csv.zst", "log.parquet"])
def test_all_formats_say_the_same(tmp_path: Path, name: str) -> None:
    table = {"id": [7, 8], "query": ['say "hi", you', "two"], "n": [3, 4], "who": ["ann", None], "hits": [0, None]}
    if name.startswith("log.tsv"):
        data = b'id\tquery\tn\twho\thits\n7\tsay "hi", you\t3\tann\t0\n8\ttwo\t4\t\t\n'
    else:
        data = b'\xef\xbb\xbfid,"query",n,who,hits\r\n7,"say ""hi"", you",3,ann,0\r\n8,two,4,,\r\n'
    match name.rsplit(".", 1)[1]:
        case "gz":
            data = gzip.compress(data)
        case "xz":
            data = lzma.compress(data)
        case "zst":
            data = pyarrow.compress(data, codec="zstd", asbytes=True)
        case "parquet":
            write_table(pyarrow.table(table), tmp_path / name)
    if not name.endswith("parquet"):
        (tmp_path / name).write_bytes(data)
    source = QueryLogSource(path=name, count_column="n", user_column="who", hits_column="hits")
    rows = [row[1:] for row in read_log(source, tmp_path / name)]
    assert rows == [('say "hi", you', 3, None, "ann", None, False), ("two", 4, None, "", None, None)]
    assert len(list(read_log(source.model_copy(update={"max_lines": 1}), tmp_path / name))) == 1


def test_parquet_times_and_fractions(tmp_path: Path) -> None:
    times = pyarrow.array([1_141_197_432_000_000_001], pyarrow.timestamp("ns"))
    table = pyarrow.table({"query": ["one"], "count": [2.0], "time": times, "user": [5]})
    write_table(table, tmp_path / "log.parquet")
    source = QueryLogSource(path="log.parquet", count_column="count", time_column="time", user_column="user")
    assert list(read_log(source, tmp_path / "log.parquet")) == [
        (1, "one", 2, datetime(2006, 3, 1, 7, 17, 12, tzinfo=UTC).timestamp(), "5", None, None)
    ]


def test_a_parquet_query_that_is_no_text(tmp_path: Path) -> None:
    write_table(pyarrow.table({"query": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="the column `query` holds BIGINT, not text"):
        list(read_log(QueryLogSource(path="a.parquet"), tmp_path / "a.parquet"))


def read_table(folder: Path, text: str, **fields: str) -> list[tuple[int, float | None]]:
    (folder / "log.tsv").write_text(text, encoding="utf-8")
    source = QueryLogSource.model_validate({"path": "log.tsv", **fields})
    return [(row.submissions, row.time_s) for row in read_log(source, folder / "log.tsv")]


@pytest.mark.parametrize("count", ["43", " 43 ", "43.0", "43.", "43.000", "+43", "4.3E1", "4.3e+01", "\u0664\u0663"])
def test_counts_as_tables_write_them(tmp_path: Path, count: str) -> None:
    assert read_table(tmp_path, f"query\tn\none\t{count}\n", count_column="n") == [(43, None)]


@pytest.mark.parametrize("count", ["43.5", "1_0", "4e", "0x10", "nan", "inf", "1e-3", "-", "--3", "1e999", "many"])
def test_what_is_no_count(tmp_path: Path, count: str) -> None:
    with pytest.raises(InputError, match="line 2: the count"):
        read_table(tmp_path, f"query\tn\none\t{count}\n", count_column="n")


@pytest.mark.parametrize(
    ("count", "number"),
    [
        ("8,000", 8000),
        ("8 000", 8000),
        ("1.234.567", 1_234_567),
        ("1,234,567", 1_234_567),
        ("8'000", 8000),
        ("8\u202f000", 8000),
        ("8,000.00", 8000),
    ],
)
def test_counts_in_groups_of_three_digits(tmp_path: Path, count: str, number: int) -> None:
    assert read_table(tmp_path, f"query\tn\none\t{count}\n", count_column="n") == [(number, None)]


@pytest.mark.parametrize("count", ["8,00", "1,234 567", "1.234", "1.234,5", ",000"])
def test_what_is_no_group(tmp_path: Path, count: str) -> None:
    with pytest.raises(InputError, match=r"is no whole number\. (Write it without separators|Mend)"):
        read_table(tmp_path, f"query\tn\none\t{count}\n", count_column="n")


def test_where_commas_are_decimal_points_group(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("query;n\none;1.234\ntwo;8.000\nthree;12\nfour;7,0\n")
    source = QueryLogSource(path="a.csv", count_column="n")
    assert [row.submissions for row in read_log(source, tmp_path / "a.csv")] == [1234, 8000, 12, 7]


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        (pyarrow.array([43], pyarrow.int8()), True),
        (pyarrow.array([43], pyarrow.uint64()), True),
        (pyarrow.array([43.0], pyarrow.float32()), True),
        (pyarrow.array([43]).dictionary_encode(), True),
        (pyarrow.array(["43.0"]), True),
        (pyarrow.array([Decimal("43.00")]), True),
        (pyarrow.array([Decimal(43)], pyarrow.decimal256(50, 0)), True),
        (pyarrow.array([Decimal("43.50")]), False),
        (pyarrow.array([2**63], pyarrow.uint64()), False),
        *((pyarrow.array([count]), False) for count in (-1, 1.5, None, float("nan"))),
    ],
)
def test_counts_as_parquet_stores_them(tmp_path: Path, values: pyarrow.Array, fits: bool) -> None:
    write_table(pyarrow.table({"query": ["one"], "n": values}), tmp_path / "a.parquet")
    rows = read_log(QueryLogSource(path="a.parquet", count_column="n"), tmp_path / "a.parquet")
    if fits:
        assert next(rows).submissions == 43
    else:
        with pytest.raises(InputError, match=r"a\.parquet, line 1: the count"):
            next(rows)


@pytest.mark.parametrize(
    "time",
    [
        "2024-01-01 10:00:00 UTC",
        "20240101100000",
        "240101100000",
        "1704103200",
        "1704103200000",
        "1704103200000000",
        "1704103200000000000",
        "2024-01-01 10:00:00.000000 UTC",
        "2024-01-01 10:00:00 utc",
        "2024-01-01 10:00:00 GMT",
        "2024-01-01 10:00:00UTC",
        "2024-01-01T10:00:00 Z",
        "2024-01-01T10:00:00Z",
        "2024-01-01 10:00:00+00",
        "2024-01-01 12:00:00 +0200",
        "2024-01-01 08:00:00.000 -02:00",
        "2024-01-01 10:00:00 +0000 UTC",
        "20240101T100000",
        "1704103200.0",
        "1.7041032E9",
        "1.7041032E12",
    ],
)
def test_times_as_databases_export_them(tmp_path: Path, time: str) -> None:
    expected = datetime(2024, 1, 1, 10, tzinfo=UTC).timestamp()
    assert read_table(tmp_path, f"query\tt\none\t{time}\n", time_column="t") == [(1, expected)]


def test_a_date_is_midnight_in_utc(tmp_path: Path) -> None:
    expected = [(1, datetime(2024, 1, 1, tzinfo=UTC).timestamp())] * 3
    assert (
        read_table(tmp_path, "query\tt\na\t2024-01-01\nb\t20240101\nc\t2024-01-01 UTC\n", time_column="t") == expected
    )


@pytest.mark.parametrize(
    "time", ["", "UTC", "2024-01-01 10:00:00 PST", "10:00 UTC", "2024-13-01 10:00:00 UTC", "-1704103200"]
)
def test_what_is_no_time(tmp_path: Path, time: str) -> None:
    with pytest.raises(InputError, match=r"line 2: the time .* cannot be read"):
        read_table(tmp_path, f"query\tt\none\t{time}\n", time_column="t")
