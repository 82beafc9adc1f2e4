"""A log's rows are the same in every format, and a field that cannot be read is named."""

from __future__ import annotations

import gzip
import lzma
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pytest
import zstandard
from pyarrow.parquet import write_table

from lm.errors import InputError
from training.config_log import QueryLogSource
from training.data.log_reader import read_log


@pytest.mark.parametrize("name", ["log.tsv", "log.tsv.gz", "log.csv.xz", "log.csv.zst", "log.parquet"])
def test_all_formats_say_the_same(tmp_path: Path, name: str) -> None:
    table = {"id": [7, 8], "query": ['say "hi", you', "two"], "n": [3, 4], "who": ["ann", None]}
    if name.startswith("log.tsv"):
        data = b'id\tquery\tn\twho\n7\tsay "hi", you\t3\tann\n8\ttwo\t4\t\n'
    else:
        data = b'\xef\xbb\xbfid,"query",n,who\r\n7,"say ""hi"", you",3,ann\r\n8,two,4,\r\n'
    match name.rsplit(".", 1)[1]:
        case "gz":
            data = gzip.compress(data)
        case "xz":
            data = lzma.compress(data)
        case "zst":
            data = zstandard.compress(data)
        case "parquet":
            write_table(pyarrow.table(table), tmp_path / name)
    if not name.endswith("parquet"):
        (tmp_path / name).write_bytes(data)
    source = QueryLogSource(path=name, count_column="n", user_column="who")
    rows = [row[1:] for row in read_log(source, tmp_path / name)]
    assert rows == [('say "hi", you', 3, None, "ann", None), ("two", 4, None, "", None)]
    assert len(list(read_log(source.model_copy(update={"max_lines": 1}), tmp_path / name))) == 1


def test_parquet_times_and_fractions(tmp_path: Path) -> None:
    times = pyarrow.array([1_141_197_432_000_000_001], pyarrow.timestamp("ns"))
    table = pyarrow.table({"query": ["one"], "count": [2.0], "time": times, "user": [5]})
    write_table(table, tmp_path / "log.parquet")
    source = QueryLogSource(path="log.parquet", count_column="count", time_column="time", user_column="user")
    assert list(read_log(source, tmp_path / "log.parquet")) == [
        (1, "one", 2, datetime(2006, 3, 1, 7, 17, 12, tzinfo=UTC).timestamp(), "5", None)
    ]


def test_a_quoted_csv_field_may_hold_a_line_break(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text('query,n\n"two\nlines",1\n\nthree,x\n')
    source = QueryLogSource(path="log.csv", count_column="n")
    with pytest.raises(InputError, match="line 5: the count 'x' is no whole number"):
        list(read_log(source, tmp_path / "log.csv"))


@pytest.mark.parametrize("count", [-1, 1.5, None, float("nan")])
def test_bad_counts_of_parquet(tmp_path: Path, count: float | None) -> None:
    write_table(pyarrow.table({"query": ["one", "two"], "n": [1, count]}), tmp_path / "a.parquet")
    source = QueryLogSource(path="a.parquet", count_column="n")
    with pytest.raises(InputError, match=r"a\.parquet, line 2: the count"):
        list(read_log(source, tmp_path / "a.parquet"))


def test_a_parquet_query_that_is_no_text(tmp_path: Path) -> None:
    write_table(pyarrow.table({"query": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="the column `query` holds int64, not text"):
        list(read_log(QueryLogSource(path="a.parquet"), tmp_path / "a.parquet"))
