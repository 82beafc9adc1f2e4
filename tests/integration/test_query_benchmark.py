"""Query completion of a real, small bundle: the figures, the comparison of two, and what the command prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from lm.bundle.bundle import Bundle, open_bundle
from lm.bundle.manifest import Ranking, read_manifest, write_manifest
from lm.text.normalize import normalize_query
from suggest.model import Model
from suggest.types import QueryOptions
from training.evaluation.evaluate import held_out
from training.evaluation.metrics import typed_prefix
from training.evaluation.query_benchmark import QueryBenchmark, query_completion
from training.progress import SilentReporter

_QUIET = SilentReporter()
# Popularity counts for nothing here, and what is long comes first: another order of the same queries.
_POOR = Ranking(weights=(0.1, 0.1, 0.0, 0.0, 2.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def poor_bundle(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle with another ranking."""
    folder = tmp_path_factory.mktemp("poor") / "bundle"
    shutil.copytree(tiny_bundle, folder)
    write_manifest(folder, read_manifest(folder).model_copy(update={"ranking": _POOR}))
    return folder


@pytest.fixture(scope="module")
def lines(tiny_bundle: Path) -> list[str]:
    return [*held_out(tiny_bundle, text=None, queries=None).queries[:60], "New York", "new york", "ab"]


