"""Window, RNN, GRU and LSTM with equally many parameters, trained equally long on WikiText-2.

Run from the checkout: `python -m benchmarks.neural_kinds`. Each is one hidden layer over token vectors of one width;
the hidden layer is as wide as the parameters allow. Two kinds train at a time, each on a core of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.text_models import ROOT, corpus_folder, train_bundle
from lm.bundle.manifest import read_manifest
from lm.bundle.registry import Registry
from lm.errors import AutocompleteError
from training.config_networks import NeuralConfig
from training.progress import SilentReporter

KINDS = ("window", "rnn", "gru", "lstm")
EMBEDDING, LSTM_HIDDEN = 256, 512
LEARNING_RATES = {"rnn": 0.001}  # smaller as a precaution, not tuned; the others take the preset's


def main() -> int:
    """Trains and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--kind", choices=KINDS, help="train this one alone, on one core, and say nothing")
    given = parser.parse_args()
    data = corpus_folder("wikitext2")
    if data is None:
        return 0
    try:
        if given.kind:
            _train(given.kind, given.minutes, data)
            return 0
        _train_all(given.minutes)
        _print()
    except (AutocompleteError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _train_all(minutes: float) -> None:
    """Two at a time."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    for pair in (KINDS[:2], KINDS[2:]):
        running = []
        for core, kind in zip(cores * 2, pair, strict=False):
            command = ["taskset", "--cpu-list", str(core), sys.executable, "-m", "benchmarks.neural_kinds"]
            running.append(subprocess.Popen([*command, "--kind", kind, "--minutes", str(minutes)], cwd=ROOT))
        for process in running:
            if process.wait():
                raise subprocess.CalledProcessError(process.returncode, process.args)


def _train(kind: str, minutes: float, data: Path) -> None:
    hidden = _hidden_size(kind)
    fields = {
        "name": f'"kind-{kind}"',
        "language_models.words.neural.kind": f'"{kind}"',
        "language_models.words.neural.embedding_size": EMBEDDING,
        "language_models.words.neural.hidden_size": hidden,
        "language_models.words.neural.layers": 1,
        "language_models.words.neural.dropout": 0.2,
        "language_models.words.neural.max_minutes": minutes,
        "language_models.words.neural.measurements": 8,
    }
    if kind in LEARNING_RATES:
        fields["language_models.words.neural.learning_rate"] = LEARNING_RATES[kind]
    changes = [f"{field}={value}" for field, value in fields.items()]
    train_bundle("wikitext2", data, changes, SilentReporter(), work=f"neural_kinds/{kind}")


def _hidden_size(kind: str) -> int:
    """The width that gives as many parameters as the LSTM has."""
    wanted = _parameters("lstm", LSTM_HIDDEN)
    return min(range(64, 4096, 8), key=lambda hidden: abs(_parameters(kind, hidden) - wanted))


def _parameters(kind: str, hidden: int) -> int:
    gates = {"lstm": 4, "gru": 3, "rnn": 1}
    config = NeuralConfig(embedding_size=EMBEDDING, hidden_size=hidden)
    projection = 0 if hidden == EMBEDDING else hidden * EMBEDDING
    if kind == "window":
        return (config.window * EMBEDDING + 1) * hidden + projection
    return gates[kind] * hidden * (EMBEDDING + hidden + 2) + projection


def _print() -> None:
    table = Table("kind", "hidden", "parameters", "tokens/s", "steps", "test, alone", "test, mixture")
    for kind in KINDS:
        registry = Registry(ROOT / "var" / "benchmarks" / "neural_kinds" / kind / "registry")
        manifest = read_manifest(registry.resolve(f"kind-{kind}"))
        entry = manifest.language_models[0]
        figures = manifest.metrics["language_models"]["words"]
        training, perplexity = figures["training"]["neural"], figures["perplexity"]
        table.add_row(
            kind,
            str(_hidden_size(kind)),
            f"{entry.parameter_count:,}",
            f"{training['tokens_per_s']:,.0f}",
            f"{training['steps']:,}",
            f"{perplexity['neural']:.1f}",
            f"{perplexity['ensemble']:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
