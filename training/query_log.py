"""The query log: screened, split, and counted by one Ibis expression.

Rows are judged one by one into a Parquet file in the work folder (`log_rows`). What is left is counted by
`count_queries`, which any backend of Ibis runs unchanged: DuckDB here, Spark on a cluster.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lm.errors import InputError
from training.config import HeldOut, QueryLogSource, Screening
from training.log_reader import log_files
from training.log_rows import RowJudge, RowTally, write_rows
from training.progress import Reporter, Task
from training.screening import load_screen

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

_OUTPUTS = ("train.parquet", "train_lm.txt", "validation.txt", "test.txt")
_MEMORY_LIMIT = "1GB"  # of DuckDB, which goes on on disk beyond that
_MIN_ROWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCounts:
    """What a query log held and what became of it.

    Attributes:
        rows: lines read; `submissions` are their counts summed.
        dropped_rows: rows dropped for what they hold, by reason.
        rare_queries: distinct queries dropped because too few users or submissions stand behind them.
        train_queries: distinct queries kept; `train_submissions` are their counts summed.
        validation: held-out rows; so `test`.
        first_time: of the log, in UTC, if it has times; so `last_time`.
    """

    files: int
    rows: int
    submissions: int
    dropped_rows: dict[str, int]
    rare_queries: int
    train_queries: int
    train_submissions: int
    validation: int
    test: int
    first_time: str | None
    last_time: str | None


def write_queries(
    sources: Sequence[QueryLogSource],
    base: Path,
    out_folder: Path,
    *,
    screening: Screening,
    held_out: HeldOut,
    seed: int,
    reporter: Reporter,
) -> QueryCounts:
    """Writes what a query log says: `train.parquet`, `train_lm.txt`, `validation.txt`, `test.txt`.

    `train.parquet` holds `query` and `count`, in byte order of the query, of the queries that pass all
    thresholds; `train_lm.txt` the same ones, each as often as it was submitted, shuffled. The held-out parts
    hold one row of the log a line, whatever its count; which rows depends on seed, file name and line alone.
    Thresholds do not apply to them, and their rows do not count for the thresholds.

    Args:
        base: folder that relative paths start from.
        out_folder: exists; what is in the way there is replaced when all is done.

    Raises:
        InputError: a file cannot be used (names line, byte or column), or nothing passes the screening.
    """
    files = log_files(sources, base)
    screen = load_screen(base / screening.blocked_words if screening.blocked_words else None)
    judge = RowJudge(screening, screen, seed)
    log = files[0][1] if files else base
    with tempfile.TemporaryDirectory(dir=out_folder, prefix="reading-") as work:
        folder = Path(work)
        tally = write_rows(files, base, folder / "rows.parquet", judge=judge, reporter=reporter)
        if tally.kept < _MIN_ROWS:
            raise _nothing_left(log, tally, rare=0)
        with reporter.task("Counting queries", len(_OUTPUTS)) as task, _connect(folder) as connection:
            counter = _Counter(connection, folder, screening, seed)
            parts = counter.write(_shares(tally.kept, held_out), task)
        if not parts["train_queries"]:
            raise _nothing_left(log, tally, rare=parts["rare_queries"])
        for name in _OUTPUTS:
            (folder / name).replace(out_folder / name)
    return QueryCounts(
        files=len(files),
        rows=tally.rows,
        submissions=tally.submissions,
        dropped_rows=dict(sorted(tally.dropped.items())),
        first_time=tally.first_time.isoformat() if tally.first_time else None,
        last_time=tally.last_time.isoformat() if tally.last_time else None,
        **parts,
    )


def count_queries(rows: ir.Table, screening: Screening) -> ir.Table:
    """Queries that pass the thresholds with their counts, in byte order.

    Args:
        rows: `query`, `submissions` and `user`; user is null in rows of logs without users.
    """
    import ibis

    # In two steps, users first: distinct users in one step would not fit in memory on a large log.
    by_user = rows.group_by("query", "user").agg(submissions=rows.submissions.sum())
    by_query = by_user.group_by("query").agg(
        # DuckDB's sum is a 128-bit integer, which Ibis takes for one of 64 bits and would not cast at once
        count=by_user.submissions.sum().cast("decimal(18, 0)").cast("int64"),
        users=by_user.user.count(),
        without_user=by_user.submissions.sum(where=by_user.user.isnull()),
    )
    enough = (by_query.users >= screening.min_users) | (by_query.without_user >= screening.min_count)
    return by_query.filter(enough).select("query", "count").order_by(ibis.asc("query"))


def _shares(rows: int, held_out: HeldOut) -> tuple[int, int]:
    """Rows that validate and rows that test."""

    def share(fraction: float) -> int:
        return max(1, min(held_out.max_queries, int(rows * fraction)))

    return share(held_out.validation_fraction), share(held_out.test_fraction)


@contextmanager
def _connect(folder: Path) -> Iterator[Backend]:
    import ibis

    connection = ibis.duckdb.connect(memory_limit=_MEMORY_LIMIT, temp_directory=str(folder / "spill"))
    try:
        connection.raw_sql("SET enable_progress_bar = false")
        yield connection
    finally:
        connection.disconnect()


class _Counter:
    """Second pass: splits the kept rows by lot, counts what trains, writes the four files."""

    def __init__(self, connection: Backend, folder: Path, screening: Screening, seed: int) -> None:
        self._connection = connection
        self._folder = folder
        self._screening = screening
        self._seed = seed

    def write(self, shares: tuple[int, int], task: Task) -> dict[str, int]:
        """Lowest lots validate, highest test, so that neither part moves to the other when a log grows."""
        import ibis

        rows = self._connection.read_parquet(str(self._folder / "rows.parquet"))
        validation, test = shares
        low = self._write_held_out(rows.order_by(ibis.asc("lot"), "query").limit(validation), "validation.txt")
        task.update(1)
        high = self._write_held_out(rows.order_by(ibis.desc("lot"), "query").limit(test), "test.txt")
        task.update(2)
        train_rows = rows.filter((rows.lot > low) & (rows.lot < high))
        queries, submissions = self._write_train(count_queries(train_rows, self._screening))
        distinct = _number(train_rows.select("query").distinct().count())
        task.update(3)
        self._write_text()
        return {
            "validation": validation,
            "test": test,
            "train_queries": queries,
            "train_submissions": submissions,
            "rare_queries": distinct - queries,
        }

    def _write_held_out(self, part: ir.Table, name: str) -> int:
        """Writes a held-out part; returns its last lot."""
        table = part.select("query", "lot").to_pyarrow()
        lines = "".join(query + "\n" for query in table["query"].to_pylist())
        (self._folder / name).write_text(lines, encoding="utf-8", newline="\n")
        lot: int = table["lot"][-1].as_py()
        return lot

    def _write_train(self, queries: ir.Table) -> tuple[int, int]:
        """Writes `train.parquet`; returns the number of queries and the sum of their counts."""
        path = self._folder / "train.parquet"
        self._connection.to_parquet(queries, path, compression="zstd")
        written = self._connection.read_parquet(str(path))
        return _number(written.count()), _number(written["count"].sum())

    def _write_text(self) -> None:
        """Writes `train_lm.txt`: each query `count` times, in the order of a hash."""
        import ibis
        from pyarrow.parquet import ParquetFile

        queries = self._connection.read_parquet(str(self._folder / "train.parquet"))
        copies = queries.mutate(copy=ibis.range(0, queries["count"], 1)).unnest("copy")
        salted = copies.query + ibis.literal(f"\t{self._seed}\t") + copies.copy.cast("string")
        shuffled = copies.mutate(place=salted.hexdigest("md5")).order_by("place").select("query")
        path = self._folder / "shuffled.parquet"
        self._connection.to_parquet(shuffled, path)
        with (
            ParquetFile(path) as file,
            (self._folder / "train_lm.txt").open("w", encoding="utf-8", newline="\n") as out,
        ):
            for batch in file.iter_batches():
                out.writelines(query + "\n" for query in batch["query"].to_pylist())


def _number(scalar: ir.Scalar) -> int:
    # `execute` would take the way through pandas
    return int(scalar.to_pyarrow().as_py() or 0)


def _nothing_left(log: Path, tally: RowTally, *, rare: int) -> InputError:
    dropped = ", ".join(f"{rows} {reason}" for reason, rows in tally.dropped.most_common()) or "none"
    found = f"of {tally.rows} rows, dropped for what they hold: {dropped}"
    if not rare:
        return InputError(
            log,
            f"too few queries are left to train, tune and measure on ({found}).",
            remedy="Is query_column the right one? See min_length and max_length in [screening].",
        )
    return InputError(
        log,
        f"no query passes the thresholds: {rare} distinct ones have too few users or submissions ({found}).",
        remedy="Lower min_users (logs with users) or min_count (logs without) in [screening], or give more.",
    )
