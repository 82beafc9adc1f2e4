"""Training: repeatable, resumable, and clear when it cannot go on."""

from __future__ import annotations

import csv
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
from hypothesis import given
from hypothesis import strategies as st

from lm.errors import AutocompleteError, ConfigError, InputError
from lm.models.neural import NeuralModel
from lm.models.reranker import Reranker
from training.config_networks import NeuralConfig, RerankerConfig
from training.data.encoding import EncodedText
from training.neural import device, loop, loss
from training.neural.checkpoint import CHECKPOINT_FILE, LOG_FILE, Checkpoint
from training.neural.export import export_neural
from training.neural.loop import AVERAGING_PATIENCE, stalled
from training.neural.train import train_neural
from training.progress import SilentReporter, Task

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


class CallingReporter(SilentReporter, Task):
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
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("data")
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
def train(data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Checkpoint]:
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # threads cost such a small model more than they give

    def call(
        name: str = "work",
        *,
        reporter: SilentReporter | None = None,
        clock: Callable[[], float] = time.monotonic,
        config: type[NeuralConfig | RerankerConfig] = NeuralConfig,
        **settings: object,
    ) -> Checkpoint:
        return train_neural(
            *(EncodedText(data[f"{part}_tokens"], data[f"{part}_offsets"]) for part in ("train", "validation")),
            vocabulary_size=VOCABULARY,
            config=config.model_validate(SMALL | settings),
            seed=7,
            work=tmp_path / name,
            reporter=reporter or SilentReporter(),
            clock=clock,
        )

    return call


def weights(work: Path) -> dict[str, torch.Tensor]:
    checkpoint = Checkpoint.load(work)
    assert checkpoint is not None
    return checkpoint.model | {f"best {name}": tensor for name, tensor in checkpoint.best_model.items()}


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def stop_at(update: int) -> CallingReporter:
    """Types Ctrl-C at an update of the progress."""
    seen = 0

    def count(_: float, __: str) -> None:
        nonlocal seen
        seen += 1
        if seen == update:
            os.kill(os.getpid(), signal.SIGINT)

    return CallingReporter(count)


@pytest.mark.parametrize("config", [NeuralConfig, RerankerConfig])
def test_training_learns_and_repeats(
    train: Callable[..., Checkpoint], tmp_path: Path, config: type[NeuralConfig | RerankerConfig]
) -> None:
    settings = {"config": config, "sampled_softmax": 0, "max_steps": 60, "learning_rate": 0.02}
    first = train("a", **settings)
    assert first.best_loss < 0.75 * np.log(VOCABULARY)
    assert [point.step for point in first.curve] == [15, 30, 45, 60]
    assert first.best_loss == min(point.validation_loss for point in first.curve)
    assert train("b", **settings).best_loss == first.best_loss
    assert_same_weights(tmp_path / "a", tmp_path / "b")


STREAMS: dict[str, object] = {"carry_state": True, "bptt": 8, "tokens_per_batch": 64}
RERANKER: dict[str, object] = {"config": RerankerConfig}
AVERAGED: dict[str, object] = {"optimizer": "asgd", "learning_rate": 30.0, "measurements": 12}


@pytest.mark.parametrize(
    ("settings", "update"),
    [
        ({}, 1),
        ({}, 7),
        (STREAMS, 7),
        (AVERAGED, 10),
        (RERANKER, 7),
    ],
)
def test_interrupted_training_goes_on_as_if_it_had_not_been(
    train: Callable[..., Checkpoint],
    tmp_path: Path,
    settings: dict[str, object],
    update: int,
) -> None:
    whole, handler = train("whole", **settings), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train("parts", reporter=stop_at(update), **settings)
    assert signal.getsignal(signal.SIGINT) is handler
    checkpoint = Checkpoint.load(tmp_path / "parts")
    assert checkpoint is not None
    assert 0 < checkpoint.step < 12
    parts = train("parts", checkpoint_every_s=1.0, **settings)
    assert parts.step == whole.step == 12
    assert parts.best_loss == whole.best_loss
    losses = [(point.step, point.train_loss, point.validation_loss) for point in parts.curve]
    assert losses == [(point.step, point.train_loss, point.validation_loss) for point in whole.curve]
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_progress_says_step_loss_and_rate_and_finished_training_is_not_repeated(
    train: Callable[..., Checkpoint],
) -> None:
    updates: list[tuple[float, str]] = []
    reporter = CallingReporter(lambda done, note: updates.append((done, note)))
    first = train(reporter=reporter)
    shares = [done for done, _ in updates]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(word in updates[0][1] for word in ("step 1", "loss", "perplexity", "tokens/s"))
    updates.clear()
    assert train(reporter=reporter).curve == first.curve
    assert not updates


