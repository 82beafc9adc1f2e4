"""The query log: screened, split, and counted.

Rows are judged one by one into a Parquet file in the work folder (`log_rows`). What is left is counted by the
expression of `counting`, which an engine runs: DuckDB here, Spark on a cluster.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lm.errors import InputError
from training.config import TrainingConfig
from training.data.counting import (
    FINDS_NOTHING,
    HALF_TYPED,
    KEPT,
    REPEAT,
    ROBOT,
    count_queries,
    displays,
    has_recent,
    judge_queries,
    judge_rows,
    model_thresholds,
    total,
    withheld_hashes,
)
from training.data.engines import Engine, EngineName, open_engine
from training.data.held_out import MIN_ROWS, among, hold_out
from training.data.log_reader import log_files
from training.data.log_rows import UNKNOWN, RowTally, write_rows
from training.data.sources import leave_out_empty
from training.progress import Reporter, Task

if TYPE_CHECKING:
    import ibis.expr.types as ir

WITHHELD_FILE = "withheld.parquet"
HISTORIES_FILE = "histories.parquet"
_HISTORY_USERS, _HISTORY_ROWS = 2000, 50_000
"""Users whose submissions are kept in their order, and the largest number of these."""


def text_file(log: str | None = None) -> str:
    """The file with the text that is learnt from all query logs, or from those of one name."""
    return f"train_lm.{log}.txt" if log else "train_lm.txt"


_LINES_A_QUERY = 50
"""A log whose counts say so has at most this many lines a query, or as many lines as rows if these are more."""
_STEPS = 100
_MUCH = 0.5
"""A larger share of the queries that are too rare is worth a warning."""
_OUTPUTS = ("train.parquet", text_file(), "validation.txt", "test.txt", WITHHELD_FILE, HISTORIES_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCounts:
    """What a query log held and what became of it.

    Attributes:
        rows: all rows read; `submissions` is the sum of their counts, without bad rows.
        bad_rows: rows dropped because they cannot be used, by kind.
        dropped_rows: rows dropped for what their query holds, by reason.
        robots: users dropped as robots; `robot_rows` are their rows.
        repeated_rows: rows dropped because the same user submitted the query again.
        half_typed_rows: rows dropped because the same user, or session, went on within the word;
            `half_typed_queries`: distinct queries dropped because a longer one is far more frequent.
        finds_nothing_rows: rows dropped because their query found nothing at last.
        rare_queries: distinct queries with too few users or submissions for the index.
        train_queries: distinct queries of the index; `train_submissions` is how often they were submitted,
            without what is held out.
        model_queries: distinct queries that the language models learn; `model_submissions` are their lines.
        withheld_queries: distinct queries that the log holds and the index does not; they are not generated either.
        validation, test: held-out submissions.
        first_time, last_time: of the log, in UTC, if it has times.
    """

    files: int
    rows: int
    submissions: int
    bad_rows: dict[str, int]
    dropped_rows: dict[str, int]
    robots: int
    robot_rows: int
    repeated_rows: int
    half_typed_rows: int
    half_typed_queries: int
    finds_nothing_rows: int
    rare_queries: int
    train_queries: int
    train_submissions: int
    model_queries: int
    model_submissions: int
    withheld_queries: int
    validation: int
    test: int
    first_time: str | None
    last_time: str | None

    def summary(self, config: TrainingConfig) -> str:
        """What became of the log, and why, in a few sentences for the person who waits."""
        dropped = {**self.bad_rows, **self.dropped_rows, "by robots": self.robot_rows}
        dropped |= {"repeated": self.repeated_rows, "half-typed": self.half_typed_rows}
        dropped |= {"finding nothing": self.finds_nothing_rows}
        reasons = ", ".join(f"{rows:,} {reason.replace('_', ' ')}" for reason, rows in dropped.items() if rows)
        return (
            f"Query log: {self.rows:,} rows (dropped: {reasons or 'none'}); {self.train_queries:,} queries in the "
            f"index, {self.model_queries:,} for the language models; half-typed: {self.half_typed_queries:,}, "
            f"too rare: {self._rare(config)}"
        )

    def _rare(self, config: TrainingConfig) -> str:
        """How many queries are too rare, how large a share that is, by which setting, and what to do."""
        if not self.rare_queries:
            return "0"
        share = self.rare_queries / (self.rare_queries + self.train_queries + self.half_typed_queries)
        with_users = [source.user_column is not None for source in config.query_log]
        screening = config.screening
        settings = [f"min_users = {screening.min_users}"] if any(with_users) else []
        settings += [f"min_count = {screening.min_count}"] if not all(with_users) else []
        names = " or ".join(setting.split()[0] for setting in settings)
        much = (
            " Most queries are too rare: give a longer log," if share > _MUCH else " To index more, give a longer log"
        )
        return (
            f"{self.rare_queries:,} ({share:.0%} of the distinct queries; [screening] {', '.join(settings)})."
            f"{much} or set {names} lower if rare queries hold nothing private."
        )


def write_queries(
    config: TrainingConfig,
    base: Path,
    out_folder: Path,
    *,
    now: datetime,
    reporter: Reporter,
    engine: EngineName = "duckdb",
) -> QueryCounts:
    """Writes what a query log says. Thresholds do not apply to held-out submissions.

    - `train.parquet`: the queries that pass all thresholds of the index, in byte order, as `query`, `count` (float)
      and `display` (of `training.data.counting.displays`, mostly null); where the log has times, also `recent` (float).
    - `train_lm.txt`: the queries that pass the models' thresholds, shuffled, each as often as it counts from the
      threshold on (once if it just passes), rounded. Where counts would make far more lines than the log has rows or
      queries, each as often as a power of that below 1.
    - `train_lm.NAME.txt`: the lines of `train_lm.txt` as often as the logs of that name hold them.
    - `validation.txt`, `test.txt`: one submission a line. Which ones depends on the seed, the queries and how often
      they were submitted, and on the times where there are any: see `counting.recent_half_life_days`.
    - `histories.parquet`: what some users submitted, each in order, as `user`, `time_s` and `query`; no rows where the
      log lacks users or times.
    - `withheld.parquet`: `hash` (uint64, of `lm.index.never_generated`) of the queries that the log holds and the index
      does not.

    Args:
        out_folder: exists; files of these names there are replaced when all is done.
        now: the clock; rows of later times are bad.

    Raises:
        InputError: a file cannot be used (names line, byte or column), or nothing passes the screening.
        ConfigError: there is too little in the logs that held-out queries are drawn from.
        MissingToolError: the engine is not installed.
    """
    files = leave_out_empty(log_files(config.query_log, base), reporter)
    with tempfile.TemporaryDirectory(dir=out_folder, prefix="reading-") as work:
        folder = Path(work)
        with open_engine(engine, folder) as running:  # first: what it lacks must not show after hours of reading
            tally = write_rows(config, files, base, folder, now.timestamp(), reporter)
            names = {source.name for source in config.query_log if source.name}
            tally.places = {name: tally.places.get(name, []) for name in names}  # the files of a name may all be empty
            counter = _Counter(running, folder, config, tally)
            with reporter.task("Counting queries", len(_OUTPUTS)) as task:
                parts = counter.write(task)
        if parts is None or not parts["train_queries"]:
            raise _nothing_left(files[0][1] if files else base, tally, rare=parts["rare_queries"] if parts else 0)
        for name in [*_OUTPUTS, *map(text_file, tally.places)]:
            (folder / name).replace(out_folder / name)
    return QueryCounts(
        files=len(files),
        rows=tally.rows,
        submissions=tally.submissions,
        bad_rows=dict(sorted(tally.bad.items())),
        dropped_rows=dict(sorted(tally.dropped.items())),
        first_time=_utc(tally.first_time_s),
        last_time=_utc(tally.last_time_s),
        **parts,
    )


@dataclass(frozen=True, slots=True)
class _Counter:
    """Second pass: judges the rows together, holds some out, counts the others, writes the files."""

    engine: Engine
    folder: Path
    config: TrainingConfig
    tally: RowTally

    def write(self, task: Task) -> dict[str, int] | None:
        """Writes all files and returns counts; None if too few rows are left for that."""
        counting, latest_s = self.config.counting, self.tally.last_time_s
        if self.tally.kept < MIN_ROWS:
            return None
        rows = self.engine.keep(judge_rows(self.engine.read(self.folder / "rows.parquet"), counting))
        (self.folder / "rows.parquet").unlink()
        counts = self._count_fates(rows)
        kept = counts.pop("kept_rows")
        if kept < MIN_ROWS:
            return None
        self._write_histories(rows)
        task.update(1)
        training, sizes = hold_out(self.engine, rows, self.folder, self.config, self.tally)
        task.update(2)
        fair = training.filter(training.fate == KEPT)
        counted = count_queries(fair, counting, latest_s)
        queries = self.engine.keep(judge_queries(self.engine.keep(counted), self.config.screening, counting))
        numbers = ["count", "recent"] if has_recent(counting, latest_s) else ["count"]
        indexed = queries.filter(queries.indexed).select("query", *numbers)
        indexed = indexed.left_join(displays(fair), "query")
        indexed = indexed.select("query", *numbers, "display").order_by("query")
        self.engine.write(indexed, self.folder / "train.parquet")
        task.update(3)
        withheld = self._write_withheld(training, queries)
        task.update(4)
        learnt = queries.filter(queries.learnt)
        copies = self._copies(learnt)
        exponent = self._exponent(copies)
        lines = self._write_text(copies, exponent, text_file())
        for name, places in self.tally.places.items():
            there = count_queries(fair.filter(among(fair.place, places)), counting, latest_s)
            self._write_text(self._copies(there.semi_join(learnt, "query")), exponent, text_file(name))
        counts |= {"withheld_queries": withheld, "model_submissions": lines}
        return counts | sizes | self._count_queries(queries)

    def _count_fates(self, rows: ir.Table) -> dict[str, int]:
        found = self.engine.fetch(rows.group_by("fate").agg(rows=rows.count(), users=rows.user.nunique())).to_pylist()
        number = {row["fate"]: row["rows"] for row in found}
        return {
            "robots": sum(row["users"] for row in found if row["fate"] == ROBOT),
            "robot_rows": number.get(ROBOT, 0),
            "repeated_rows": number.get(REPEAT, 0),
            "half_typed_rows": number.get(HALF_TYPED, 0),
            "finds_nothing_rows": number.get(FINDS_NOTHING, 0),
            "kept_rows": number.get(KEPT, 0),
        }

    def _write_histories(self, rows: ir.Table) -> None:
        """Writes what some users submitted, drawn by their hash. What one submits again at once counts here."""
        known = rows.filter(rows.fate.isin([KEPT, REPEAT]) & rows.time_s.notnull())
        known = known.filter(known.user.notnull() & (known.user != UNKNOWN))
        some = known.select("user").distinct().order_by("user").limit(_HISTORY_USERS)
        ordered = known.semi_join(some, "user").order_by("user", "time_s", "place").limit(_HISTORY_ROWS)
        self.engine.write(ordered.select("user", "time_s", "query"), self.folder / HISTORIES_FILE)

    def _write_withheld(self, training: ir.Table, queries: ir.Table) -> int:
        """Writes the hashes that are withheld; returns how many there are."""
        import pyarrow
        from pyarrow.parquet import write_table

        screened = self.engine.read(self.folder / "screened.parquet")
        hashes = self.engine.fetch(withheld_hashes(training, screened, queries).order_by("hash"))["hash"]
        unsigned = pyarrow.array(hashes.to_numpy().view("uint64"))
        write_table(pyarrow.table({"hash": unsigned}), self.folder / WITHHELD_FILE, compression="zstd")
        return len(unsigned)

    def _count_queries(self, queries: ir.Table) -> dict[str, int]:
        numbers = queries.agg(
            train_queries=queries.indexed.sum(),
            train_submissions=queries.left.sum(where=queries.indexed),
            model_queries=queries.learnt.sum(),
            half_typed_queries=queries.half_typed.sum(),
            rare_queries=(~queries.indexed & ~queries.half_typed).sum(),
        )
        (row,) = self.engine.fetch(numbers).to_pylist()
        return {name: int(value or 0) for name, value in row.items()}

    def _copies(self, learnt: ir.Table) -> ir.Table:
        """Counted queries with `times`, how often language models read each."""
        import ibis

        # Kneser-Ney estimates its discounts from the n-grams that occur once. There would be none if each query were
        # written as often as it counts, so a query that just passes the threshold is written once.
        users, count = model_thresholds(self.config.screening)
        least = ibis.ifelse(learnt.users >= users, users, count)
        times = ibis.greatest((learnt["count"].round() - least + 1).cast("int64"), ibis.literal(1).cast("int64"))
        return learnt.select("query", times=times)

    def _exponent(self, copies: ir.Table) -> float:
        """The power of `times` that is written: 1, unless counts make far more lines than there are rows or queries."""
        steps = [step / _STEPS for step in range(_STEPS + 1)]
        sums = {f"at_{place}": total(_power(copies.times, step).sum()) for place, step in enumerate(steps)}
        (row,) = self.engine.fetch(copies.agg(queries=copies.count(), lines=total(copies.times.sum()))).to_pylist()
        most = max(self.tally.kept, _LINES_A_QUERY * row["queries"])
        if (row["lines"] or 0) <= most:
            return 1
        (row,) = self.engine.fetch(copies.agg(**sums)).to_pylist()
        return max(step for place, step in enumerate(steps) if row[f"at_{place}"] <= most)

    def _write_text(self, copies: ir.Table, exponent: float, name: str) -> int:
        """Writes what language models learn of counted queries, shuffled by a hash; returns the number of lines."""
        import ibis
        from pyarrow.parquet import ParquetFile

        copies = copies.select("query", copy=ibis.range(0, _power(copies.times, exponent), 1)).unnest("copy")
        salted = copies.query + ibis.literal(f"\t{self.config.seed}\t") + copies.copy.cast("string")
        shuffled = copies.select("query", place=salted.hexdigest("md5")).order_by("place").select("query")
        path = self.folder / name
        self.engine.write(shuffled, path.with_suffix(".parquet"))
        with ParquetFile(path.with_suffix(".parquet")) as file, path.open("w", encoding="utf-8", newline="\n") as out:
            for batch in file.iter_batches():
                out.writelines(query + "\n" for query in batch["query"].to_pylist())
            return int(file.metadata.num_rows)


def _power(times: ir.Value, exponent: float) -> ir.Value:
    """How often a query is written; at least once."""
    return times if exponent == 1 else (times.cast("float64") ** exponent).round().cast("int64")


def _utc(time_s: float | None) -> str | None:
    return None if time_s is None else datetime.fromtimestamp(time_s, UTC).isoformat()


def _nothing_left(log: Path, tally: RowTally, *, rare: int) -> InputError:
    dropped = ", ".join(f"{rows} {reason}" for reason, rows in (tally.bad + tally.dropped).most_common()) or "none"
    found = f"of {tally.rows} rows, dropped for what they hold: {dropped}"
    problem = f"too few queries are left to train, tune and measure on ({found})."
    remedy = "Is query_column the right one? See min_length and max_length in [screening]."
    if rare:
        problem = f"no query passes the thresholds: {rare} distinct ones have too few users or submissions ({found})."
        remedy = "Lower min_users (logs with users) or min_count (logs without) in [screening], or give more."
    return InputError(log, problem, remedy=remedy)
