"""Titles or products with weights. They take the place of a query log, or stand beside one.

The entries are the operator's own words: no threshold applies, and they are screened only if the configuration asks for
it. All of them enter the index, with their weights as counts; beside a log each weight is first multiplied with one
factor, see `catalogue_weight`. Entries that normalise alike are one query of the index, and stay several things in it
if their payloads differ. Language models read each entry once, however heavy: they learn
what entries look like, and the index knows which are wanted.
"""

from __future__ import annotations

import glob
import json
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lm.errors import InputError
from lm.index.never_generated import hash_query
from lm.text.normalize import displayed_query, normalize_query
from training.config import CatalogueSource, Screening, TrainingConfig
from training.data.catalogue_weight import fit_factor, read_log_counts
from training.data.engines import MEMORY_LIMIT
from training.data.numbers import parse_hits, parse_number
from training.data.query_log import WITHHELD_FILE
from training.data.screening import load_screen
from training.data.sources import leave_out_empty, source_files
from training.data.tables import KINDS, decimal_comma, read_columns
from training.progress import Reporter

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection as Connection

CATALOGUE_KINDS = KINDS
LONGEST_ENTRY = 256
"""Code points: as many as a user may type, or a chosen entry could not stand in the box."""
MOST_TAGS, LONGEST_TAG = 32, 64
_HELD_OUT_FROM = 10
"""Of fewer entries none is held out: each is worth more to the models than to the figures."""
_SHOWN = 60
"""An error shows this many characters of a bad value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueCounts:
    """What a catalogue held: rows read, entries kept, rows dropped by reason, held-out entries.

    Attributes:
        entries: distinct by their normalised text; `forms` by their payload too.
        weight_factor: submissions of the log that a weight of 1 counts as; None without a log.
    """

    files: int
    rows: int
    entries: int
    forms: int
    dropped_rows: dict[str, int]
    validation: int
    test: int
    weight_factor: float | None = None

    def summary(self) -> str:
        """One line for the person who waits."""
        reasons = {reason.replace("_", " "): rows for reason, rows in self.dropped_rows.items()}
        reasons["the same title and payload as another"] = self.rows - sum(reasons.values()) - self.forms
        dropped = ", ".join(f"{rows:,} {reason}" for reason, rows in reasons.items() if rows)
        alike = f", {self.forms - self.entries:,} more that differ from another in their payload alone"
        factor = self.weight_factor
        counted = "" if factor is None else f". A weight of 1 counts as {factor:.3g} submissions (catalogue_weight)"
        return (
            f"Catalogue: {self.rows:,} rows (dropped: {dropped or 'none'}); {self.entries:,} titles in the index"
            f"{alike if self.forms > self.entries else ''}{counted}"
        )


@dataclass(slots=True)
class _Form:
    """An entry with its payload; `display` comes from its heaviest row, of weight `heaviest`, `tags` from all."""

    weight: float = 0.0
    heaviest: float = 0.0
    display: str = ""
    tags: set[str] = field(default_factory=set)


_Forms: TypeAlias = list[tuple[str, str, _Form]]
"""Query, payload or "", and form: in byte order of the queries, of one query the heaviest first."""


def write_catalogue(
    config: TrainingConfig, base: Path, log: Path | None, out_folder: Path, reporter: Reporter
) -> CatalogueCounts:
    """Writes the files of `training.data.query_log` with the catalogue added; `train.parquet` also has `forms`.

    Without a log, entries are held out by lot, heavy ones more often; they stay in the index, but no language model
    reads them. Of fewer than `_HELD_OUT_FROM` entries the models read all, also those that measure. With a log, queries
    that it withholds stay withheld unless they are entries.

    Args:
        log: folder of the counted query log, or None. Its held-out queries are taken over; no entries are held out.

    Raises:
        InputError: a file, a line, a column or a weight cannot be used, or no entry is left.
    """
    files = leave_out_empty(source_files(config.catalogue, base, CATALOGUE_KINDS), reporter)
    forms, nowhere, dropped, rows = _read(files, config.screening, base, reporter)
    weights = _weights(forms)
    if log is None and not weights:
        reasons = ", ".join(f"{rows} {reason}" for reason, rows in dropped.most_common()) or "none"
        remedy = "Is text_column the right one?"
        raise InputError(files[0][1] if files else base, f"no entry is left (dropped: {reasons}).", remedy=remedy)
    parts, held, factor = {"validation": 0, "test": 0}, set[str](), None
    if log is None:
        _write_index(_table(forms, weights), nowhere, out_folder)
        parts, held = _hold_out(weights, config, out_folder, reporter)
    else:
        with _reading(log, out_folder) as connection:
            factor = config.catalogue_weight
            if factor is None and weights:
                factor = fit_factor(weights, read_log_counts(connection, log))
            _write_index(_table(forms, weights, factor or 1.0), nowhere, out_folder, connection)
        for path in (log / "validation.txt", log / "test.txt", *log.glob("train_lm*.txt")):
            shutil.copy2(path, out_folder)
    _write_withheld(weights, nowhere, log, out_folder)
    lines = [query for query in _shuffled(weights, config.seed) if query not in held]
    _write_lines(out_folder / "train_lm.txt", lines)
    counted = {"files": len(files), "rows": rows, "entries": len(weights), "forms": len(forms)}
    return CatalogueCounts(**counted, dropped_rows=dict(sorted(dropped.items())), **parts, weight_factor=factor)


def _hold_out(
    weights: dict[str, float], config: TrainingConfig, folder: Path, reporter: Reporter
) -> tuple[dict[str, int], set[str]]:
    """Writes the entries that tune and measure. Returns how many they are, and those that no model may read."""
    drawn, parts, held = _draw(weights, config.seed), dict[str, int](), set[str]()
    few = len(weights) < _HELD_OUT_FROM
    if few:
        reporter.say(f"{len(weights)} entries are too few to hold any out: the figures are of entries that were read.")
    start, shares = 0, (("validation", config.held_out.validation_fraction), ("test", config.held_out.test_fraction))
    for name, share in shares:
        size = len(drawn) if few else max(1, min(config.held_out.max_queries, int(len(drawn) * share)))
        lines = drawn[start : start + size]
        _write_lines(folder / f"{name}.txt", lines)
        parts[name] = len(lines)
        if not few:
            start += size
            held.update(lines)
    return parts, held


def _read(
    files: Sequence[tuple[CatalogueSource, Path]], screening: Screening, base: Path, reporter: Reporter
) -> tuple[_Forms, set[str], Counter[str], int]:
    """The entries, what finds nothing, how many rows were dropped by reason, and how many there were."""
    screen = None
    if screening.catalogue:
        screen = load_screen(base / screening.blocked_words if screening.blocked_words else None)
    longest = screening.max_length if screening.catalogue else LONGEST_ENTRY
    found: dict[tuple[str, str], _Form] = {}
    dropped: Counter[str] = Counter()
    nowhere, rows = set[str](), 0
    with reporter.task("Reading the catalogue", len(files)) as task:
        for number, (source, path) in enumerate(files):
            columns = (
                source.text_column,
                source.weight_column,
                source.payload_column,
                source.tags_column,
                source.hits_column,
            )
            comma = source.weight_column is not None and decimal_comma(path)
            for line, (title, weight, payload, tags, hits) in read_columns(path, columns):
                _check_characters(path, line, [title, weight, payload, tags])
                rows += 1
                text = title or ""
                query = normalize_query(text).rstrip(" ")
                value = 1.0 if source.weight_column is None else _weight(path, line, weight, comma)
                reason = _reason(query, value, longest) or (screen.reason(query) if screen else None)
                if not reason and _finds_nothing(path, line, hits, comma):
                    reason = "no_hits"
                    nowhere.add(query)
                if reason:
                    dropped[reason] += 1
                    continue
                form = found.setdefault((query, _payload(payload)), _Form())
                form.weight += value
                form.tags.update(_tags(path, line, tags, source.tags_separator))
                if value > form.heaviest:
                    form.heaviest, form.display = value, displayed_query(text) or ""
            task.update(number + 1)
    forms = [(query, payload, form) for (query, payload), form in found.items()]
    forms.sort(key=lambda each: (each[0], -each[2].weight))
    return forms, nowhere.difference(query for query, _, _ in forms), dropped, rows


def _weights(forms: _Forms) -> dict[str, float]:
    """The weight of each query, all its forms together."""
    weights: dict[str, float] = {}
    for query, _, form in forms:
        weights[query] = weights.get(query, 0.0) + form.weight
    return weights


def _reason(query: str, weight: float, longest: int) -> str | None:
    if not query:
        return "empty"
    if len(query) > longest:
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


def _weight(path: Path, line: int, value: object, comma: bool) -> float:
    weight = parse_number(value, decimal_comma=comma)
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


def _finds_nothing(path: Path, line: int, hits: object, comma: bool) -> bool:
    number = parse_hits(hits, decimal_comma=comma)
    if number is not None and math.isnan(number):
        problem, remedy = f"the hits {str(hits)[:_SHOWN]!r} are no count.", "Mend the line, or leave the field empty."
        raise InputError(path, problem, line=line, remedy=remedy)
    return number == 0


def _tags(path: Path, line: int, value: object, separator: str) -> list[str]:
    """The tags of a row: a list, or one text of them."""
    if value is None:
        return []
    each = value if isinstance(value, list) else str(value).split(separator)
    tags = list(dict.fromkeys(tag for one in each if one is not None and (tag := str(one).strip())))
    problem = f"{len(tags)} tags." if len(tags) > MOST_TAGS else ""
    problem = next(
        (f"the tag `{tag[:_SHOWN]}` has {len(tag)} characters." for tag in tags if len(tag) > LONGEST_TAG), problem
    )
    if problem:
        remedy = f"An entry has at most {MOST_TAGS} tags of {LONGEST_TAG} characters; tags_separator parts them."
        raise InputError(path, problem, line=line, remedy=remedy)
    return tags


def _payload(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _draw(weights: dict[str, float], seed: int) -> list[str]:
    """All entries in random order, heavy ones more often at its beginning (Efraimidis and Spirakis, 2006)."""

    def key(query: str) -> float:
        digest = md5(f"{seed}:{query}".encode(), usedforsecurity=False).digest()
        return -math.log((int.from_bytes(digest[:8], "big") + 1) / 2**64) / weights[query]

    return sorted(weights, key=lambda query: (key(query), query))


def _shuffled(queries: Iterable[str], seed: int) -> list[str]:
    return sorted(queries, key=lambda query: md5(f"{query}\t{seed}".encode(), usedforsecurity=False).digest())


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    with path.open("a", encoding="utf-8", newline="\n") as out:
        out.writelines(line + "\n" for line in lines)


def _table(forms: _Forms, weights: dict[str, float], factor: float = 1.0) -> pyarrow.Table:
    """The entries in byte order: `query`, `count`, which is the weight times the factor, and `forms`."""
    import pyarrow

    columns = {
        "display": pyarrow.array([form.display for _, _, form in forms], pyarrow.string()),
        "payload": pyarrow.array([payload for _, payload, _ in forms], pyarrow.string()),
        "share": pyarrow.array([form.weight / weights[query] for query, _, form in forms], pyarrow.float64()),
    }
    if any(form.tags for _, _, form in forms):
        columns["tags"] = pyarrow.array([sorted(form.tags) for _, _, form in forms], pyarrow.list_(pyarrow.string()))
    each = pyarrow.StructArray.from_arrays(list(columns.values()), names=list(columns))
    sizes = Counter(query for query, _, _ in forms)  # in the order of `weights`
    starts = np.cumsum([0, *sizes.values()]).astype(np.int32)
    return pyarrow.table(
        {
            "query": pyarrow.array(weights, pyarrow.string()),
            "count": pyarrow.array([factor * weight for weight in weights.values()], pyarrow.float64()),
            "forms": pyarrow.ListArray.from_arrays(starts, each),
        }
    )


@contextmanager
def _reading(log: Path, folder: Path) -> Iterator[Connection]:
    """A database with the counted queries of a log as `logged`; it spills into a folder."""
    import duckdb

    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="spill-") as spill,
        duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": spill}) as connection,
    ):
        connection.read_parquet(glob.escape(str(log / "train.parquet"))).create_view("logged")
        yield connection


def _write_index(
    entries: pyarrow.Table, nowhere: Collection[str], folder: Path, connection: Connection | None = None
) -> None:
    """Writes `train.parquet`: the log's queries, if there is a log, and the entries in byte order; counts add up.

    Args:
        nowhere: queries of the log that are left out.
    """
    import pyarrow.parquet

    if connection is None:
        pyarrow.parquet.write_table(entries, folder / "train.parquet", compression="zstd")
        return
    connection.register("entries", entries)
    connection.register("nowhere", pyarrow.table({"query": pyarrow.array(sorted(nowhere), pyarrow.string())}))
    columns = connection.table("logged").columns
    display = "if(e.query IS NULL, l.display, NULL) AS display," if "display" in columns else ""
    recent = "coalesce(l.recent, 0) AS recent," if "recent" in columns else ""  # entries have no times
    added = connection.sql(
        f"""
        SELECT coalesce(l.query, e.query) AS query, coalesce(l.count, 0) + coalesce(e.count, 0) AS count,
               {recent} {display} e.forms AS forms
        FROM (SELECT * FROM logged ANTI JOIN nowhere USING (query)) l FULL JOIN entries e ON l.query = e.query
        ORDER BY 1
        """
    )
    added.write_parquet(str(folder / "train.parquet"), compression="zstd")


def _write_withheld(entries: Collection[str], nowhere: Collection[str], log: Path | None, folder: Path) -> None:
    """Writes `withheld.parquet`: hashes of what finds nothing, and those of the log but for entries."""
    import pyarrow
    import pyarrow.parquet

    hashes = np.fromiter(map(hash_query, nowhere), np.uint64, len(nowhere))
    if log is not None:
        withheld = pyarrow.parquet.read_table(log / WITHHELD_FILE)["hash"].to_numpy()
        entered = np.fromiter(map(hash_query, entries), np.uint64, len(entries))
        hashes = np.union1d(withheld[~np.isin(withheld, entered)], hashes)
    if log is not None or len(hashes):
        pyarrow.parquet.write_table(pyarrow.table({"hash": hashes}), folder / WITHHELD_FILE, compression="zstd")
