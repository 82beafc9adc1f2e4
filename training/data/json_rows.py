"""Rows of JSON files, as other systems write them, each with the line, or the place among the rows, that it stands in.

A file may hold an object a line, one list of objects, or objects that hold lists. A column with dots in its name goes
into nested objects and lists: `hits.hits._source.user_query` makes a row of each hit. Lines that say to which index of
Elasticsearch or OpenSearch the next one goes (`_bulk`) are no rows; that one gets their `_index`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from lm.errors import InputError
from training.data.engines import MEMORY_LIMIT
from training.data.sources import MAX_LINE_BYTES, Progress, Report, RowError, open_bytes, plain_file, read_lines

JSON_KINDS = (".jsonl", ".ndjson", ".json")
_MAX_OBJECT_BYTES = 1 << 28
_BATCH_ROWS = 4096
_BULK_ACTIONS = ("index", "create", "update", "delete")
_BULK_FIELDS = frozenset({"routing", "pipeline", "require_alias", "if_seq_no", "if_primary_term", "version"})
_ABSENT = object()
NAME_IT = "Name the column in the configuration; `autocomplete init FILE` finds out which one it is."

Object = dict[str, Any]
Objects = Generator[tuple[int, Object], None, None]


def read_objects(path: Path, kind: str, on_fault: Report, progress: Progress | None) -> Objects:
    """The objects of a file, each with its line; or with its place, where they are not written one a line.

    Raises:
        InputError: the file cannot be used, or a line, and `on_fault` raises.
    """
    if kind != ".json":
        return _without_actions(_read_lines(path, MAX_LINE_BYTES, on_fault, progress))
    if _begins_with_an_object_a_line(path):
        return _without_actions(_read_lines(path, _MAX_OBJECT_BYTES, on_fault, progress))
    return _read_documents(path)


def _begins_with_an_object_a_line(path: Path) -> bool:
    with open_bytes(path) as (stream, _):
        line = stream.readline(_MAX_OBJECT_BYTES)
    try:
        return isinstance(json.loads(line.removeprefix(b"\xef\xbb\xbf")), dict)
    except (ValueError, RecursionError):
        return False


def _read_lines(path: Path, max_bytes: int, on_fault: Report, progress: Progress | None) -> Objects:
    for number, line in read_lines(path, max_bytes=max_bytes, on_fault=on_fault, progress=progress):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            problem = "" if isinstance(record, dict) else "not a JSON object."
        except (ValueError, RecursionError) as error:
            problem = f"not JSON: {error}."
        if problem:
            on_fault("not_json", InputError(path, problem, line=number, remedy="Write one object a line."))
        else:
            yield number, record


def _without_actions(records: Objects) -> Objects:
    index = None
    for number, record in records:
        target = _bulk_target(record)
        if target is not None:
            index = target.get("_index")
        elif index is None:
            yield number, record
        else:
            yield number, {"_index": index, **record}


def _bulk_target(record: Object) -> Object | None:
    """What a line of `_bulk` such as `{"index": {"_index": "ubi_queries"}}` says; None if it is no such line."""
    if len(record) != 1:
        return None
    ((action, target),) = record.items()
    if action not in _BULK_ACTIONS or not isinstance(target, dict):
        return None
    return target if all(name.startswith("_") or name in _BULK_FIELDS for name in target) else None


def _read_documents(path: Path) -> Objects:
    """Objects of a list, or one after the other, in whatever lines; DuckDB finds where each ends."""
    import duckdb

    remedy = f"Write one object a line, such as with `jq -c '.[]' {path.name} > {path.stem}.jsonl`."
    number = 0
    with plain_file(path) as (plain, folder):
        try:
            with duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(folder)}) as connection:
                # an object has to fit into a buffer of each thread
                connection.execute("SET threads = 1")
                table = connection.sql(
                    "SELECT json FROM read_json_objects([$file], maximum_object_size = $bytes)",
                    params={"file": str(plain), "bytes": min(_MAX_OBJECT_BYTES, plain.stat().st_size + 4096)},
                )
                for batch in table.to_arrow_reader(_BATCH_ROWS):
                    for text in batch.column(0).to_pylist():
                        number += 1
                        record = json.loads(text)
                        if not isinstance(record, dict):
                            raise InputError(path, "not a list of JSON objects.", line=number, remedy=remedy)
                        yield number, record
        except (duckdb.Error, OSError, ValueError, RecursionError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # Arrow's have none
                raise
            reason = str(error).split("\n", 1)[0].replace(f' in file "{plain}"', "").rstrip(".! ")
            raise InputError(path, f"not JSON: {reason}.", remedy=remedy) from None


def rows_of(
    path: Path,
    objects: Objects,
    columns: Sequence[str | None],
    matches: Callable[[Sequence[Any]], bool],
    on_fault: Report,
) -> Generator[tuple[int, list[Any]], None, None]:
    """Columns of objects. In each row that `matches` the first one must be there, as text or null.

    A row of a list has its place among all rows in place of a line.
    """
    first, place = str(columns[0]), 0
    with closing(objects):
        for line, record in objects:
            for row in spread(record, first) if "." in first and first not in record else (record,):
                place += 1
                values = [None if column is None else look_up(row, column) for column in columns]
                if not matches(values):
                    continue
                number = line if row is record else place
                fault = _fault(row, first, values[0])
                if fault is None:
                    yield number, values
                else:
                    on_fault(fault.kind, fault.at(path, number))


def _fault(row: Object, column: str, text: Any) -> RowError | None:
    if text is None and look_up(row, column, _ABSENT) is _ABSENT:
        names = ", ".join(f"`{name}`" for name in fields(row)) or "none"
        problem = f"there is no field `{column}`; those there are: {names}."
        return RowError("no_field", problem, NAME_IT)
    if not isinstance(text, str | None):
        return RowError("no_text", f"`{column}` is {text!r}, not text.", "Mend the line.")
    return None


def look_up(record: Any, column: str, absent: Any = None) -> Any:
    """The field of that name: one of the object itself, or else one of an object in it, with dots between the names."""
    if column in record:
        return record[column]
    for name in column.split("."):
        if not isinstance(record, dict) or name not in record:
            return absent
        record = record[name]
    return record


def spread(record: Object, column: str) -> Iterator[Object]:
    """The object, once for each item of the lists that the column goes through; the item stands for its list."""
    names = column.split(".")
    value: Any = record
    for depth, name in enumerate(names[:-1], start=1):
        value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, list):
            for item in value:
                yield from spread(_replaced(record, names[:depth], item), column)
            return
    yield record


def _replaced(record: Object, names: Sequence[str], item: Any) -> Object:
    name, *deeper = names
    return {**record, name: _replaced(record[name], deeper, item) if deeper else item}


def fields(record: Object, prefix: str = "") -> Object:
    """All fields of an object by their names, with dots into objects in it."""
    found: Object = {}
    for name, value in record.items():
        if isinstance(value, dict) and value:
            found |= fields(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
