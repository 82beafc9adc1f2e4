"""Metrics of a bundle as tables for people. Parts that were not measured are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.output import figures_table
from training.evaluation.query_measures import MEASURES
from training.report.tables import COLUMNS, EMPTY, PART_NAMES, Cell, group_rows, query_cell


def metrics_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """Tables of what `training.evaluation.evaluate` measures."""
    tables = []
    if metrics.get("language_models"):
        tables.append(_perplexities(metrics["language_models"]))
    if metrics.get("mixture"):
        tables.append(_mixture(metrics["mixture"]))
    if metrics.get("next_word"):
        tables.append(_next_word(metrics["next_word"]))
    if metrics.get("ghost_text"):
        tables.append(_ghost_text(metrics["ghost_text"]))
    if metrics.get("queries"):
        tables += query_tables(metrics["queries"])
    return tables


def _perplexities(models: Mapping[str, Any]) -> Table:
    table = figures_table("Perplexity (lower is better)", "language model", "tokens", *PART_NAMES.values())
    for name, measured in models.items():
        values = measured.get("perplexity", {})
        table.add_row(name, _count(measured.get("tokens")), *(_number(values.get(part)) for part in PART_NAMES))
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
    columns = [column for column in COLUMNS if measured.get(column.name) is not None]
    table = figures_table("Next word", "words", *(f"{column.title}, {column.unit}" for column in columns))
    table.add_row(_count(measured.get("words")), *(column.shown(measured[column.name]) for column in columns))
    return table


def _ghost_text(measured: Mapping[str, Any]) -> Table:
    table = figures_table(
        f"Ghost text, from {measured['min_probability']:.0%} probability on", "keystrokes", "shown, %", "right, %"
    )
    for name, prefix in ((_count(measured["keystrokes"]), ""), ("before a word's first letter", "start_")):
        shares = (measured[f"{prefix}{share}"] for share in ("coverage", "precision"))
        table.add_row(name, *(EMPTY if share is None else f"{100 * share:.1f}" for share in shares))
    return table


def _count(value: int | None) -> str:
    return EMPTY if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return EMPTY if value is None else f"{value:,.2f}"


def query_tables(measured: Mapping[str, Any]) -> list[Table]:
    """Tables of what `query_completion` measures, or `QueryBenchmark` more thoroughly."""
    tables = [_by_seen(measured)]
    for by, name in (("prefix_length", "characters typed"), ("words", "words of the query")):
        if rows := [row for row in group_rows(measured.get("groups", [])) if row["by"] == by]:
            tables.append(_by_group("", name, [row | {"title": row["name"]} for row in rows], interval=False))
    if compared := measured.get("comparison"):
        table = _by_group(f"Differences to {compared['with']}", "queries", group_rows(compared["groups"], "+"))
        _explain(
            table,
            "* real: its 95% interval (paired bootstrap over the queries) excludes 0. Where nothing differs, one in "
            f"twenty looks real by chance. Ranked higher: {compared['higher']:,}, lower: {compared['lower']:,}.",
        )
        tables += [table, *(_examples(compared, kind) for kind in ("wins", "losses"))]
    return tables


def _by_seen(measured: Mapping[str, Any]) -> Table:
    names = [name for name in ("all", "seen", "unseen") if name in measured]
    table = figures_table("Queries", "", *(f"{name} ({measured[name]['count']:,})" for name in names))
    groups = {group["group"]: group["measures"] for group in measured.get("groups", []) if group["by"] == "seen"}
    popular = measured.get("popularity_only", {})
    whole = {name: measured[name] | groups.get(name, {}) for name in names}
    for title, found in (("{}", whole), ("by popularity alone: {}", popular)):
        for measure in MEASURES:
            cells = [query_cell(measure, found.get(name, {}).get(measure.name)) for name in names]
            if any(cell.value is not None for cell in cells):
                table.add_row(title.format(measure.title), *(_text(cell, " ") for cell in cells))
    if groups:
        _explain(
            table,
            f"95% intervals: bootstrap, {measured['resamples']:,} resamples. Typed letter by letter: "
            f"{measured['typed']:,} queries. Seen: in the log of {measured['seen_in']}.",
        )
    return table


def _by_group(title: str, name: str, rows: Sequence[Mapping[str, Any]], *, interval: bool = True) -> Table:
    table = figures_table(title, name, "count", *(measure.title for measure in MEASURES))
    for row in rows:
        cells = (_text(cell, "\n", between=" ") if interval else cell.shown for cell in row["cells"])
        table.add_row(row["title"], f"{row['count']:,}", *cells)
    return table


def _text(cell: Cell, before: str, between: str = " to ") -> Text:
    """A figure and its interval. One that is a real difference is bold and has a star."""
    text = Text().append(cell.shown + ("*" if cell.mark else ""), style="bold" if cell.mark else "")
    return text.append(before + cell.interval.replace(" to ", between), style="dim") if cell.interval else text


def _explain(table: Table, text: str) -> None:
    table.caption, table.caption_justify = text, "left"


def _examples(compared: Mapping[str, Any], kind: str) -> Table:
    title = {"wins": "Ranked higher than by", "losses": "Ranked lower than by"}[kind]
    table = figures_table(f"{title} {compared['with']}", "typed and wanted", "rank before", "rank now")
    for column in ("top three before", "top three now"):
        table.add_column(column)
    for example in compared[kind]:
        typed = Text(example["typed"], style="bold").append(f"\n{example['wanted']}", style="not bold")
        ranks = (str(example[rank] or EMPTY) for rank in ("rank_before", "rank_after"))
        table.add_row(typed, *ranks, *(Text("\n".join(example[top])) for top in ("top_before", "top_after")))
    return table
