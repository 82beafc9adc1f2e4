"""Metrics of a bundle as tables for people; parts that were not measured are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from cli.output import figures_table
from cli.query_tables import query_tables

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
