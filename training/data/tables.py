"""Columns of files, whatever the format, each row with the line that it stands in.

DuckDB reads Parquet. Text goes line by line instead: DuckDB's `read_csv` does not say in which line a row stands, loses
all rows from an open quote to the next one, and refuses a file that mixes the line ends of Windows and Unix.
"""

from __future__ import annotations

import csv
import glob
import json
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from lm.errors import InputError
from training.data.engines import MEMORY_LIMIT
from training.data.sources import COMPRESSIONS, Progress, Report, kind_of, open_bytes, read_lines, stop_at

_KINDS = (".txt", ".tsv", ".csv", ".jsonl", ".parquet")
MAX_ROW_BYTES = 65536
_BATCH_ROWS = 16384

Rows = Generator[tuple[int, list[Any]], None, None]
_Line = tuple[int, str]


def read_columns(
    path: Path,
    columns: Sequence[str | None],
    on_fault: Report = stop_at,
    progress: Progress | None = None,
    max_bytes: int | None = None,
) -> Rows:
    """Some columns of a file, the first of them text; each row with its line. A `.txt` has one column: its lines.

    Args:
        columns: None stands for a column that is null in every row.
        on_fault: told of a row that cannot be used; unless it raises, the row is left out.
        max_bytes: of a line of a `.txt`, see `read_lines`.

    Raises:
        InputError: the file or a column cannot be used, or a row, and `on_fault` raises.
    """
    kind = kind_of(path, _KINDS)
    if kind == ".parquet":
        yield from enumerate(read_parquet(path, columns, progress), start=1)
        return
    limit = {".txt": max_bytes, ".jsonl": None}.get(kind, MAX_ROW_BYTES)
    lines = read_lines(path, max_bytes=limit, on_fault=on_fault, progress=progress)
    if kind == ".txt":
        nulls = [None] * (len(columns) - 1)
        yield from ((number, [line, *nulls]) for number, line in lines)
    elif kind == ".jsonl":
        yield from _read_objects(path, columns, lines)
    elif kind == ".csv":
        yield from _pick(path, columns, _read_csv(path, lines, on_fault), on_fault)
    else:
        yield from _pick(path, columns, ((number, line.split("\t")) for number, line in lines), on_fault)


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

    def take() -> _Line | None:
        return again.popleft() if again else next(lines, None)

    while numbered := take():
        number, line = numbered
        if '"' not in line:
            fields = line.split(",") if line else []
        else:
            taken = [numbered]
            try:
                fields = _read_quoted(taken, take, width)
            except csv.Error as error:
                again.extendleft(reversed(taken[1:]))
                remedy = 'A quote inside a quoted field is written twice: "".'
                on_fault("not_csv", InputError(path, f"no proper CSV: {error}.", line=number, remedy=remedy))
                continue
        if fields:
            width = width or len(fields)
            yield number, fields


def _read_quoted(taken: list[_Line], take: Callable[[], _Line | None], width: int) -> list[str]:
    """The fields of a row that begins with the line in `taken`; lines that it goes on in are added there."""

    def lines() -> Iterator[str]:
        yield taken[0][1] + "\n"
        size = 0
        while size <= MAX_ROW_BYTES and (numbered := take()):
            taken.append(numbered)
            size += len(numbered[1]) + 1
            yield numbered[1] + "\n"

    try:
        fields = next(csv.reader(lines(), strict=True))
    except csv.Error as error:
        if "end of data" in str(error):
            raise csv.Error("a quote is not closed") from None
        raise
    if len(taken) > 1 and width and len(fields) != width:
        raise csv.Error("a quote is not closed in its line, and what follows does not fit the header")
    return fields


def _read_objects(path: Path, columns: Sequence[str | None], lines: Iterator[_Line]) -> Rows:
    """Fields of a file with one JSON object a line. Empty lines are left out; the first field must be there."""
    for number, line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(path, f"not JSON: {error}.", line=number, remedy="Write one object a line.") from None
        if not isinstance(record, dict):
            raise InputError(path, "not a JSON object.", line=number, remedy="Write one object a line.")
        _check_columns(path, columns[:1], record, line=number)
        text, *others = map(record.get, columns)
        if not isinstance(text, str | None):
            raise InputError(path, f"`{columns[0]}` is {text!r}, not text.", line=number, remedy="Mend the line.")
        yield number, [text, *others]


def read_parquet(
    path: Path, columns: Sequence[str | None], progress: Progress | None = None
) -> Generator[list[Any], None, None]:
    """Some columns (see `read_columns`) of a Parquet file, also one in `.gz`, `.xz` or `.zst`, as plain Python values.

    Text may be stored as any kind of string, dictionary or bytes. Times come in UTC and without a zone.

    Raises:
        InputError: it is no Parquet file, is damaged, lacks a column, or the first column is not text.
    """
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        plain = _decompressed(path, Path(folder))
        try:
            with duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": folder}) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                table = connection.read_parquet(glob.escape(str(plain)), hive_partitioning=False)
                kinds = dict(zip(table.columns, map(str, table.types), strict=True))
                _check_columns(path, columns, kinds)
                text, *others = ("NULL" if column is None else _expression(column, kinds[column]) for column in columns)
                match kinds[str(columns[0])]:
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
        except duckdb.Error as error:
            reason = str(error).split("\n", 1)[0].rstrip(".!")
            raise InputError(
                path, f"no Parquet file, or a damaged one: {reason}.", remedy="Write or copy it again."
            ) from None


def _expression(column: str, kind: str) -> str:
    name = '"' + column.replace('"', '""') + '"'
    if not kind.startswith(("TIMESTAMP", "DATE")):
        return name
    time = f"{name}::TIMESTAMPTZ::TIMESTAMP" if "TZ" in kind or "ZONE" in kind else f"{name}::TIMESTAMP"
    return f"least({time}, TIMESTAMP '9999-12-31')"  # the last year that Python knows


def _decompressed(path: Path, folder: Path) -> Path:
    with open_bytes(path) as (stream, _):
        if path.suffix.lower() not in COMPRESSIONS:
            return path
        plain = folder / "plain.parquet"
        with plain.open("wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
        return plain


def _check_columns(path: Path, wanted: Sequence[str | None], found: Collection[str], line: int | None = None) -> None:
    """Raises an error that names the columns there are, or the fields of a line, if one is missing."""
    for column in wanted:
        if column is not None and column not in found:
            kind, names = "field" if line else "column", ", ".join(f"`{name}`" for name in found) or "none"
            problem = f"there is no {kind} `{column}`; those there are: {names}."
            raise InputError(path, problem, line=line, remedy="Name the column in the configuration.")
