"""From counted queries in Parquet to the query index, as arrays: no object a query, so that millions pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lm.arrays import pack_offsets
from lm.index.queries import save_query_index
from lm.index.shown import ShownForms
from lm.index.tags import TagLists
from lm.kernels.strings import SortedStrings

if TYPE_CHECKING:
    import pyarrow


def index_queries(parquet: Path, folder: Path) -> int:
    """Writes the index of distinct normalised queries; returns how many there are.

    Args:
        parquet: `query` in byte order, `count`, optionally `recent` (see `training.data.counting`)
            and, each optional, `display`, the text to display, null in most rows, and `forms`, of the entries of a
            catalogue (see `lm.index.shown`): a list of `display`, `payload`, `share` and, optional, `tags`, null for
            all other queries.
        folder: exists.
    """
    recent = _column(parquet, "recent")
    shown, tags = _shown(_column(parquet, "display"), _column(parquet, "forms"))
    return save_query_index(
        folder,
        _strings(_column(parquet, "query")),
        _column(parquet, "count").to_numpy().astype(np.float64),
        shown,
        recent.to_numpy().astype(np.float64) if len(recent) else None,
        tags,
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


def _shown(displays: pyarrow.ChunkedArray, forms: pyarrow.ChunkedArray) -> tuple[ShownForms, TagLists | None]:
    """Of the log's queries the text that is displayed, of entries all forms, and the tags of these."""
    import pyarrow
    import pyarrow.compute

    logged, entered = np.flatnonzero(displays.is_valid()), np.flatnonzero(forms.is_valid())
    texts, payloads = [displays.drop_null()], [pyarrow.nulls(len(logged), pyarrow.string())]
    shares, sizes, tags = [np.ones(len(logged))], np.zeros(0, np.int64), None
    if len(entered):
        lists = forms.drop_null().combine_chunks()
        sizes = pyarrow.compute.list_value_length(lists).to_numpy()
        each = lists.flatten()
        texts.append(each.field("display"))
        payloads.append(each.field("payload"))
        shares.append(each.field("share").to_numpy())
        tags = each.field("tags") if "tags" in each.type.names else None
    positions = np.concatenate([logged, np.repeat(entered, sizes)])
    order = np.argsort(positions, kind="stable")

    def ordered(parts: Sequence[pyarrow.Array | pyarrow.ChunkedArray]) -> SortedStrings:
        chunks = [chunk for part in parts for chunk in getattr(part, "chunks", [part])]
        return _strings(pyarrow.chunked_array(chunks, pyarrow.string()).fill_null("").take(order))

    shown = ShownForms(
        positions[order].astype(np.uint32),
        ordered(texts),
        ordered(payloads),
        np.concatenate(shares)[order] if (sizes > 1).any() else np.zeros(0),
        (np.arange(len(positions)) >= len(logged))[order],
    )
    return shown, None if tags is None else _tag_lists(tags, np.argsort(order)[len(logged) :])


def _tag_lists(tags: pyarrow.Array, rows: NDArray[np.int64]) -> TagLists | None:
    """The forms that carry each tag.

    Args:
        tags: of each form of an entry, a list, and `rows`, where it stands among all forms.
    """
    import pyarrow.compute

    each = tags.flatten().dictionary_encode()
    if not len(each):
        return None
    names = each.dictionary.to_pylist()
    in_order = sorted(range(len(names)), key=lambda number: names[number].encode())
    numbers = np.argsort(in_order)[each.indices.to_numpy()]
    rows = np.repeat(rows, pyarrow.compute.list_value_length(tags).to_numpy())
    order = np.lexsort((rows, numbers))
    starts = np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=len(names)))])
    return TagLists([names[number] for number in in_order], starts, rows[order].astype(np.uint32))


def _strings(column: pyarrow.ChunkedArray) -> SortedStrings:
    import pyarrow

    texts = column.cast(pyarrow.large_binary()).combine_chunks()
    _, offset_buffer, blob = texts.buffers()
    offsets = np.frombuffer(offset_buffer or b"\0" * 8, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return SortedStrings(np.frombuffer(blob or b"", np.uint8)[offsets[0] : offsets[-1]], pack_offsets(np.diff(offsets)))
