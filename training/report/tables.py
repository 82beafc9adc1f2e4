"""Tables of figures, rounded for people: language models and query completion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.evaluation.query_measures import MEASURES, Measure

PART_NAMES = {"ngram": "n-gram", "neural": "neural", "ensemble": "ensemble"}
EMPTY = "–"  # noqa: RUF001 -- an en dash, as tables have it


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A measure of a language model.

    Attributes:
        name: its name in the document.
        title: the heading; `unit` stands below it in small letters.
        shown: writes the figure for people.
        best: picks the best of several figures.
    """

    name: str
    title: str
    unit: str
    shown: Callable[[float], str]
    best: Callable[[Sequence[float]], float] = min


def plain(value: float) -> str:
    """A figure as people read it: with one decimal below a thousand."""
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


COLUMNS = (
    Column(name="perplexity", title="Perplexity", unit="a token", shown=plain),
    Column(name="word_perplexity", title="Perplexity", unit="a word", shown=plain),
    Column(name="bits_per_character", title="Bits", unit="a character", shown=lambda value: f"{value:.3f}"),
    Column(name="top1", title="Top 1", unit="%", shown=_percent, best=max),
    Column(name="top3", title="Top 3", unit="%", shown=_percent, best=max),
    Column(name="keystrokes_saved_at_3", title="Saved at 3", unit="% of keystrokes", shown=_percent, best=max),
    Column(name="keystrokes_saved_at_5", title="Saved at 5", unit="% of keystrokes", shown=_percent, best=max),
    Column(name="ms_per_word", title="Time", unit="CPU ms a word", shown=lambda value: f"{value:.2f}"),
    Column(name="training_s", title="Training", unit="minutes", shown=lambda value: f"{value / 60:,.2f}"),
    Column(name="size_bytes", title="Size", unit="MB", shown=lambda value: f"{value / 1e6:,.1f}"),
)
POPULAR = tuple(measure for measure in MEASURES if measure.name in ("mrr_at_10", "success_at_10"))
"""What is shown of the log's most popular completions alone."""
_PER_TOKEN = {"perplexity"}
_PER_SPELT_TEXT = {"word_perplexity", "bits_per_character"}
_GROUP_NAMES = {"seen": "{}", "prefix_length": "{} characters typed", "words": "{} word{}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A figure in a table; `value` is None if there is none.

    Attributes:
        interval: its 95% interval; empty if there is none.
        mark: `best` or `worse`; empty for neither.
        flawed: the figure cannot be compared with those of models that spell every word.
    """

    value: float | None
    shown: str = EMPTY
    interval: str = ""
    mark: str = ""
    flawed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Models that were measured on the same kind of held-out data.

    Attributes:
        rows: the models, each with `name`, `part`, `figures` and `cells`.
        data: describes each held-out data that was used. Figures of different data cannot be compared.
    """

    measured_on: str
    rows: list[dict[str, Any]]
    data: list[str]
    typed_words: int
    flawed: bool


def groups(document: Mapping[str, Any]) -> list[Group]:
    """The models of a report, those for running text first."""
    bundles = document["bundles"]
    found = []
    for kind in ("text", "queries"):
        models = [
            (bundle, model) for bundle in bundles for model in bundle["language_models"] if model["measured_on"] == kind
        ]
        rows = [
            {
                "name": model_name(bundle, model, len(bundles)),
                "part": part,
                "part_name": PART_NAMES[part],
                "figures": figures,
                "tokens": model.get("tokens"),
                "unknown": model.get("unknown_tokens", 0),
                "data": bundle["held_out"][kind],
            }
            for bundle, model in models
            for part, figures in model["parts"].items()
        ]
        if rows:
            found.append(_group(kind, rows, max(model.get("typed_words", 0) for _, model in models)))
    return found


def model_name(bundle: Mapping[str, Any], model: Mapping[str, Any], bundle_count: int) -> str:
    """A language model's name, unique in the report."""
    return str(model["name"]) if bundle_count == 1 else f"{bundle['label']} / {model['name']}"


def _group(kind: str, rows: list[dict[str, Any]], typed_words: int) -> Group:
    same_tokens = len({(row["tokens"], row["unknown"]) for row in rows}) == 1
    same_spelling = same_tokens or len({row["unknown"] > 0 for row in rows}) == 1
    data = {row["data"].get("sha256", ""): row["data"].get("lines", 0) for row in rows}
    for row in rows:
        row["cells"] = []
    for column in COLUMNS:
        present = [row["figures"][column.name] for row in rows if row["figures"].get(column.name) is not None]
        comparable = len(data) == 1 and len(present) > 1
        comparable &= same_tokens or column.name not in _PER_TOKEN
        comparable &= same_spelling or column.name not in _PER_SPELT_TEXT
        for row in rows:
            if (value := row["figures"].get(column.name)) is None:
                row["cells"].append(Cell(value=None))
                continue
            mark = "best" if comparable and value == column.best(present) else ""
            flawed = column.name in _PER_SPELT_TEXT and row["unknown"] > 0
            row["cells"].append(Cell(value=value, shown=column.shown(value), mark=mark, flawed=flawed))
    return Group(
        measured_on=kind,
        rows=rows,
        data=[f"{lines:,} {'sentences' if kind == 'text' else 'queries'}" for lines in data.values()],
        typed_words=typed_words,
        flawed=any(cell.flawed for row in rows for cell in row["cells"]),
    )


def query_figures(document: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Each bundle's measures of each group. All, seen and unseen queries also have those of popularity alone."""
    found = []
    for bundle in document["bundles"]:
        measured = bundle["queries"]
        rows = group_rows(measured.get("groups", []))
        for row in rows:
            popular = measured["popularity_only"].get(row["name"], {})
            row["cells"] += [query_cell(measure, popular.get(measure.name)) for measure in POPULAR]
        if rows:
            found.append((bundle["label"], rows))
    return found


def query_comparisons(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Differences of each bundle that was compared with another, with examples to read."""
    return [
        {"bundle": bundle["label"], "comparison": comparison, "rows": group_rows(comparison["groups"], "+")}
        for bundle in document["bundles"]
        if (comparison := bundle["queries"].get("comparison"))
    ]


def group_rows(groups: Sequence[Mapping[str, Any]], sign: str = "") -> list[dict[str, Any]]:
    """A row for each group of queries, with a cell for each measure.

    Args:
        sign: `+` for differences.
    """
    return [
        {
            "by": group["by"],
            "name": group["group"],
            "title": _GROUP_NAMES[group["by"]].format(group["group"], "" if group["group"] == "1" else "s"),
            "count": group["count"],
            "cells": [query_cell(measure, group["measures"].get(measure.name), sign) for measure in MEASURES],
        }
        for group in groups
    ]


def query_cell(measure: Measure, figure: Mapping[str, Any] | float | None, sign: str = "") -> Cell:
    """A figure, with its interval if it has one. A real difference is marked; higher is better for every measure."""
    if figure is None:
        return Cell(value=None)
    if not isinstance(figure, Mapping):
        return Cell(value=figure, shown=measure.shown(figure, sign))
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    return Cell(
        value=value,
        shown=measure.shown(value, sign),
        interval=f"{measure.shown(low, sign)} to {measure.shown(high, sign)}",
        mark=("best" if value > 0 else "worse") if figure.get("real") else "",
    )
