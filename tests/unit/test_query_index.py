"""An index built from Parquet is the one built from the same rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from lm.errors import BundleDamagedError
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
    assert index.shown(["c"]) == [(("c", "", 1.0, False),)]
    assert index.entry_count == 0
    assert index.recency_at(index.positions(["c"])) is None
    assert not (tmp_path / "recency.npy").exists()


def test_the_least_weight_is_above_that_of_what_is_not_there(tmp_path: Path) -> None:
    build_query_index(tmp_path, [QueryRow("a b", 1e-50), QueryRow("a c", 2e-50), QueryRow("a d", 1.0)])
    index = QueryIndex(tmp_path)

    assert [text for text, _ in index.completions("a", 5)[0]] == ["a d", "a c", "a b"]
    assert index.count("a b") > 0.0


_DAMAGES: dict[str, Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]] = {
    "all ones": lambda data, _: np.full_like(data, 255),
    "all zeros": lambda data, _: np.zeros_like(data),
    "any bytes": lambda data, drawn: drawn.integers(0, 256, len(data), np.uint8),
    "some bytes": lambda data, drawn: np.where(drawn.random(len(data)) < 0.1, drawn.integers(0, 256), data),
    "half of it": lambda data, _: data[: len(data) // 8 * 4],
    "nothing": lambda data, _: data[:0],
}


@pytest.mark.parametrize("damage", _DAMAGES)
@pytest.mark.parametrize("name", ["heads", "maxima", "starts", "lists", "forward_starts", "forward"])
def test_damaged_words_are_refused_or_find_other_queries(tmp_path: Path, name: str, damage: str) -> None:
    build_query_index(tmp_path, _ROWS)
    path = tmp_path / f"words.{name}.npy"
    array = np.load(path)
    drawn = np.random.default_rng(1)
    for _ in range(5):
        damaged = _DAMAGES[damage](array.view(np.uint8), drawn).astype(np.uint8)
        np.save(path, damaged[: len(damaged) // array.itemsize * array.itemsize].view(array.dtype))
        try:
            index = QueryIndex(tmp_path)
        except BundleDamagedError:
            continue
        for typed in ("tree", "nusse 1", "tree w", "0", "1 nu", "00 ", "walnuttree"):
            index.word_matches(typed, 20)
