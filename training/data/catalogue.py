"""Titles or products with weights. They take the place of a query log, or stand beside one.

The entries are the operator's own: they are screened, but no threshold applies. All of them enter the index, with their
weights as counts. Language models read each entry once, however heavy: they learn what entries look like, and the
index knows which are wanted.
"""

from __future__ import annotations

import glob
import itertools
import json
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import numpy as np

from lm.errors import InputError
from lm.index.never_generated import hash_query
from lm.text.normalize import displayed_query, normalize_query
from training.config import CatalogueSource, TrainingConfig
from training.data.engines import MEMORY_LIMIT
from training.data.query_log import WITHHELD_FILE
from training.data.screening import Screen, load_screen
from training.data.sources import leave_out_empty, source_files
from training.data.tables import KINDS, read_columns
from training.progress import Reporter

CATALOGUE_KINDS = KINDS
_MIN_ENTRIES = 3
_SHOWN = 60
"""An error shows this many characters of a bad value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueCounts:
    """What a catalogue held: rows read, distinct entries kept, rows dropped by reason, held-out entries."""

    files: int
    rows: int
    entries: int
    dropped_rows: dict[str, int]
    validation: int
    test: int


@dataclass(slots=True)
class _Entry:
    """An entry while rows are read; `display` and `payload` come from its heaviest row, of weight `heaviest`."""

    weight: float
    heaviest: float
    display: str | None
    payload: str | None


def write_catalogue(
    config: TrainingConfig, base: Path, log: Path | None, out_folder: Path, reporter: Reporter
) -> CatalogueCounts:
    """Writes the files of `training.data.query_log` with the catalogue added; `train.parquet` also has `payload`.

    Without a log, entries are held out by lot, heavy ones more often; they stay in the index, but no language model
    reads them. With a log, queries that it withholds stay withheld unless they are entries.

    Args:
        log: folder of the counted query log, or None. Its held-out queries are taken over; no entries are held out.

    Raises:
        InputError: a file, a line, a column or a weight cannot be used, or too few entries are left.
    """
    screening, held_out, seed = config.screening, config.held_out, config.seed
    files = leave_out_empty(source_files(config.catalogue, base, CATALOGUE_KINDS), reporter)
    screen = load_screen(base / screening.blocked_words if screening.blocked_words else None)
    entries, dropped, rows = _read(files, screen, screening.max_length, reporter)
    if log is None and len(entries) < _MIN_ENTRIES:
        reasons = ", ".join(f"{rows} {reason}" for reason, rows in dropped.most_common()) or "none"
        problem = f"{len(entries)} entries are left, too few to train, tune and measure on (dropped: {reasons})."
        raise InputError(files[0][1], problem, remedy="Is text_column the right one?")
    _write_index(entries, log, out_folder)
    parts = {"validation": 0, "test": 0}
    held = set[str]()
    if log is None:
        drawn = iter(_draw(entries, seed))
        for name, share in (("validation", held_out.validation_fraction), ("test", held_out.test_fraction)):
            parts[name] = max(1, min(held_out.max_queries, int(len(entries) * share)))
            lines = list(itertools.islice(drawn, parts[name]))
            _write_lines(out_folder / f"{name}.txt", lines)
            held.update(lines)
    else:
        for path in (log / "validation.txt", log / "test.txt", *log.glob("train_lm*.txt")):
            shutil.copy2(path, out_folder)
        _write_withheld(entries, log, out_folder)
    _write_lines(out_folder / "train_lm.txt", [query for query in _shuffled(entries, seed) if query not in held])
    return CatalogueCounts(
        files=len(files), rows=rows, entries=len(entries), dropped_rows=dict(sorted(dropped.items())), **parts
    )


def _read(
    files: Sequence[tuple[CatalogueSource, Path]], screen: Screen, max_length: int, reporter: Reporter
) -> tuple[dict[str, _Entry], Counter[str], int]:
    entries: dict[str, _Entry] = {}
    dropped: Counter[str] = Counter()
    rows = 0
    with reporter.task("Reading the catalogue", len(files)) as task:
        for number, (source, path) in enumerate(files):
            columns = (source.text_column, source.weight_column, source.payload_column)
            for line, (title, weight, payload) in read_columns(path, columns):
                _check_characters(path, line, [title, weight, payload])
                rows += 1
                text = title or ""
                query = normalize_query(text).rstrip(" ")
                value = 1.0 if source.weight_column is None else _weight(path, line, weight)
                reason = _reason(query, value, max_length) or screen.reason(query)
                if reason:
                    dropped[reason] += 1
                    continue
                entry = entries.setdefault(query, _Entry(0.0, 0.0, None, None))
                entry.weight += value
                if value > entry.heaviest:
                    entry.heaviest, entry.display, entry.payload = value, displayed_query(text), _payload(payload)
            task.update(number + 1)
    return entries, dropped, rows


def _reason(query: str, weight: float, max_length: int) -> str | None:
    if not query:
        return "empty"
    if len(query) > max_length:
        return "too_long"
    return None if weight > 0 else "no_weight"


def _check_characters(path: Path, line: int, fields: Sequence[object]) -> None:
    """Raises if a JSON escape is half of a surrogate pair without the other half."""
    try:
        json.dumps(fields, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        problem = f"`{half}` is half a character, a lone surrogate."
        raise InputError(path, problem, line=line, remedy="Write the character itself, or both halves.") from None


def _weight(path: Path, line: int, value: object) -> float:
    try:
        weight = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        weight = math.nan
    if not 0 <= weight < 1e30:
        text = repr(value)
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        raise InputError(
            path,
            f"the weight {shown} is no number of 0 or more.",
            line=line,
            remedy="Mend or drop the line, or leave weight_column out: all entries then weigh 1.",
        )
    return weight


def _payload(value: object) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _draw(entries: dict[str, _Entry], seed: int) -> list[str]:
    """All entries in random order, heavy ones more often at its beginning (Efraimidis and Spirakis, 2006)."""

    def key(query: str) -> float:
        digest = md5(f"{seed}:{query}".encode(), usedforsecurity=False).digest()
        return -math.log((int.from_bytes(digest[:8], "big") + 1) / 2**64) / entries[query].weight

    return sorted(entries, key=lambda query: (key(query), query))


def _shuffled(entries: dict[str, _Entry], seed: int) -> list[str]:
    return sorted(entries, key=lambda query: md5(f"{query}\t{seed}".encode(), usedforsecurity=False).digest())


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    with path.open("a", encoding="utf-8", newline="\n") as out:
        out.writelines(line + "\n" for line in lines)


def _write_index(entries: dict[str, _Entry], log: Path | None, folder: Path) -> None:
    """Writes `train.parquet`: the log's queries and the entries in byte order; counts and weights add up."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(
        {
            "query": pyarrow.array(entries, pyarrow.string()),
            "count": pyarrow.array([entry.weight for entry in entries.values()], pyarrow.float64()),
            "display": pyarrow.array([entry.display for entry in entries.values()], pyarrow.string()),
            "payload": pyarrow.array([entry.payload for entry in entries.values()], pyarrow.string()),
        }
    )
    if log is None:
        pyarrow.parquet.write_table(table.sort_by("query"), folder / "train.parquet", compression="zstd")
        return
    import duckdb

    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="spill-") as spill,
        duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": spill}) as connection,
    ):
        logged = connection.read_parquet(glob.escape(str(log / "train.parquet")))
        logged.create_view("logged")
        connection.register("entries", table)
        display = "coalesce(e.display, l.display)" if "display" in logged.columns else "e.display"
        recent = "coalesce(l.recent, 0) AS recent," if "recent" in logged.columns else ""  # entries have no times
        added = connection.sql(
            f"""
            SELECT coalesce(l.query, e.query) AS query, coalesce(l.count, 0) + coalesce(e.count, 0) AS count,
                   {recent} {display} AS display, e.payload AS payload
            FROM logged l FULL JOIN entries e ON l.query = e.query ORDER BY 1
            """
        )
        added.write_parquet(str(folder / "train.parquet"), compression="zstd")


def _write_withheld(entries: dict[str, _Entry], log: Path, folder: Path) -> None:
    """Writes `withheld.parquet`: the hashes of the log without those of entries, which may be suggested."""
    import pyarrow
    import pyarrow.parquet

    withheld = pyarrow.parquet.read_table(log / WITHHELD_FILE)["hash"].to_numpy()
    entered = np.fromiter(map(hash_query, entries), np.uint64, len(entries))
    left = withheld[~np.isin(withheld, entered)]
    pyarrow.parquet.write_table(pyarrow.table({"hash": left}), folder / WITHHELD_FILE, compression="zstd")
