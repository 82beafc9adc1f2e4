"""What the mixture's weights are worth: perplexity by one weight, by context, and with recent words.

Run from the checkout: `python -m benchmarks.mixture BUNDLE_OR_REGISTRY`. Weights are fitted on the first half of the
bundle's held-out text and measured on the second, or on files given by hand, a sentence a line in running order.
Lower is better; everything that is fitted is fitted on the same text.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.bundles import find_bundle
from lm.bundle.bundle import open_bundle
from lm.errors import AutocompleteError
from lm.models.language_model import LanguageModel
from lm.models.mixture import Mixture
from lm.models.vocabulary import BEGIN, END
from training.data.sources import read_lines
from training.evaluation.evaluate import EVALUATION_FOLDER, QUERIES_FILE, TEXT_FILE
from training.fit.mixture import HeldOutScores, context_weights, held_out_scores, ngram_weight
from training.fit.recent_words import fit_recent_words
from training.progress import TerminalReporter

PER_ORDER = (1, 2, 4, 8, 16, 32)
PSEUDO_COUNTS = (5.0, 50.0, 500.0)
RECENT_WORDS = (50, 100, 200, 500, 1000, 2000, 4000)
_CHOSEN = 8


def main() -> int:
    """Scores, fits, measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="a bundle, or a registry of which the active one is taken")
    parser.add_argument("--model", default="text", help="name of the language model")
    parser.add_argument("--fit", type=Path, help="text that weights are fitted on")
    parser.add_argument("--text", type=Path, help="text that is measured; with --fit")
    options = parser.parse_args()
    if (options.fit is None) != (options.text is None):
        parser.error("--fit and --text go together")
    try:
        measure(options.bundle, options.model, options.fit, options.text)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def measure(path: Path, name: str, fit: Path | None, text: Path | None) -> None:
    """Prints the table."""
    folder = find_bundle(path)
    model = next((m for m in open_bundle(folder).language_models if m.entry.name == name), None)
    if model is None or model.neural is None:
        raise AutocompleteError(f"{folder}: no mixture {name!r}.", remedy="Name a language model with a neural one.")
    if fit is not None and text is not None:
        fitting, measuring = _lines(fit), _lines(text)
    else:
        kept = TEXT_FILE if model.entry.sources[0] == "text" else QUERIES_FILE
        lines = _lines(folder / EVALUATION_FOLDER / kept)
        fitting, measuring = lines[: len(lines) // 2], lines[len(lines) // 2 :]
    reporter = TerminalReporter(Console(stderr=True))
    fitted_on, measured = (held_out_scores(model, sentences, reporter) for sentences in (fitting, measuring))
    print(f"{folder}, {name}: fitted on {len(fitted_on.tokens):,} tokens, measured on {len(measured.tokens):,}")
    one = _perplexity(measured.mixed(Mixture(ngram_weight(fitted_on))))
    for label, perplexity in [
        ("n-gram", _perplexity(measured.ngram)),
        ("neural", _perplexity(measured.neural)),
        (f"one weight ({ngram_weight(fitted_on):.2f})", one),
        *_by_context(fitted_on, measured),
        *_other_features(model, folder / name, [fitting, measuring], fitted_on, measured),
        *(_recent_words(fitted_on, measured) if not model.joins else ()),
    ]:
        print(f"{label:46} {perplexity:9.2f} {perplexity / one - 1:+8.2%}")


def _by_context(fitted_on: HeldOutScores, measured: HeldOutScores) -> Iterator[tuple[str, float]]:
    for per_order in PER_ORDER:
        weights = context_weights(fitted_on, per_order=per_order)
        label = f"by order x {per_order} of back-off" if per_order > 1 else "by order"
        yield label, _perplexity(measured.mixed(Mixture(0.5, weights)))
    for pseudo_count in PSEUDO_COUNTS:
        weights = context_weights(fitted_on, per_order=_CHOSEN, pseudo_count=pseudo_count)
        label = f"by order x {_CHOSEN} of back-off, prior of {pseudo_count:g} tokens"
        yield label, _perplexity(measured.mixed(Mixture(0.5, weights)))


def _other_features(
    model: LanguageModel,
    folder: Path,
    texts: Sequence[Sequence[str]],
    fitted_on: HeldOutScores,
    measured: HeldOutScores,
) -> Iterator[tuple[str, float]]:
    """The same with another feature in the place of the back-off weight."""
    first, second = (_features(model, folder, text) for text in texts)
    for row, label in enumerate(("successors", "neural entropy")):
        weights = context_weights(replace(fitted_on, backoffs=first[row]), per_order=_CHOSEN)
        mixed = replace(measured, backoffs=second[row]).mixed(Mixture(0.5, weights))
        yield f"by order x {_CHOSEN} of {label}", _perplexity(mixed)


def _features(model: LanguageModel, folder: Path, sentences: Sequence[str]) -> NDArray[np.float32]:
    """Successors that the n-gram table lists after each context, and the neural model's entropy there, (2, n)."""
    rows = []
    assert model.neural is not None
    begins = [np.load(folder / f"order{k}.successors.npy", mmap_mode="r") for k in range(1, model.ngram.order)]
    table, state = model.ngram.table, model.neural.initial_state()
    for sentence in sentences:
        tokens = [*model.tokenizer.encode(sentence), END]
        contexts = table.contexts(model.ngram.begin, np.array(tokens, np.int32))
        before = state if model.carries_state else model.neural.initial_state()
        hidden_BTE, state = model.neural.advance(np.array([(BEGIN, *tokens[:-1])], np.int64), before)
        log_probs = np.maximum(model.neural.log_probs(hidden_BTE[0]), -100.0)
        entropies = -(np.exp(log_probs) * log_probs).sum(axis=1)
        rows.append(np.stack([_successors(begins, contexts.tolist(), len(model.vocabulary)), entropies]))
    return np.concatenate(rows, axis=1).astype(np.float32)


def _successors(begins: Sequence[NDArray[np.uint32]], contexts: Sequence[int], size: int) -> list[int]:
    """How many tokens the table lists after each context; see `lm.models.ngram` for the arrays."""
    counts = []
    for context in contexts:
        level, index = context >> 56, context & ((1 << 56) - 1)
        counts.append(int(begins[level - 1][index + 1]) - int(begins[level - 1][index]) if level else size)
    return counts


def _recent_words(fitted_on: HeldOutScores, measured: HeldOutScores) -> Iterator[tuple[str, float]]:
    mixture = Mixture(0.5, context_weights(fitted_on, per_order=_CHOSEN))
    for limit in RECENT_WORDS:
        recent = fit_recent_words(fitted_on.mixed(mixture), fitted_on.tokens, limit)
        mixed, _ = recent.mix_tokens(measured.mixed(mixture), measured.tokens.tolist(), ())
        yield f"and {limit} recent words (weight {recent.weights[-1]:.3f})", _perplexity(mixed)


def _perplexity(log_probs: NDArray[np.float32]) -> float:
    return float(np.exp(-log_probs.mean(dtype=np.float64)))


def _lines(path: Path) -> list[str]:
    return [line for _, line in read_lines(path) if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
