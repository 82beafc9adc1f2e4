"""Rows of query logs, whatever the format, each with the line that it stands in."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from datetime import time as clock_time
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from lm.errors import InputError
from training.config_log import QueryLogSource
from training.data.numbers import is_dotted, parse_hits, plain_number
from training.data.sources import BadRows, Progress, RowError, kind_of, source_files
from training.data.tables import KINDS, MAX_ROW_BYTES, decimal_comma, read_columns

_MAX_COUNT = 10**9
_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.\d{0,20})?(?:[eE][+-]?\d{1,3})?")
_COMPACT = re.compile(r"(19|20)?\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\d")
_ZONED = re.compile(r"(.*?\d) ?([+-]\d\d(?::?\d\d)?)? ?(?:UTC|GMT|Z)?", re.IGNORECASE)


class LogRow(NamedTuple):
    """One row of a log.

    Attributes:
        time_s: since 1970.
        user, session: empty where only the row has none.
        found: whether it had results, if the row says that.
    """

    line: int
    query: str
    submissions: int
    time_s: float | None
    user: str | None
    session: str | None
    found: bool | None


def log_files(sources: Sequence[QueryLogSource], base: Path) -> list[tuple[QueryLogSource, Path]]:
    """All files of a query log in the order in which they are read.

    Raises:
        InputError: one is missing, or has an ending that says nothing or no columns where some are asked for.
    """
    files = source_files(sources, base, KINDS)
    for source, path in files:
        if kind_of(path, KINDS) == ".txt" and (source.where or any(_columns(source)[1:])):
            raise InputError(
                path,
                "a `.txt` log has no columns.",
                remedy="Leave out count_column, time_column, user_column, session_column, hits_column and where, "
                "or give a `.tsv` with a header.",
            )
    return files


def _columns(source: QueryLogSource) -> tuple[str | None, ...]:
    others = (source.count_column, source.time_column, source.user_column, source.session_column, source.hits_column)
    return source.query_column, *others


def read_log(
    source: QueryLogSource, path: Path, bad_rows: BadRows | None = None, progress: Progress | None = None
) -> Generator[LogRow, None, None]:
    """Rows of one file. Without `bad_rows` the first row that cannot be used raises.

    Raises:
        InputError: the file or a column cannot be used, or a row that `bad_rows` does not let pass.
    """
    bad = bad_rows or BadRows()
    has_numbers = source.count_column is not None or source.hits_column is not None
    comma = has_numbers and decimal_comma(path)
    columns = _columns(source)
    with closing(read_columns(path, columns, bad.report, progress, MAX_ROW_BYTES, source.allowed())) as table:
        for number, (query, count, time, user, session, hits) in itertools.islice(table, source.max_lines):
            try:
                if query and not query.isascii():
                    _check_characters(query)
                submissions = 1 if source.count_column is None else parse_count(count, comma)
                time_s = None if source.time_column is None else parse_time(time)
                found = None if source.hits_column is None else _found(hits, comma)
            except RowError as fault:
                bad.report(fault.kind, fault.at(path, number))
                continue
            user_name = None if source.user_column is None else _name(user)
            session_name = None if source.session_column is None else _name(session)
            yield LogRow(number, query or "", submissions, time_s, user_name, session_name, found)


def _check_characters(query: str) -> None:
    """Raises if an escape of JSON is half of a surrogate pair without the other half."""
    try:
        query.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(query[error.start]):04x}"
        problem = f"`{half}` is half a character, a lone surrogate."
        raise RowError("half_character", problem, "Write the character itself, or both halves.") from None


def parse_count(value: object, decimal_comma: bool = False) -> int:
    """A whole number, which may be written or stored as a fraction, or in groups: `43`, `43.0`, `4.3E1`, `8,000`.

    Args:
        decimal_comma: whether `8.000` is eight thousand.

    Raises:
        RowError: it is none, or out of range.
    """
    number: Decimal | None = None
    if isinstance(value, str):
        if value.isdecimal() and len(value) < 10:  # as most logs have them
            return int(value)
        text = plain_number(value, decimal_comma=decimal_comma)
        number = Decimal(text) if _NUMBER.fullmatch(text) else None
    elif isinstance(value, int | float | Decimal) and math.isfinite(value):
        number = Decimal(value)
    if number is None or number != number.to_integral_value():
        remedy = "Mend or drop the line."
        if isinstance(value, str) and is_dotted(value):
            remedy = "Write it without separators, such as 8000 for 8.000."
        raise RowError("bad_count", f"the count {value!r} is no whole number.", remedy)
    if not 0 <= number <= _MAX_COUNT:
        problem = "negative" if number < 0 else f"above {_MAX_COUNT:,}"
        raise RowError(
            "bad_count", f"the count {number} is {problem}.", "Is count_column the right one? Mend or drop the line."
        )
    return int(number)


def parse_time(value: object) -> float:
    """Seconds since 1970 of a time in ISO 8601 or as `20240101235959` (UTC if no zone is named), or in s, ms, us or ns.

    Raises:
        RowError: it cannot be read.
    """
    if isinstance(value, str) and value.isdecimal() and len(value) == 10:  # seconds, as most logs have them
        return float(value)
    try:
        time_s = _parse_time(value)
    except (ValueError, OverflowError):
        time_s = None
    if time_s is None:
        raise RowError(
            "bad_time",
            f"the time {value!r} cannot be read.",
            "Write it as 2006-03-01 07:17:12 or in seconds since 1970, or leave time_column out.",
        )
    return time_s


def _parse_time(value: object) -> float | None:
    if isinstance(value, int) and _COMPACT.fullmatch(str(value)):
        value = str(value)
    if isinstance(value, int | float | Decimal):
        return _since_1970(float(value))
    if isinstance(value, datetime):
        time = value
    elif isinstance(value, date):
        time = datetime.combine(value, clock_time())
    elif isinstance(value, str):
        text = value.strip()
        if compact := _COMPACT.fullmatch(text):
            return datetime.strptime(f"{compact[0]}Z", f"%{'Y' if compact[1] else 'y'}%m%d%H%M%S%z").timestamp()
        # ISO's short form of a date has 8 digits
        if len(text) > 8 and _NUMBER.fullmatch(text):
            return _since_1970(float(text))
        time = _parse_iso(text)
    else:
        return None
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds >= 0 else None


def _parse_iso(text: str) -> datetime:
    """A time in ISO 8601, or as databases export it: `2024-01-01 10:00:00 UTC`, `2024-01-01 10:00:00.5 +0200`."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        zoned = _ZONED.fullmatch(text)
        if not zoned:
            raise
        return datetime.fromisoformat(zoned[1] + (zoned[2] or ""))


def _since_1970(value: float) -> float | None:
    if value < 0:
        return None
    # milli-, micro- or nanoseconds, by their size
    scale = next((scale for scale in (1, 1e3, 1e6, 1e9) if value / scale <= 1e11), None)
    return value / scale if scale else None


def _found(hits: object, comma: bool) -> bool | None:
    number = parse_hits(hits, decimal_comma=comma)
    if number is not None and math.isnan(number):
        problem = f"the hits {hits!r} are no count."
        raise RowError("bad_hits", problem, "Is hits_column the right one? Mend the line, or leave the field empty.")
    return None if number is None else number > 0


def _name(value: object) -> str:
    return "" if value is None else str(value).strip()
