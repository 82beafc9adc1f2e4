"""The learnt ranking against LightGBM's LambdaMART, on the same features of the same candidates.

Run from the checkout: `python -m benchmarks.lambdamart [BUNDLE]`, after `python -m benchmarks.query_completion`.
It needs LightGBM, which nothing else does (`pip install lightgbm`; measured with 4.6.0). Every held-out query has one
prefix (`training.evaluation.metrics`), and all that is proposed for it gets all models' opinions. Both rankings are
cross-validated in five parts of these queries; ties count against the wanted query.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.bundles import find_bundle
from benchmarks.query_completion import WORK
from lm.bundle.bundle import Bundle, open_bundle
from lm.errors import AutocompleteError, InputError
from suggest.complete import QueryCompleter
from suggest.opinions import Advisers, Rescorer, rerank
from suggest.rank import weight_vector
from training.evaluation.metrics import typed_prefix
from training.evaluation.query_outcomes import wanted_queries
from training.fit.ranking import Choice, fit_weights
from training.progress import Reporter, TerminalReporter

FOLDS = 5
SHOWN = 10
TREES, LEAVES, LEARNING_RATE = 150, 15, 0.05
_RESAMPLES = 10_000


def main() -> int:
    """Measures and prints; without LightGBM it says so and succeeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", type=Path, default=WORK / "registry", help="bundle or registry")
    parser.add_argument("--queries", type=Path, default=WORK / "held_out.txt", help="held-out queries, one a line")
    arguments = parser.parse_args()
    if importlib.util.find_spec("lightgbm") is None:
        print("Skipped: LightGBM is not installed. `pip install lightgbm` does that.")
        return 0
    try:
        bundle = open_bundle(find_bundle(arguments.bundle))
        if not arguments.queries.is_file():
            raise InputError(arguments.queries, "no such file.", remedy="Run benchmarks.query_completion first.")
        queries = wanted_queries(arguments.queries.read_text(encoding="utf-8").splitlines())
        choices = _choices(bundle, queries, TerminalReporter(Console(stderr=True)))
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    sizes = [len(choice.listed) for choice in choices]
    listed = sum(choice.wanted < len(choice.listed) for choice in choices)
    print(f"{len(choices)} queries, {np.mean(sizes):.1f} candidates each at the mean, wanted one among them: {listed}")
    _print(cross_validated(choices, _logit), cross_validated(choices, _lambdamart))
    return 0


def _choices(bundle: Bundle, queries: Sequence[str], reporter: Reporter) -> list[Choice]:
    """What is proposed for each query's prefix, with all models' opinions."""
    model, advisers = bundle.language_model("queries"), Advisers(bundle.advisers())
    completer, rescorer, choices = QueryCompleter(bundle), Rescorer(model), []
    with reporter.task("candidates", len(queries)) as task:
        for number, query in enumerate(queries):
            pool = completer.proposed(typed_prefix(query))
            rescored = rescorer.rescore(pool, range(len(pool.tokens)), advisers.advise(pool.candidates))
            choices.append(Choice.of(rerank(model, rescored.candidates), pool.total, query, len(advisers)))
            task.update(number + 1)
    return choices


Scores = list[NDArray[np.float64]]
Scorer = Callable[[Sequence[Choice], Sequence[Choice]], Scores]
"""Fits a ranking on some choices and scores the candidates of others."""


def cross_validated(choices: Sequence[Choice], score: Scorer) -> NDArray[np.float64]:
    """1 / rank of what was wanted in each list, 0 below the shown ones, each by a ranking that was fitted on others."""
    found = np.zeros(len(choices))
    for fold in range(FOLDS):
        rest = [choice for number, choice in enumerate(choices) if number % FOLDS != fold]
        part = choices[fold::FOLDS]
        scores = score(rest, part)
        found[fold::FOLDS] = [_reciprocal_rank(*pair) for pair in zip(part, scores, strict=True)]
    return found


def _reciprocal_rank(choice: Choice, scores_N: NDArray[np.float64]) -> float:
    if choice.wanted == len(scores_N):
        return 0.0
    rank = int((scores_N >= scores_N[choice.wanted]).sum())
    return 1 / rank if rank <= SHOWN else 0.0


def _logit(fitted_on: Sequence[Choice], asked: Sequence[Choice]) -> Scores:
    weights = weight_vector(fit_weights(fitted_on))
    return [choice.listed @ weights for choice in asked]


def _lambdamart(fitted_on: Sequence[Choice], asked: Sequence[Choice]) -> Scores:
    import lightgbm

    useful = [choice for choice in fitted_on if choice.wanted < len(choice.listed)]
    labels = [np.arange(len(choice.listed)) == choice.wanted for choice in useful]
    data = lightgbm.Dataset(
        np.concatenate([choice.listed for choice in useful]),
        np.concatenate(labels).astype(np.int64),
        group=[len(choice.listed) for choice in useful],
    )
    settings = {
        "objective": "lambdarank",
        "lambdarank_truncation_level": SHOWN,
        "num_leaves": LEAVES,
        "learning_rate": LEARNING_RATE,
        "seed": 0,
        "deterministic": True,
        "verbose": -1,
    }
    trees = lightgbm.train(settings, data, num_boost_round=TREES)
    ends = np.cumsum([len(choice.listed) for choice in asked])
    return np.split(np.asarray(trees.predict(np.concatenate([choice.listed for choice in asked]))), ends[:-1])


def _print(logit: NDArray[np.float64], lambdamart: NDArray[np.float64]) -> None:
    drawn = np.random.default_rng(0)
    difference = lambdamart - logit
    means = [difference[drawn.integers(0, len(difference), len(difference))].mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    print(f"MRR@{SHOWN}: conditional logit {logit.mean():.4f}, LambdaMART {lambdamart.mean():.4f}")
    print(f"difference {difference.mean():+.4f} (95% {low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    sys.exit(main())
