"""Tags and hit counts of a catalogue: read with its rows, kept in the bundle's index, and what finds nothing is out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from lm.errors import InputError
from lm.index.never_generated import hash_query
from lm.index.queries import QueryIndex
from lm.index.tags import TagFilter
from tests.data_config import count_log, data_config
from training.config import CatalogueSource, HeldOut
from training.config_log import QueryLogSource
from training.data.catalogue import CatalogueCounts, write_catalogue
from training.data.query_log import WITHHELD_FILE
from training.progress import SilentReporter
from training.query_index import index_queries

_ROWS: list[dict[str, Any]] = [
    {"text": "Red Shoes", "id": "1", "tags": ["shoes", "red"], "hits": 3},
    {"text": "red shoes", "id": "2", "tags": ["shoes", "shop:b"], "hits": None},
    {"text": "Red Hat", "id": "3", "tags": ["hats", "red"], "hits": 1},
    {"text": "Blue Hat", "id": "4", "tags": [], "hits": 1},
    {"text": "Red Scarf", "id": "5", "tags": ["red"], "hits": 0},
]


def _read(folder: Path, name: str, log: Path | None = None, **fields: str) -> tuple[Path, CatalogueCounts]:
    out = folder / "out"
    out.mkdir()
    columns = {"payload_column": "id", "tags_column": "tags", "hits_column": "hits"}
    source = CatalogueSource.model_validate({"path": name, **columns, **fields})
    return out, write_catalogue(data_config(catalogue=[source], seed=1), folder, log, out, SilentReporter())


def _index(out: Path) -> QueryIndex:
    (out / "index").mkdir()
    index_queries(out / "train.parquet", out / "index")
    return QueryIndex(out / "index")


def _write(path: Path) -> None:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_ROWS), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, _ROWS)), encoding="utf-8")
    else:
        rows = [
            (row["text"], row["id"], " | ".join(row["tags"]), "" if row["hits"] is None else str(row["hits"]))
            for row in _ROWS
        ]
        path.write_text("\n".join("\t".join(row) for row in (("text", "id", "tags", "hits"), *rows)), encoding="utf-8")


@pytest.mark.parametrize("name", ["c.tsv", "c.jsonl", "c.parquet"])
def test_what_carries_tags_is_found_by_them(tmp_path: Path, name: str) -> None:
    _write(tmp_path / name)
    out, counts = _read(tmp_path, name, tags_separator="|")
    index = _index(out)

    assert counts.dropped_rows == {"no_hits": 1}
    red, both = TagFilter(("red",)), TagFilter(("red",), ("hats", "shop:b"))
    assert {text for text, _ in index.completions("red", 9, red)[0]} == {"red hat", "red shoes"}
    assert [text for text, _ in index.completions("", 9, both)[0]] == ["red hat"]
    assert [match.text for match in index.word_matches("hat", 9, red)] == ["red hat"]
    (forms,) = index.shown(["red shoes"], TagFilter(("shop:b",)))
    assert [form.payload for form in forms] == ["2"]
    assert index.shown(["red hat", "blue hat"], TagFilter(("x",))) == [(), ()]


def test_what_finds_nothing_is_neither_in_the_index_nor_generated(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("red scarf\n" * 40 + "red coat\n" * 40, encoding="utf-8")
    held_out = HeldOut(validation_fraction=0.1, test_fraction=0.1)
    count_log(tmp_path, tmp_path / "log", QueryLogSource(path="log.txt"), held_out=held_out)
    _write(tmp_path / "c.jsonl")
    out, _ = _read(tmp_path, "c.jsonl", tmp_path / "log")

    texts = [text for text, _ in _index(out).completions("", 20)[0]]
    assert sorted(texts) == ["blue hat", "red coat", "red hat", "red shoes"]
    withheld = pyarrow.parquet.read_table(out / WITHHELD_FILE)["hash"].to_pylist()
    assert hash_query("red scarf") in withheld


def test_without_tags_nothing_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"text": "Red Hat", "id": "1"}', encoding="utf-8")
    out, _ = _read(tmp_path, "c.jsonl")
    index = _index(out)
    assert not index.completions("red", 9, TagFilter(("red",)))[0]
    assert not index.word_matches("hat", 9, TagFilter(("red",)))
    assert index.shown(["red hat"], TagFilter(("red",))) == [()]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tags": "x" * 65}, r"line 1: the tag `x+` has 65 characters\. .* 64 "),
        ({"tags": [str(number) for number in range(33)]}, r"line 1: 33 tags\. An entry has at most 32"),
        ({"hits": "many"}, r"line 1: the hits 'many' are no count"),
        ({"hits": -1}, r"line 1: the hits '-1' are no count"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, row: dict[str, object], message: str) -> None:
    (tmp_path / "c.jsonl").write_text(json.dumps({"text": "a", **row}), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        _read(tmp_path, "c.jsonl")
