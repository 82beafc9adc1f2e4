"""From counted queries in Parquet to the query index, as arrays: no object a query, so that millions pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lm.arrays import pack_offsets
from lm.index.queries import SparseTexts, save_query_index
from lm.kernels.strings import SortedStrings

if TYPE_CHECKING:
    import pyarrow


def index_queries(parquet: Path, folder: Path) -> int:
    """Writes the index of distinct normalised queries; returns how many there are.

    Args:
        parquet: `query` in byte order, `count`, optionally `recent` (see `training.data.counting`)
            and, each optional and null in most rows, `display`, the text to display, and `payload`.
        folder: exists.
    """
    recent = _column(parquet, "recent")
    return save_query_index(
        folder,
        _strings(_column(parquet, "query")),
        _column(parquet, "count").to_numpy().astype(np.float64),
        _sparse(_column(parquet, "display")),
        _sparse(_column(parquet, "payload")),
        recent.to_numpy().astype(np.float64) if len(recent) else None,
    )


def read_counts(parquet: Path) -> Iterator[tuple[str, float]]:
    """The queries with their counts."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(parquet) as file:
        for batch in file.iter_batches(columns=["query", "count"]):
            yield from zip(batch["query"].to_pylist(), batch["count"].to_pylist(), strict=True)


def _column(parquet: Path, name: str) -> pyarrow.ChunkedArray:
    """A column; empty where there is none of this name."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    with ParquetFile(parquet) as file:
        there = name in file.schema_arrow.names
        return file.read(columns=[name])[name] if there else pyarrow.chunked_array([], pyarrow.string())


def _sparse(column: pyarrow.ChunkedArray) -> SparseTexts:
    """The texts of a column that is null in most rows, with the positions of their rows."""
    return SparseTexts(np.flatnonzero(column.is_valid()).astype(np.uint32), _strings(column.drop_null()))


def _strings(column: pyarrow.ChunkedArray) -> SortedStrings:
    import pyarrow

    texts = column.cast(pyarrow.large_binary()).combine_chunks()
    _, offset_buffer, blob = texts.buffers()
    offsets = np.frombuffer(offset_buffer or b"\0" * 8, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return SortedStrings(np.frombuffer(blob or b"", np.uint8)[offsets[0] : offsets[-1]], pack_offsets(np.diff(offsets)))
