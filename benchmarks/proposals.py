"""What the neural model's proposals gain and cost, over the beam's width and its steps.

Run from the checkout: `python -m benchmarks.proposals [BUNDLE]`, after `python -m benchmarks.query_completion`. Every
held-out query has one prefix (`training.evaluation.metrics`). The time is the processor time of a whole answer, without
what is remembered of answers before: p50 and p99 of the prefixes for which the model is asked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.bundles import find_bundle
from benchmarks.command import run
from benchmarks.query_completion import HELD_OUT, REGISTRY
from lm.bundle.bundle import open_bundle
from lm.errors import InputError
from suggest.complete import QueryCompleter
from suggest.sources.neural import BEAM_WIDTH, MAX_TOKENS, NeuralSource
from suggest.types import QueryOptions
from training.evaluation.metrics import Listed, rank, typed_prefix
from training.evaluation.query_outcomes import wanted_queries

_WIDTHS, _STEPS = (5, 10, 20, 30, 50), (3, 4, 6, 8, 12)


def main(
    bundle: Annotated[Path | None, typer.Argument(help="Folder of a bundle, in place of the benchmark's own.")] = None,
    sample: Annotated[int, typer.Option(min=1, help="Measure every n-th held-out query.")] = 1,
    curve: Annotated[bool, typer.Option(help="Vary width and steps, or measure the defaults alone.")] = True,
) -> None:
    """Measures and prints a line for each width and number of steps."""
    folder = find_bundle(bundle or REGISTRY)
    queries = wanted_queries(HELD_OUT.read_text(encoding="utf-8").splitlines())[::sample]
    opened = open_bundle(folder, verify=False)
    if opened.manifest.neural_ranking is None:
        raise InputError(folder, "its neural model does not propose.", remedy="Train one for longer.")
    print(f"{len(queries):,} held-out queries; width and steps; MRR@10 of all, seen, unseen; ms p50, p99")
    index = opened.queries
    seen = [index is not None and index.count(query) > 0 for query in queries]
    _measure("off", QueryCompleter(opened), queries, seen, neural=False)
    for width, steps in _settings() if curve else [(BEAM_WIDTH, MAX_TOKENS)]:
        # opened anew: answers before have left nothing to remember
        opened = open_bundle(folder, verify=False)
        model, words = opened.language_model("queries"), opened.words
        completer = QueryCompleter(opened, NeuralSource(model, words, width, steps))
        _measure(f"{width} x {steps}", completer, queries, seen, neural=True)


def _settings() -> Iterator[tuple[int, int]]:
    yield from ((width, MAX_TOKENS) for width in _WIDTHS)
    yield from ((BEAM_WIDTH, steps) for steps in _STEPS)


def _measure(
    name: str, completer: QueryCompleter, queries: Sequence[str], seen: Sequence[bool], *, neural: bool
) -> None:
    ranks, times_s = list[float](), list[float]()
    options = QueryOptions(neural=neural)
    for query in queries:
        begun_s = time.thread_time()
        answer = completer.complete(typed_prefix(query), options, None)
        taken_s = time.thread_time() - begun_s
        if answer.refiners or any(timing.stage == "neural" for timing in answer.timings):
            times_s.append(taken_s)
        found = rank([Listed(each.text, each.log_prob, each.acceptance_prob) for each in answer.suggestions], query)
        ranks.append(1 / found if found else 0.0)
    ranks_N, seen_N = np.array(ranks), np.array(seen)
    parts = [ranks_N.mean(), ranks_N[seen_N].mean(), ranks_N[~seen_N].mean()]
    p50_ms, p99_ms = np.percentile(np.array(times_s) * 1e3, [50, 99])
    figures = " ".join(f"{part:7.4f}" for part in parts)
    print(f"{name:8} {figures}  {p50_ms:6.1f} {p99_ms:6.1f}  asked {len(times_s) / len(queries):.0%}", flush=True)


if __name__ == "__main__":
    run(main, __doc__)
