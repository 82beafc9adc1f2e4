"""Metrics of a bundle as tables for people. Parts that were not measured are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.output import figures_table
from training.evaluation.query_measures import MEASURES, Measure

_BY = {"seen": "", "prefix_length": " typed", "words": " words"}
_PARTS = ("ngram", "neural", "ensemble")


def metrics_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """Tables of what `training.evaluation.evaluate` measures."""
    tables = []
    if metrics.get("language_models"):
        tables.append(_perplexities(metrics["language_models"]))
    if metrics.get("mixture"):
        tables.append(_mixture(metrics["mixture"]))
    if metrics.get("next_word"):
        tables.append(_next_word(metrics["next_word"]))
    if metrics.get("queries"):
        tables += query_tables(metrics["queries"])
    return tables


def _perplexities(models: Mapping[str, Any]) -> Table:
    table = figures_table("Perplexity (lower is better)", "language model", "tokens", "n-gram", "neural", "ensemble")
    for name, measured in models.items():
        values = measured.get("perplexity", {})
        table.add_row(name, _count(measured.get("tokens")), *(_number(values.get(part)) for part in _PARTS))
    return table


def _mixture(models: Mapping[str, Any]) -> Table:
    table = figures_table(
        "Perplexity by the mixture's weights", "language model", "one weight", "by context", "recent words", "kept"
    )
    for name, measured in models.items():
        values = (_number(measured["perplexity"].get(kind)) for kind in ("single", "by_context", "recent_words"))
        table.add_row(name, *values, ", ".join(measured["kept"]).replace("_", " "))
    return table


def _next_word(measured: Mapping[str, Any]) -> Table:
    table = figures_table("Next word", "words", "top 1", "top 3", "keystrokes saved (3 shown)", "(5 shown)")
    shares = (measured.get(name) for name in ("top1", "top3", "keystrokes_saved_at_3", "keystrokes_saved_at_5"))
    table.add_row(_count(measured.get("words")), *map(_share, shares))
    return table


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _number(value: float | None, *, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def query_tables(measured: Mapping[str, Any]) -> list[Table]:
    """Tables of what `query_completion` measures, or `QueryBenchmark` more thoroughly."""
    tables = [_by_seen(measured)]
    tables += [_by_other(measured["groups"], by) for by in ("prefix_length", "words") if "groups" in measured]
    if "comparison" in measured:
        compared = measured["comparison"]
        tables += [_differences(compared), *(_examples(compared, kind) for kind in ("wins", "losses"))]
    return tables


def _by_seen(measured: Mapping[str, Any]) -> Table:
    names = [name for name in ("all", "seen", "unseen") if name in measured]
    table = figures_table("Queries", "", *(f"{name} ({measured[name]['count']:,})" for name in names))
    groups = {group["group"]: group["measures"] for group in measured.get("groups", []) if group["by"] == "seen"}
    for measure in MEASURES:
        cells = [groups.get(name, {}).get(measure.name, measured[name].get(measure.name)) for name in names]
        if any(cell is not None for cell in cells):
            table.add_row(measure.title, *(_with_interval(measure, cell) for cell in cells))
    popular = measured.get("popularity_only", {})
    for measure in MEASURES:
        values = [popular.get(name, {}).get(measure.name) for name in names]
        if any(value is not None for value in values):
            table.add_row(f"by popularity alone: {measure.title}", *(_shown(measure, value) for value in values))
    if groups:
        table.caption = (
            f"95% intervals: bootstrap, {measured['resamples']:,} resamples. Typed letter by letter: "
            f"{measured['typed']:,} queries. Seen: in the log of {measured['seen_in']}."
        )
        table.caption_justify = "left"
    return table


def _with_interval(measure: Measure, cell: Any) -> Text:
    if not isinstance(cell, Mapping):
        return Text(_shown(measure, cell))
    low, high = (measure.shown(cell[bound]) for bound in ("low", "high"))
    return Text(measure.shown(cell["value"])).append(f" {low} to {high}", style="dim")


def _shown(measure: Measure, value: float | None) -> str:
    return "-" if value is None else measure.shown(value)


def _by_other(groups: Sequence[Mapping[str, Any]], by: str) -> Table:
    name = "characters typed" if by == "prefix_length" else "words of the query"
    table = figures_table("", name, "count", *(measure.title for measure in MEASURES))
    for group in groups:
        if group["by"] == by:
            figures = (group["measures"].get(measure.name) for measure in MEASURES)
            cells = (_shown(m, figure and figure["value"]) for m, figure in zip(MEASURES, figures, strict=True))
            table.add_row(group["group"], f"{group['count']:,}", *cells)
    return table


def _differences(compared: Mapping[str, Any]) -> Table:
    table = figures_table(
        f"Differences to {compared['with']}", "queries", "count", *(measure.title for measure in MEASURES)
    )
    for group in compared["groups"]:
        cells = [_difference(measure, group["measures"].get(measure.name)) for measure in MEASURES]
        table.add_row(group["group"] + _BY[group["by"]], f"{group['count']:,}", *cells)
    table.caption = (
        "* real: its 95% interval (paired bootstrap over the queries) excludes 0; of differences that are none, one in "
        f"twenty does by chance. Ranked higher: {compared['higher']:,}, lower: {compared['lower']:,}."
    )
    table.caption_justify = "left"
    return table


def _difference(measure: Measure, figure: Mapping[str, Any] | None) -> Text:
    if figure is None:
        return Text("-")
    cell = Text(measure.shown(figure["value"], "+") + ("*" if figure["real"] else ""))
    cell.stylize("bold" if figure["real"] else "")
    low, high = (measure.shown(figure[bound], "+") for bound in ("low", "high"))
    return cell.append(f"\n{low} {high}", style="dim not bold")


def _examples(compared: Mapping[str, Any], kind: str) -> Table:
    title = {"wins": "Ranked higher than by", "losses": "Ranked lower than by"}[kind]
    table = figures_table(f"{title} {compared['with']}", "typed and wanted", "rank before", "rank now")
    for column in ("top three before", "top three now"):
        table.add_column(column)
    for example in compared[kind]:
        typed = Text(example["typed"], style="bold").append(f"\n{example['wanted']}", style="not bold")
        ranks = (str(example[rank] or "-") for rank in ("rank_before", "rank_after"))
        table.add_row(typed, *ranks, *(Text("\n".join(example[top])) for top in ("top_before", "top_after")))
    return table
