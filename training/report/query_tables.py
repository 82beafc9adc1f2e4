"""The report's tables of query completion: figures with intervals, and what bundles differ in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.evaluation.query_measures import MEASURES, Measure

_OF_GROUP = {"seen": "{}", "prefix_length": "{} characters typed", "words": "{} words"}
POPULAR = tuple(measure for measure in MEASURES if measure.name in ("mrr_at_10", "success_at_10"))
"""What is shown of the log's popularity alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCell:
    """A figure; `value` is None where there is none.

    Attributes:
        interval: its 95% interval; empty if none was made.
        real: a difference whose interval excludes 0.
        better: a real difference for the better; every measure is better where it is higher.
    """

    value: float | None
    shown: str
    interval: str = ""
    real: bool = False
    better: bool = False


def query_figures(document: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Of each bundle every measure of its groups, and for seen and unseen what the log's popularity alone gets."""
    found = []
    for bundle in document["bundles"]:
        measured, rows = bundle["queries"], []
        for group in measured.get("groups", []):
            popular = measured["popularity_only"].get(group["group"], {}) if group["by"] == "seen" else {}
            figures = [_cell(measure, group["measures"].get(measure.name)) for measure in MEASURES]
            rows.append(
                _row(group) | {"cells": [*figures, *(_bare(measure, popular.get(measure.name)) for measure in POPULAR)]}
            )
        if rows:
            found.append((bundle["label"], rows))
    return found


def query_comparisons(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Differences of each bundle that was compared with another, with examples to read."""
    compared = []
    for bundle in document["bundles"]:
        if comparison := bundle["queries"].get("comparison"):
            rows = [
                _row(group)
                | {"cells": [_cell(measure, group["measures"].get(measure.name), "+") for measure in MEASURES]}
                for group in comparison["groups"]
            ]
            compared.append({"bundle": bundle["label"], "comparison": comparison, "rows": rows})
    return compared


def _row(group: Mapping[str, Any]) -> dict[str, Any]:
    name = _OF_GROUP[group["by"]].format(group["group"])
    return {"by": group["by"], "group": "1 word" if name == "1 words" else name, "count": group["count"]}


def _cell(measure: Measure, figure: Mapping[str, Any] | None, sign: str = "") -> QueryCell:
    if figure is None:
        return _bare(measure, None)
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    return QueryCell(
        value=value,
        shown=measure.shown(value, sign),
        interval=f"{measure.shown(low, sign)} to {measure.shown(high, sign)}",
        real=bool(figure.get("real")),
        better=bool(figure.get("real")) and value > 0,
    )


def _bare(measure: Measure, value: float | None) -> QueryCell:
    return QueryCell(value=value, shown="–" if value is None else measure.shown(value))  # noqa: RUF001 -- an empty cell
