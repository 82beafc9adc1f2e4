"""Query indexes of a few rows, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lm.arrays import sorted_strings
from lm.index.queries import save_query_index
from lm.index.shown import Shown, ShownForms


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A query; one with a payload or with `forms` is an entry of a catalogue."""

    query: str
    count: float
    display: str | None = None
    payload: str | None = None
    recent: float | None = None
    forms: tuple[Shown, ...] = ()


def build_query_index(folder: Path, rows: Iterable[QueryRow]) -> int:
    """Writes an index of distinct normalised queries, in any order; returns how many there are."""
    ordered = sorted(rows, key=lambda row: row.query.encode())
    timed = any(row.recent is not None for row in ordered)
    return save_query_index(
        folder,
        sorted_strings([row.query.encode() for row in ordered]),
        np.array([row.count for row in ordered], np.float64),
        _shown(ordered),
        np.array([row.recent or 0.0 for row in ordered]) if timed else None,
    )


def _shown(rows: Sequence[QueryRow]) -> ShownForms:
    forms = [
        (position, form, bool(row.forms or row.payload))
        for position, row in enumerate(rows)
        for form in row.forms or [Shown(row.display or "", row.payload or "", 1.0)] * bool(row.display or row.payload)
    ]
    several = any(len(row.forms) > 1 for row in rows)
    return ShownForms(
        np.array([position for position, _, _ in forms], np.uint32),
        sorted_strings([form.display.encode() for _, form, _ in forms]),
        sorted_strings([form.payload.encode() for _, form, _ in forms]),
        np.array([form.share for _, form, _ in forms] if several else [], np.float64),
        np.array([entered for _, _, entered in forms], bool),
    )