@pytest.fixture(scope="module")
def queries(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("queries") / "queries.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return open_bundle(tiny_bundle, verify=False)


def _evaluate(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["evaluate", *map(str, arguments)])


def test_figures_are_those_of_lists_looked_at_one_by_one(bundle: Bundle, lines: list[str]) -> None:
    model = Model(bundle)
    texts = [query for query in (normalize_query(line).rstrip() for line in lines) if len(query) >= 3]

    def place(typed: str, right: list[str]) -> int:
        shown = model.complete_query(typed, QueryOptions(max_suggestions=10)).suggestions
        scores = [each.log_prob for each in shown]  # with corrections they need not fall
        worst = sorted(shown, key=lambda each: (scores.index(each.log_prob), each.text in right))
        return next((place for place, each in enumerate(worst, 1) if each.text in right), 0)

    reciprocal, partial, strokes, in_parts, recovered = [], [], 0, 0, 0
    for query in texts:
        prefix, words = typed_prefix(query), query.split()
        beginnings = [" ".join(words[:count]) for count in range(1, len(words))]
        ranks = [place(prefix, [query])]
        ranks.append(place(prefix, [query, *(each for each in beginnings if len(each) > len(prefix.rstrip()))]))
        reciprocal.append(1 / ranks[0] if ranks[0] else 0)
        partial.append(1 / ranks[1] if ranks[1] else 0)
        typed = 0
        while typed < len(query) and not 1 <= place(query[:typed], [query]) <= 3:
            typed += 1
        strokes += min(typed + 1, len(query))
        there = 0
        while there < len(query):
            first = [
                each.text
                for each in model.complete_query(query[:there], QueryOptions(max_suggestions=10)).suggestions[:3]
            ]
            ends = [
                len(each) for each in first if each in [query, *beginnings] and len(each) > len(query[:there].rstrip())
            ]
            there = max(ends, default=there + 1)
            in_parts += 1
        left = len(query)
        while left > 2 and place(query[: left - 1], [query]):
            left -= 1
        recovered += len(query) - left
    measured = QueryBenchmark(_QUIET).measure("tiny", bundle, lines)
    every = {name: figure["value"] for name, figure in measured["groups"][0]["measures"].items()}
    assert every == pytest.approx(
        {
            "mrr_at_10": sum(reciprocal) / len(texts),
            "success_at_10": sum(value > 0 for value in reciprocal) / len(texts),
            "pmrr_at_10": sum(partial) / len(texts),
            "coverage": sum(bool(model.complete_query(typed_prefix(text)).suggestions) for text in texts) / len(texts),
            "keystrokes_saved_at_3": 1 - strokes / sum(map(len, texts)),
            "keystrokes_saved_in_parts_at_3": 1 - in_parts / sum(map(len, texts)),
            "mean_recoverable_length": recovered / len(texts),
        }
    )
    assert 0 < every["mrr_at_10"] < every["pmrr_at_10"]
    quick = query_completion(bundle, lines, _QUIET)
    for group in measured["groups"][:3]:
        figures = quick[group["group"]]
        assert figures.pop("count") == group["count"]
        assert figures == pytest.approx({name: group["measures"][name]["value"] for name in figures})
        for figure in group["measures"].values():
            assert figure["low"] <= figure["value"] <= figure["high"]


@pytest.fixture(scope="module")
def compared(tiny_bundle: Path, poor_bundle: Path, queries: Path) -> dict[str, Any]:
    result = _evaluate(tiny_bundle, poor_bundle, "--queries", queries, "--max-typed", "12", "--json")
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_a_comparison_says_what_got_worse_and_shows_it(
    compared: dict[str, Any], tiny_bundle: Path, poor_bundle: Path
) -> None:
    first, second = (compared[str(folder)]["queries"] for folder in (tiny_bundle, poor_bundle))
    comparison = second["comparison"]
    assert "comparison" not in first
    assert first["seen_in"] == second["seen_in"] == comparison["with"] == str(tiny_bundle)
    assert (first["typed"], second["typed"]) == (12, 12)
    for was, now, change in zip(first["groups"], second["groups"], comparison["groups"], strict=True):
        assert (was["by"], was["group"], was["count"]) == (change["by"], change["group"], change["count"])
        for name, figure in change["measures"].items():
            difference = now["measures"][name]["value"] - was["measures"][name]["value"]
            assert figure["value"] == pytest.approx(difference)
            assert figure["real"] == (figure["low"] > 0 or figure["high"] < 0)
    worse = comparison["groups"][0]["measures"]["mrr_at_10"]
    assert worse["value"] < 0
    assert worse["real"]
    assert comparison["lower"] > comparison["higher"]
    losses = comparison["losses"]
    assert 0 < len(losses) <= 10
    for loss in losses:
        assert loss["wanted"].startswith(loss["typed"])
        assert loss["rank_before"] > 0
        assert loss["rank_after"] == 0 or loss["rank_after"] > loss["rank_before"]
        assert loss["rank_before"] > 3 or loss["wanted"] in loss["top_before"]


def test_the_same_bundle_differs_by_nothing(bundle: Bundle, lines: list[str]) -> None:
    benchmark = QueryBenchmark(_QUIET, max_typed=3)
    benchmark.measure("one", bundle, lines)
    comparison = benchmark.measure("two", bundle, lines)["comparison"]
    figures = [figure for group in comparison["groups"] for figure in group["measures"].values()]
    assert {(figure["value"], figure["low"], figure["high"], figure["real"]) for figure in figures} == {
        (0, 0, 0, False)
    }
    assert (comparison["wins"], comparison["losses"]) == ([], [])
    assert "comparison" not in benchmark.measure("other queries", bundle, lines[1:])


def test_tables_show_figures_differences_and_examples(tiny_bundle: Path, poor_bundle: Path, queries: Path) -> None:
    shown = _evaluate(tiny_bundle, poor_bundle, "--queries", queries, "--max-typed", "0").stdout
    for text in ("MRR@10", "PMRR@10", "coverage", "characters typed", "Differences to", "Ranked lower", "95%"):
        assert text in shown
    assert "keystrokes saved, %    " not in shown.split("characters typed")[0]  # nothing was typed letter by letter


def test_queries_too_short_to_be_measured_are_said(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_text("ab\nc\n", encoding="utf-8")
    result = _evaluate(tiny_bundle, "--queries", path)
    assert result.exit_code == 1
    assert f"{path}: no query of 3 characters or more." in result.stderr
