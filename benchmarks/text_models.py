"""Trains language models on a corpus with a split of its own, and measures them on its test part.

Run from the checkout: `python -m benchmarks.text_models wikitext2`, or `nsmc_ko`; `--set FIELD=VALUE` changes a
field of `benchmarks/CORPUS.toml`, as `autocomplete train --set` does. `wikitext2_gpu` is the recipe for a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import typer

from benchmarks.bundles import held_out_lines
from benchmarks.command import data_folder, reporter, run, train_bundle
from lm.bundle.bundle import open_bundle
from lm.bundle.manifest import read_manifest
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END
from training.evaluation.evaluate import TEXT_FILE
from training.evaluation.next_words import next_words
from training.evaluation.perplexity import perplexity

_TYPED_LINES = 600  # lines that next words are measured on


def main(
    corpus: Literal["wikitext2", "wikitext2_gpu", "nsmc_ko"],
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE")] = None,
) -> None:
    """Trains, measures and prints."""
    folder = corpus.removesuffix("_gpu")
    data = data_folder("AUTOCOMPLETE_BENCHMARK_TEXTS", "lm", folder) / folder
    bundle = train_bundle(corpus, data, changes or ())
    print(f"Bundle: {bundle}")
    _print_perplexities(read_manifest(bundle).metrics)
    lines = held_out_lines(bundle, TEXT_FILE)
    for model in open_bundle(bundle).language_models:
        if model.carries_state:
            _print_afresh(model, lines)
        if not model.joins:
            _print_next_words(model, lines[:_TYPED_LINES])


def _print_perplexities(metrics: dict[str, Any]) -> None:
    """Perplexity a token and bits a character of each part, and the mixture by context or not."""
    for name, figures in metrics["language_models"].items():
        print(f"{name}, {figures['tokens']:,} test tokens")
        for measure in ("perplexity", "bits_per_character"):
            print(f"  {measure}: " + ", ".join(f"{part} {value:.3f}" for part, value in figures[measure].items()))
    for name, found in metrics.get("mixture", {}).items():
        print(f"{name}, on validation text: {found}")


def _print_afresh(model: LanguageModel, lines: Sequence[str]) -> None:
    """Perplexities of a model that reads on, if it forgot all before each line."""
    scores = [model.token_log_probs([*model.tokenizer.encode(line), END]) for line in lines]
    for part in scores[0]:
        print(f"  afresh at each line, {part.value}: {perplexity(np.concatenate([row[part] for row in scores])):.3f}")


def _print_next_words(model: LanguageModel, lines: Sequence[str]) -> None:
    """What is shown while the test text is typed, by n-gram model and mixture."""
    for part, figures in next_words(model, lines, [Part.NGRAM, Part.ENSEMBLE], reporter()).items():
        shown = ", ".join(f"{name} {value:.4f}" for name, value in figures.items() if isinstance(value, float))
        print(f"  next word, {part.value}: {shown} ({figures['words']:,} words)")


if __name__ == "__main__":
    run(main, __doc__)
