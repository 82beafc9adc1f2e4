"""The report of real bundles: whole, self-contained, and the same figures on the page as in the file."""

from __future__ import annotations

import json
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from demo.sample_data import SampleData
from lm.errors import InputError
from tests.tiny_bundle import train_tiny
from training.report.page import JSON_FILE, PAGE_FILE, check_folder, render_page, write_report
from training.report.tables import COLUMNS, groups

_VOID = {"meta", "br", "hr", "img", "input", "link"}


class _Page(HTMLParser):
    """Checks that elements nest, and collects what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tables: list[list[list[tuple[str, str | None]]]] = []
        self.figures = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "srcset", "xlink:href"}]
        self.figures += tag == "svg"
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append(("", None))
        if tag == "data":
            self.tables[-1][-1][-1] = ("", values["value"])
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open and self.open[-1] in {"td", "th", "data"}:
            shown, value = self.tables[-1][-1][-1]
            self.tables[-1][-1][-1] = (shown + text.strip(), value)


def _evaluate(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["evaluate", *map(str, arguments), "--max-typed", "8"])


@pytest.fixture(scope="module")
def bare_bundle(tmp_path_factory: pytest.TempPathFactory, sample_data: SampleData) -> Path:
    """A bundle of queries alone, without a neural model."""
    model = {"name": "queries", "unit": "subword", "sources": ["queries"], "vocabulary_size": 500}
    changes = {"name": "bare", "text": [], "language_models": [{**model, "ngram": {"order": 3}}]}
    return train_tiny(tmp_path_factory.mktemp("bare"), sample_data, **changes).path


@pytest.fixture(scope="module")
def report(tiny_bundle: Path, bare_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "new" / "folder"
    result = _evaluate(tiny_bundle, bare_bundle, "--report", folder, "--max-sentences", "10")
    assert result.exit_code == 0, result.output
    assert str(folder / PAGE_FILE) in result.stderr.replace("\n", "")
    return folder


@pytest.fixture
def document(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((report / JSON_FILE).read_text(encoding="utf-8"))
    return found


def test_the_page_is_well_formed_and_refers_to_nothing_outside(report: Path) -> None:
    text = (report / PAGE_FILE).read_text(encoding="utf-8")
    page = _Page(text)

    assert len(page.ids) == len(set(page.ids))
    assert {link for link in page.links if not link.startswith("#")} == {JSON_FILE}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(page.ids)
    assert re.findall(r"https?:|//[a-z]|<script|@import|url\((?!#)", text) == []
    assert page.figures >= 15
    assert sorted(path.name for path in report.iterdir()) == [PAGE_FILE, JSON_FILE]


def test_every_figure_of_the_comparison_is_that_of_the_json(report: Path, document: dict[str, Any]) -> None:
    page = _Page((report / PAGE_FILE).read_text(encoding="utf-8"))
    expected = [
        {
            (f"{bundle['label']} / {model['name']}", part): figures
            for bundle in document["bundles"]
            for model in bundle["language_models"]
            if model["measured_on"] == kind
            for part, figures in model["parts"].items()
        }
        for kind in ("text", "queries")
    ]
    assert list(map(len, expected)) == [3, 4]
    for table, rows in zip(page.tables, expected, strict=False):
        assert len(table) == 1 + len(rows)
        for cells in table[1:]:
            figures = rows.pop((cells[0][0], cells[1][0].replace("n-gram", "ngram")))
            for column, (shown, value) in zip(COLUMNS, cells[2:], strict=True):
                figure = figures.get(column.name)
                assert (None if value is None else float(value)) == figure, column.name
                assert shown == ("–" if figure is None else column.shown(figure))  # noqa: RUF001
        assert rows == {}


def test_all_other_figures_of_the_page_are_in_the_json_too(report: Path, document: dict[str, Any]) -> None:
    def numbers(value: Any) -> Iterator[float]:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                yield from numbers(item)
        elif isinstance(value, (int, float)):
            yield float(value)

    known = set(numbers(document))
    page = _Page((report / PAGE_FILE).read_text(encoding="utf-8"))
    shown = [float(value) for table in page.tables for row in table for _, value in row if value is not None]
    assert len(shown) > 100
    assert set(shown) <= known


def test_the_figures_are_those_that_training_measured(document: dict[str, Any], tiny_bundle: Path) -> None:
    manifest = json.loads((tiny_bundle / "manifest.json").read_text())
    (tiny,) = [bundle for bundle in document["bundles"] if bundle["name"] == "tiny"]
    for model in tiny["language_models"]:
        measured = manifest["metrics"]["language_models"][model["name"]]
        assert model["training"] == measured["training"]
        for part, value in measured["perplexity"].items():
            assert model["parts"][part]["perplexity"] == pytest.approx(value)
    assert tiny["queries"]["all"]["mrr_at_10"] == pytest.approx(manifest["metrics"]["queries"]["all"]["mrr_at_10"])


def test_the_best_is_marked_only_where_models_compare(document: dict[str, Any]) -> None:
    text, queries = groups(document)
    for group in (text, queries):
        for position, column in enumerate(COLUMNS):
            cells = [row["cells"][position] for row in group.rows]
            values = [cell.value for cell in cells if cell.value is not None]
            best = {cell.value for cell in cells if cell.mark == "best"}
            # The two bundles cut queries into different pieces: perplexities a token do not compare.
            comparable = column.name != "perplexity" or group is text
            assert best == ({column.best(values)} if comparable else set())
    assert text.flawed
    assert len(queries.data) == 1  # equal held-out queries, by their digest
    document["bundles"][1]["held_out"]["queries"]["sha256"] = "other"
    _, apart = groups(document)
    assert len(apart.data) == 2
    assert not any(cell.mark for row in apart.rows for cell in row["cells"])


def test_files_take_the_place_of_what_bundles_keep(bare_bundle: Path, tmp_path: Path) -> None:
    queries = tmp_path / "queries.txt"
    queries.write_text("new york\nweather in boston\n<b>bold & free</b>\n", encoding="utf-8")
    result = _evaluate(bare_bundle, "--queries", queries, "--report", tmp_path / "report", "--json")

    document = json.loads(result.stdout)
    assert document["bundles"][0]["held_out"]["queries"]["lines"] == 3
    assert json.loads((tmp_path / "report" / JSON_FILE).read_text(encoding="utf-8")) == document


def test_models_that_nothing_was_given_for_are_listed_unmeasured(tiny_bundle: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("we will work together for the people of america.\nthank you.\n", encoding="utf-8")
    result = _evaluate(tiny_bundle, "--text", text, "--report", tmp_path, "--json")

    bundle = json.loads(result.stdout)["bundles"][0]
    assert bundle["queries"] == {}
    queries, words = sorted(bundle["language_models"], key=lambda model: str(model["name"]))
    assert words["words"] == 15
    assert set(queries["parts"]["ensemble"]) == {"size_bytes", "training_s", "ms_per_word"}
    page = (tmp_path / PAGE_FILE).read_text(encoding="utf-8")
    _Page(page)
    assert "Not measured: no such held-out data was given." in page


def test_a_bundle_that_does_not_know_its_training_is_shown_without(document: dict[str, Any]) -> None:
    for bundle in document["bundles"]:
        for model in bundle["language_models"]:
            model["training"] = {}
    page = render_page(document)

    _Page(page)
    assert "Learning curve" not in page


def test_weights_by_context_are_drawn_where_a_bundle_has_them(document: dict[str, Any]) -> None:
    model = document["bundles"][0]["language_models"][0]
    model["context_weights"] = {"backoffs": [[], [-2.5, -1.0]], "ngram_weights": [[0.25], [0.125, 0.375, 0.875]]}
    page = render_page(document)

    _Page(page)
    assert "Share of the n-gram model by context" in page
    assert all(f">{share}%<" in page for share in (25, 12, 38, 88))


def test_several_bundles_without_a_report_are_shown_one_by_one(tiny_bundle: Path, bare_bundle: Path) -> None:
    shown = _evaluate(tiny_bundle, bare_bundle).stdout

    assert shown.index(str(tiny_bundle)) < shown.index(str(bare_bundle))
    assert shown.count("Perplexity") == 2


def test_a_folder_that_cannot_be_is_said_before_anything_is_measured(bare_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for folder in (file, file / "below"):
        result = _evaluate(bare_bundle, "--report", folder)
        assert result.exit_code == 1
        assert result.stderr == f"Error: {folder}: a file, not a folder. Name a folder for the report.\n"
    assert file.read_text() == "mine"
    with pytest.raises(InputError, match="cannot be written"):
        check_folder(Path("/proc/report"))  # of the kernel: nobody makes folders there


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """Writes beyond so many bytes of a file fail, as they do on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_report_before_untouched(tmp_path: Path, document: dict[str, Any]) -> None:
    check_folder(tmp_path)
    write_report(tmp_path, document)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    size = len(before[PAGE_FILE]) - 1
    with _files_of_at_most(size), pytest.raises(InputError, match="the disk is full"):
        write_report(tmp_path, document)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert set(before) == {PAGE_FILE, JSON_FILE}