def test_minutes_bound_training(train: Callable[..., Checkpoint]) -> None:
    now_s = 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += 0.5
        return now_s

    result = train(max_steps=10_000, max_minutes=0.5, clock=clock)
    assert 5 < result.step < 60
    assert result.curve[-1].elapsed_s >= 30


def test_divergence_is_told_and_the_last_checkpoint_kept(
    train: Callable[..., Checkpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(reporter=stop_at(4))
    before = (tmp_path / "work" / CHECKPOINT_FILE).read_bytes()
    monkeypatch.setattr(loss, "log_normalizer", lambda *_: torch.tensor(torch.nan, requires_grad=True))
    with pytest.raises(
        AutocompleteError, match=r"diverged at step 5, on a batch of .*: the loss is nan.*learning_rate"
    ):
        train()
    assert (tmp_path / "work" / CHECKPOINT_FILE).read_bytes() == before


def test_checkpoint_of_other_settings_is_refused_by_name(train: Callable[..., Checkpoint]) -> None:
    train()
    with pytest.raises(InputError, match="other settings: dropout, kind, max_steps"):
        train(dropout=0.3, kind="gru", max_steps=13)
    with pytest.raises(InputError, match="other settings: bidirectional"):
        train(config=RerankerConfig)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut off", b"\x80\x02garbage"])
def test_damaged_checkpoint_is_told(train: Callable[..., Checkpoint], tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / CHECKPOINT_FILE).write_bytes(damage)
    with pytest.raises(InputError, match="Delete it"):
        train()


def test_device_that_is_not_there_is_told_with_those_that_are(train: Callable[..., Checkpoint]) -> None:
    with pytest.raises(ConfigError, match="There is: cpu"):
        train(device="abacus")


def served_loss(folder: Path, data: dict[str, Path]) -> float:
    """Nats a token of the validation text, sentence by sentence; the state is carried on if the model does so."""
    served = NeuralModel(folder)
    tokens, offsets = np.load(data["validation_tokens"]), np.load(data["validation_offsets"])
    log_probs, state = [], served.initial_state()
    for begin, end in pairwise(offsets):
        sentence = tokens[begin:end].astype(np.int64)
        hidden, after = served.advance(np.concatenate([[1], sentence])[None], state)
        state = after if served.description.carries_state else state
        log_probs.append(served.target_log_probs(hidden[0], np.concatenate([sentence, [2]])))
    return float(-np.concatenate(log_probs).mean())


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn", "window"])
@pytest.mark.parametrize("width", [16, 24])  # of the state: as the vectors, so that nothing projects it, and wider
def test_export_gives_the_loss_that_training_measured(
    train: Callable[..., Checkpoint], data: dict[str, Path], tmp_path: Path, kind: str, width: int
) -> None:
    result = train(kind=kind, hidden_size=width, sampled_softmax=0, max_steps=60, learning_rate=0.02)
    assert result.best_loss < 0.75 * np.log(VOCABULARY)
    export_neural(tmp_path / "work", tmp_path / "out")
    assert served_loss(tmp_path / "out", data) == pytest.approx(result.best_loss, rel=0.005)


def test_export_of_a_reranker_knows_what_training_learned(
    train: Callable[..., Checkpoint], data: dict[str, Path], tmp_path: Path
) -> None:
    result = train(config=RerankerConfig, sampled_softmax=0, max_steps=60, learning_rate=0.02)
    export_neural(tmp_path / "work", tmp_path / "out")
    served = Reranker(tmp_path / "out")
    tokens, offsets = np.load(data["validation_tokens"]), np.load(data["validation_offsets"])
    sentences = [tokens[begin:end].tolist() for begin, end in pairwise(offsets)]
    loss = -served.scores(sentences).sum() / (len(tokens) + len(sentences))  # `</s>`, all but certain, costs nothing
    assert loss == pytest.approx(result.best_loss, rel=0.05)
    assert served.description.kind == "bidirectional lstm"


def test_export_without_finished_training_is_refused(train: Callable[..., Checkpoint], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished training"):
        export_neural(tmp_path / "work", tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        train(reporter=stop_at(2))
    with pytest.raises(InputError, match="no finished training"):
        export_neural(tmp_path / "work", tmp_path / "out")


def test_a_model_that_carries_its_state_is_validated_as_it_reads_on(
    train: Callable[..., Checkpoint], data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "VALIDATION_STREAMS", 1)
    result = train(**STREAMS, sampled_softmax=0, max_steps=60, learning_rate=0.02)
    export_neural(tmp_path / "work", tmp_path / "out")
    assert NeuralModel(tmp_path / "out").description.carries_state
    assert served_loss(tmp_path / "out", data) == pytest.approx(result.best_loss, rel=0.005)


@pytest.mark.parametrize(
    "settings",
    [
        {"embedding_dropout": 0.3},
        {"weight_drop": 0.3},
        {"input_dropout": 0.4},
        {"activation_regularization": 2.0},
        {"temporal_regularization": 1.0},
        {"weight_decay": 0.3},
        {"tie_weights": False},
    ],
    ids=str,
)
def test_every_option_changes_what_is_learnt_and_repeats(
    train: Callable[..., Checkpoint], tmp_path: Path, settings: dict[str, object]
) -> None:
    plain, one, two = train("plain"), train("one", **settings), train("two", **settings)
    assert one.best_loss == two.best_loss != plain.best_loss
    assert_same_weights(tmp_path / "one", tmp_path / "two")


def test_training_stops_early_when_validation_gets_no_better(train: Callable[..., Checkpoint]) -> None:
    result = train(max_steps=40, measurements=20, learning_rate=1.0, early_stopping=3)
    losses = [point.validation_loss for point in result.curve]
    assert result.step < 40
    assert min(losses[-4:-1]) > min(losses[:-4])
    assert result.best_loss == min(losses)


@given(st.lists(st.floats(0, 10), max_size=15))
def test_averaging_begins_when_the_newest_loss_is_worse_than_the_best_of_long_ago(losses: list[float]) -> None:
    long_ago = losses[: max(0, len(losses) - AVERAGING_PATIENCE)]
    assert stalled(losses) == (bool(long_ago) and losses[-1] > min(long_ago))


def test_the_average_begins_by_itself_and_is_what_is_kept(train: Callable[..., Checkpoint], tmp_path: Path) -> None:
    train(**(AVERAGED | {"max_steps": 60, "measurements": 30}))
    checkpoint = Checkpoint.load(tmp_path / "work")
    assert checkpoint is not None
    assert 0 < checkpoint.averaged_steps < 60
    assert any(not torch.equal(checkpoint.model[name], value) for name, value in checkpoint.best_model.items())


def test_the_log_has_a_line_for_what_was_measured_and_goes_on_after_the_checkpoint(
    train: Callable[..., Checkpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY_STEPS", 1)
    with pytest.raises(KeyboardInterrupt):
        train(reporter=stop_at(5))
    train()
    with (tmp_path / "work" / LOG_FILE).open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows if row["train_loss"]] == list(range(1, 13))
    assert [int(row["step"]) for row in rows if row["validation_loss"]] == [3, 6, 9, 12]
    assert all(float(row["gradient_norm"]) > 0 for row in rows if row["train_loss"])


def test_too_little_memory_is_told_with_what_would_fit(
    train: Callable[..., Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "free_bytes", lambda _: 3 << 20)
    with pytest.raises(ConfigError, match=r"needs about .* are free.*tokens_per_batch to \d+ or less"):
        train(tokens_per_batch=100_000)
    monkeypatch.setattr(device, "free_bytes", lambda _: 1 << 10)
    with pytest.raises(ConfigError, match="smaller hidden_size"):
        train()


def test_memory_that_runs_out_in_a_step_is_told(
    train: Callable[..., Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")

    monkeypatch.setattr(loss, "log_normalizer", fail)
    with pytest.raises(ConfigError, match="training needs about"):
        train()
