"""How often the wanted query is shown: trains on web query logs and completes queries that came later.

Run from the checkout: `python -m benchmarks.query_completion`. Measures and prefixes are those of
`training.evaluation.metrics`;
all queries are typed letter by letter besides. `--at-defaults` screens the logs as the defaults do, where the
configuration of the benchmark takes every query.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.metrics_tables import query_tables
from cli.output import stdout
from lm.errors import AutocompleteError
from training.config import Screening, TrainingConfig, load_config
from training.data.log_reader import log_files
from training.data.sources import read_lines
from training.evaluation.evaluate import evaluate_files
from training.evaluation.query_benchmark import QueryBenchmark
from training.evaluation.query_measures import MEASURES
from training.evaluation.query_outcomes import wanted_queries
from training.pipeline import train
from training.progress import Reporter, TerminalReporter
from training.publish import Published

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "benchmarks" / "query_completion.toml"
WORK = ROOT / "var" / "benchmarks" / "query_completion"
DATA_VARIABLE = "AUTOCOMPLETE_BENCHMARK_DATA"
DATA = ROOT.parent / "shared" / "data" / "queries"
SPLIT_FILE, TRAINING_LINES = "tb05-first40k.txt.xz", 36_000
TARGETS = {
    "mrr_at_10": {"all": 0.31, "seen": 0.78, "unseen": 0.18},
    "success_at_10": {"all": 0.40},
    "pmrr_at_10": {"all": 0.46},
    "keystrokes_saved_at_3": {"seen": 0.60, "unseen": 0.18},
}


def main() -> int:
    """Trains, measures and prints; without the data it says so and succeeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-defaults", action="store_true", help="screen the logs as the defaults of training do")
    at_defaults = parser.parse_args().at_defaults
    data = data_folder()
    if data is None:
        return 0
    reporter = TerminalReporter(Console(stderr=True))
    try:
        screening = {"screening": Screening()} if at_defaults else {}
        published, config = train_on_logs(
            data,
            reporter,
            registry="registry_at_defaults" if at_defaults else "registry",
            change=lambda config: config.model_copy(update=screening),
        )
        queries = write_held_out(data)
        benchmark = QueryBenchmark(reporter, max_typed=sys.maxsize)
        metrics = evaluate_files(published.path, text=None, queries=queries, benchmark=benchmark, reporter=reporter)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Bundle: {published.path}")
    for table in query_tables(metrics["queries"]):
        stdout().print(table)
    _print_targets(metrics["queries"])
    for name, figures in metrics["language_models"].items():
        parts = ", ".join(f"{part} {value:.2f}" for part, value in figures["perplexity"].items())
        print(f"perplexity of {name} on them ({figures['tokens']} tokens): {parts}")
    _print_missing(config, data, queries, metrics["queries"].get("seen", {}).get("count", 0))
    return 0


def data_folder() -> Path | None:
    """The folder of the logs; None, and says so, if it is not there."""
    data = Path(os.environ.get(DATA_VARIABLE, DATA))
    if (data / SPLIT_FILE).is_file():
        return data
    print(f"Skipped: there is no {data / SPLIT_FILE}. {DATA_VARIABLE} names the folder of the logs.")
    return None


def train_on_logs(
    data: Path, reporter: Reporter, *, registry: str, change: Callable[[TrainingConfig], TrainingConfig]
) -> tuple[Published, TrainingConfig]:
    """Trains the benchmark's configuration, changed, into a registry of this name; finished steps are found again."""
    config = load_config(CONFIG)
    publishing = config.publishing.model_copy(update={"registry": str(WORK / registry), "keep_versions": 1})
    config = change(config.model_copy(update={"work": str(WORK / "work"), "publishing": publishing}))
    return train(config, base=data, reporter=reporter, activate=True), config


def write_held_out(data: Path) -> Path:
    """The queries that came after those trained on, a line each."""
    path = WORK / "held_out.txt"
    lines = [query for _, query in read_lines(data / SPLIT_FILE)][TRAINING_LINES:]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _print_targets(measured: Mapping[str, Any]) -> None:
    groups = {group["group"]: group["measures"] for group in measured["groups"] if group["by"] == "seen"}
    print(f"{'measure':20} {'queries':8} {'measured':>9} {'95%':>16} {'target':>7}")
    for measure in MEASURES:
        for group, target in TARGETS.get(measure.name, {}).items():
            figure = groups[group][measure.name]
            value, low, high = (measure.shown(figure[name]) for name in ("value", "low", "high"))
            print(f"{measure.title:20} {group:8} {value:>9} {f'{low} to {high}':>16} {measure.shown(target):>7}")


def _print_missing(config: TrainingConfig, data: Path, held_out: Path, seen: int) -> None:
    """How many queries the log holds that training did not: held out to tune it, or screened."""
    log = {
        query
        for source, path in log_files(config.query_log, data)
        for query in wanted_queries([line for _, line in read_lines(path, max_lines=source.max_lines)])
    }
    in_log = sum(query in log for query in wanted_queries(held_out.read_text(encoding="utf-8").splitlines()))
    print(f"in the whole log: {in_log}; of them screened or held out, and so counted as unseen: {in_log - seen}")


if __name__ == "__main__":
    sys.exit(main())
