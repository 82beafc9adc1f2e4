"""What each part of query completion is worth: the query benchmark's lists without it.

Run from the checkout: `python -m benchmarks.query_parts`. It trains the bundle of `benchmarks.query_completion`, and
one without its models of words, if it has any. Every list is compared with the full one on the same queries (paired
bootstrap), and printed as rows of a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.query_completion import data_folder, train_on_logs, write_held_out
from lm.bundle.bundle import Bundle, open_bundle
from lm.bundle.manifest import Ranking
from lm.errors import AutocompleteError
from suggest.model import Model
from training.config import TrainingConfig
from training.evaluation.queries import seen_in
from training.evaluation.query_benchmark import group_differences, group_figures
from training.evaluation.query_measures import MEASURES
from training.evaluation.query_outcomes import Complete, Outcome, most_popular, outcomes, served, wanted_queries
from training.progress import Reporter, TerminalReporter

_MEASURES = [measure for measure in MEASURES if measure.name in ("mrr_at_10", "success_at_10", "pmrr_at_10")]


def main() -> int:
    """Trains, measures and prints; without the data it says so and succeeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="measure this one as it is, and train nothing")
    parser.add_argument("--max-queries", type=int, help="measure on the first ones only")
    arguments = parser.parse_args()
    data = data_folder()
    if data is None:
        return 0
    reporter = TerminalReporter(Console(stderr=True))
    try:
        bundle, wordless = _bundles(arguments.bundle, data, reporter)
        lines = write_held_out(data).read_text(encoding="utf-8").splitlines()
        queries = wanted_queries(lines)[: arguments.max_queries]
        _print(_measured(bundle, wordless, queries, reporter), seen_in(bundle, queries))
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    if wordless is None:
        words = _has_words(bundle)
        print(f"\nNot measured without word model: {'--bundle trains none' if words else 'the bundle has none'}.")
    return 0


def _bundles(path: Path | None, data: Path, reporter: Reporter) -> tuple[Bundle, Bundle | None]:
    """The full bundle, and one that was trained without models of words; None if the full one has none."""
    if path is not None:
        return open_bundle(path), None
    full, _ = train_on_logs(data, reporter, registry="registry", change=lambda config: config)
    bundle = open_bundle(full.path)
    if not _has_words(bundle):
        return bundle, None
    published, _ = train_on_logs(data, reporter, registry="registry_without_words", change=_without_words)
    return bundle, open_bundle(published.path)


def _has_words(bundle: Bundle) -> bool:
    return any(model.entry.unit == "word" for model in bundle.language_models)


def _without_words(config: TrainingConfig) -> TrainingConfig:
    kept = tuple(model for model in config.language_models if model.unit != "word")
    return config.model_copy(update={"language_models": kept})


def _lists(bundle: Bundle, wordless: Bundle | None) -> Iterator[tuple[str, Complete]]:
    """The full list first, then each without a part."""
    assert bundle.queries is not None
    model = Model(bundle)
    yield "full", served(model)
    yield "without generated queries", served(model, exclude_generated=True)
    if wordless is not None:
        yield "without word model", served(Model(wordless))
    yield "without LSTM", served(model, neural=False)
    usual = replace(
        bundle, manifest=bundle.manifest.model_copy(update={"first_ranking": Ranking(), "ranking": Ranking()})
    )
    yield "without learnt ranking", served(Model(usual))
    yield "popularity alone", most_popular(bundle.queries)


def _measured(
    bundle: Bundle, wordless: Bundle | None, queries: Sequence[str], reporter: Reporter
) -> dict[str, list[Outcome]]:
    return {
        name: outcomes(complete, queries, reporter, what=f": {name}") for name, complete in _lists(bundle, wordless)
    }


def _print(measured: dict[str, list[Outcome]], seen: Sequence[bool]) -> None:
    full = measured["full"]
    for measure in _MEASURES:
        headed = False
        for name, found in measured.items():
            figures = [group for group in group_figures(found, seen) if group["by"] == "seen"]
            changes = [group for group in group_differences(full, found, seen) if group["by"] == "seen"]
            if not headed:
                counts = " | ".join(f"{group['group']} ({group['count']:,})" for group in figures)
                print(f"\n| {measure.title} | {counts} |\n| --- |{' --- |' * len(figures)}")
                headed = True
            cells = [_figure(measure.shown, group["measures"][measure.name]) for group in figures]
            print(f"| {name} | {' | '.join(cells)} |")
            if name != "full":
                cells = [_change(measure.shown, group["measures"][measure.name]) for group in changes]
                print(f"| to the full list | {' | '.join(cells)} |")


def _figure(shown: Any, figure: dict[str, Any]) -> str:
    return f"{shown(figure['value'])} ({shown(figure['low'])} to {shown(figure['high'])})"


def _change(shown: Any, figure: dict[str, Any]) -> str:
    value, low, high = (shown(figure[name], "+") for name in ("value", "low", "high"))
    return f"{'**' if figure['real'] else ''}{value}{'**' if figure['real'] else ''} ({low} to {high})"


if __name__ == "__main__":
    sys.exit(main())
