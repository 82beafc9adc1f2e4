"""Rows of query logs, whatever the format, each with the line that it stands in."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Any, NamedTuple

from lm.errors import InputError
from training.config_log import QueryLogSource
from training.data.bad_rows import BadRows
from training.data.sources import check_columns, find_files, kind_of, open_parquet, read_lines

LOG_KINDS = (".txt", ".tsv", ".csv", ".parquet")
_MAX_COUNT = 10**9
_LATEST_S = 253402300799.0  # the last second that `datetime` knows

_MAX_ROW_BYTES = 65536

Progress = Callable[[int], None]


class LogRow(NamedTuple):
    """One row of a log; `time_s` is since 1970; `user` and `session` are empty where only the row has none."""

    line: int
    query: str
    submissions: int
    time_s: float | None
    user: str | None
    session: str | None


def log_files(sources: Sequence[QueryLogSource], base: Path) -> list[tuple[QueryLogSource, Path]]:
    """All files of a query log in the order in which they are read.

    Raises:
        InputError: one is missing, or has an ending that says nothing or no columns where some are asked for.
    """
    files = [(source, path) for source in sources for path in find_files(source.path, base)]
    for source, path in files:
        if kind_of(path, LOG_KINDS) == ".txt" and any(_columns(source)[1:]):
            raise InputError(
                path,
                "a `.txt` log has no columns.",
                remedy="Leave out count_column, time_column, user_column and session_column, or give a `.tsv` with a "
                "header.",
            )
    return files


def read_log(
    source: QueryLogSource, path: Path, bad_rows: BadRows | None = None, progress: Progress | None = None
) -> Generator[LogRow, None, None]:
    """Rows of one file.

    Args:
        bad_rows: told of rows that cannot be used; left out, the first one raises.
        progress: told from time to time at which byte of the file reading stands.

    Raises:
        InputError: the file or a column cannot be used, or a row that `bad_rows` does not let pass.
    """
    bad = bad_rows or BadRows()
    kind = kind_of(path, LOG_KINDS)
    if kind == ".txt":
        limits = {"max_lines": source.max_lines, "max_bytes": _MAX_ROW_BYTES}
        for number, line in read_lines(path, **limits, on_fault=bad.report, progress=progress):
            yield LogRow(number, line, 1, None, None, None)
        return
    wanted = _columns(source)
    columns = [column for column in wanted if column is not None]
    places = [columns.index(column) if column is not None else len(columns) for column in wanted]
    _, count_at, time_at, user_at, session_at = places
    with closing(read_columns(path, columns, bad, progress)) as table:
        for number, fields in itertools.islice(table, source.max_lines):
            fields.append(None)  # what a log without the column has there
            try:
                count = 1 if source.count_column is None else _count(path, number, fields[count_at])
                time_s = None if source.time_column is None else _time(path, number, fields[time_at])
            except _FieldError as fault:
                bad.report(fault.kind, fault.error)
                continue
            user = None if source.user_column is None else _name(fields[user_at])
            session = None if source.session_column is None else _name(fields[session_at])
            yield LogRow(number, fields[0] or "", count, time_s, user, session)


def read_columns(
    path: Path, columns: Sequence[str], bad_rows: BadRows, progress: Progress | None = None
) -> Generator[tuple[int, list[Any]], None, None]:
    """Some columns of a table, `.tsv`, `.csv` or `.parquet`, the first of them text; each row with its line.

    Raises:
        InputError: the file or a column cannot be used, or a row that `bad_rows` does not let pass.
    """
    read_table = {".tsv": _read_tsv, ".csv": _read_csv, ".parquet": _read_parquet}[kind_of(path, LOG_KINDS)]
    return read_table(path, columns, bad_rows, progress)


def _columns(source: QueryLogSource) -> tuple[str, str | None, str | None, str | None, str | None]:
    return (
        source.query_column,
        source.count_column,
        source.time_column,
        source.user_column,
        source.session_column,
    )


_Table = Generator[tuple[int, list[Any]], None, None]


def _read_tsv(path: Path, columns: Sequence[str], bad: BadRows, progress: Progress | None) -> _Table:
    """Fields of a table whose quotes mean nothing."""
    lines = read_lines(path, max_bytes=_MAX_ROW_BYTES, on_fault=bad.report, progress=progress)
    return _pick(path, columns, ((number, line.split("\t")) for number, line in lines), bad)


def _read_csv(path: Path, columns: Sequence[str], bad: BadRows, progress: Progress | None) -> _Table:
    """Fields of a table whose quoted fields may hold commas and line breaks."""
    begun = 0  # the line in which the row began that is being read

    def lines() -> Iterator[str]:
        nonlocal begun
        for number, line in read_lines(path, max_bytes=_MAX_ROW_BYTES, on_fault=bad.report, progress=progress):
            begun = begun or number
            yield line + "\n"

    def rows() -> Iterator[tuple[int, list[str]]]:
        nonlocal begun
        reader = csv.reader(lines(), strict=True)
        while True:
            begun = 0
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                remedy = 'A quote inside a quoted field is written twice: "".'
                bad.report("not_csv", InputError(path, f"no proper CSV: {error}.", line=begun, remedy=remedy))
                continue
            if fields:
                yield begun, fields

    return _pick(path, columns, rows(), bad)


def _pick(path: Path, columns: Sequence[str], rows: Iterator[tuple[int, list[str]]], bad: BadRows) -> _Table:
    """The wanted columns of rows of which the first is the header."""
    _, header = next(rows, (1, []))
    check_columns(path, columns, header)
    places = [header.index(column) for column in columns]
    for number, fields in rows:
        if len(fields) != len(header):
            problem = f"{len(fields)} fields, but the header has {len(header)}."
            remedy = "Mend the line; in `.tsv` a query may hold no tab, in `.csv` a comma must be quoted."
            bad.report("wrong_fields", InputError(path, problem, line=number, remedy=remedy))
            continue
        yield number, [fields[place] for place in places]


def _read_parquet(path: Path, columns: Sequence[str], _bad: BadRows, progress: Progress | None) -> _Table:
    import pyarrow

    size = path.stat().st_size
    number = 0
    with open_parquet(path, columns) as file:
        kind = file.schema_arrow.field(columns[0]).type
        if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
            raise InputError(path, f"the column `{columns[0]}` holds {kind}, not text.")
        for batch in file.iter_batches(batch_size=16384, columns=list(columns)):
            lists = [_plain(batch.column(column)).to_pylist() for column in columns]
            for fields in zip(*lists, strict=True):
                number += 1
                yield number, list(fields)
            if progress and file.metadata.num_rows:
                progress(size * number // file.metadata.num_rows)


def _plain(values: Any) -> Any:
    """Times of nanoseconds in microseconds, the finest that Python has."""
    import pyarrow

    if pyarrow.types.is_timestamp(values.type):
        return values.cast(pyarrow.timestamp("us", tz=values.type.tz), safe=False)
    return values


class _FieldError(Exception):
    """A field that cannot be read: a kind to count its row under, and the error to stop with."""

    def __init__(self, kind: str, error: InputError) -> None:
        super().__init__(kind)
        self.kind = kind
        self.error = error


def _count(path: Path, number: int, value: object) -> int:
    count: int | None = None
    if isinstance(value, str):
        digits = value.strip()
        count = int(digits) if digits.removeprefix("-").isdecimal() and len(digits) < 20 else None
    elif isinstance(value, int | float) and math.isfinite(value) and value == int(value):
        count = int(value)
    if count is not None and 0 <= count <= _MAX_COUNT:
        return count
    if count is None:
        problem, remedy = f"the count {value!r} is no whole number.", "Mend or drop the line."
    else:
        problem = f"the count {count} is {'negative' if count < 0 else f'above {_MAX_COUNT:,}'}."
        remedy = "Is count_column the right one? Mend or drop the line."
    raise _FieldError("bad_count", InputError(path, problem, line=number, remedy=remedy))


def _time(path: Path, number: int, value: object) -> float:
    """Seconds since 1970 of a time in ISO 8601 (UTC if it names no zone), or seconds or milliseconds since 1970."""
    if isinstance(value, str) and value.isdecimal() and len(value) == 10:  # seconds, as most logs have them
        return float(value)
    try:
        time_s = _parse_time(value)
    except (ValueError, OverflowError):
        time_s = None
    if time_s is not None:
        return time_s
    error = InputError(
        path,
        f"the time {value!r} cannot be read.",
        line=number,
        remedy="Write it as 2006-03-01 07:17:12 or in seconds since 1970, or leave time_column out.",
    )
    raise _FieldError("bad_time", error)


def _parse_time(value: object) -> float | None:
    if isinstance(value, int | float):
        return _since_1970(float(value))
    if isinstance(value, datetime):
        time = value
    elif isinstance(value, date):
        time = datetime.combine(value, clock_time())
    elif isinstance(value, str):
        text = value.strip()
        # ISO's short form of a date has 8 digits
        if len(text) > 8 and text.replace(".", "", 1).isdecimal():
            return _since_1970(float(text))
        time = datetime.fromisoformat(text)
    else:
        return None
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds >= 0 else None


def _since_1970(value: float) -> float | None:
    seconds = value / 1000 if value > 1e11 else value
    return seconds if 0 <= seconds <= _LATEST_S else None


def _name(value: object) -> str:
    return "" if value is None else str(value).strip()
