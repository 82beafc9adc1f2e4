"""Training of the neural model: from data and settings to a checkpoint, from that to files to serve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lm.errors import InputError
from training.config_networks import NeuralConfig, RerankerConfig
from training.neural.batches import Sentences
from training.neural.bidirectional import BidirectionalNetwork
from training.neural.checkpoint import CurvePoint, Standing
from training.neural.export import write_model, write_short_list
from training.neural.model import NeuralNetwork
from training.neural.run import TrainingRun
from training.neural.team import Team
from training.progress import Reporter

UNBOUND_BY = {"checkpoint_every_s"}  # settings that may differ when a run goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralTraining:
    """What came of a training run.

    Attributes:
        validation_loss: of the weights that are kept, nats a token (`</s>` included).
        steps: optimiser steps.
        tokens_per_s: targets trained on in a second, measurements included.
        curve: the measurements in order.
    """

    validation_loss: float
    steps: int
    tokens_per_s: float
    curve: tuple[CurvePoint, ...]


def train_neural(
    *,
    train_tokens: Path,
    train_offsets: Path,
    validation_tokens: Path,
    validation_offsets: Path,
    vocabulary_size: int,
    config: NeuralConfig | RerankerConfig,
    seed: int,
    work: Path,
    reporter: Reporter,
    clock: Callable[[], float] = time.monotonic,
) -> NeuralTraining:
    """Trains a language model or a re-ranker, or goes on from the checkpoint in `work`, until the plan is fulfilled.

    Args:
        train_tokens, validation_tokens: `.npy` of int32 ids, sentences behind each other.
        train_offsets, validation_offsets: `.npy` of int64, where sentences begin, and the end of the last.
        work: holds the checkpoint, from which `export_neural` writes the model.
        clock: seconds.

    Raises:
        InputError: data or checkpoint cannot be used, or the checkpoint is of a run with other settings.
        ConfigError: the device is not there.
        AutocompleteError: training diverged; the last checkpoint is from before.
        KeyboardInterrupt: after a checkpoint was written.
    """
    work.mkdir(parents=True, exist_ok=True)
    training = Sentences.open(train_tokens, train_offsets)
    validation = Sentences.open(validation_tokens, validation_offsets)
    bidirectional = isinstance(config, RerankerConfig)
    config = config.network() if isinstance(config, RerankerConfig) else config
    settings: dict[str, Any] = config.model_dump(exclude=UNBOUND_BY) | {
        "seed": seed,
        "vocabulary_size": vocabulary_size,
        "training_targets": training.target_count,
    }
    if bidirectional:
        settings["bidirectional"] = True
    standing = _go_on(work, settings) or Standing(settings=settings)
    team = Team.join()
    team.wait()  # until all have read the checkpoint
    if not standing.finished:
        with torch.random.fork_rng(devices=[]):
            run = TrainingRun(
                config=config,
                vocabulary_size=vocabulary_size,
                seed=seed,
                training=training,
                validation=validation,
                standing=standing,
                team=team,
                clock=clock,
                network=_network(settings),
            )
            run.train(work, reporter)
    return _result(standing)


def finished_training(work: Path) -> NeuralTraining:
    """What came of the finished run in a folder, whenever that was.

    Raises:
        InputError: there is no finished run in the folder.
    """
    return _result(_finished(work))


def _result(standing: Standing) -> NeuralTraining:
    return NeuralTraining(
        validation_loss=standing.best_loss,
        steps=standing.step,
        tokens_per_s=standing.token_count / max(standing.elapsed_s, 1e-9),
        curve=tuple(standing.curve),
    )


def export_neural(work: Path, out_folder: Path, short_list: NDArray[np.int32] | None = None) -> None:
    """Writes the best weights of a finished run as `NeuralModel` or `Reranker` of `lm.models` opens them.

    Equal weights give equal bytes.

    Args:
        short_list: tokens whose output layer is written once more, by itself, ascending (S,).

    Raises:
        InputError: there is no finished run in the folder.
    """
    standing = _finished(work)
    settings = standing.settings
    config = NeuralConfig(**{name: settings[name] for name in NeuralConfig.model_fields if name in settings})
    model = _network(settings)(settings["vocabulary_size"], config)
    model.load_state_dict(standing.best_model)
    write_model(model, out_folder)
    if short_list is not None:
        write_short_list(model, short_list, out_folder)


def _network(settings: dict[str, Any]) -> type[NeuralNetwork]:
    return BidirectionalNetwork if settings.get("bidirectional") else NeuralNetwork


def _finished(work: Path) -> Standing:
    standing = Standing.load(work)
    if standing is None or not standing.finished:
        raise InputError(work, "holds no finished training.", remedy="Train first, then export.")
    return standing


def _go_on(work: Path, settings: dict[str, object]) -> Standing | None:
    standing = Standing.load(work)
    if standing is not None and standing.settings != settings:
        names = sorted(standing.settings.keys() | settings.keys())
        other = [name for name in names if standing.settings.get(name) != settings.get(name)]
        raise InputError(
            work,
            f"holds a checkpoint of a run with other settings: {', '.join(other)}.",
            remedy="Restore them to go on, or delete the folder to start afresh.",
        )
    return standing
