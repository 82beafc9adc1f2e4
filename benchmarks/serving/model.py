"""The models under measurement: the one of `serving.toml`, and made-up ones of growing size."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks.query_completion import ROOT, data_folder
from benchmarks.serving.synthetic import write_log
from lm.bundle.registry import Registry
from training.config import LanguageModelConfig, TrainingConfig, load_config
from training.pipeline import train
from training.progress import TerminalReporter

CONFIG = ROOT / "benchmarks" / "serving.toml"
WORK = ROOT / "var" / "benchmarks" / "serving"
SIZES = (16_000, 160_000, 1_600_000)
"""Distinct queries of the made-up models: the last two are ten times apart, as the figure wants them."""
_NAME, _STEPS = "serving", 4


def serving_bundle() -> Path | None:
    """The bundle of `serving.toml` if it has been trained."""
    return _active(WORK / "registry")


def synthetic_bundle(queries: int) -> Path | None:
    """The made-up bundle of that many queries if it has been trained."""
    return _active(WORK / f"registry-{queries}")


def train_serving() -> Path | None:
    """Trains `serving.toml`; None, and says so, where there is no data. Finished steps are found again."""
    data = data_folder()
    return None if data is None else _train(data, "registry", lambda config: config)


def train_synthetic(queries: int) -> Path:
    """Trains the same configuration on made-up queries; see `benchmarks.serving.synthetic`."""
    folder = WORK / f"synthetic-{queries}"
    write_log(folder, queries)

    def of_made_up(config: TrainingConfig) -> TrainingConfig:
        log = config.query_log[0].model_copy(update={"path": "queries.txt"})
        text = config.text[0].model_copy(update={"path": "text.txt"})
        models = tuple(map(_for_made_up, config.language_models))
        return config.model_copy(update={"query_log": (log,), "text": (text,), "language_models": models})

    return _train(folder, f"registry-{queries}", of_made_up)


def _for_made_up(model: LanguageModelConfig) -> LanguageModelConfig:
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
