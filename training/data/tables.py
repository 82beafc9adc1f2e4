"""Columns of files, whatever the format, each row with the line that it stands in.

DuckDB reads Parquet. Text goes line by line instead: DuckDB's `read_csv` does not say in which line a row stands, loses
all rows from an open quote to the next one, and refuses a file that mixes the line ends of Windows and Unix.
"""

from __future__ import annotations

import csv
import glob
import re
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from lm.errors import InputError
from training.data.engines import MEMORY_LIMIT
from training.data.json_rows import JSON_KINDS, NAME_IT, read_objects, rows_of
from training.data.sources import Progress, Report, kind_of, plain_file, read_lines, stop_at

KINDS = (".txt", ".tsv", ".csv", *JSON_KINDS, ".parquet")
MAX_ROW_BYTES = 65536
_DELIMITERS = (",", ";", "\t", "|")  # spreadsheets write a semicolon where numbers have a decimal comma
_QUOTED = re.compile(r'"[^"]*"')
_NO_COLUMNS = "Leave the columns out, or give a `.tsv` with a header."
_BATCH_ROWS = 16384
_COMPOUND = re.compile(r"\]$|^(?:MAP|STRUCT|UNION)\(")

Rows = Generator[tuple[int, list[Any]], None, None]
_Line = tuple[int, str]


def read_columns(
    path: Path,
    columns: Sequence[str | None],
    on_fault: Report = stop_at,
    progress: Progress | None = None,
    max_bytes: int | None = None,
    where: Mapping[str, Collection[object]] | None = None,
) -> Rows:
    """Some columns of a file, the first of them text; each row with its line. A `.txt` has one column: its lines.

    Args:
        columns: None stands for a column that is null in every row.
        on_fault: told of a row that cannot be used; unless it raises, the row is left out.
        max_bytes: of a line of a `.txt`, see `read_lines`.
        where: only rows that have one of these values in each of these columns are read; as text, in any case.

    Raises:
        InputError: the file or a column cannot be used, or a row, and `on_fault` raises.
    """
    kind = kind_of(path, KINDS)
    wanted = [*columns, *(where or ())]
    allowed = [{_plain(value) for value in values} for values in (where or {}).values()]
    width = len(columns)

    def matches(values: Sequence[Any]) -> bool:
        return all(map(lambda value, fit: _plain(value) in fit, values[width:], allowed))

    rows: Rows
    if kind in JSON_KINDS:
        rows = rows_of(path, read_objects(path, kind, on_fault, progress), wanted, matches, on_fault)
    elif kind == ".parquet":
        rows = _numbered(read_parquet(path, wanted, progress))
    elif kind == ".txt":
        if any(wanted[1:]):
            raise InputError(path, "a `.txt` has no columns.", remedy=_NO_COLUMNS)
        nulls = [None] * (width - 1)
        lines = read_lines(path, max_bytes=max_bytes, on_fault=on_fault, progress=progress)
        rows = ((number, [line, *nulls]) for number, line in lines)
    else:
        rows = _pick(path, wanted, read_table(path, kind, on_fault, progress), on_fault)
    with closing(rows):
        if not allowed:
            yield from rows
        else:
            yield from ((number, values[:width]) for number, values in rows if matches(values))


def _numbered(rows: Generator[list[Any], None, None]) -> Rows:
    with closing(rows):
        yield from enumerate(rows, start=1)


def _plain(value: object) -> str:
    """A value as a configuration names it."""
    return "" if value is None else str(value).strip().casefold()


def read_table(
    path: Path, kind: str, on_fault: Report = stop_at, progress: Progress | None = None
) -> Iterator[tuple[int, list[Any]]]:
    """Fields of the rows of a `.tsv` or `.csv`, each row with its line; the first is the header.

    Raises:
        InputError: as `read_lines`; or a row is no proper CSV, and `on_fault` raises.
    """
    lines = read_lines(path, max_bytes=MAX_ROW_BYTES, on_fault=on_fault, progress=progress)
    if kind == ".csv":
        return _read_csv(path, lines, on_fault)
    return ((number, line.split("\t")) for number, line in lines)


def _pick(path: Path, columns: Sequence[str | None], rows: Iterator[tuple[int, list[Any]]], on_fault: Report) -> Rows:
    """The wanted columns of rows of which the first is the header."""
    _, header = next(rows, (1, []))
    _check_columns(path, columns, header)
    places = [-1 if column is None else header.index(column) for column in columns]
    for number, fields in rows:
        if len(fields) != len(header):
            problem = f"{len(fields)} fields, but the header has {len(header)}."
            remedy = "Mend the line; in `.tsv` a query may hold no tab, in `.csv` a comma must be quoted."
            on_fault("wrong_fields", InputError(path, problem, line=number, remedy=remedy))
            continue
        fields.append(None)  # where the place -1 points
        yield number, [fields[place] for place in places]


def _read_csv(path: Path, lines: Iterator[_Line], on_fault: Report) -> Iterator[tuple[int, list[str]]]:
    """Fields of a table, each row with the line that it begins in. Quoted fields may hold commas and line breaks.

    A quote that is never closed costs one row: reading goes on at the line after the one that it stands in.
    """
    again: deque[_Line] = deque()  # lines that a broken row took, to be read once more
    width = 0
    delimiter = ""

    def take() -> _Line | None:
        return again.popleft() if again else next(lines, None)

    while numbered := take():
        number, line = numbered
        delimiter = delimiter or delimiter_of(line)
        if '"' not in line:
            fields = line.split(delimiter) if line else []
        else:
            taken = [numbered]
            try:
                fields = _read_quoted(taken, take, width, delimiter)
            except csv.Error as error:
                again.extendleft(reversed(taken[1:]))
                remedy = 'A quote inside a quoted field is written twice: "".'
                on_fault("not_csv", InputError(path, f"no proper CSV: {error}.", line=number, remedy=remedy))
                continue
        if fields:
            width = width or len(fields)
            yield number, fields


