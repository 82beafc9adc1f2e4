"""An index built from Parquet is the one built from the same rows."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from lm.index.queries import QueryIndex
from lm.index.shown import Shown
from tests.query_indexes import QueryRow, build_query_index
from training.query_index import index_queries

_ROWS = [
    QueryRow(
        f"{'nüsse' if number % 3 else 'walnut tree'} {number:03d}",
        1 + number % 7,
        display=None if number % 2 else f"{number} Nüsse",
        forms=(Shown("", f"{number}", 0.75), Shown(f"{number}.", "", 0.25))[: number % 2 + number % 3]
        if number % 2
        else (),
        recent=number / 40,
    )
    for number in range(300)
]


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_equal_rows_give_equal_files(tmp_path: Path) -> None:
    rows = sorted(_ROWS, key=lambda row: row.query.encode())
    table = pyarrow.table(
        {
            "query": [row.query for row in rows],
            "count": [row.count for row in rows],
            "recent": [row.recent for row in rows],
            "display": [row.display for row in rows],
            "forms": [[form._asdict() for form in row.forms] or None for row in rows],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=70)
    for name in ("rows", "parquet"):
        (tmp_path / name).mkdir()

    assert index_queries(tmp_path / "rows.parquet", tmp_path / "parquet") == len(rows)
    build_query_index(tmp_path / "rows", _ROWS)

    assert _contents(tmp_path / "parquet") == _contents(tmp_path / "rows")


def test_recency_is_found_by_query(tmp_path: Path) -> None:
    build_query_index(tmp_path, _ROWS)
    index = QueryIndex(tmp_path)
    positions = index.positions(["walnut tree 240", "in no log", "nüsse 001"])
    found = index.recency_at(positions)
    assert (positions < 0).tolist() == [False, True, False]
    assert found == pytest.approx([math.log(7.0), 0.0, math.log(1 + 1 / 40)], rel=1e-3)
    recency = tmp_path / "recency.npy"
    assert recency.stat().st_size < 2 * len(_ROWS) + 129

    recency.unlink()
    assert QueryIndex(tmp_path).recency_at(positions) is None


def test_columns_without_a_text_may_be_left_out(tmp_path: Path) -> None:
    table = pyarrow.table({"query": ["a b", "c"], "count": [1, 2]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")

    assert index_queries(tmp_path / "rows.parquet", tmp_path) == 2
    index = QueryIndex(tmp_path)
    assert index.completions("", 5) == ([("c", 2.0), ("a b", 1.0)], 3.0)
    assert index.shown(["c"]) == [(("c", "", 1.0),)]
    assert index.entry_count == 0
    assert index.recency_at(index.positions(["c"])) is None
    assert not (tmp_path / "recency.npy").exists()
