"""Trains language models on a corpus with a split of its own, and measures them on its test part.

Run from the checkout: `python -m benchmarks.text_models wikitext2`, or `nsmc_ko`; `--set FIELD=VALUE` changes a
field of `benchmarks/CORPUS.toml`, as `autocomplete train --set` does. `wikitext2_gpu` is the recipe for a GPU.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lm.errors import AutocompleteError
from lm.manifest import read_manifest
from training.config import TrainingConfig, load_config
from training.pipeline import train
from training.progress import Reporter, TerminalReporter

ROOT = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "AUTOCOMPLETE_BENCHMARK_TEXTS"
DATA = ROOT.parent / "shared" / "data" / "lm"
CORPORA = ("wikitext2", "wikitext2_gpu", "nsmc_ko")


def main() -> int:
    """Trains, measures and prints; without the data it says so and succeeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", choices=CORPORA)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    given = parser.parse_args()
    data = corpus_folder(given.corpus.removesuffix("_gpu"))
    if data is None:
        return 0
    try:
        bundle = train_bundle(given.corpus, data, given.set, TerminalReporter(Console(stderr=True)))
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Bundle: {bundle}")
    print_metrics(read_manifest(bundle).metrics)
    return 0


def corpus_folder(corpus: str) -> Path | None:
    """Where a corpus lies; None, and a line that says so, where it does not."""
    data = Path(os.environ.get(DATA_VARIABLE, DATA)) / corpus
    if data.is_dir():
        return data
    print(f"Skipped: there is no {data}. {DATA_VARIABLE} names the folder that holds it.")
    return None


def train_bundle(
    corpus: str, data: Path, changes: Sequence[str], reporter: Reporter, *, work: str | None = None
) -> Path:
    """The bundle of `benchmarks/CORPUS.toml`; steps that were trained before are not trained again.

    Args:
        work: folder below `var/benchmarks`, by default the corpus.

    Raises:
        AutocompleteError: as `autocomplete train`.
    """
    config = load_config(ROOT / "benchmarks" / f"{corpus}.toml", changes)
    return train(_below(config, work or corpus), base=data, reporter=reporter, activate=True).path


def _below(config: TrainingConfig, folder: str) -> TrainingConfig:
    work = ROOT / "var" / "benchmarks" / folder
    publishing = config.publishing.model_copy(update={"registry": str(work / "registry"), "keep_versions": 8})
    return config.model_copy(update={"work": str(work / "work"), "publishing": publishing})


def print_metrics(metrics: dict[str, Any]) -> None:
    """Perplexities and next words of a bundle."""
    for name, figures in metrics["language_models"].items():
        parts = ", ".join(f"{part} {value:.2f}" for part, value in figures["perplexity"].items())
        print(f"perplexity of {name} ({figures['tokens']:,} tokens): {parts}")
    if words := metrics.get("next_word"):
        print(", ".join(f"{name} {value:.4g}" for name, value in words.items()))


if __name__ == "__main__":
    sys.exit(main())