def decimal_comma(path: Path) -> bool:
    """Whether numbers in a file have a decimal comma: it is a CSV with semicolons."""
    if kind_of(path, KINDS) != ".csv":
        return False
    _, header = next(read_lines(path, max_bytes=MAX_ROW_BYTES), (1, ""))
    return delimiter_of(header) == ";"


def delimiter_of(header: str) -> str:
    """What parts the fields of a CSV: a comma, or what stands in its header in place of one."""
    unquoted = _QUOTED.sub("", header)
    return next((mark for mark in _DELIMITERS if mark in unquoted), ",")


def _read_quoted(taken: list[_Line], take: Callable[[], _Line | None], width: int, delimiter: str) -> list[str]:
    """The fields of a row that begins with the line in `taken`; lines that it goes on in are added there."""

    def lines() -> Iterator[str]:
        yield taken[0][1] + "\n"
        size = 0
        while size <= MAX_ROW_BYTES and (numbered := take()):
            taken.append(numbered)
            size += len(numbered[1]) + 1
            yield numbered[1] + "\n"

    try:
        fields = next(csv.reader(lines(), delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "end of data" in str(error):
            raise csv.Error("a quote is not closed") from None
        raise
    if len(taken) > 1 and width and len(fields) != width:
        raise csv.Error("a quote is not closed in its line, and what follows does not fit the header")
    return fields


def read_parquet(
    path: Path, columns: Sequence[str | None], progress: Progress | None = None
) -> Generator[list[Any], None, None]:
    """Some columns (see `read_columns`) of a Parquet file, also one in `.gz`, `.xz` or `.zst`, as plain Python values.

    Text may be stored as any kind of string, dictionary or bytes. Times come in UTC and without a zone.

    Raises:
        InputError: it is no Parquet file, is damaged, lacks a column, or the first column is not text.
    """
    with _parquet(path) as table:
        found = _parquet_columns(zip(table.columns, table.types, strict=True))
        _check_columns(path, columns, found)
        text, *others = ("NULL" if column is None else _expression(*found[column]) for column in columns)
        match found[str(columns[0])][1]:
            case "BLOB":
                text = f"decode({text})"
            case kind if kind != "VARCHAR":
                raise InputError(path, f"the column `{columns[0]}` holds {kind}, not text.")
        rows, size = 0, path.stat().st_size
        total = table.aggregate("count(*)").fetchall()[0][0]
        wanted = table.project(", ".join([text, *others]))
        for batch in wanted.to_arrow_reader(_BATCH_ROWS):
            yield from map(list, zip(*(column.to_pylist() for column in batch.columns), strict=True))
            rows += batch.num_rows
            if progress:
                progress(size * rows // total)


def begin_parquet(path: Path, max_rows: int, max_bytes: int) -> tuple[dict[str, list[Any]], int]:
    """The first rows of a Parquet file, each column with its values, and how many rows there are; no lists or maps.

    Raises:
        InputError: as `read_parquet`.
    """
    with _parquet(path) as table:
        total = table.aggregate("count(*)").fetchall()[0][0]
        found = _parquet_columns(zip(table.columns, table.types, strict=True))
        plain = {name: _shown(*column) for name, column in found.items() if not _COMPOUND.search(column[1])}
        columns: dict[str, list[Any]] = {name: [] for name in plain}
        size = 0
        for batch in table.limit(max_rows).project(", ".join(plain.values()) or "NULL").to_arrow_reader(1024):
            for values, column in zip(columns.values(), batch.columns, strict=False):
                values.extend(column.to_pylist())
            size += batch.nbytes
            if size > max_bytes:
                break
        return columns, total


def _shown(name: str, kind: str) -> str:
    return f"try(decode({name}))" if kind == "BLOB" else _expression(name, kind)


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import duckdb

    with plain_file(path) as (plain, folder):
        try:
            with duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(folder)}) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                yield connection.read_parquet(glob.escape(str(plain)), hive_partitioning=False)
        except duckdb.Error as error:
            reason = str(error).split("\n", 1)[0].rstrip(".!")
            raise InputError(
                path, f"no Parquet file, or a damaged one: {reason}.", remedy="Write or copy it again."
            ) from None


def _parquet_columns(
    columns: Iterable[tuple[str, Any]], outer: str = "", prefix: str = ""
) -> dict[str, tuple[str, str]]:
    """What SQL calls each column and its type; a column in another one has a name with dots."""
    found: dict[str, tuple[str, str]] = {}
    for name, kind in columns:
        quoted = outer + '"' + name.replace('"', '""') + '"'
        found[prefix + name] = quoted, str(kind)
        if kind.id == "struct":
            found |= _parquet_columns(kind.children, f"{quoted}.", f"{prefix}{name}.")
    return found


def _expression(name: str, kind: str) -> str:
    if not kind.startswith(("TIMESTAMP", "DATE")):
        return name
    time = f"{name}::TIMESTAMPTZ::TIMESTAMP" if "TZ" in kind or "ZONE" in kind else f"{name}::TIMESTAMP"
    return f"least({time}, TIMESTAMP '9999-12-31')"  # the last year that Python knows


def _check_columns(path: Path, wanted: Sequence[str | None], found: Collection[str]) -> None:
    """Raises an error that names the columns there are, if one is missing."""
    for column in wanted:
        if column is not None and column not in found:
            names = ", ".join(f"`{name}`" for name in found) or "none"
            problem = f"there is no column `{column}`; those there are: {names}."
            raise InputError(path, problem, remedy=NAME_IT)
