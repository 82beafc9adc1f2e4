"""Rows of query logs, whatever the format, each with the line that it stands in."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Any, NamedTuple

from lm.errors import InputError
from training.config import QueryLogSource
from training.sources import check_columns, find_files, kind_of, open_parquet, read_lines

LOG_KINDS = (".txt", ".tsv", ".csv", ".parquet")
_MAX_COUNT = 10**9
_LATEST_S = 253402300799.0  # the last second that `datetime` knows

Progress = Callable[[int], None]


class LogRow(NamedTuple):
    """One row of a log; `user` is empty where the log has the column and the row has none."""

    line: int
    query: str
    submissions: int
    time: datetime | None
    user: str | None


def log_files(sources: Sequence[QueryLogSource], base: Path) -> list[tuple[QueryLogSource, Path]]:
    """All files of a query log in the order in which they are read.

    Raises:
        InputError: one is missing, or has an ending that says nothing or no columns where some are asked for.
    """
    files = [(source, path) for source in sources for path in find_files(source.path, base)]
    for source, path in files:
        if kind_of(path, LOG_KINDS) == ".txt" and (source.count_column or source.time_column or source.user_column):
            raise InputError(
                path,
                "a `.txt` log has no columns.",
                remedy="Leave out count_column, time_column and user_column, or give a `.tsv` with a header.",
            )
    return files


def read_log(source: QueryLogSource, path: Path, progress: Progress | None = None) -> Iterator[LogRow]:
    """Rows of one file.

    Args:
        progress: told from time to time at which byte of the file reading stands.

    Raises:
        InputError: the file, a line, a column, a count or a time cannot be used.
    """
    kind = kind_of(path, LOG_KINDS)
    if kind == ".txt":
        for number, line in read_lines(path, max_lines=source.max_lines, progress=progress):
            yield LogRow(number, line, 1, None, None)
        return
    wanted = (source.query_column, source.count_column, source.time_column, source.user_column)
    columns = [column for column in wanted if column is not None]
    places = [columns.index(column) if column is not None else None for column in wanted]
    for taken, (number, fields) in enumerate(read_columns(path, columns, progress)):
        if source.max_lines is not None and taken >= source.max_lines:
            return
        query, count, time, user = (None if place is None else (fields[place],) for place in places)
        assert query is not None  # the query's column has a default
        yield LogRow(
            number,
            query[0] or "",
            1 if count is None else _count(path, number, count[0]),
            None if time is None else _time(path, number, time[0]),
            None if user is None else _user(user[0]),
        )


def read_columns(
    path: Path, columns: Sequence[str], progress: Progress | None = None
) -> Iterator[tuple[int, list[Any]]]:
    """Some columns of a table, `.tsv`, `.csv` or `.parquet`, the first of them text; each row with its line.

    Raises:
        InputError: the file, a line or a column cannot be used.
    """
    read_table = {".tsv": _read_tsv, ".csv": _read_csv, ".parquet": _read_parquet}[kind_of(path, LOG_KINDS)]
    return read_table(path, columns, progress)


def _read_tsv(path: Path, columns: Sequence[str], progress: Progress | None) -> Iterator[tuple[int, list[Any]]]:
    """Fields of a table whose quotes mean nothing."""
    rows = ((number, line.split("\t")) for number, line in read_lines(path, progress=progress))
    return _pick(path, columns, rows)


def _read_csv(path: Path, columns: Sequence[str], progress: Progress | None) -> Iterator[tuple[int, list[Any]]]:
    """Fields of a table whose quoted fields may hold commas and line breaks."""

    def rows() -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader((line + "\n" for _, line in read_lines(path, progress=progress)), strict=True)
        begun = 1
        try:
            for fields in reader:
                if fields:
                    yield begun, fields
                begun = reader.line_num + 1
        except csv.Error as error:
            raise InputError(
                path,
                f"no proper CSV: {error}.",
                line=begun,
                remedy='A quote inside a quoted field is written twice: "".',
            ) from None

    return _pick(path, columns, rows())


def _pick(path: Path, columns: Sequence[str], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[Any]]]:
    """The wanted columns of rows of which the first is the header."""
    _, header = next(rows, (1, []))
    check_columns(path, columns, header)
    places = [header.index(column) for column in columns]
    for number, fields in rows:
        if len(fields) != len(header):
            raise InputError(
                path,
                f"{len(fields)} fields, but the header has {len(header)}.",
                line=number,
                remedy="Mend the line; in `.tsv` a query may hold no tab, in `.csv` a comma must be quoted.",
            )
        yield number, [fields[place] for place in places]


def _read_parquet(path: Path, columns: Sequence[str], progress: Progress | None) -> Iterator[tuple[int, list[Any]]]:
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


def _count(path: Path, number: int, value: object) -> int:
    count: int | None = None
    if isinstance(value, str):
        digits = value.strip()
        count = int(digits) if digits.removeprefix("-").isdecimal() and len(digits) < 20 else None
    elif isinstance(value, int | float) and math.isfinite(value) and value == int(value):
        count = int(value)
    if count is None:
        raise InputError(path, f"the count {value!r} is no whole number.", line=number, remedy="Mend or drop the line.")
    if not 0 <= count <= _MAX_COUNT:
        fault = "negative" if count < 0 else f"above {_MAX_COUNT:,}"
        raise InputError(
            path,
            f"the count {count} is {fault}.",
            line=number,
            remedy="Is count_column the right one? Mend or drop the line.",
        )
    return count


def _time(path: Path, number: int, value: object) -> datetime:
    """A time in UTC: ISO 8601, or seconds or milliseconds since 1970."""
    try:
        time = _parse_time(value)
    except (ValueError, OverflowError):
        time = None
    if time is None:
        raise InputError(
            path,
            f"the time {value!r} cannot be read.",
            line=number,
            remedy="Write it as 2006-03-01 07:17:12 or in seconds since 1970, or leave time_column out.",
        )
    return time


def _parse_time(value: object) -> datetime | None:
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
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _since_1970(value: float) -> datetime | None:
    seconds = value / 1000 if value > 1e11 else value
    return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds <= _LATEST_S else None


def _user(value: object) -> str:
    return "" if value is None else str(value).strip()
