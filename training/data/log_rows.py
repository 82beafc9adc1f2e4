"""First pass over a query log: each row is normalised, judged by itself and written to one Parquet file.

Users and sessions are kept only as keyed hashes, in the work folder, until the counting is done. Of a query that is
screened out only the hash is kept (`lm.index.never_generated`), and only if serving cannot recognise it by its looks.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b, md5
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from lm.errors import InputError
from lm.index.never_generated import hash_query
from lm.text.normalize import displayed_query, ends_unspaced, normalize_query
from lm.text.private import looks_private
from training.config import Screening, TrainingConfig
from training.config_log import QueryLogSource
from training.data.log_reader import LogRow, read_log
from training.data.screening import Screen, load_screen
from training.data.sources import BadRows, Meter
from training.progress import Reporter

if TYPE_CHECKING:
    import pyarrow

_T = TypeVar("_T")

UNKNOWN = 0
"""Stands for the user, or session, of a row that names none in a log that has users."""

_BATCH_ROWS = 65536
_CACHED_TEXTS = 1 << 17
_CACHED_LENGTH = 256  # code points; longer texts could fill gigabytes
_CLOCK_SKEW_S = 86_400  # local time taken for UTC is up to 14 hours ahead
_WITHHELD = frozenset({"blocked_word", "too_short", "too_long"})
"""A query dropped for one of these reasons is withheld, unless serving recognises it by its looks."""


@dataclass(slots=True, kw_only=True)
class RowTally:
    """What the first pass saw.

    Attributes:
        rows: read; `submissions` are their counts summed, bad ones left out; `kept` is how many were written.
        dropped: rows dropped for what their query holds, by reason; `bad`: rows that could not be used, by kind.
        times_s: the earliest and the latest time of each file that has times, seconds since 1970.
        places: where the rows of the logs of each name stand, half-open ranges of `place`.
        withheld: hashes of queries that were screened out and are to be withheld.
    """

    rows: int = 0
    submissions: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    times_s: list[float] = field(default_factory=list)
    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    withheld: set[int] = field(default_factory=set)

    @property
    def first_time_s(self) -> float | None:
        """The earliest time of the log, if it has times."""
        return min(self.times_s, default=None)

    @property
    def last_time_s(self) -> float | None:
        """The latest time of the log, if it has times."""
        return max(self.times_s, default=None)


class Judgement(NamedTuple):
    """What is kept of a text.

    Attributes:
        query: normalised.
        hash: a signed 64-bit integer; 0 if the query is dropped and need not be withheld.
        open_end: whether its last word may go on: it ends in a letter or digit of a script that has spaces.
        reason: why it is dropped, or None.
        display: the query as it was written, see `lm.text.normalize.displayed_query`.
    """

    query: str
    hash: int
    open_end: bool
    reason: str | None
    display: str | None


class RowJudge:
    """Decides whether a query stays, by its text alone. It remembers texts that it has judged."""

    def __init__(self, screening: Screening, screen: Screen, seed: int) -> None:
        self._screening = screening
        self._screen = screen
        key = md5(f"user:{seed}".encode(), usedforsecurity=False).digest()
        self.judge = _remembering(self._judge)
        self.hash_name = _remembering(lambda name: _hash_name(name, key))

    def _judge(self, text: str) -> Judgement:
        query = normalize_query(text).rstrip(" ")
        reason = self._reason(query)
        hashed = hash_query(query) if reason is None or (reason in _WITHHELD and not looks_private(query)) else 0
        signed = hashed - (1 << 64) if hashed >> 63 else hashed
        open_end = query[-1:].isalnum() and not ends_unspaced(query)
        return Judgement(query, signed, open_end, reason, displayed_query(text) if reason is None else None)

    def _reason(self, query: str) -> str | None:
        if not query:
            return "empty"
        if len(query) < self._screening.min_length:
            return "too_short"
        if len(query) > self._screening.max_length:
            return "too_long"
        return self._screen.reason(query)


def _remembering(judge: Callable[[str], _T]) -> Callable[[str], _T]:
    """The same function with a cache, which holds no long texts."""
    cached = lru_cache(_CACHED_TEXTS)(judge)
    return lambda text: cached(text) if len(text) <= _CACHED_LENGTH else judge(text)


def _hash_name(name: str, key: bytes) -> int:
    if not name:
        return UNKNOWN
    digest = blake2b(name.encode("utf-8", "replace"), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "big", signed=True)


def write_rows(
    config: TrainingConfig,
    files: Sequence[tuple[QueryLogSource, Path]],
    base: Path,
    folder: Path,
    now_s: float,
    reporter: Reporter,
) -> RowTally:
    """Writes the rows that stay to `rows.parquet`; `training.data.counting` lists its columns.

    Also writes `screened.parquet`: the column `hash` of the queries that are screened out and withheld.

    Args:
        base: folder that the operator's list of blocked words is named from.
        now_s: the clock, seconds since 1970; a day is allowed for local times, later ones are bad.

    Raises:
        InputError: a file cannot be used, or a row and the log's section says `stop`. It names the file, and the
            line, byte or column where there is one.
    """
    import pyarrow
    from pyarrow.parquet import ParquetWriter, write_table

    blocked = config.screening.blocked_words
    judge = RowJudge(config.screening, load_screen(base / blocked if blocked else None), config.seed)
    tally, schema = RowTally(), _schema()
    with (
        reporter.task("Reading the query log") as task,
        ParquetWriter(folder / "rows.parquet", schema, compression="zstd") as parquet,
    ):
        meter = Meter(task, [path for _, path in files])
        for source, path in files:
            first_place, bad = tally.kept, BadRows(stop=source.on_bad_row == "stop")
            with closing(read_log(source, path, bad, meter.at)) as rows:
                kept = _judged(rows, path, now_s + _CLOCK_SKEW_S, bad, judge, tally)
                while batch := list(itertools.islice(kept, _BATCH_ROWS)):
                    parquet.write_batch(_batch(batch, tally.kept, schema))
                    tally.kept += len(batch)
            tally.rows += bad.counts.total()
            tally.bad += bad.counts
            if source.name is not None:
                tally.places.setdefault(source.name, []).append((first_place, tally.kept))
            meter.finish(path)
    hashes = pyarrow.array(sorted(tally.withheld), pyarrow.int64())
    write_table(pyarrow.table({"hash": hashes}), folder / "screened.parquet")
    return tally


def _judged(
    rows: Iterator[LogRow], path: Path, latest_s: float, bad: BadRows, judge: RowJudge, tally: RowTally
) -> Iterator[tuple[object, ...]]:
    """The rows of one file that stay, for `_batch`; times after `latest_s` are bad."""
    first_s, last_s = math.inf, -math.inf
    judge_text, hash_name = judge.judge, judge.hash_name
    for line, text, submissions, time_s, user, session, found in rows:
        if time_s is not None:
            if time_s > latest_s:
                error = InputError(path, "the time is in the future.", line=line, remedy="Is the clock right?")
                bad.report("future_time", error)
                continue
            first_s = min(first_s, time_s)
            last_s = max(last_s, time_s)
        tally.rows += 1
        tally.submissions += submissions
        query, hashed, open_end, reason, display = judge_text(text)
        if reason is None and submissions:
            user_id = None if user is None else hash_name(user)
            session_id = None if session is None else hash_name(session)
            yield query, hashed, open_end, submissions, time_s, user_id, session_id, found, display
            continue
        tally.dropped[reason or "never_submitted"] += 1
        if hashed and reason is not None:
            tally.withheld.add(hashed)
    if last_s >= first_s:
        tally.times_s += first_s, last_s


def _schema() -> pyarrow.Schema:
    import pyarrow

    kinds = {
        "query": pyarrow.string(),
        "display": pyarrow.string(),
        "open_end": pyarrow.bool_(),
        "found": pyarrow.bool_(),
        "time_s": pyarrow.float64(),
    }
    names = ("query", "hash", "open_end", "submissions", "time_s", "user", "session", "found", "display", "place")
    return pyarrow.schema([(name, kinds.get(name, pyarrow.int64())) for name in names])


def _batch(rows: Sequence[tuple[object, ...]], first_place: int, schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    """Rows with their place."""
    import pyarrow

    columns = [*zip(*rows, strict=True), range(first_place, first_place + len(rows))]
    values = [pyarrow.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pyarrow.record_batch(values, schema=schema)
