"""Two processes on gloo train as one does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lm.bundle.manifest import read_manifest
from lm.bundle.registry import Registry
from tests.redis_process import free_port
from training.config_networks import NeuralConfig
from training.data.encoding import EncodedText
from training.neural.checkpoint import Checkpoint
from training.neural.train import train_neural
from training.progress import SilentReporter

VOCABULARY = 60
SETTINGS = {
    "embedding_size": 16,
    "hidden_size": 24,
    "layers": 2,
    "tokens_per_batch": 128,
    "bptt": 16,
    "dropout": 0.0,
    "gradient_clip": 0.5,
    "max_steps": 12,
    "max_epochs": 100,
}
TRAIN = """
import json, sys
from pathlib import Path
from tests.integration.test_distributed import run_training
run_training(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
"""


def run_training(folder: Path, work: str, settings: dict[str, object]) -> None:
    """Trains on the arrays in `folder`; what each process of a team calls."""
    train_neural(
        *(
            EncodedText(folder / f"{part}.tokens.npy", folder / f"{part}.offsets.npy")
            for part in ("train", "validation")
        ),
        vocabulary_size=VOCABULARY,
        config=NeuralConfig.model_validate(SETTINGS | settings),
        seed=7,
        work=folder / work,
        reporter=SilentReporter(),
    )


def torchrun(*arguments: str, cwd: Path | None = None) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    command += ["--master-port", str(free_port()), *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(Path.cwd() / "proto")])}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for part, sentences in (("train", 200), ("validation", 30)):
        lengths = rng.integers(1, 9, sentences)
        np.save(made / f"{part}.tokens.npy", rng.integers(3, VOCABULARY, lengths.sum()).astype(np.int32))
        np.save(made / f"{part}.offsets.npy", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    (made / "train.py").write_text(TRAIN)
    return made


@pytest.mark.parametrize("settings", ['{"carry_state": true}', "{}", '{"optimizer": "asgd", "learning_rate": 1.0}'])
def test_losses_are_those_of_one_process_with_the_same_batch(folder: Path, settings: str) -> None:
    name = f"{abs(hash(settings))}"
    torchrun(str(folder / "train.py"), str(folder), f"{name}-two", settings)
    subprocess.run(
        [sys.executable, "-c", TRAIN, str(folder), f"{name}-one", settings],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    one, two = (Checkpoint.load(folder / f"{name}-{count}") for count in ("one", "two"))
    assert one is not None
    assert two is not None
    assert one.step == two.step == 12
    for single, shared in zip(one.curve, two.curve, strict=True):
        assert shared.train_loss == pytest.approx(single.train_loss, rel=2e-3)
        assert shared.validation_loss == pytest.approx(single.validation_loss, rel=2e-3)


CONFIG = """
name = "shared"
[[query_log]]
path = "queries.txt"
[screening]
min_count = 1
[held_out]
max_queries = 20
[[language_models]]
name = "queries"
unit = "subword"
sources = ["queries"]
vocabulary_size = 64
ngram = { order = 2, discount_fallback = true }
neural = { embedding_size = 16, hidden_size = 16, max_steps = 5, tokens_per_batch = 128 }
"""


def test_the_command_trains_and_publishes_once(tmp_path: Path) -> None:
    words = ["red", "blue", "green", "shoes", "boots", "hats", "cheap", "new"]
    queries = [f"{a} {b} {c}" for a in words for b in words for c in words]
    (tmp_path / "queries.txt").write_text("\n".join(queries), encoding="utf-8")
    (tmp_path / "shared.toml").write_text(CONFIG, encoding="utf-8")
    torchrun("-m", "cli.main", "train", str(tmp_path / "shared.toml"))
    registry = Registry(tmp_path / "var" / "registry")
    assert len(registry.versions("shared")) == 1
    assert read_manifest(registry.resolve("shared")).language_models[0].neural_kind == "lstm"
