"""The models under measurement: the one of `serving.toml`, and larger ones of the same configuration.

The larger ones are trained on real queries joined in pairs, for their number only.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.index_scale import read_queries
from benchmarks.query_completion import ROOT, data_folder
from lm.bundle.registry import Registry
from training.config import LanguageModelConfig, TrainingConfig, load_config
from training.pipeline import train
from training.progress import TerminalReporter

CONFIG = ROOT / "benchmarks" / "serving.toml"
WORK = ROOT / "var" / "benchmarks" / "serving"
SIZES = (16_000, 160_000, 1_600_000)
"""Distinct queries of the larger models: the last two are ten times apart, as the figure wants them."""
_TEXT_LINES = 20_000
_NAME, _STEPS = "serving", 4


def serving_bundle() -> Path | None:
    """The bundle of `serving.toml` if it has been trained."""
    return _active(WORK / "registry")


def joined_bundle(queries: int) -> Path | None:
    """The bundle of that many queries if it has been trained."""
    return _active(WORK / f"registry-{queries}")


def train_serving() -> Path | None:
    """Trains `serving.toml`; None, and says so, where there is no data. Finished steps are found again."""
    data = data_folder()
    return None if data is None else _train(data, "registry", lambda config: config)


def train_joined(queries: int) -> Path | None:
    """Trains the same configuration on that many queries; None, and says so, where there is no data."""
    data = data_folder()
    if data is None:
        return None
    folder = WORK / f"joined-{queries}"
    write_joined(folder, read_queries(sorted(data.glob("*.txt.xz"))), queries)

    def of_joined(config: TrainingConfig) -> TrainingConfig:
        log = config.query_log[0].model_copy(update={"path": "queries.txt"})
        text = config.text[0].model_copy(update={"path": "text.txt"})
        models = tuple(map(_for_joined, config.language_models))
        return config.model_copy(update={"query_log": (log,), "text": (text,), "language_models": models})

    return _train(folder, f"registry-{queries}", of_joined)


def _for_joined(model: LanguageModelConfig) -> LanguageModelConfig:
    """Few steps, for speed is all that is asked of it, and no fault that so few long n-grams come again."""
    assert model.neural is not None
    neural = model.neural.model_copy(update={"max_steps": _STEPS})
    return model.model_copy(
        update={"neural": neural, "ngram": model.ngram.model_copy(update={"discount_fallback": True})}
    )


def _train(base: Path, registry: str, change: Callable[[TrainingConfig], TrainingConfig]) -> Path:
    config = load_config(CONFIG)
    publishing = config.publishing.model_copy(update={"registry": str(WORK / registry), "keep_versions": 1})
    config = change(config.model_copy(update={"work": str(WORK / f"work-{registry}"), "publishing": publishing}))
    published = train(config, base=base, reporter=TerminalReporter(Console(stderr=True)), activate=True)
    if registry != "registry":  # gigabytes that nothing needs again
        shutil.rmtree(WORK / f"work-{registry}")
    return published.path


def _active(registry: Path) -> Path | None:
    found = Registry(registry)
    return found.resolve(_NAME) if found.active_version(_NAME) else None


def write_joined(folder: Path, queries: Sequence[str], size: int) -> None:
    """Writes `queries.txt`, `size` distinct queries of which each is two real ones, and some of them as `text.txt`."""
    chance = random.Random(1)
    found: dict[str, None] = {}
    while len(found) < size:
        found[f"{chance.choice(queries)} {chance.choice(queries)}"] = None
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{query}\n" for query in found]
    (folder / "queries.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "text.txt").write_text("".join(lines[:_TEXT_LINES]), encoding="utf-8")
