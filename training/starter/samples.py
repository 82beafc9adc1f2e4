"""The beginning of a file, column by column, for one who has to say what the file holds."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from lm.errors import InputError
from training.data.json_rows import JSON_KINDS, Object, fields, look_up, read_objects, spread
from training.data.log_reader import parse_time
from training.data.sources import RowError, kind_of, read_lines
from training.data.tables import KINDS, begin_parquet, read_table

MAX_ROWS = 20_000
_MAX_CHARACTERS = 16_000_000
_WRAPPERS = 3
"""A JSON file of this many objects or fewer may hold its rows in a list inside them."""
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a]")
LINE = "line"
"""The name of the one column of a `.txt`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The first rows of a file.

    Attributes:
        columns: the values of each column by its name, as `read_columns` takes it.
        rows: how many there are here; `total` is how many the file has, about, if it is longer.
        bad: how many rows cannot be used; `fault` is the first of them.
    """

    path: Path
    kind: str
    columns: dict[str, list[Any]]
    rows: int
    total: int
    bad: int
    fault: InputError | None

    def where(self, column: str, allowed: set[str]) -> Sample:
        """Only the rows that have one of these values in a column."""
        kept = [number for number, value in enumerate(self.columns[column]) if str(value) in allowed]
        columns = {name: [values[number] for number in kept] for name, values in self.columns.items()}
        total = self.total * len(kept) // max(self.rows, 1)
        return replace(self, columns=columns, rows=len(kept), total=total)


def read_sample(path: Path) -> Sample:
    """Reads at most `MAX_ROWS` rows.

    Raises:
        InputError: the file is missing, empty, of no known kind, not text, or has no header.
    """
    if path.is_dir():
        raise InputError(path, "is a folder.", remedy=f"Name the files in it, such as `{path / '*'}`.")
    if not path.exists():
        raise InputError(path, "no such file.", remedy="Is the name right?")
    if path.suffix.lower() == ".zip":
        raise _zipped(path)
    kind = kind_of(path, KINDS)
    if kind == ".parquet":
        columns, total = begin_parquet(path, MAX_ROWS, _MAX_CHARACTERS)
        rows = len(next(iter(columns.values()), []))
        sample = Sample(path=path, kind=kind, columns=columns, rows=rows, total=total, bad=0, fault=None)
    else:
        sample = _read_text(path, kind)
    if not sample.rows:
        raise InputError(path, "holds no rows.", remedy="Give a file with data in it.")
    return sample


def _zipped(path: Path) -> InputError:
    try:
        with ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (BadZipFile, OSError):
        names = []
    held = f" of {len(names)} files: {', '.join(names[:8])}" if names else ""
    return InputError(
        path, f"is an archive{held}.", remedy=f"Unpack it (`unzip {path.name}`) and name the file to use."
    )


class _Bounded:
    """Lets rows pass until they are too many or too long; notes where it stopped and which rows cannot be used."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.first: InputError | None = None
        self._stopped = False
        self._taken = self._size = 0
        self._mark = (0, 0)

    def fault(self, kind: str, error: InputError) -> None:
        """A row that cannot be used.

        Raises:
            InputError: it is the first line, and no UTF-8: neither is the rest.
        """
        if kind == "not_utf8" and error.line == 1:
            raise error
        self.faults[kind] += 1
        self.first = self.first or error

    def at(self, position: int) -> None:
        """How many bytes of the file are read."""
        self._mark = self._taken, position

    def rows(self, rows: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """The rows that pass, with their lines."""
        for number, row in rows:
            if self._taken == MAX_ROWS or self._size > _MAX_CHARACTERS:
                self._stopped = True
                return
            self._taken += 1
            self._size += len(row) if isinstance(row, str) else len(str(row))
            yield number, row

    def total(self, rows: int, size: int) -> int:
        """About how many rows a file of this size has, of which these are here."""
        if not self._stopped:
            return rows
        taken, read = self._mark if self._mark[1] else (self._taken, self._size)
        return max(rows + 1, rows * size * taken // max(read * self._taken, 1))


def _read_text(path: Path, kind: str) -> Sample:
    bounded = _Bounded()
    if kind == ".txt":
        read = read_lines(path, on_fault=bounded.fault, progress=bounded.at)
        lines = [line for _, line in bounded.rows(read) if line.strip()]
        _check_text(path, lines)
        columns: dict[str, list[Any]] = {LINE: lines}
    elif kind in JSON_KINDS:
        columns = _columns_of(_records(path, kind, bounded))
    else:
        columns = _read_table(path, kind, bounded)
    rows = len(next(iter(columns.values()), []))
    # not UTF-8 is the whole file, where it is more than a slip
    if bounded.first and (not rows or bounded.faults["not_utf8"] > rows // 1000):
        raise bounded.first
    total = bounded.total(rows, path.stat().st_size)
    bad = bounded.faults.total()
    return Sample(path=path, kind=kind, columns=columns, rows=rows, total=total, bad=bad, fault=bounded.first)


def _check_text(path: Path, lines: list[str]) -> None:
    """Raises if lines hold control characters, or are the rows of a table."""
    for number, line in enumerate(lines[:100], start=1):
        if _BINARY.search(line):
            raise InputError(path, "holds no text.", line=number, remedy="Save it as text (UTF-8).")
    tabs = Counter(line.count("\t") for line in lines)
    if tabs and tabs.most_common(1)[0][0] and tabs.most_common(1)[0][1] > 0.9 * tabs.total():
        remedy = "Name it `.tsv`, and let its first line name the columns."
        raise InputError(path, f"is a table: its lines have {tabs.most_common(1)[0][0]} tabs.", remedy=remedy)


def _read_table(path: Path, kind: str, bounded: _Bounded) -> dict[str, list[Any]]:
    rows = bounded.rows(read_table(path, kind, bounded.fault, bounded.at))
    _, header = next(rows, (1, []))
    _check_text(path, ["".join(header)])
    _check_header(path, kind, header)
    columns: list[list[Any]] = [[] for _ in header]
    for number, row in rows:
        if len(row) != len(header):
            problem = f"{len(row)} fields, but the header has {len(header)}."
            bounded.fault("wrong_fields", InputError(path, problem, line=number, remedy="Mend the line."))
            continue
        for values, field in zip(columns, row, strict=True):
            values.append(field)
    if bounded.faults["wrong_fields"] > len(columns[0]):
        problem = f"most lines have another number of fields than the first, which has {len(header)}."
        raise InputError(path, problem, line=1, remedy="Let the first line name the columns.")
    named: dict[str, list[Any]] = {}
    for name, values in zip(header, columns, strict=True):
        named.setdefault(name, values)  # of two with one name the first is read
    return named


def _check_header(path: Path, kind: str, header: list[str]) -> None:
    data = next(filter(_is_value, header), None)
    if data is not None:
        names = ("\\t" if kind == ".tsv" else ",").join("abcdefghijklmnopqrstuvwxyz"[: len(header)])
        problem = f"the first line names no columns, it holds data (`{data}`)."
        remedy = f"Put a line of names first, such as `sed -i '1i {names}' {path.name}`."
        raise InputError(path, problem, line=1, remedy=remedy)


def _is_value(field: str) -> bool:
    if re.fullmatch(r"[+-]?[\d.,]+", field):
        return True
    try:
        parse_time(field)
    except RowError:
        return False
    return True


def _records(path: Path, kind: str, bounded: _Bounded) -> Iterator[Object]:
    """The objects of a JSON file; if it has only a few, the objects of the longest list in one."""
    with closing(read_objects(path, kind, bounded.fault, bounded.at)) as objects:
        first = list(itertools.islice(objects, _WRAPPERS + 1))
        column = _inner_list(first) if len(first) <= _WRAPPERS or _is_search_answer(first[0][1]) else None
        everything: Iterator[tuple[int, Object]] = itertools.chain(first, objects)
        if column is not None:
            everything = ((line, row) for line, record in everything for row in spread(record, f"{column}."))
        yield from (record for _, record in bounded.rows(everything))


def _is_search_answer(record: Object) -> bool:
    return isinstance(look_up(record, "hits.hits"), list)


def _inner_list(objects: list[tuple[int, Object]]) -> str | None:
    """The name of the longest list of objects."""
    lists = {
        name: value
        for _, record in objects
        for name, value in fields(record).items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    return max(lists, key=lambda name: len(lists[name]), default=None)


def _columns_of(records: Iterator[Object]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for number, record in enumerate(records):
        for name, value in fields(record).items():
            values = columns.setdefault(name, [])
            values.extend([None] * (number - len(values)))
            values.append(value)
    rows = max(map(len, columns.values()), default=0)
    for values in columns.values():
        values.extend([None] * (rows - len(values)))
    return columns
