"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.evaluation.query_measures import MEASURES
from training.report import plots
from training.report.query_tables import POPULAR, query_comparisons, query_figures
from training.report.tables import COLUMNS, Group, groups, model_name

_TEMPLATE = "report.html.jinja"
_COMPARED = (
    ("word_perplexity", "Perplexity", "perplexity a word (lower is better)", False),
    ("keystrokes_saved_at_3", "Keystrokes saved", "saved with 3 suggestions (higher is better)", True),
)


def render_page(document: Mapping[str, Any]) -> str:
    """The page of what `training.report.measure` measured."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plots.plain
    bundles = document["bundles"]
    return environment.get_template(_TEMPLATE).render(
        document=document,
        columns=COLUMNS,
        groups=[(group, _comparison_plots(group)) for group in groups(document)],
        curves=_shared_curves(bundles),
        queries=query_figures(document),
        measures=MEASURES,
        popular=POPULAR,
        comparisons=query_comparisons(document),
        query_plots=_query_plots(bundles),
        models=[_section(bundle, model, len(bundles)) for bundle in bundles for model in bundle["language_models"]],
        part_names=plots.PART_NAMES,
    )


def _comparison_plots(group: Group) -> list[str]:
    return [
        plots.comparison(group.rows, measure, title, label, share=share)
        for measure, title, label, share in _COMPARED
        if any(row["figures"].get(measure) is not None for row in group.rows)
    ]


def _shared_curves(bundles: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Learning curves of several bundles in one plot, where they have a language model of the same name."""
    by_name: dict[str, dict[str, Any]] = {}
    for bundle in bundles:
        for model in bundle["language_models"]:
            if neural := model["training"].get("neural"):
                by_name.setdefault(model["name"], {})[bundle["label"]] = neural
    return [(name, plots.learning_curves(curves)) for name, curves in by_name.items() if len(curves) > 1]


def _query_plots(bundles: Sequence[Mapping[str, Any]]) -> list[str]:
    curves = {
        bundle["label"]: bundle["queries"]["calibration"]
        for bundle in bundles
        if bundle["queries"] and bundle["queries"]["calibration"]["shown"]
    }
    return [plots.reliability_diagram(curves, "Calibration of suggested queries")] if curves else []


def _section(bundle: Mapping[str, Any], model: Mapping[str, Any], bundle_count: int) -> dict[str, Any]:
    drawn = []
    if neural := model["training"].get("neural"):
        drawn.append(plots.learning_curves({model["name"]: neural}))
    if model.get("mixture"):
        drawn.append(plots.mixture_curve(model["mixture"]))
    if weights := model.get("context_weights"):  # then these count, and not the one weight
        drawn.append(plots.context_weights(weights))
    if model.get("tokens"):
        rank = "rank of the token by unigram probability\n(share of the tokens)"
        drawn.append(plots.perplexity_by(model["by_frequency"], "Frequent and rare tokens", rank))
        known = "tokens of the context that were seen together\n(share of the tokens)"
        drawn.append(plots.perplexity_by(model["by_matched_order"], "Known and new contexts", known))
    curves = {part: figures["calibration"] for part, figures in model["parts"].items() if figures.get("calibration")}
    if curves:
        drawn.append(plots.reliability_diagram(curves, "Calibration of next words"))
    return {"name": model_name(bundle, model, bundle_count), "plots": drawn, "model": model}
