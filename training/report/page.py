"""The report as one HTML page that needs nothing but itself, and its figures as JSON."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.errors import InputError
from training.evaluation.query_measures import MEASURES
from training.report import plots
from training.report.tables import (
    COLUMNS,
    PART_NAMES,
    POPULAR,
    Group,
    groups,
    model_name,
    plain,
    query_comparisons,
    query_figures,
)

_TEMPLATE = "report.html.jinja"
_COMPARED = (
    ("word_perplexity", "Perplexity", "perplexity a word (lower is better)", False),
    ("keystrokes_saved_at_3", "Keystrokes saved", "saved with 3 suggestions (higher is better)", True),
)
PAGE_FILE, JSON_FILE = "report.html", "report.json"


def render_page(document: Mapping[str, Any]) -> str:
    """The page of a document that `training.report.measure` made."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
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
        part_names=PART_NAMES,
    )


def _comparison_plots(group: Group) -> list[str]:
    return [
        plots.comparison(group.rows, measure, title, label, share=share)
        for measure, title, label, share in _COMPARED
        if any(row["figures"].get(measure) is not None for row in group.rows)
    ]


def _shared_curves(bundles: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Learning curves of several bundles in one plot, if they have a language model of the same name."""
    by_name: dict[str, dict[str, Any]] = {}
    for bundle in bundles:
        for model in bundle["language_models"]:
            if neural := model["training"].get("neural"):
                by_name.setdefault(model["name"], {})[bundle["label"]] = neural
    return [(name, plots.learning_curves(curves)) for name, curves in by_name.items() if len(curves) > 1]


def _query_plots(bundles: Sequence[Mapping[str, Any]]) -> list[str]:
    """Calibration of all suggested queries, and of those from each source."""
    measured = {bundle["label"]: bundle["queries"].get("calibration") or {} for bundle in bundles}
    by_source = {
        source if len(bundles) == 1 else f"{label}, {source}": curve
        for label, found in measured.items()
        for source, curve in found.get("by_source", {}).items()
    }
    drawn = _reliability(measured, "suggested queries")
    return drawn + _reliability(by_source, "suggested queries by source")


def _reliability(curves: Mapping[str, Any], what: str) -> list[str]:
    known = {label: curve for label, curve in curves.items() if curve and curve["shown"]}
    return [plots.reliability_diagram(known, f"Calibration of {what}")] if known else []


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
    drawn += _reliability({part: found.get("calibration") for part, found in model["parts"].items()}, "next words")
    if ghost_text := model.get("ghost_text"):
        drawn.append(plots.ghost_curve(ghost_text))
    return {"name": model_name(bundle, model, bundle_count), "plots": drawn, "model": model}


def check_folder(folder: Path) -> None:
    """Makes the report's folder and tries to write there, before the long measuring begins.

    Raises:
        InputError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from None


def write_report(folder: Path, document: Mapping[str, Any]) -> Path:
    """Writes `report.html` and `report.json` into the folder and returns the path of the page.

    Raises:
        InputError: the disk is full or the folder cannot be written; what was there before is untouched.
    """
    contents = {
        PAGE_FILE: render_page(document),
        JSON_FILE: json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }
    aside = {name: folder / f".{name}.partial" for name in contents}
    try:
        for name, content in contents.items():
            aside[name].write_text(content, encoding="utf-8")
        for name, path in aside.items():
            path.replace(folder / name)
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        for path in aside.values():
            path.unlink(missing_ok=True)
    return folder / PAGE_FILE


def _unwritable(folder: Path, error: OSError) -> InputError:
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return InputError(folder, "a file, not a folder.", remedy="Name a folder for the report.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return InputError(folder, "the disk is full.", remedy="Make room, or name a folder on another disk.")
    return InputError(folder, f"cannot be written: {error.strerror}.", remedy="Name another folder for the report.")
