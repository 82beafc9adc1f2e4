"""How often the wanted query is shown: trains on web query logs and completes queries that came later.

Run from the checkout: `python -m benchmarks.query_completion`. Prefixes are drawn as `training.metrics` says.
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
from lm.text import normalize_query
from training.config import TrainingConfig, load_config
from training.evaluate import evaluate_files
from training.log_reader import log_files
from training.metrics import MIN_QUERY_LENGTH
from training.pipeline import train
from training.progress import TerminalReporter
from training.sources import read_lines

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "benchmarks" / "query_completion.toml"
WORK = ROOT / "var" / "benchmarks" / "query_completion"
DATA_VARIABLE = "AUTOCOMPLETE_BENCHMARK_DATA"
DATA = ROOT.parent / "shared" / "data" / "queries"
SPLIT_FILE, TRAINING_LINES = "tb05-first40k.txt.xz", 36_000
TARGETS = {"all": 0.26, "seen": 0.70, "unseen": 0.13}  # MRR@10


def main() -> int:
    """Trains, measures and prints; without the data it says so and succeeds."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    data = Path(os.environ.get(DATA_VARIABLE, DATA))
    if not (data / SPLIT_FILE).is_file():
        print(f"Skipped: there is no {data / SPLIT_FILE}. {DATA_VARIABLE} names the folder of the logs.")
        return 0
    try:
        config = load_config(CONFIG)
        registry = config.publishing.model_copy(update={"registry": str(WORK / "registry"), "keep_versions": 1})
        config = config.model_copy(update={"work": str(WORK / "work"), "publishing": registry})
        reporter = TerminalReporter(Console(stderr=True))
        published = train(config, base=data, reporter=reporter, activate=True)
        held_out = [query for _, query in read_lines(data / SPLIT_FILE)][TRAINING_LINES:]
        queries = WORK / "held_out.txt"
        queries.write_text("\n".join(held_out), encoding="utf-8")
        metrics = evaluate_files(published.path, text=None, queries=queries, reporter=reporter)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Bundle: {published.path}")
    _print_metrics(metrics)
    _print_missing(config, data, held_out, metrics["queries"]["seen"]["count"])
    return 0


def _print_metrics(metrics: dict[str, Any]) -> None:
    served = metrics["queries"]
    popular = served["popularity_only"]
    print(f"{'queries':8} {'count':>6} {'MRR@10':>7} {'target':>7} {'popularity':>11} {'success@10':>11}")
    for group, target in TARGETS.items():
        row = served[group]
        print(
            f"{group:8} {row['count']:6d} {row['mrr_at_10']:7.3f} {target:7.2f}"
            f" {popular[group]['mrr_at_10']:11.3f} {row['success_at_10']:11.3f}"
        )
    for name, figures in metrics["language_models"].items():
        parts = ", ".join(f"{part} {value:.2f}" for part, value in figures["perplexity"].items())
        print(f"perplexity of {name} on them ({figures['tokens']} tokens): {parts}")


def _print_missing(config: TrainingConfig, data: Path, held_out: Sequence[str], seen: int) -> None:
    """How many queries the log holds that training did not: held out to tune it, or screened."""
    log = {
        normalize_query(line).rstrip()
        for source, path in log_files(config.query_log, data)
        for _, line in read_lines(path, max_lines=source.max_lines)
    }
    wanted = [normalize_query(line).rstrip() for line in held_out]
    in_log = sum(query in log for query in wanted if len(query) >= MIN_QUERY_LENGTH)
    print(f"in the whole log: {in_log}; of them screened or held out, and so counted as unseen: {in_log - seen}")


if __name__ == "__main__":
    sys.exit(main())
