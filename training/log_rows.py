"""First pass over a query log: every row normalised, judged and written to one Parquet file.

Users are kept only as keyed hashes, in the work folder, until the counting is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b, md5
from pathlib import Path

from lm.text import normalize_query
from training.config import QueryLogSource, Screening
from training.log_reader import LogRow, read_log
from training.progress import Reporter
from training.screening import Screen
from training.sources import Meter

_BATCH_ROWS = 65536
_UNKNOWN_USER = 0

_Row = tuple[str, int, int | None, int]


@dataclass(slots=True, kw_only=True)
class RowTally:
    """What the first pass saw: rows read, their counts summed, rows kept, and rows dropped by reason."""

    rows: int = 0
    submissions: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    first_time: datetime | None = None
    last_time: datetime | None = None


class RowJudge:
    """Decides which rows stay, by what they hold alone, and draws the lot that splits them."""

    def __init__(self, screening: Screening, screen: Screen, seed: int) -> None:
        self.tally = RowTally()
        self._screening = screening
        self._screen = screen
        self._seed = seed
        self._user_key = md5(f"user:{seed}".encode(), usedforsecurity=False).digest()

    def judge(self, row: LogRow, file_name: str) -> _Row | None:
        """The row as it is kept: query, submissions, user, lot; None if it is dropped."""
        tally = self.tally
        tally.rows += 1
        tally.submissions += row.submissions
        if row.time is not None:
            tally.first_time = min(tally.first_time or row.time, row.time)
            tally.last_time = max(tally.last_time or row.time, row.time)
        query = normalize_query(row.query).rstrip(" ")
        reason = self._reason(query, row.submissions)
        if reason is not None:
            tally.dropped[reason] += 1
            return None
        tally.kept += 1
        return query, row.submissions, self._hash_user(row.user), self._draw(file_name, row.line)

    def _reason(self, query: str, submissions: int) -> str | None:
        if not query:
            return "empty"
        if len(query) < self._screening.min_length:
            return "too_short"
        if len(query) > self._screening.max_length:
            return "too_long"
        if not submissions:
            return "never_submitted"
        return self._screen.reason(query)

    def _hash_user(self, user: str | None) -> int | None:
        """None where the log has no users; all rows without one, in a log that has, are one user's."""
        if user is None:
            return None
        if not user:
            return _UNKNOWN_USER
        digest = blake2b(user.encode("utf-8", "replace"), digest_size=8, key=self._user_key).digest()
        return int.from_bytes(digest, "big", signed=True)

    def _draw(self, file_name: str, line: int) -> int:
        digest = md5(f"{self._seed}:{file_name}:{line}".encode(), usedforsecurity=False).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


def write_rows(
    files: Sequence[tuple[QueryLogSource, Path]],
    base: Path,
    out: Path,
    *,
    judge: RowJudge,
    reporter: Reporter,
) -> RowTally:
    """Writes the rows that stay: `query`, `submissions`, `user` (a hash, or null) and `lot`.

    Args:
        base: folder that file names are told apart from, so that moving all of it changes no lot.

    Raises:
        InputError: a file cannot be used; names it, with line, byte or column where there is one.
    """
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    schema = pyarrow.schema(
        [
            ("query", pyarrow.string()),
            ("submissions", pyarrow.int64()),
            ("user", pyarrow.int64()),
            ("lot", pyarrow.int64()),
        ]
    )
    with ParquetWriter(out, schema, compression="zstd") as writer:
        for rows in _batches(files, base, judge, reporter):
            columns = [
                pyarrow.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))
    return judge.tally


def _batches(
    files: Sequence[tuple[QueryLogSource, Path]], base: Path, judge: RowJudge, reporter: Reporter
) -> Iterator[list[_Row]]:
    batch: list[_Row] = []
    with reporter.task("Reading the query log") as task:
        meter = Meter(task, [path for _, path in files])
        for source, path in files:
            name = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name
            for log_row in read_log(source, path, meter.at):
                row = judge.judge(log_row, name)
                if row is not None:
                    batch.append(row)
                    if len(batch) == _BATCH_ROWS:
                        yield batch
                        batch = []
            meter.finish(path)
    if batch:
        yield batch
