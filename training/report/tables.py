"""The report's tables: figures of the document, rounded for people, in groups that compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.report.plots import PART_NAMES, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A measure of a model.

    Attributes:
        name: of the figure in the document.
        title: above the column, `unit` in small letters below it.
        shown: the figure as people read it.
        best: picks the best of figures.
    """

    name: str
    title: str
    unit: str
    shown: Callable[[float], str]
    best: Callable[[Sequence[float]], float] = min


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
_OF_A_TOKEN = {"perplexity"}
_OF_SPELT_TEXT = {"word_perplexity", "bits_per_character"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A figure in a table; `value` is None where there is none.

    Attributes:
        best: of its column, among models that compare.
        flawed: does not compare with models that spell every word.
    """

    value: float | None
    shown: str
    best: bool = False
    flawed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Models that were measured on the same kind of held-out data.

    Attributes:
        rows: the models, each with `name`, `part`, `figures` and `cells`.
        data: the distinct held-out data, a description each; more than one compare badly.
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
            for bundle in bundles
            for model in bundle["language_models"]
            if model["measured_on"] == kind
            for part, figures in model["parts"].items()
        ]
        if rows:
            found.append(_group(kind, rows, bundles))
    return found


def model_name(bundle: Mapping[str, Any], model: Mapping[str, Any], bundle_count: int) -> str:
    """A language model's name, unique in the report."""
    return str(model["name"]) if bundle_count == 1 else f"{bundle['label']} / {model['name']}"


def _group(kind: str, rows: list[dict[str, Any]], bundles: Sequence[Mapping[str, Any]]) -> Group:
    alike = len({(row["tokens"], row["unknown"]) for row in rows}) == 1
    known = len({row["unknown"] > 0 for row in rows}) == 1
    data = {row["data"].get("sha256", ""): row["data"].get("lines", 0) for row in rows}
    for row in rows:
        row["cells"] = []
    for column in COLUMNS:
        values = [row["figures"].get(column.name) for row in rows]
        present = [value for value in values if value is not None]
        compares = len(data) == 1 and (alike or column.name not in _OF_A_TOKEN)
        compares = compares and (known or alike or column.name not in _OF_SPELT_TEXT) and len(present) > 1
        for row, value in zip(rows, values, strict=True):
            row["cells"].append(
                Cell(
                    value=value,
                    shown="–" if value is None else column.shown(value),  # noqa: RUF001 -- an empty cell
                    best=compares and value is not None and value == column.best(present),
                    flawed=column.name in _OF_SPELT_TEXT and value is not None and row["unknown"] > 0,
                )
            )
    return Group(
        measured_on=kind,
        rows=rows,
        data=[f"{lines:,} {'sentences' if kind == 'text' else 'queries'}" for lines in data.values()],
        typed_words=max(
            model.get("typed_words", 0)
            for bundle in bundles
            for model in bundle["language_models"]
            if model["measured_on"] == kind
        ),
        flawed=any(cell.flawed for row in rows for cell in row["cells"]),
    )
