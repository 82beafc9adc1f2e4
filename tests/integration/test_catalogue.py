"""A catalogue without any log trains a bundle that serves its titles as written, with their payloads."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from cli.main import app
from lm.bundle.registry import Registry
from lm.errors import InputError
from lm.index.never_generated import hash_query
from lm.index.queries import QueryIndex
from suggest.model import Model, open_model
from suggest.types import QueryOptions
from tests.data_config import count_log, data_config
from training.config import CatalogueSource, HeldOut, Screening, TrainingConfig
from training.config_log import QueryLogSource
from training.data.catalogue import CatalogueCounts, write_catalogue
from training.data.query_log import HISTORIES_FILE, WITHHELD_FILE
from training.job import read_lines_of
from training.pipeline import train
from training.progress import SilentReporter
from training.query_index import index_queries

_BRANDS = ["Apple iPhone", "Samsung Galaxy", "São Paulo FC", "Sony Walkman", "LEGO Technic", "Bosch Professional"]
_THINGS = ["Case", "Charger", "Leather Cover", "Spare Parts", "Gift Box", "Cable 2 m", "Holder", "Poster", "Bag", "Set"]
_PRODUCTS = [f"{brand} {thing}" for brand in _BRANDS for thing in _THINGS]
_MODEL = {"name": "queries", "unit": "subword", "sources": ["queries"], "vocabulary_size": 120}


_COLUMNS = ("text", "weight", "payload")
_ROWS = [(title, 1.5 * (number + 1), {"sku": number}) for number, title in enumerate(_PRODUCTS)]


def _write(path: Path) -> None:
    """Writes all products in the format that the ending names."""
    fields = [(title, str(weight), json.dumps(payload)) for title, weight, payload in _ROWS]
    match path.suffix:
        case ".tsv":
            path.write_text("".join("\t".join(row) + "\n" for row in (_COLUMNS, *fields)), encoding="utf-8")
        case ".csv":
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([_COLUMNS, *fields])
        case ".gz":
            lines = (json.dumps(dict(zip(_COLUMNS, row, strict=True))) for row in _ROWS)
            path.write_bytes(gzip.compress("\n".join(lines).encode()))
        case _:
            table = dict(zip(_COLUMNS, zip(*_ROWS, strict=True), strict=True))
            pyarrow.parquet.write_table(pyarrow.table(table), path)


def _catalogue(
    folder: Path,
    name: str,
    log: Path | None = None,
    *,
    screening: Screening | None = None,
    catalogue_weight: float | None = None,
    **fields: str | None,
) -> tuple[Path, CatalogueCounts]:
    out = folder / "out"
    out.mkdir()
    columns: dict[str, str | None] = {"weight_column": "weight", "payload_column": "payload"}
    source = CatalogueSource.model_validate({"path": name, **columns, **fields})
    sections = {"screening": screening or Screening(), "catalogue_weight": catalogue_weight}
    config = data_config(catalogue=[source], seed=1, **sections)
    counts = write_catalogue(config, folder, log, out, SilentReporter())
    return out, counts


def _counts(folder: Path) -> dict[str, float]:
    rows = pyarrow.parquet.read_table(folder / "train.parquet").to_pylist()
    return {row["query"]: row["count"] for row in rows}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    _write(folder / "products.tsv")
    model = {**_MODEL, "ngram": {"smoothing": "add_delta", "order": 3}}
    catalogue = {"path": "products.tsv", "weight_column": "weight", "payload_column": "payload"}
    document: dict[str, object] = {"name": "shop", "catalogue": [catalogue], "language_models": [model]}
    document["publishing"] = {"registry": "registry"}
    train(TrainingConfig.model_validate(document), base=folder, reporter=SilentReporter())
    return folder / "registry"


@pytest.fixture(scope="module")
def model(registry: Path) -> Model:
    return open_model(Registry(registry).resolve("shop"))


def test_titles_are_shown_as_written_with_their_payloads(model: Model) -> None:
    shown = {suggestion.display: suggestion for suggestion in model.complete_query("são pau").suggestions}

    assert shown["São Paulo FC Set"].payload == '{"sku": 29}'
    assert shown["São Paulo FC Set"].text == "são paulo fc set"
    assert shown["São Paulo FC Set"].typed == ((0, 7),)


def test_the_box_left_empty_offers_the_heaviest(model: Model) -> None:
    shown = [suggestion.display for suggestion in model.complete_query("", QueryOptions(max_suggestions=3)).suggestions]

    assert shown == _PRODUCTS[::-1][:3]


def test_a_later_word_finds_a_title(model: Model) -> None:
    shown = {suggestion.display: suggestion for suggestion in model.complete_query("galaxy cab").suggestions}

    assert shown["Samsung Galaxy Cable 2 m"].typed == ((8, 18),)
    assert shown["Samsung Galaxy Cable 2 m"].payload == '{"sku": 15}'


def test_the_command_prints_payloads_and_segments(registry: Path) -> None:
    result = CliRunner().invoke(app, ["complete", "galaxy cab", "--bundle", str(registry / "shop"), "--json"])

    assert result.exit_code == 0, result.output
    found = {item["text"]: item for item in json.loads(result.stdout)["suggestions"]}
    assert found["Samsung Galaxy Cable 2 m"]["payload"] == '{"sku": 15}'
    segments = found["Samsung Galaxy Cable 2 m"]["segments"]
    assert [(part["text"], part["typed"]) for part in segments] == [
        ("Samsung ", False),
        ("Galaxy Cab", True),
        ("le 2 m", False),
    ]


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl.gz", "parquet"])
def test_all_formats_say_the_same(tmp_path: Path, kind: str) -> None:
    _write(tmp_path / f"products.{kind}")
    out, _ = _catalogue(tmp_path, f"products.{kind}")

    table = pyarrow.parquet.read_table(out / "train.parquet").to_pylist()
    assert [row["query"].encode() for row in table] == sorted(title.lower().encode() for title in _PRODUCTS)
    forms = {row["count"]: row["forms"] for row in table}
    assert forms == {
        weight: [{"display": title, "payload": json.dumps(payload), "share": 1.0}] for title, weight, payload in _ROWS
    }
    held = {name: read_lines_of(out / f"{name}.txt") for name in ("validation", "test", "train_lm")}
    assert len(held["validation"]) == len(held["test"]) == 2
    assert sorted(query for part in held.values() for query in part) == sorted(title.lower() for title in _PRODUCTS)


def test_a_log_and_a_catalogue_add_up(tmp_path: Path) -> None:
    tmp_path = tmp_path / "o'brien's"  # a path goes into SQL
    tmp_path.mkdir()
    rare = [f"rare query {number}\n" for number in range(9)] + ["typed once by somebody\n", "sony walkman bag\n"]
    rows = "apple iphone case\n" * 40 + "other query\n" * 40 + "".join(rare)
    (tmp_path / "log.txt").write_text(rows, encoding="utf-8")
    held_out = HeldOut(validation_fraction=0.1, test_fraction=0.1)
    count_log(tmp_path, tmp_path / "log", QueryLogSource(path="log.txt"), held_out=held_out)
    logged = _counts(tmp_path / "log")
    _write(tmp_path / "products.tsv")
    out, read = _catalogue(tmp_path, "products.tsv", log=tmp_path / "log")

    counts, factor = _counts(out), read.weight_factor
    assert factor is not None
    assert list(counts) == sorted(counts, key=str.encode)
    assert counts["apple iphone case"] == logged["apple iphone case"] + factor * 1.5
    assert counts["other query"] == logged["other query"]
    assert counts["bosch professional set"] == factor * 90.0
    lines = read_lines_of(out / "train_lm.txt")
    assert lines.count("bosch professional set") == 1
    assert lines.count("other query") == logged["other query"] - 1  # from the threshold on
    assert read_lines_of(out / "test.txt") == read_lines_of(tmp_path / "log" / "test.txt")
    withheld = pyarrow.parquet.read_table(out / WITHHELD_FILE)["hash"].to_pylist()
    assert hash_query("typed once by somebody") in withheld
    assert hash_query("sony walkman bag") not in withheld  # rare in the log, but an entry
    assert {path.name for path in out.iterdir()} == {path.name for path in (tmp_path / "log").iterdir()} - {
        HISTORIES_FILE
    }


def test_an_empty_box_opens_with_what_users_submit(tmp_path: Path) -> None:
    rows = "".join(f"shop query {number}\n" * (number + 5) for number in range(30))
    (tmp_path / "log.txt").write_text(rows, encoding="utf-8")
    count_log(tmp_path, tmp_path / "log", QueryLogSource(path="log.txt"))
    _write(tmp_path / "products.tsv")
    in_stock = (tmp_path / "products.tsv").read_text(encoding="utf-8").replace("\t90.0\t", "\t999999\t")
    (tmp_path / "products.tsv").write_text(in_stock, encoding="utf-8")
    out, _ = _catalogue(tmp_path, "products.tsv", log=tmp_path / "log")
    (tmp_path / "index").mkdir()
    index_queries(out / "train.parquet", tmp_path / "index")
    index = QueryIndex(tmp_path / "index")

    assert [text for text, _ in index.completions("", 10)[0] if not text.startswith("shop query")] == []
    entries, _ = index.completions("apple", 20)
    weights = {title.lower(): weight for title, weight, _ in _ROWS}
    assert [text for text, _ in entries] == sorted((text for text, _ in entries), key=lambda text: -weights[text])


def test_the_weight_of_a_catalogue_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("other query\n" * 40, encoding="utf-8")
    count_log(tmp_path, tmp_path / "log", QueryLogSource(path="log.txt"))
    _write(tmp_path / "products.tsv")
    out, read = _catalogue(tmp_path, "products.tsv", log=tmp_path / "log", catalogue_weight=0.3)

    assert _counts(out)["bosch professional set"] == 0.3 * 90.0
    assert read.summary().endswith("A weight of 1 counts as 0.3 submissions (catalogue_weight)")


def test_an_entry_is_not_recent_by_itself(tmp_path: Path) -> None:
    rows = [f"{query}\t2026-01-0{day}\n" for day in (1, 8) for query in ["apple iphone case", "other query"] * 20]
    (tmp_path / "log.tsv").write_text("query\ttime\n" + "".join(rows), encoding="utf-8")
    count_log(tmp_path, tmp_path / "log", QueryLogSource(path="log.tsv", time_column="time"))
    _write(tmp_path / "products.tsv")
    out, _ = _catalogue(tmp_path, "products.tsv", log=tmp_path / "log")

    tables = (pyarrow.parquet.read_table(folder / "train.parquet").to_pydict() for folder in (tmp_path / "log", out))
    logged, recent = (dict(zip(table["query"], table["recent"], strict=True)) for table in tables)
    assert 20 < logged["apple iphone case"] <= 30  # a week halves: 20 + 20 / 2, less what is held out
    assert recent["apple iphone case"] == logged["apple iphone case"]
    assert recent["bosch professional set"] == 0.0


@pytest.mark.parametrize("screened", [False, True])
def test_entries_are_screened_only_if_asked(tmp_path: Path, screened: bool) -> None:
    rows = [
        "Red Shoes",
        "red  shoes",
        "mail@example.com",
        "Pump 0445110183",
        "x" * 200,
        "y" * 300,
        "",
        "A",
        "Blue Shoes",
    ]
    (tmp_path / "c.tsv").write_text("text\n" + "\n".join(rows), encoding="utf-8")
    fields = {"weight_column": None, "payload_column": None}
    out, counts = _catalogue(tmp_path, "c.tsv", screening=Screening(catalogue=screened), **fields)

    kept = ["a", "blue shoes", "red shoes"]
    if screened:
        assert counts.dropped_rows == {"email": 1, "empty": 1, "long_number": 1, "too_long": 2}
        reasons = "1 email, 1 empty, 1 long number, 2 too long"
    else:
        kept = sorted([*kept, "mail@example.com", "pump 0445110183", "x" * 200])
        assert counts.dropped_rows == {"empty": 1, "too_long": 1}
        reasons = "1 empty, 1 too long"
    assert list(_counts(out)) == kept
    assert _counts(out)["red shoes"] == 2.0
    assert counts.summary() == (
        f"Catalogue: 9 rows (dropped: {reasons}, 1 the same title and payload as another); "
        f"{len(kept)} titles in the index"
    )


def test_titles_written_alike_stay_several_things(tmp_path: Path) -> None:
    rows = ["Gift Card\t2\tsmall", "GIFT CARD\t5\tlarge", "gift card\t1\tsmall", "gift card\t1\t", "Pen\t3\tpen"]
    (tmp_path / "c.tsv").write_text("text\tweight\tpayload\n" + "\n".join(rows), encoding="utf-8")
    out, counts = _catalogue(tmp_path, "c.tsv")

    assert (counts.entries, counts.forms) == (2, 4)
    assert "2 more that differ from another in their payload alone" in counts.summary()
    (tmp_path / "index").mkdir()
    index_queries(out / "train.parquet", tmp_path / "index")
    index = QueryIndex(tmp_path / "index")
    assert index.shown(["gift card", "pen"]) == [
        (("GIFT CARD", "large", 5 / 9, True), ("Gift Card", "small", 3 / 9, True), ("gift card", "", 1 / 9, True)),
        (("Pen", "pen", 1.0, True),),
    ]
    assert index.counts_at(index.positions(["gift card"])).tolist() == [9.0]


def test_the_smallest_catalogue_is_one_title(tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_text("text\nRed Shoes\n", encoding="utf-8")
    out, counts = _catalogue(tmp_path, "c.tsv", weight_column=None, payload_column=None)

    assert (counts.entries, counts.validation, counts.test) == (1, 1, 1)
    assert {read_lines_of(out / f"{name}.txt")[0] for name in ("validation", "test", "train_lm")} == {"red shoes"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.tsv", "text\tweight\na\t1\nb\tmany\n", r"c\.tsv, line 3: the weight 'many' is no number"),
        ("c.tsv", "text\tweight\na\t-1\n", r"c\.tsv, line 2: the weight '-1' is no number"),
        ("c.tsv", "text\tweight\na\tnan\n", r"c\.tsv, line 2: the weight 'nan'"),
        ("c.tsv", "title\tweight\na\t1\n", r"c\.tsv: there is no column `text`; those there are: `title`, `weight`"),
        ("c.jsonl", '{"text": "a", "weight": 1}\n{"text": ', r"c\.jsonl, line 2: not JSON"),
        ("c.jsonl", '{"title": "a"}\n', r"c\.jsonl, line 1: there is no field `text`; those there are: `title`"),
        ("c.jsonl", "[" * 100_000, r"c\.jsonl, line 1: not JSON"),
        ("c.jsonl", '{"text": "a \\ud83d b"}\n', r"c\.jsonl, line 1: `\\ud83d` is half a character"),
        ("c.jsonl", '{"text": "a", "weight": {"a": ["\\uDC00"]}}\n', r"c\.jsonl, line 1: `\\udc00` is half"),
        ("c.jsonl", '{"text": "a", "weight": ' + "9" * 400 + "}", r"c\.jsonl, line 1: the weight 9{60}\.\.\. is no"),
        ("c.jsonl", "[1]\n", r"c\.jsonl, line 1: not a JSON object"),
        ("c.jsonl", '{"text": 5, "weight": 1}\n', r"c\.jsonl, line 1: `text` is 5, not text"),
        ("c.tsv", "text\tweight\na\t0\nb\t0\n", r"c\.tsv: no entry is left \(dropped: 2 no_weight"),
        ("c.txt", "a\n", r"c\.txt: a `.txt` has no columns"),
        ("c.doc", "a\n", r"c\.doc: the ending does not say what the file holds"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")

    with pytest.raises(InputError, match=message):
        _catalogue(tmp_path, name, payload_column="weight")
