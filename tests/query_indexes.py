"""Query indexes of a few rows, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lm.arrays import sorted_strings
from lm.index.queries import SparseTexts, save_query_index


@dataclass(frozen=True, slots=True)
class QueryRow:
    query: str
    count: float
    display: str | None = None
    payload: str | None = None
    recent: float | None = None


def build_query_index(folder: Path, rows: Iterable[QueryRow]) -> int:
    """Writes an index of distinct normalised queries, in any order; returns how many there are."""
    ordered = sorted(rows, key=lambda row: row.query.encode())
    timed = any(row.recent is not None for row in ordered)
    return save_query_index(
        folder,
        sorted_strings([row.query.encode() for row in ordered]),
        np.array([row.count for row in ordered], np.float64),
        _sparse([row.display for row in ordered]),
        _sparse([row.payload for row in ordered]),
        np.array([row.recent or 0.0 for row in ordered]) if timed else None,
    )


def _sparse(texts: Sequence[str | None]) -> SparseTexts:
    there = [(position, text.encode()) for position, text in enumerate(texts) if text is not None]
    positions = np.array([position for position, _ in there], np.uint32)
    return SparseTexts(positions, sorted_strings([text for _, text in there]))
