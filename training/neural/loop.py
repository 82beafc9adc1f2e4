"""The training loop: steps, measurements on the validation text, checkpoints."""

from __future__ import annotations

import itertools
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from lm.errors import AutocompleteError
from training.config_networks import NeuralConfig
from training.neural.checkpoint import Checkpoint, CurvePoint, TrainingLog
from training.neural.data import Batch, Feed, SentenceFeed, Sentences, StreamFeed
from training.neural.device import memory_errors_explained, open_device, require_memory
from training.neural.distributed import Processes
from training.neural.loss import BatchLoss, Sampler
from training.neural.model import NeuralNetwork
from training.progress import Reporter, Task

REPORT_EVERY_S = 0.5
LOG_EVERY_STEPS = 20
WARM_UP = 0.04  # share of training in which the learning rate rises
AVERAGING_PATIENCE = 5  # measurements: the `n` of NT-ASGD's authors
VALIDATION_TOKENS = 100_000
VALIDATION_LOGITS = 1_000_000_000  # of all tokens measured; with a large vocabulary this is the tighter limit
VALIDATION_BATCH, VALIDATION_STREAMS = 1024, 8


class TrainingLoop:
    """One run in progress."""

    def __init__(
        self,
        *,
        config: NeuralConfig,
        kind: type[NeuralNetwork],
        vocabulary_size: int,
        seed: int,
        training: Sentences,
        validation: Sentences,
        checkpoint: Checkpoint,
        processes: Processes,
        clock: Callable[[], float],
    ) -> None:
        self._config, self._seed, self._processes, self._clock = config, seed, processes, clock
        self._checkpoint, self._begun_s = checkpoint, clock() - checkpoint.elapsed_s
        self._device = open_device(config.device)
        self._feed = _feed(config, training, seed, config.tokens_per_batch, config.bptt)
        if config.carry_state:
            processes.require_divisible(max(1, config.tokens_per_batch // config.bptt))
        steps = self._feed.steps(0) * config.max_epochs
        self._steps = min(steps, config.max_steps or steps)
        limit = min(VALIDATION_TOKENS, VALIDATION_LOGITS // vocabulary_size)
        bptt = VALIDATION_BATCH // VALIDATION_STREAMS
        self._validation = _feed(config, validation, None, VALIDATION_BATCH, bptt, limit)

        counts_V = training.token_counts(vocabulary_size)
        _seed_torch(seed, 0)
        self._network = kind(vocabulary_size, config)
        self._network.set_frequencies(counts_V)
        self._described = self._network.describe()
        require_memory(config, self._described, self._device)
        if checkpoint.model:
            self._network.load_state_dict(checkpoint.model)
        self._network.to(self._device)

        sampled = 0 < config.sampled_softmax < vocabulary_size - 1
        sampler = Sampler(counts_V, config.sampled_softmax, self._device) if sampled else None
        self._batch_loss = processes.wrap(BatchLoss(self._network, sampler, self._device))
        self._optimizer = _optimizer(self._network, config)
        self._average: AveragedModel | None = None
        self._state: Tensor | None = None  # of this process's streams after the last step, (S, B, D)
        self._resume()

    def _resume(self) -> None:
        """Goes on from the checkpoint. The network has its weights already."""
        checkpoint = self._checkpoint
        if checkpoint.optimizer:
            self._optimizer.load_state_dict(checkpoint.optimizer)
        if checkpoint.average:
            self._average = AveragedModel(self._network)
            self._average.module.load_state_dict(checkpoint.average)
            self._average.n_averaged.fill_(checkpoint.averaged_steps)
        if checkpoint.state is not None:
            self._state = self._processes.own_rows(checkpoint.state).to(self._device)

    def run(self, work: Path, reporter: Reporter) -> None:
        """Steps until training is done; leaves the checkpoint of the finished run.

        Raises:
            KeyboardInterrupt: after a checkpoint was written.
        """
        config, checkpoint, processes = self._config, self._checkpoint, self._processes
        saved_at = reported_at = self._elapsed_s()
        log = TrainingLog(work, checkpoint.step) if processes.is_main else None
        with reporter.task("Training the neural model", total=1.0) as task, _deferred_interrupt() as interrupted:
            for batch in self.batches():
                done = processes.from_main(self._share_done())
                if done >= 1.0 or self._stops_early():
                    break
                rate = learning_rate(config, done)
                loss, norm = self.step(batch, rate)
                if log is not None and checkpoint.step % LOG_EVERY_STEPS == 0:
                    figures = {"train_loss": loss, "gradient_norm": norm, "learning_rate": rate}
                    log.write(checkpoint, **figures, tokens_per_s=checkpoint.tokens_per_s)
                now_done = processes.from_main(self._share_done())
                if now_done < 1 and int(now_done * config.measurements) > int(done * config.measurements):
                    self._measure(log)
                if self._elapsed_s() - reported_at >= REPORT_EVERY_S:
                    reported_at = self._elapsed_s()
                    self._report(task)
                if processes.any(interrupted.is_set()):
                    self._save(work)
                    raise KeyboardInterrupt
                if processes.from_main(self._elapsed_s() - saved_at) >= config.checkpoint_every_s:
                    self._save(work)
                    saved_at = self._elapsed_s()
            self._measure(log)
            checkpoint.finished = True
            self._save(work)
            self._report(task, done=1.0)
        reporter.say(
            f"Neural model: {checkpoint.step:,} steps, {checkpoint.token_count:,} tokens, "
            f"{checkpoint.tokens_per_s:,.0f} tokens/s, validation perplexity {_perplexity(checkpoint.best_loss):.1f}."
        )

    def batches(self) -> Iterator[Batch]:
        """The batches from where training stands, epoch after epoch without end."""
        skip = self._checkpoint.step
        for epoch in itertools.count():
            steps = self._feed.steps(epoch)
            if skip < steps:
                yield from self._feed.batches(epoch, skip)
            skip = max(0, skip - steps)

    def step(self, batch: Batch, rate: float) -> tuple[float, float]:
        """One optimiser step on the batch of all processes.

        Returns:
            The loss in nats a token, and the gradient's norm before it was clipped.

        Raises:
            AutocompleteError: the loss or the gradient is not finite; the weights are as before.
            ConfigError: memory ran out; says what would fit.
        """
        config, checkpoint, processes = self._config, self._checkpoint, self._processes
        _seed_torch(self._seed, checkpoint.step + 1)
        self._network.train()
        for group in self._optimizer.param_groups:
            group["lr"] = rate

        shard = processes.shard(batch)
        # a shard's mean counts in proportion to its targets, so that the mean over processes is the mean over targets
        weight = shard.size * processes.count / batch.size
        with memory_errors_explained(config, self._described, self._device):
            nats, loss, state = self._batch_loss(shard, self._state if shard.continues else None)
            self._optimizer.zero_grad(set_to_none=True)
            (loss * weight).backward()
            norm = float(nn.utils.clip_grad_norm_(self._network.parameters(), config.gradient_clip))
        mean = processes.mean(float(nats) * weight)
        if not math.isfinite(mean) or not math.isfinite(norm):
            raise AutocompleteError(
                f"Training of the neural model diverged at step {checkpoint.step + 1}, on a batch of "
                f"{len(batch.valid)} rows and {batch.size} tokens: the loss is {mean:g}, the gradient's norm {norm:g}. "
                "The last checkpoint is kept.",
                remedy="Lower neural.learning_rate or neural.gradient_clip, then train again.",
            )
        self._optimizer.step()

        if self._average is not None:
            self._average.update_parameters(self._network)
        self._state = state if config.carry_state else None
        checkpoint.step += 1
        checkpoint.token_count += batch.size
        checkpoint.loss_sum += mean
        checkpoint.loss_steps += 1
        checkpoint.elapsed_s = self._elapsed_s()
        return mean, norm

    def _measure(self, log: TrainingLog | None) -> None:
        """Measures the validation loss and keeps the weights if they are the best so far. May begin to average."""
        checkpoint, processes = self._checkpoint, self._processes
        network: Any = self._network if self._average is None else self._average.module
        loss = processes.from_main(self._validation_loss(network) if processes.is_main else 0.0)
        if loss < checkpoint.best_loss:
            checkpoint.best_loss = loss
            weights = network.state_dict()
            checkpoint.best_model = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        checkpoint.elapsed_s = self._elapsed_s()
        train_loss = checkpoint.loss_sum / max(1, checkpoint.loss_steps)
        checkpoint.loss_sum, checkpoint.loss_steps = 0.0, 0
        checkpoint.curve.append(
            CurvePoint(
                step=checkpoint.step, elapsed_s=checkpoint.elapsed_s, train_loss=train_loss, validation_loss=loss
            )
        )
        if log is not None:
            log.write(checkpoint, validation_loss=loss)
        asgd = self._config.optimizer == "asgd"
        if asgd and self._average is None and stalled([point.validation_loss for point in checkpoint.curve]):
            self._average = AveragedModel(self._network)
            self._average.update_parameters(self._network)

    def _validation_loss(self, network: NeuralNetwork) -> float:
        """Nats a token on the validation text, over the whole vocabulary."""
        network.eval()
        batch_loss = BatchLoss(network, None, self._device)
        total, count = 0.0, 0
        state: Tensor | None = None
        with torch.inference_mode():
            for batch in self._validation.batches(0, 0):
                nats, _, state = batch_loss(batch, state if batch.continues else None)
                total += float(nats) * batch.size
                count += batch.size
        return total / count

    def _share_done(self) -> float:
        """Share of training that is done, in [0, 1], by this process's clock."""
        share, minutes = self._checkpoint.step / self._steps, self._config.max_minutes
        if minutes is not None:
            share = max(share, self._elapsed_s() / (60 * minutes))
        return min(1.0, share)

    def _stops_early(self) -> bool:
        patience, curve = self._config.early_stopping, self._checkpoint.curve
        if patience is None or len(curve) <= patience:
            return False
        return min(point.validation_loss for point in curve[-patience:]) > self._checkpoint.best_loss

    def _report(self, task: Task, done: float | None = None) -> None:
        checkpoint = self._checkpoint
        loss = checkpoint.curve[-1].validation_loss if checkpoint.curve else math.nan
        if checkpoint.loss_steps:
            loss = checkpoint.loss_sum / checkpoint.loss_steps
        note = f"loss {loss:.3f}, perplexity {_perplexity(loss):.0f}, {checkpoint.tokens_per_s:,.0f} tokens/s"
        task.update(self._share_done() if done is None else done, note=f"{note}, step {checkpoint.step:,}")

    def _save(self, work: Path) -> None:
        checkpoint = self._checkpoint
        checkpoint.model = self._network.state_dict()
        checkpoint.optimizer = {} if checkpoint.finished else self._optimizer.state_dict()
        checkpoint.state = None
        if self._state is not None and not checkpoint.finished:
            checkpoint.state = self._processes.gather_rows(self._state)
        if self._average is not None:
            checkpoint.average = {} if checkpoint.finished else self._average.module.state_dict()
            checkpoint.averaged_steps = int(self._average.n_averaged)
        if self._processes.is_main:
            checkpoint.save(work)

    def _elapsed_s(self) -> float:
        return self._clock() - self._begun_s


def learning_rate(config: NeuralConfig, done: float) -> float:
    """The rate after a share of training: it rises to the peak, then falls to 0. Averaged SGD stays at the peak."""
    rising = min((done + 1e-3) / WARM_UP, 1.0)
    falling = 1.0 if config.optimizer == "asgd" else (1 - done) / (1 - WARM_UP)
    return config.learning_rate * min(rising, falling)


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, 700.0))  # more would overflow


def stalled(losses: Sequence[float]) -> bool:
    """Whether averaging begins: the newest loss is no better than the best one of some measurements ago.

    This is the condition of NT-ASGD (Merity, Keskar and Socher, 2018, algorithm 1).
    """
    return len(losses) > AVERAGING_PATIENCE and losses[-1] > min(losses[:-AVERAGING_PATIENCE])


def _feed(
    config: NeuralConfig,
    sentences: Sentences,
    seed: int | None,
    tokens_per_batch: int,
    bptt: int,
    limit: int | None = None,
) -> Feed:
    if config.carry_state:
        return StreamFeed(sentences, max(1, tokens_per_batch // bptt), bptt, seed, limit)
    return SentenceFeed(sentences, tokens_per_batch, seed, limit)


def _optimizer(network: NeuralNetwork, config: NeuralConfig) -> torch.optim.Optimizer:
    if config.optimizer == "asgd":
        return torch.optim.SGD(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True)


def _seed_torch(seed: int, number: int) -> None:
    """Makes the random numbers of a step depend on the seed and the step's number alone."""
    state = np.random.SeedSequence([seed, number]).generate_state(1)
    torch.manual_seed(int(state[0]))


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Holds Ctrl-C back until the end of a step, so that a whole step is saved. The event says whether it has come.

    Python delivers signals to the main thread alone, so in other threads the event never comes.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def remember(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        came.set()

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)
