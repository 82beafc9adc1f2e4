"""Training: repeatable, resumable, and clear when it cannot go on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from lm.errors import AutocompleteError, ConfigError, InputError
from lm.neural import NeuralModel
from training.config import NeuralConfig
from training.neural import run
from training.neural.checkpoint import CHECKPOINT_FILE, Standing
from training.neural.loss import SampledLoss
from training.neural.train import NeuralTraining, export_neural, train_neural
from training.progress import SilentReporter

VOCABULARY = 60
SMALL = {
    "embedding_size": 16,
    "hidden_size": 24,
    "tokens_per_batch": 128,
    "dropout": 0.2,
    "sampled_softmax": 20,
    "max_steps": 12,
    "max_epochs": 100,
}


class CallingReporter(SilentReporter):
    """Calls back at every update of a task."""

    def __init__(self, callback: Callable[[float, str], None]) -> None:
        self.callback = callback

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[CallingReporter]:  # noqa: ARG002
        yield self

    def update(self, completed: float, *, total: float | None = None, note: str = "") -> None:  # noqa: ARG002
        self.callback(completed, note)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    paths = {}
    for part, sentences in (("train", 150), ("validation", 30)):
        lengths = rng.integers(1, 9, sentences)
        begins = rng.integers(3, VOCABULARY, sentences)
        words = [
            (begin - 3 + 7 * np.arange(n)) % (VOCABULARY - 3) + 3 for begin, n in zip(begins, lengths, strict=True)
        ]
        paths[f"{part}_tokens"] = folder / f"{part}_tokens.npy"
        paths[f"{part}_offsets"] = folder / f"{part}_offsets.npy"
        np.save(paths[f"{part}_tokens"], np.concatenate(words).astype(np.int32))
        np.save(paths[f"{part}_offsets"], np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    return paths


@pytest.fixture
def train(data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., NeuralTraining]:
    monkeypatch.setattr(run, "REPORT_EVERY_S", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # threads cost such a small model more than they give

    def call(
        name: str = "work",
        *,
        reporter: SilentReporter | None = None,
        clock: Callable[[], float] = time.monotonic,
        **settings: object,
    ) -> NeuralTraining:
        return train_neural(
            **data,
            vocabulary_size=VOCABULARY,
            config=NeuralConfig.model_validate(SMALL | settings),
            seed=7,
            work=tmp_path / name,
            reporter=reporter or SilentReporter(),
            clock=clock,
        )

    return call


def weights(work: Path) -> dict[str, torch.Tensor]:
    standing = Standing.load(work)
    assert standing is not None
    return standing.model | {f"best {name}": tensor for name, tensor in standing.best_model.items()}


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def stop_at(update: int, stop: Callable[[], None]) -> CallingReporter:
    seen = 0

    def count(_: float, __: str) -> None:
        nonlocal seen
        seen += 1
        if seen == update:
            stop()

    return CallingReporter(count)


def interrupt() -> None:
    raise KeyboardInterrupt


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_training_learns_and_repeats(train: Callable[..., NeuralTraining], tmp_path: Path) -> None:
    settings = {"sampled_softmax": 0, "max_steps": 60, "learning_rate": 0.02}
    first = train("a", **settings)
    assert first.validation_loss < 0.75 * np.log(VOCABULARY)
    assert [point.step for point in first.curve] == [15, 30, 45, 60]
    assert first.validation_loss == min(point.validation_loss for point in first.curve)
    assert train("b", **settings).validation_loss == first.validation_loss
    assert_same_weights(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("stop", [interrupt, ctrl_c])
@pytest.mark.parametrize("update", [1, 7])
def test_interrupted_training_goes_on_as_if_it_had_not_been(
    train: Callable[..., NeuralTraining], tmp_path: Path, stop: Callable[[], None], update: int
) -> None:
    whole = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("parts", reporter=stop_at(update, stop))
    standing = Standing.load(tmp_path / "parts")
    assert standing is not None
    assert 0 < standing.step < 12
    parts = train("parts", checkpoint_every_s=1.0)
    assert parts.steps == whole.steps == 12
    assert parts.validation_loss == whole.validation_loss
    losses = [(point.step, point.train_loss, point.validation_loss) for point in parts.curve]
    assert losses == [(point.step, point.train_loss, point.validation_loss) for point in whole.curve]
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_sigint_is_handled_as_before_afterwards(train: Callable[..., NeuralTraining]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(reporter=stop_at(1, ctrl_c))
    assert signal.getsignal(signal.SIGINT) is before


def test_finished_training_is_not_repeated(train: Callable[..., NeuralTraining]) -> None:
    first = train()
    updates: list[float] = []
    assert train(reporter=CallingReporter(lambda done, _: updates.append(done))) == first
    assert not updates


def test_progress_says_loss_and_rate(train: Callable[..., NeuralTraining]) -> None:
    updates: list[tuple[float, str]] = []
    train(reporter=CallingReporter(lambda done, note: updates.append((done, note))))
    shares = [done for done, _ in updates]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(word in updates[0][1] for word in ("loss", "perplexity", "tokens/s"))


def test_minutes_bound_training(train: Callable[..., NeuralTraining]) -> None:
    now_s = 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += 0.5
        return now_s

    result = train(max_steps=10_000, max_minutes=0.5, clock=clock)
    assert 5 < result.steps < 60
    assert result.curve[-1].elapsed_s >= 30


def test_divergence_is_told_and_the_last_checkpoint_kept(
    train: Callable[..., NeuralTraining], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(reporter=stop_at(4, interrupt))
    before = (tmp_path / "work" / CHECKPOINT_FILE).read_bytes()
    monkeypatch.setattr(SampledLoss, "__call__", lambda *_: torch.tensor(torch.nan, requires_grad=True))
    with pytest.raises(
        AutocompleteError, match=r"diverged at step 5, on a batch of .*: the loss is nan.*learning_rate"
    ):
        train()
    assert (tmp_path / "work" / CHECKPOINT_FILE).read_bytes() == before


def test_checkpoint_of_other_settings_is_refused_by_name(train: Callable[..., NeuralTraining]) -> None:
    train()
    with pytest.raises(InputError, match="other settings: dropout, kind, max_steps"):
        train(dropout=0.3, kind="gru", max_steps=13)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut off", b"\x80\x02garbage"])
def test_damaged_checkpoint_is_told(train: Callable[..., NeuralTraining], tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / CHECKPOINT_FILE).write_bytes(damage)
    with pytest.raises(InputError, match="Delete it"):
        train()


def test_device_that_is_not_there_is_told_with_those_that_are(train: Callable[..., NeuralTraining]) -> None:
    with pytest.raises(ConfigError, match="There is: cpu"):
        train(device="abacus")


def test_export_gives_the_loss_that_training_measured(
    train: Callable[..., NeuralTraining], data: dict[str, Path], tmp_path: Path
) -> None:
    result = train(sampled_softmax=0, max_steps=60, learning_rate=0.02)
    export_neural(tmp_path / "work", tmp_path / "out")
    served = NeuralModel.open(tmp_path / "out")
    tokens, offsets = np.load(data["validation_tokens"]), np.load(data["validation_offsets"])
    log_probs = []
    for begin, end in pairwise(offsets):
        sentence = tokens[begin:end].astype(np.int64)
        hidden, _ = served.advance(np.concatenate([[1], sentence])[None], served.initial_state())
        log_probs.append(served.target_log_probs(hidden[0], np.concatenate([sentence, [2]])))
    assert -np.concatenate(log_probs).mean() == pytest.approx(result.validation_loss, rel=0.005)


def test_export_without_finished_training_is_refused(train: Callable[..., NeuralTraining], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished training"):
        export_neural(tmp_path / "work", tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        train(reporter=stop_at(2, interrupt))
    with pytest.raises(InputError, match="no finished training"):
        export_neural(tmp_path / "work", tmp_path / "out")
