"""Trains a network: from encoded text and settings to the checkpoint of a finished run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from lm.errors import InputError
from training.config_networks import NeuralConfig, RerankerConfig
from training.data.encoding import EncodedText
from training.neural.checkpoint import Checkpoint
from training.neural.data import Sentences
from training.neural.distributed import Processes
from training.neural.loop import TrainingLoop
from training.neural.model import network_class
from training.progress import Reporter

_MAY_DIFFER = {"checkpoint_every_s", "use"}  # settings that may change when a run goes on


def train_neural(
    train: EncodedText,
    validation: EncodedText,
    *,
    again: Sequence[EncodedText] = (),
    vocabulary_size: int,
    config: NeuralConfig | RerankerConfig,
    seed: int,
    work: Path,
    reporter: Reporter,
    clock: Callable[[], float] = time.monotonic,
) -> Checkpoint:
    """Trains a language model or a re-ranker and returns the checkpoint of the finished run.

    Goes on from the checkpoint in `work` if there is one. `training.neural.export` writes the model from it.

    Args:
        again: parts of the training text that each pass reads once more.

    Raises:
        InputError: data or checkpoint cannot be used, or the checkpoint is of a run with other settings.
        ConfigError: the device is not there, or its memory is too small.
        AutocompleteError: training diverged; the last checkpoint is kept.
        KeyboardInterrupt: after a checkpoint was written.
    """
    work.mkdir(parents=True, exist_ok=True)
    sentences, held_out = Sentences.open(train, *again), Sentences.open(validation)
    settings: dict[str, Any] = {
        "seed": seed,
        "vocabulary_size": vocabulary_size,
        "training_targets": sentences.target_count,
    }
    if isinstance(config, RerankerConfig):
        config, settings["bidirectional"] = config.network(), True
    settings |= config.model_dump(exclude=_MAY_DIFFER)
    checkpoint = _resumable(work, settings) or Checkpoint(settings=settings)
    processes = Processes.join()
    processes.wait()  # until all have read the checkpoint
    if not checkpoint.finished:
        with torch.random.fork_rng(devices=[]):
            loop = TrainingLoop(
                config=config,
                kind=network_class(settings),
                vocabulary_size=vocabulary_size,
                seed=seed,
                training=sentences,
                validation=held_out,
                checkpoint=checkpoint,
                processes=processes,
                clock=clock,
            )
            loop.run(work, reporter)
    return checkpoint


def _resumable(work: Path, settings: dict[str, object]) -> Checkpoint | None:
    checkpoint = Checkpoint.load(work)
    if checkpoint is not None and checkpoint.settings != settings:
        names = sorted(checkpoint.settings.keys() | settings.keys())
        other = [name for name in names if checkpoint.settings.get(name) != settings.get(name)]
        raise InputError(
            work,
            f"holds a checkpoint of a run with other settings: {', '.join(other)}.",
            remedy="Restore them to go on, or delete the folder to start afresh.",
        )
    return checkpoint
