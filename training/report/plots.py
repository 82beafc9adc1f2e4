"""The report's plots. Matplotlib draws them, and their colours follow the page's light or dark theme.

Each part of the ensemble has the same colour, marker and line style everywhere; bundles have others. The colours are
Okabe and Ito's, which colour-blind people can tell apart.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from training.report.tables import PART_NAMES, plain

_TEXT, _FAINT, _GRID = "#111111", "#666666", "#dddddd"
_SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9")
_LEAST_SHOWN = 10
_PARTS = {part: number for number, part in enumerate(PART_NAMES)}
_MARKERS, _LINES = ("o", "s", "D", "^", "v", "P"), ("-", "--", "-.") * 2
# What the page's style sheet names; matplotlib itself knows no variables.
_VARIABLES = {_TEXT: "var(--text)", _FAINT: "var(--faint)", _GRID: "var(--grid)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(_SERIES)
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: the page's font, selectable, found by search
    "svg.hashsalt": "autocomplete",  # equal plots give equal bytes
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _TEXT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": _TEXT,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "text.color": _TEXT,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _TEXT,
    "ytick.labelcolor": _TEXT,
    "legend.frameon": False,
    "legend.labelcolor": _TEXT,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}
_styled = mpl.rc_context(_STYLE)


@_styled
def learning_curves(curves: Mapping[str, Mapping[str, Any]]) -> str:
    """Perplexity by minutes of training, a line for each neural model.

    Args:
        curves: `training.neural` of the bundles, by label.
    """
    figure, axes = _axes("Learning curve", "training time (minutes)", "perplexity a token")
    for number, (label, training) in enumerate(curves.items()):
        points = training["curve"]
        minutes = [point["elapsed_s"] / 60 for point in points]
        style = _style(_PARTS["neural"] if len(curves) == 1 else len(_PARTS) + number)
        prefix = f"{label}, " if len(curves) > 1 else ""
        validation = [math.exp(min(point["validation_loss"], 50)) for point in points]
        axes.plot(minutes, validation, label=f"{prefix}validation", **style)
        if not training.get("sampled_softmax"):  # a sampled loss is over fewer words, and so lower
            trained = [math.exp(min(point["train_loss"], 50)) for point in points]
            dotted = {"color": style["color"], "linewidth": 1.2, "linestyle": ":"}
            axes.plot(minutes, trained, label=f"{prefix}training, with dropout", **dotted)
    _log_y(axes)
    axes.set_xlim(left=0)
    axes.legend()
    return _svg(figure, "Learning curve: perplexity by minutes of training")


@_styled
def perplexity_by(buckets: Sequence[Mapping[str, Any]], title: str, label: str) -> str:
    """Perplexity of each part in buckets of tokens. Below each bucket stands its share of the tokens."""
    figure, axes = _axes(title, label, "perplexity a token")
    total = sum(bucket["tokens"] for bucket in buckets)
    places = range(len(buckets))
    parts = [part for part in PART_NAMES if part in buckets[0]["perplexity"]]
    for number, part in enumerate(parts):
        values = [bucket["perplexity"][part] for bucket in buckets]
        shifted = [place + 0.13 * (number - (len(parts) - 1) / 2) for place in places]
        style = _style(_PARTS[part]) | {"linestyle": "none", "markersize": 7}
        axes.plot(shifted, values, label=PART_NAMES[part], **style)
    names = [bucket["bucket"].replace(" to ", "\nto ").replace("end of ", "end of\n") for bucket in buckets]
    shares = [f"{bucket['tokens'] / total:.0%}" for bucket in buckets]
    axes.set_xticks(list(places), [f"{name}\n({share})" for name, share in zip(names, shares, strict=True)])
    axes.set_xlim(-0.6, len(buckets) - 0.4)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", labelsize=8.5)
    _log_y(axes)
    axes.legend()
    return _svg(figure, f"{title}: perplexity of each part")


@_styled
def reliability_diagram(curves: Mapping[str, Mapping[str, Any]], title: str) -> str:
    """Share that was right by the probability shown, with 95% intervals. The diagonal is perfect.

    Bins that hold too little to be trusted are left out.

    Args:
        curves: results of `training.evaluation.statistics.reliability` by part or by bundle.
    """
    figure, axes = _axes(title, "probability shown", "share that was right")
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1, linestyle=":", label="perfect")
    ends = []
    for number, (part, curve) in enumerate(curves.items()):
        bins = [each for each in curve["bins"] if each["shown"] >= _LEAST_SHOWN]
        means, shares = [each["mean_probability"] for each in bins], [each["right"] for each in bins]
        distances = [_wilson(each["right"], each["shown"]) for each in bins]
        style = _style(_PARTS.get(part, len(_PARTS) + number))
        error = f"{PART_NAMES.get(part, part)} (error {100 * curve['expected_calibration_error']:.1f} points)"
        axes.errorbar(means, shares, list(zip(*distances, strict=True)) or None, elinewidth=0.8, label=error, **style)
        ends += [math.ceil(10 * max(each["high"], each["right"])) / 10 for each in bins]
    top = max(ends, default=1.0)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(fontsize=9, loc="upper left")
    return _svg(figure, f"{title}: share that was right by the probability shown")


@_styled
def ghost_curve(measured: Mapping[str, Any]) -> str:
    """Precision of ghost text by its coverage, as the threshold falls. A ring marks the bundle's threshold.

    Args:
        measured: result of `training.evaluation.ghost_text.ghost_text`.
    """
    figure, axes = _axes("Ghost text", "coverage: keystrokes with a ghost", "precision: ghosts that are right")
    for number, (prefix, label) in enumerate((("", "all keystrokes"), ("start_", "before a word's first letter"))):
        points = [(each[f"{prefix}coverage"], each[f"{prefix}precision"]) for each in measured["curve"]]
        known = [(coverage, precision) for coverage, precision in points if precision is not None]
        style = _style(len(_PARTS) + number)
        axes.plot(*zip(*known, strict=True), label=label, **style)
        chosen = measured[f"{prefix}coverage"], measured[f"{prefix}precision"]
        if chosen[1] is not None:
            ring = {"marker": "o", "markersize": 13, "markerfacecolor": "none", "markeredgecolor": style["color"]}
            axes.plot(*chosen, linestyle="none", **ring)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(fontsize=9, loc="lower left", title=f"rings: from {measured['min_probability']:.0%} on")
    return _svg(figure, "Ghost text: precision by coverage")


def _wilson(share: float, count: int) -> tuple[float, float]:
    """How far the 95% score interval of a share reaches below and above it (Wilson, 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(share - middle + half, 0.0), max(middle + half - share, 0.0)


@_styled
def mixture_curve(mixture: Mapping[str, Any]) -> str:
    """Perplexity by the n-gram model's share, if it is the same everywhere. A line marks the bundle's one weight."""
    figure, axes = _axes("One weight for the mixture", "share of the n-gram model", "perplexity a token")
    shares = [point["ngram_weight"] for point in mixture["by_weight"]]
    values = [point["perplexity"] for point in mixture["by_weight"]]
    axes.plot(shares, values, color=_SERIES[2])
    weight = mixture["ngram_weight"]
    axes.axvline(weight, color=_TEXT, linewidth=1, linestyle="--", label=f"fitted: {weight:.0%}")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlim(0, 1)
    _log_y(axes)
    axes.legend(loc="upper right" if weight < 0.5 else "upper center")
    return _svg(figure, "Perplexity by the share of the n-gram model")


@_styled
def context_weights(weights: Mapping[str, Any]) -> str:
    """The n-gram model's share by context: a row for each matched order, a column for each bucket of back-off weights.

    Args:
        weights: the manifest's `context_weights`.
    """
    rows = weights["ngram_weights"]
    figure, axes = _axes(
        "Share of the n-gram model by context", "back-off weight, from low to high (bucket)", "matched order"
    )
    colours = mpl.colormaps["cividis"]
    for order, row in enumerate(rows):
        for bucket, share in enumerate(row):
            axes.add_patch(Rectangle((bucket, order), 1, 1, facecolor=colours(share), edgecolor=_GRID))
            ink = "#000000" if share > 0.5 else "#ffffff"
            axes.text(bucket + 0.5, order + 0.5, f"{share:.0%}", ha="center", va="center", color=ink, fontsize=9)
    widest = max(map(len, rows))
    axes.set_xlim(0, widest)
    axes.set_ylim(len(rows), 0)
    axes.set_xticks([place + 0.5 for place in range(widest)], [str(place + 1) for place in range(widest)])
    axes.set_yticks([order + 0.5 for order in range(len(rows))], [str(order) for order in range(len(rows))])
    axes.grid(visible=False)
    return _svg(figure, "The n-gram model's share by matched order and back-off weight")


@_styled
def comparison(rows: Sequence[Mapping[str, Any]], measure: str, title: str, label: str, *, share: bool) -> str:
    """One measure of all models as dots in rows."""
    known = [row for row in rows if row["figures"].get(measure) is not None]
    figure, axes = _axes(title, label, height=1.0 + 0.3 * len(known))
    for place, row in enumerate(known):
        style = _style(_PARTS[row["part"]]) | {"markersize": 8}
        value = row["figures"][measure]
        axes.plot([value], [place], **style)
        shown = f"{value:.1%}" if share else plain(value)
        axes.annotate(shown, (value, place), (8, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(known)), [f"{row['name']}, {PART_NAMES[row['part']]}" for row in known])
    axes.set_ylim(len(known) - 0.5, -0.5)
    axes.margins(x=0.2)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0) if share else FuncFormatter(_tick))
    axes.grid(visible=False, axis="y")
    return _svg(figure, f"{title}: {label}")


def _axes(title: str, x_label: str, y_label: str = "", *, height: float = 3.5) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.2, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes


def _style(number: int) -> dict[str, Any]:
    place = number % len(_SERIES)
    return {"color": _SERIES[place], "marker": _MARKERS[place], "linestyle": _LINES[place]}


def _log_y(axes: Axes) -> None:
    """A logarithmic axis with plain numbers, and enough of them where it spans less than two decades."""
    axes.set_yscale("log")
    axes.margins(y=0.1)
    low, high = axes.get_ylim()
    narrow = high / low < 30
    steps = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0) if high / low < 4 else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=steps if narrow else (1.0,), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _tick(value: float, _place: int | None = None) -> str:
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _svg(figure: Figure, description: str) -> str:
    """The figure as an element of an HTML page that refers to nothing outside it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawn).replace("xlink:href", "href")
    drawn = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn))
    # ids of all the plots of a page must differ
    prefix = "p" + hashlib.sha256(drawn.encode()).hexdigest()[:8]
    drawn = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", drawn)
    for colour, variable in _VARIABLES.items():
        drawn = drawn.replace(colour, variable)
    return drawn.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)
