"""How often the wanted query is shown: trains on web query logs and completes queries that came later.

Run from the checkout: `python -m benchmarks.query_completion`. Measures and prefixes are those of
`training.evaluation.metrics`; all queries are typed letter by letter besides. `--at-defaults` screens the logs as the
defaults do, where the configuration of the benchmark takes every query.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.command import SPLIT_FILE, TRAINING_LINES, WORK, query_logs, reporter, run, train_bundle
from cli.metrics_tables import query_tables
from cli.output import stdout
from training.config import Screening
from training.data.sources import read_lines
from training.evaluation.evaluate import evaluate_files
from training.evaluation.query_benchmark import QueryBenchmark
from training.evaluation.query_measures import MEASURES

REGISTRY, HELD_OUT = WORK / "query_completion" / "registry", WORK / "query_completion" / "held_out.txt"
TARGETS = {
    "mrr_at_10": {"all": 0.31, "seen": 0.78, "unseen": 0.18},
    "success_at_10": {"all": 0.40},
    "pmrr_at_10": {"all": 0.46},
    "keystrokes_saved_at_3": {"seen": 0.60, "unseen": 0.18},
}


def main(*, at_defaults: bool = False) -> None:
    """Trains, measures and prints."""
    data = query_logs()
    changes = [f"screening.min_count={Screening().min_count}"] if at_defaults else []
    registry = "registry_at_defaults" if at_defaults else REGISTRY.name
    bundle = train_bundle("query_completion", data, changes, registry=registry)
    later = [query for _, query in read_lines(data / SPLIT_FILE)][TRAINING_LINES:]
    HELD_OUT.write_text("\n".join(later), encoding="utf-8")
    benchmark = QueryBenchmark(reporter(), max_typed=sys.maxsize)
    metrics = evaluate_files(bundle, text=None, queries=HELD_OUT, benchmark=benchmark, reporter=reporter())
    print(f"Bundle: {bundle}")
    for table in query_tables(metrics["queries"]):
        stdout().print(table)
    _print_targets(metrics["queries"])
    for name, figures in metrics["language_models"].items():
        parts = ", ".join(f"{part} {value:.2f}" for part, value in figures["perplexity"].items())
        print(f"perplexity of {name} on them ({figures['tokens']} tokens): {parts}")


def _print_targets(measured: Mapping[str, Any]) -> None:
    groups = {group["group"]: group["measures"] for group in measured["groups"] if group["by"] == "seen"}
    print(f"{'measure':20} {'queries':8} {'measured':>9} {'95%':>16} {'target':>7}")
    for measure in MEASURES:
        for group, target in TARGETS.get(measure.name, {}).items():
            figure = groups[group][measure.name]
            value, low, high = (measure.shown(figure[name]) for name in ("value", "low", "high"))
            print(f"{measure.title:20} {group:8} {value:>9} {f'{low} to {high}':>16} {measure.shown(target):>7}")


if __name__ == "__main__":
    run(main, __doc__)
