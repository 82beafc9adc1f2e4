"""Measures a bundle on held-out text and queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lm.bundle.bundle import EVALUATION_FOLDER, Bundle, open_bundle
from lm.bundle.manifest import LanguageModelEntry
from lm.errors import InputError
from lm.models.parts import Part
from training.data.sources import read_lines
from training.evaluation.ghost_text import ghost_text
from training.evaluation.metrics import MIN_QUERY_LENGTH
from training.evaluation.next_words import next_words
from training.evaluation.perplexity import perplexities, score_held_out
from training.evaluation.query_benchmark import QueryBenchmark, query_completion
from training.evaluation.query_outcomes import wanted_queries
from training.progress import Reporter

TEXT_FILE, QUERIES_FILE = "test_text.txt", "test_queries.txt"
NEXT_WORD_SENTENCES = 300


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The sentences and queries that a bundle is measured on; empty if there are none."""

    sentences: Sequence[str]
    queries: Sequence[str]

    def of(self, entry: LanguageModelEntry) -> Sequence[str]:
        """The lines of the kind that a language model was mainly trained to predict."""
        return self.sentences if entry.sources[0] == "text" else self.queries


def held_out(bundle_path: Path, *, text: Path | None, queries: Path | None) -> HeldOut:
    """Reads files with a sentence or query a line. Without files, reads what training held out for the bundle.

    Raises:
        InputError: a file cannot be read, is empty, or has no query that is long enough.
    """
    if text is None and queries is None:
        kept = bundle_path / EVALUATION_FOLDER
        text, queries = (path if path.is_file() else None for path in (kept / TEXT_FILE, kept / QUERIES_FILE))
        if text is None and queries is None:
            raise InputError(kept, "the bundle keeps no held-out data.", remedy="Give --text or --queries.")
    held_out = HeldOut(_lines(text) if text else [], _lines(queries) if queries else [])
    if queries and not wanted_queries(held_out.queries):
        raise InputError(
            queries,
            f"no query of {MIN_QUERY_LENGTH} characters or more.",
            remedy="Shorter ones are not measured: give a file with a query a line.",
        )
    return held_out


def _lines(path: Path) -> list[str]:
    kept = [line for _, line in read_lines(path) if line.strip()]
    if not kept:
        raise InputError(path, "is empty.", remedy="Give a file with a sentence or query a line.")
    return kept


def evaluate_files(
    bundle_path: Path, *, text: Path | None, queries: Path | None, benchmark: QueryBenchmark, reporter: Reporter
) -> dict[str, Any]:
    """Measures a bundle on the data of `held_out`.

    The benchmark measures the queries. It compares the bundle with the first one that it measured.

    Raises:
        InputError: a file cannot be read or is empty.
        BundleError: the bundle cannot be opened.
    """
    bundle, data = open_bundle(bundle_path), held_out(bundle_path, text=text, queries=queries)
    measure = partial(benchmark.measure, str(bundle_path))
    return evaluate_bundle(
        bundle, sentences=data.sentences, queries=data.queries, reporter=reporter, measure_queries=measure
    )


def evaluate_bundle(
    bundle: Bundle,
    *,
    sentences: Sequence[str],
    queries: Sequence[str],
    reporter: Reporter,
    measure_queries: Callable[[Bundle, Sequence[str]], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Perplexity of each part, next-word accuracy, ghost text and query completion, as far as they apply.

    `measure_queries` takes the place of `query_completion`, which is quick.
    """
    data = HeldOut(sentences, queries)
    metrics: dict[str, Any] = {"language_models": {}}
    for model in bundle.language_models:
        if lines := data.of(model.entry):
            metrics["language_models"][model.entry.name] = perplexities(score_held_out(model, lines, reporter))
    if sentences:
        model = bundle.language_model("text")
        part = model.part(Part.ENSEMBLE)
        chosen = [] if model.joins else sentences[:NEXT_WORD_SENTENCES]  # subwords are too slow for every training
        metrics["next_word"] = next_words(model, chosen, [part], reporter)[part]
        metrics["ghost_text"] = ghost_text(model, bundle.never_generated, sentences, reporter)
    if wanted_queries(queries) and bundle.queries is not None:
        measure = measure_queries or partial(query_completion, reporter=reporter)
        metrics["queries"] = measure(bundle, queries)
    return metrics
