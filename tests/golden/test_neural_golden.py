"""A small training run with known losses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from training.config_networks import NeuralConfig
from training.data.encoding import EncodedText
from training.neural.train import train_neural
from training.progress import SilentReporter

CONFIG = NeuralConfig.model_validate(
    {
        "embedding_size": 24,
        "hidden_size": 32,
        "dropout": 0.1,
        "tokens_per_batch": 400,
        "learning_rate": 0.01,
        "max_epochs": 4,
        "sampled_softmax": 40,
    }
)
# Validation loss in nats at each quarter of the run.
GOLDEN = (3.931, 2.898, 2.492, 2.392)


def write_part(folder: Path, name: str, sentences: int, rng: np.random.Generator) -> EncodedText:
    """Sentences in which every token leaves three likely successors."""
    offsets, tokens = [0], []
    for _ in range(sentences):
        token = int(rng.integers(3, 103))
        for _ in range(int(rng.integers(2, 14))):
            tokens.append(token)
            token = (token * 7 + int(rng.integers(0, 3))) % 100 + 3
        offsets.append(len(tokens))
    text = EncodedText(folder / f"{name}_tokens.npy", folder / f"{name}_offsets.npy")
    np.save(text.tokens, np.array(tokens, np.int32))
    np.save(text.offsets, np.array(offsets, np.int64))
    return text


def test_losses_are_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    rng = np.random.default_rng(0)
    finished = train_neural(
        write_part(tmp_path, "train", 1500, rng),
        write_part(tmp_path, "validation", 200, rng),
        vocabulary_size=103,
        config=CONFIG,
        seed=0,
        work=tmp_path / "work",
        reporter=SilentReporter(),
    )
    assert [point.validation_loss for point in finished.curve] == pytest.approx(GOLDEN, rel=0.02)
