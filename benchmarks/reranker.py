"""What a bidirectional re-ranker is worth: the query benchmark's lists with and without it, and its cost.

Run from the checkout: `python -m benchmarks.reranker`. It trains the bundle of `benchmarks.query_completion` with a
re-ranker beside it. The same candidates are ordered without a model's opinion (by submissions and length), with the
n-gram model's and with the mixture's, each without and with the re-ranker, by weights fitted on the queries that the
bundle keeps for evaluation, and measured on those of the benchmark.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.query_completion import CONFIG, DATA, DATA_VARIABLE, SPLIT_FILE, TRAINING_LINES, WORK
from lm.bundle.bundle import Bundle, open_bundle
from lm.bundle.manifest import Ranking
from lm.errors import AutocompleteError
from lm.text.normalize import normalize_query
from suggest.candidates import Candidates, Floats
from suggest.complete import CHOSEN, QueryCompleter, first_rows
from suggest.opinions import Advisers, Rescorer, rerank
from suggest.rank import order
from training.config import load_config
from training.data.sources import read_lines
from training.evaluation.evaluate import EVALUATION_FOLDER, QUERIES_FILE
from training.evaluation.metrics import MIN_QUERY_LENGTH, Listed, rank, typed_prefix
from training.fit.ranking import Choice, fit_weights, reranker_gain
from training.pipeline import train
from training.progress import Reporter, TerminalReporter

RERANKER = {
    "embedding_size": 256,
    "hidden_size": 256,
    "dropout": 0.3,
    "tokens_per_batch": 1024,
    "max_steps": 550,
    "max_epochs": 10,
}
_RESAMPLES = 10_000
_SHOWN = 10


def main() -> int:
    """Trains, measures and prints; without the data it says so and succeeds."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    data = Path(os.environ.get(DATA_VARIABLE, DATA))
    if not (data / SPLIT_FILE).is_file():
        print(f"Skipped: there is no {data / SPLIT_FILE}. {DATA_VARIABLE} names the folder of the logs.")
        return 0
    reporter = TerminalReporter(Console(stderr=True))
    try:
        bundle, folder = _trained(data, reporter)
        kept = (folder / EVALUATION_FOLDER / QUERIES_FILE).read_text(encoding="utf-8").splitlines()
        later = [query for _, query in read_lines(data / SPLIT_FILE)][TRAINING_LINES:]
        fitting, measuring = (_listed(bundle, queries, reporter) for queries in (kept, later))
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    _print(bundle, fitting, measuring)
    return 0


def _trained(data: Path, reporter: Reporter) -> tuple[Bundle, Path]:
    overrides = [f"language_models.queries.reranker.{field}={value}" for field, value in RERANKER.items()]
    config = load_config(CONFIG, overrides)
    registry = config.publishing.model_copy(update={"registry": str(WORK / "reranker"), "keep_versions": 1})
    config = config.model_copy(update={"work": str(WORK / "work"), "publishing": registry})
    published = train(config, base=data, reporter=reporter, activate=True)
    return open_bundle(published.path), published.path


@dataclass(frozen=True, slots=True)
class _Listed:
    """What is listed for a query's prefix.

    Attributes:
        candidates: with the mixture's and the re-ranker's opinion.
        ngram: the n-gram model's natural-log probabilities of them.
        total: submissions of the prefix.
        advisers: that have given their opinion too.
        rescore_s, rerank_s: processor time of both.
    """

    query: str
    candidates: Candidates
    ngram: Floats
    total: float
    advisers: int
    rescore_s: float
    rerank_s: float

    def told(self, opinion: str, reranker: bool) -> Candidates:
        """The candidates with the opinions that are asked for; without a model all are equally probable."""
        size = len(self.ngram)
        log_probs = {
            "no model": np.full(size, -np.log(size + 1)),
            "n-gram": self.ngram,
            "mixture": self.candidates.log_probs,
        }[opinion]
        log_shares = self.candidates.log_shares if reranker else None
        told = replace(self.candidates, log_probs=log_probs, log_shares=log_shares)
        return replace(told, advice=None, unknown_words=None) if opinion == "no model" else told


