"""Which rows of a query log are held out, to tune and to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lm.errors import ConfigError
from training.config import TrainingConfig
from training.data.counting import DAY_S, KEPT
from training.data.engines import Engine
from training.data.log_rows import RowTally

if TYPE_CHECKING:
    import ibis.expr.types as ir

MIN_ROWS = 3
_LATE_HALF_LIVES = 2
_LEAST_LATE = 1000
_LATE_SHARE = 0.1
"""Each part takes at most this share of the late rows, for the index lacks what is held out."""


def among(place: ir.Value, ranges: Sequence[tuple[int, int]]) -> ir.Value:
    """Whether a place is in one of the half-open ranges."""
    import ibis

    return ibis.or_(*((place >= low) & (place < high) for low, high in ranges))


def hold_out(
    engine: Engine, rows: ir.Table, folder: Path, config: TrainingConfig, tally: RowTally
) -> tuple[ir.Table, dict[str, int]]:
    """Writes `validation.txt` and `test.txt` of judged rows; returns all others, and the number of rows in each part.

    The lowest lots validate and the highest test, so that no row moves from one part to the other when a log grows.
    Where the log has times, only late rows are drawn, if there are enough: they are most like what will be typed, and
    only they show what it means that a query was submitted lately.

    Raises:
        ConfigError: the logs to draw from have too few rows.
    """
    import ibis

    held_out = config.held_out
    drawn = rows.fate == KEPT
    if held_out.query_log is not None:
        drawn &= among(rows.place, tally.places[held_out.query_log])
    late = drawn & _is_late(rows, config.counting.recent_half_life_days, tally.last_time_s)
    (numbers,) = engine.fetch(rows.agg(rows=drawn.sum(), late=late.sum())).to_pylist()
    kept, late_rows = int(numbers["rows"] or 0), int(numbers["late"] or 0)
    if kept < MIN_ROWS:
        raise ConfigError(
            f"held_out.query_log: the logs named {held_out.query_log!r} have {kept} rows that can be held out.",
            remedy="Name a larger one, or leave the field out.",
        )
    most = held_out.max_queries
    if _LEAST_LATE <= late_rows < kept:
        drawn, most = late, min(most, int(late_rows * _LATE_SHARE))

    def share(fraction: float) -> int:
        return max(1, min(most, int(kept * fraction)))

    sizes = {"validation": share(held_out.validation_fraction), "test": share(held_out.test_fraction)}
    fair = rows.filter(drawn)
    lowest = fair.order_by(ibis.asc("lot"), "query").limit(sizes["validation"])
    low = _write(engine, lowest, folder / "validation.txt")
    high = _write(engine, fair.order_by(ibis.desc("lot"), "query").limit(sizes["test"]), folder / "test.txt")
    return rows.filter(~drawn | ((rows.lot > low) & (rows.lot < high))), sizes


def _is_late(rows: ir.Table, half_life_days: float | None, latest_s: float | None) -> ir.Value:
    """Whether a row is from the last days of the log; a row without a time may be."""
    import ibis

    if half_life_days is None or latest_s is None:
        return ibis.literal(True)
    return rows.time_s.fill_null(latest_s) > latest_s - _LATE_HALF_LIVES * half_life_days * DAY_S


def _write(engine: Engine, part: ir.Table, path: Path) -> int:
    """Writes a held-out part; returns its last lot."""
    table = engine.fetch(part.select("query", "lot"))
    lines = "".join(query + "\n" for query in table["query"].to_pylist())
    path.write_text(lines, encoding="utf-8", newline="\n")
    lot: int = table["lot"][-1].as_py()
    return lot
