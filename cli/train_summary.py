"""What `autocomplete train` says at its end: what was made of what, how good it is, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from cli.bundles import neural_use
from cli.output import figures_table, stdout
from lm.bundle.manifest import Manifest
from lm.bundle.registry import is_url
from lm.index.warm_set import open_warm_set
from training.config import TrainingConfig
from training.data.catalogue import CatalogueCounts
from training.data.query_log import QueryCounts
from training.gate import Comparison, figures_of
from training.publish import Published


def print_summary(published: Published, config: TrainingConfig) -> None:
    """Prints the summary. The last line says whether the bundle answers from now on, and if not, why."""
    console, registry = stdout(), _registry(published)
    console.print()
    for line in _data(published.manifest.metrics.get("data", {}), config):
        console.print(line, markup=False)
    for line in _contents(published.manifest, published.size):
        console.print(line, markup=False)
    console.print(_figures(published.manifest, published.comparison))
    name = published.manifest.name
    look = _place(f"{registry}/{name}") if published.activated else _place(published.location)
    commands = {
        "Serve": f"autocomplete serve --registry {_place(registry)} --default-model {name}",
        "Look": f"autocomplete complete {shlex.quote(_beginning(published))} --bundle {look}",
        "All figures": f"autocomplete inspect {look}",
    }
    for what, command in commands.items():
        console.print(f"{what}: {command}", markup=False, soft_wrap=True)
    console.print(f"Published {published.location}", markup=False, soft_wrap=True)
    _print_verdict(published, registry, console)


def _print_verdict(published: Published, registry: str, console: Console) -> None:
    name, version = published.manifest.name, published.version
    if published.activated:
        console.print(f"Version {version} is active.", markup=False)
        return
    command = f"autocomplete activate {name} {version} --registry {_place(registry)}"
    console.print(
        f"Not activated: {published.reason.rstrip('.')}. To activate it all the same: {command}",
        style="bold",
        markup=False,
        soft_wrap=True,
    )


def _registry(published: Published) -> str:
    return published.location.rsplit("/", 2)[0]


def _place(location: str) -> str:
    return shlex.quote(location)


def _data(data: Mapping[str, Any], config: TrainingConfig) -> Iterator[str]:
    """A line for each kind of input: how much was read, and what was dropped and why."""
    log = dict(data.get("queries", {}))
    catalogue, text = log.pop("catalogue", None), data.get("text")
    if log:
        yield QueryCounts(**{each.name: log[each.name] for each in fields(QueryCounts)}).summary(config)
        if misspelt := log.get("misspelt_queries"):
            yield f"Misspelt: {misspelt:,} queries, which count as those that were meant"
    if catalogue:
        yield CatalogueCounts(**catalogue).summary()
    if text:
        reasons = {reason.replace("_", " "): rows for reason, rows in text["dropped_sentences"].items()}
        dropped = ", ".join(f"{rows:,} {reason}" for reason, rows in reasons.items()) or "none"
        yield f"Text: {text['train']:,} sentences to learn from, of {text['files']:,} files (dropped: {dropped})"


def _contents(manifest: Manifest, size: int) -> Iterator[str]:
    models = "; ".join(
        f"{entry.name}: {entry.unit}, {entry.ngram_count:,} n-grams"
        + (
            f", {entry.neural_kind} of {entry.parameter_count:,} weights{neural_use(entry)}"
            if entry.neural_kind
            else ""
        )
        for entry in manifest.language_models
    )
    yield f"Bundle: {manifest.query_count:,} queries; {models}; {decimal(size)} in all"


def _figures(manifest: Manifest, comparison: Comparison | None) -> Table:
    """The figures, beside those of the version that was active if there are any."""
    compared = comparison is not None and bool(comparison.figures)
    if comparison is None or not compared:
        table = figures_table("On all that is held out", "", manifest.version)
        for figure in figures_of(manifest.metrics):
            table.add_row(figure.name, figure.shown(figure.now))
    else:
        table = figures_table("On what neither has learnt", "", manifest.version, f"active: {comparison.version}")
        for figure in comparison.figures:
            mark = "bold" if figure.worse else ""
            table.add_row(figure.name, figure.shown(figure.now), figure.shown(figure.before), style=mark)
    if comparison is not None:
        held_out = f"{comparison.queries:,} held-out queries, {comparison.sentences:,} sentences"
        table.caption = held_out if compared else f"Too few to compare with {comparison.version}: {held_out}"
        table.caption_justify = "left"
    return table


def _beginning(published: Published) -> str:
    """Something to type: the most popular beginning of a few letters, if the bundle lies here."""
    popular = () if is_url(published.location) else open_warm_set(Path(published.location))
    return next((typed for typed in popular if len(typed.strip()) > 2), next(iter(popular[1:]), "a"))