def _listed(bundle: Bundle, queries: Sequence[str], reporter: Reporter) -> list[_Listed]:
    model, advisers, listed = bundle.language_model("queries"), Advisers(bundle.advisers()), []
    completer, rescorer = QueryCompleter(bundle), Rescorer(model)
    wanted = [query for query in (normalize_query(line).rstrip() for line in queries) if len(query) >= MIN_QUERY_LENGTH]
    with reporter.task("lists", len(wanted)) as task:
        for number, query in enumerate(wanted):
            pool = completer.proposed(typed_prefix(query))
            rows = first_rows(pool, bundle.manifest.first_ranking, CHOSEN)
            advised = advisers.advise(pool.candidates.rows(rows))
            times = [time.thread_time()]
            rescored = rescorer.rescore(pool, rows, advised)
            times.append(time.thread_time())
            candidates = rerank(model, rescored.candidates)
            times.append(time.thread_time())
            rescore_s, rerank_s = np.diff(times).tolist()
            listed.append(_Listed(query, candidates, advised.log_probs, pool.total, len(advisers), rescore_s, rerank_s))
            task.update(number + 1)
    return listed


def _print(bundle: Bundle, fitting: Sequence[_Listed], measuring: Sequence[_Listed]) -> None:
    assert bundle.queries is not None
    seen_B = np.array([bundle.queries.count(listed.query) > 0 for listed in measuring])
    groups = {"all": seen_B | True, "seen": seen_B, "unseen": ~seen_B}
    print(f"{'MRR@10':24}" + "".join(f"{f'{name} ({group_B.sum()})':>14}" for name, group_B in groups.items()))
    for opinion in ("no model", "n-gram", "mixture"):
        ranks = []
        for reranker in (False, True):
            ranking = fit_weights([_choice(listed, opinion, reranker) for listed in fitting])
            ranks.append(np.array([_rank(listed, opinion, reranker, ranking) for listed in measuring]))
            figures = "".join(f"{ranks[-1][group_B].mean():14.4f}" for group_B in groups.values())
            print(f"{opinion + (', re-ranker' if reranker else ''):24}{figures}")
        intervals = [_interval((ranks[1] - ranks[0])[group_B]) for group_B in groups.values()]
        print("  95% of the gain: " + ", ".join(f"{low:+.4f} to {high:+.4f}" for low, high in intervals))
        gain, error = reranker_gain([_choice(listed, opinion, True) for listed in fitting])
        print(f"  weight {ranking.reranker:.3f}, {gain:+.4f} nats a query, standard error {error:.4f}")
    _print_cost(bundle, measuring)


def _choice(listed: _Listed, opinion: str, reranker: bool) -> Choice:
    candidates = listed.told(opinion, reranker)
    return Choice.of(candidates, listed.total, listed.query, 0 if opinion == "no model" else listed.advisers)


def _rank(listed: _Listed, opinion: str, reranker: bool, ranking: Ranking) -> float:
    """The reciprocal rank of the query in the shown list."""
    candidates = listed.told(opinion, reranker)
    ranked = order(candidates, listed.total, ranking)[:_SHOWN]
    place = rank([Listed(candidates.texts[row], log_prob) for log_prob, row in ranked], listed.query)
    return 1 / place if place else 0.0


def _print_cost(bundle: Bundle, measuring: Sequence[_Listed]) -> None:
    print(f"weight in the bundle: {bundle.manifest.ranking.reranker:.3f}")
    for name, times in (
        ("re-scoring", [listed.rescore_s for listed in measuring]),
        ("re-ranker", [listed.rerank_s for listed in measuring]),
    ):
        median, high = 1000 * np.quantile(times, [0.5, 0.99])
        print(f"{name}: processor time p50 {median:.2f} ms, p99 {high:.2f} ms an answer")
    figures = bundle.manifest.metrics["language_models"][bundle.language_model("queries").entry.name]
    for part in ("neural", "reranker"):
        training = figures["training"][part]
        losses = [point["validation_loss"] for point in training["curve"]]
        print(f"{part}: {training['steps']} steps, {training['seconds']:.0f} s, {min(losses):.3f} nats a token")


def _interval(differences_B: NDArray[np.float64]) -> tuple[float, float]:
    """95% of the means of as many queries drawn with replacement (paired bootstrap)."""
    rng = np.random.default_rng(1)
    size = len(differences_B)
    means = [differences_B[rng.integers(0, size, size)].mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
