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

import numpy as np
from rich.console import Console

from lm.bundle.bundle import open_bundle
from lm.bundle.manifest import read_manifest
from lm.errors import AutocompleteError
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END
from training.config import TrainingConfig, load_config
from training.evaluation.evaluate import EVALUATION_FOLDER, TEXT_FILE
from training.evaluation.next_words import next_words
from training.evaluation.perplexity import perplexity
from training.pipeline import train
from training.progress import Reporter, TerminalReporter

ROOT = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "AUTOCOMPLETE_BENCHMARK_TEXTS"
DATA = ROOT.parent / "shared" / "data" / "lm"
_TYPED_LINES = 600  # lines that next words are measured on
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
    reporter = TerminalReporter(Console(stderr=True))
    try:
        bundle = train_bundle(given.corpus, data, given.set, reporter)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Bundle: {bundle}")
    print_perplexities(read_manifest(bundle).metrics)
    lines = (bundle / EVALUATION_FOLDER / TEXT_FILE).read_text(encoding="utf-8").splitlines()
    for model in open_bundle(bundle).language_models:
        if model.carries_state:
            print_afresh(model, lines)
        if not model.joins:
            print_next_words(model, lines[:_TYPED_LINES], reporter)
    return 0


def corpus_folder(corpus: str) -> Path | None:
    """Where a corpus lies; None, and a line that says so, where it does not."""
    data = Path(os.environ.get(DATA_VARIABLE, DATA)) / corpus
    if data.is_dir():
        return data
    print(f"Skipped: there is no {data}. {DATA_VARIABLE} names the folder that holds it.")
    return None


def train_bundle(corpus: str, data: Path, changes: Sequence[str], reporter: Reporter) -> Path:
    """The bundle of `benchmarks/CORPUS.toml`; steps that were trained before are not trained again.

    Raises:
        AutocompleteError: as `autocomplete train`.
    """
    config = load_config(ROOT / "benchmarks" / f"{corpus}.toml", changes)
    return train(_below(config, corpus), base=data, reporter=reporter, activate=True).path


def _below(config: TrainingConfig, folder: str) -> TrainingConfig:
    work = ROOT / "var" / "benchmarks" / folder
    publishing = config.publishing.model_copy(update={"registry": str(work / "registry"), "keep_versions": 8})
    return config.model_copy(update={"work": str(work / "work"), "publishing": publishing})


def print_perplexities(metrics: dict[str, Any]) -> None:
    """Perplexity a token and bits a character of each part, and the mixture by context or not."""
    for name, figures in metrics["language_models"].items():
        print(f"{name}, {figures['tokens']:,} test tokens")
        for measure in ("perplexity", "bits_per_character"):
            print(f"  {measure}: " + ", ".join(f"{part} {value:.3f}" for part, value in figures[measure].items()))
    for name, found in metrics.get("mixture", {}).items():
        print(f"{name}, on validation text: {found}")


def print_afresh(model: LanguageModel, lines: Sequence[str]) -> None:
    """Perplexities of a model that reads on, if it forgot all before each line."""
    scores = [model.token_log_probs([*model.tokenizer.encode(line), END]) for line in lines]
    for part in scores[0]:
        print(f"  afresh at each line, {part.value}: {perplexity(np.concatenate([row[part] for row in scores])):.3f}")


def print_next_words(model: LanguageModel, lines: Sequence[str], reporter: Reporter) -> None:
    """What is shown while the test text is typed, by n-gram model and mixture."""
    measured = next_words(model, lines, [Part.NGRAM, Part.ENSEMBLE], reporter)
    for part, figures in measured.items():
        shown = ", ".join(f"{name} {value:.4f}" for name, value in figures.items() if isinstance(value, float))
        print(f"  next word, {part.value}: {shown} ({figures['words']:,} words)")


if __name__ == "__main__":
    sys.exit(main())
