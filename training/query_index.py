"""From counted queries in Parquet to the query index, as arrays: no object a query, so that millions pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lm.arrays import pack_offsets
from lm.index.queries import SparseTexts, save_query_index
from lm.kernels.strings import SortedStrings

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_BATCH_ROWS = 1 << 17
_COLUMNS = ("query", "count", "recent", "display", "payload")


def index_queries(parquet: Path, folder: Path) -> int:
    """Writes the index of distinct normalised queries; returns how many there are.

    Args:
        parquet: `query` in byte order, `count`, optionally `recent` (see `training.data.counting`)
            and, each optional and null in most rows, `display`, the text to display, and `payload`.
        folder: exists.
    """
    from pyarrow.parquet import ParquetFile

    queries, displays, payloads = _Texts(), _Texts(), _Texts()
    counts, recent = [np.empty(0, np.float32)], [np.empty(0, np.float64)]
    with ParquetFile(parquet) as file:
        has_recent = "recent" in file.schema_arrow.names
        for batch in _batches(file):
            counts.append(batch["count"].to_numpy(zero_copy_only=False).astype(np.float32))
            if has_recent:
                recent.append(batch["recent"].to_numpy(zero_copy_only=False).astype(np.float64))
            for name, texts in (("query", queries), ("display", displays), ("payload", payloads)):
                texts.add(batch[name] if name in batch.schema.names else None, batch.num_rows)
    return save_query_index(
        folder,
        queries.strings(),
        np.concatenate(counts),
        displays.sparse(),
        payloads.sparse(),
        np.concatenate(recent) if has_recent else None,
    )


def read_counts(parquet: Path) -> Iterator[tuple[str, float]]:
    """The queries with their counts."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(parquet) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=["query", "count"]):
            yield from zip(batch["query"].to_pylist(), batch["count"].to_pylist(), strict=True)


def _batches(file: ParquetFile) -> Iterator[Any]:
    there = [name for name in _COLUMNS if name in file.schema_arrow.names]
    return file.iter_batches(batch_size=_BATCH_ROWS, columns=there)  # type: ignore[no-any-return]


class _Texts:
    """A column of text as it is read: bytes and lengths of the rows that are not null, and which these are."""

    def __init__(self) -> None:
        self._rows = 0
        self._positions: list[NDArray[np.uint32]] = [np.empty(0, np.uint32)]
        self._lengths: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        self._blobs: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)]

    def add(self, column: Any, rows: int) -> None:
        """The next rows; `column` is None where the table has none."""
        import pyarrow

        if column is not None and column.null_count < rows:
            if column.null_count:
                there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
                self._positions.append((there + self._rows).astype(np.uint32))
            else:
                self._positions.append(np.arange(self._rows, self._rows + rows, dtype=np.uint32))
            texts = column.drop_null().cast(pyarrow.large_binary())
            _, offset_buffer, blob = texts.buffers()
            offsets = np.frombuffer(offset_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
            self._lengths.append(np.diff(offsets))
            self._blobs.append(np.frombuffer(blob, np.uint8)[offsets[0] : offsets[-1]])
        self._rows += rows

    def strings(self) -> SortedStrings:
        """All texts."""
        blob = np.concatenate(self._blobs)
        self._blobs = []
        return SortedStrings(blob, pack_offsets(np.concatenate(self._lengths)))

    def sparse(self) -> SparseTexts:
        """All texts, with the positions of their rows."""
        return SparseTexts(np.concatenate(self._positions), self.strings())
