"""One run of training: steps, measurements, checkpoints."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.config_networks import NeuralConfig
from training.neural.averaging import NonMonotonicAverage
from training.neural.batches import Batch, Sentences
from training.neural.checkpoint import CurvePoint, Standing
from training.neural.feeds import Feed, SentenceFeed, StreamFeed
from training.neural.hardware import open_device
from training.neural.interrupt import deferred_interrupt
from training.neural.loss import FullLoss, Loss, SampledLoss
from training.neural.memory import require_memory
from training.neural.model import NeuralNetwork
from training.neural.schedule import Plan, learning_rate
from training.neural.stepper import Step, Stepper
from training.neural.team import Team
from training.neural.training_log import LOG_EVERY_STEPS, TrainingLog
from training.neural.validation import Validation
from training.progress import Reporter, Task

REPORT_EVERY_S = 0.5


class TrainingRun:
    """One run in progress; `standing` is brought up to date whenever it is saved or measured."""

    def __init__(
        self,
        *,
        config: NeuralConfig,
        vocabulary_size: int,
        seed: int,
        training: Sentences,
        validation: Sentences,
        standing: Standing,
        team: Team,
        clock: Callable[[], float],
        network: type[NeuralNetwork] = NeuralNetwork,
    ) -> None:
        self._config, self._seed, self._standing, self._team = config, seed, standing, team
        device = open_device(config.device)
        self._validation = Validation(validation, vocabulary_size, config, device)
        self._feed = self._make_feed(training)
        counts_V = training.token_counts(vocabulary_size)
        self._network = self._build(network, counts_V, device)
        loss: Loss = FullLoss()
        if 0 < config.sampled_softmax < vocabulary_size - 1:
            loss = SampledLoss(counts_V, config.sampled_softmax, device)
        self._stepper = Stepper(self._network, loss, device, team)
        self._resume(device)
        self._plan = self._make_plan()
        self._clock = clock
        self._begun = clock() - standing.elapsed_s

    def train(self, work: Path, reporter: Reporter) -> None:
        """Steps until the plan is fulfilled; leaves the checkpoint of the finished run."""
        saved_at = reported_at = self._elapsed_s()
        log = TrainingLog(work, self._standing.step) if self._team.leads else None
        with (
            reporter.task("Training the neural model", total=1.0) as task,
            deferred_interrupt() as interrupted,
        ):
            for batch in self.batches():
                done = self._progress()
                if done >= 1.0 or self._stopped_early():
                    break
                rate = learning_rate(self._config, done)
                step = self.step(batch, rate)
                self._log_step(log, step, rate)
                self._measure_if_due(done, log)
                if self._team.any(interrupted()):
                    self._save(work)
                    raise KeyboardInterrupt
                now_s = self._elapsed_s()
                try:
                    if now_s - reported_at >= REPORT_EVERY_S:
                        self._report(task)
                        reported_at = now_s
                except KeyboardInterrupt:
                    self._save(work)
                    raise
                if self._team.of_leader(now_s - saved_at) >= self._config.checkpoint_every_s:
                    self._save(work)
                    saved_at = now_s
            self._finish(work, task, log)
        reporter.say(self._summary())

    def _make_feed(self, training: Sentences) -> Feed:
        config = self._config
        if not config.carry_state:
            return SentenceFeed(training, config.tokens_per_batch, self._seed)
        rows = max(1, config.tokens_per_batch // config.bptt)
        self._team.require_divisible(rows)
        return StreamFeed(training, rows, config.bptt, self._seed)

    def _build(self, kind: type[NeuralNetwork], counts_V: NDArray[np.int64], device: torch.device) -> NeuralNetwork:
        _seed_torch(self._seed, 0)
        network = kind(len(counts_V), self._config)
        network.expect(counts_V)
        require_memory(self._config, network.describe(), device)
        if self._standing.model:
            network.load_state_dict(self._standing.model)
        return network.to(device)

    def _resume(self, device: torch.device) -> None:
        standing, stepper = self._standing, self._stepper
        if standing.optimizer:
            stepper.optimizer.load_state_dict(standing.optimizer)
        if self._config.optimizer == "asgd":
            stepper.average = NonMonotonicAverage(self._network, standing.average, standing.averaged_steps)
        if standing.state is not None:
            stepper.state = self._team.own_rows(standing.state).to(device)

    def _make_plan(self) -> Plan:
        steps = self._feed.steps(0) * self._config.max_epochs
        minutes = self._config.max_minutes
        return Plan(
            steps=min(steps, self._config.max_steps or steps),
            duration_s=None if minutes is None else minutes * 60,
        )

    def batches(self) -> Iterator[Batch]:
        """The steps from where training stands, without end."""
        skip = self._standing.step
        for epoch in itertools.count():
            steps = self._feed.steps(epoch)
            if skip < steps:
                yield from self._feed.batches(epoch, skip)
            skip = max(0, skip - steps)

    def _progress(self) -> float:
        return self._team.of_leader(self._plan.progress(self._standing.step, self._elapsed_s()))

    def step(self, batch: Batch, rate: float) -> Step:
        """One optimiser step at a learning rate."""
        standing = self._standing
        _seed_torch(self._seed, standing.step + 1)
        step = self._stepper.step(batch, rate, standing.step + 1)
        standing.step += 1
        standing.token_count += batch.size
        standing.loss_sum += step.loss
        standing.loss_steps += 1
        return step

    def _log_step(self, log: TrainingLog | None, step: Step, rate: float) -> None:
        standing, elapsed_s = self._standing, self._elapsed_s()
        if log is not None and standing.step % LOG_EVERY_STEPS == 0:
            log.write(
                standing.step,
                elapsed_s,
                learning_rate=rate,
                train_loss=step.loss,
                gradient_norm=step.gradient_norm,
                tokens_per_s=standing.token_count / max(elapsed_s, 1e-9),
            )

    def _measure_if_due(self, before: float, log: TrainingLog | None) -> None:
        progress, count = self._progress(), self._config.measurements
        if progress < 1 and int(progress * count) > int(before * count):
            self._measure(log)

    def _measure(self, log: TrainingLog | None) -> None:
        standing, average = self._standing, self._stepper.average
        with average.in_place() if average is not None else nullcontext():
            loss = self._team.of_leader(self._validation.loss(self._network) if self._team.leads else 0.0)
            if loss < standing.best_loss:
                standing.best_loss = loss
                standing.best_model = _copied(self._network.state_dict())
        standing.elapsed_s = self._elapsed_s()
        train_loss = standing.loss_sum / max(1, standing.loss_steps)
        standing.loss_sum, standing.loss_steps = 0.0, 0
        standing.curve.append(
            CurvePoint(step=standing.step, elapsed_s=standing.elapsed_s, train_loss=train_loss, validation_loss=loss)
        )
        if average is not None:
            average.begin_if_due([point.validation_loss for point in standing.curve])
        if log is not None:
            log.write(standing.step, standing.elapsed_s, validation_loss=loss)

    def _stopped_early(self) -> bool:
        patience, curve = self._config.early_stopping, self._standing.curve
        if patience is None or len(curve) <= patience:
            return False
        return min(point.validation_loss for point in curve[-patience:]) > self._standing.best_loss

    def _report(self, task: Task) -> None:
        standing = self._standing
        loss = standing.loss_sum / standing.loss_steps if standing.loss_steps else standing.curve[-1].validation_loss
        task.update(
            self._plan.progress(standing.step, self._elapsed_s()),
            note=f"loss {loss:.3f}, perplexity {math.exp(loss):.0f}, {self._rate():,.0f} tokens/s",
        )

    def _rate(self) -> float:
        return self._standing.token_count / max(self._elapsed_s(), 1e-9)

    def _summary(self) -> str:
        standing = self._standing
        return (
            f"Neural model: {standing.step:,} steps, {standing.token_count:,} tokens, {self._rate():,.0f} tokens/s, "
            f"validation perplexity {math.exp(standing.best_loss):.1f}."
        )

    def _finish(self, work: Path, task: Task, log: TrainingLog | None) -> None:
        self._measure(log)
        self._standing.finished = True
        self._save(work)
        if self._team.leads:
            task.update(1.0)
            self._report(task)

    def _save(self, work: Path) -> None:
        standing, stepper = self._standing, self._stepper
        standing.elapsed_s = self._elapsed_s()
        standing.model = self._network.state_dict()
        standing.optimizer = {} if standing.finished else stepper.optimizer.state_dict()
        standing.state = None
        if stepper.state is not None and not standing.finished:
            standing.state = self._team.gather_rows(stepper.state)
        if stepper.average is not None:
            standing.average = {} if standing.finished else stepper.average.weights
            standing.averaged_steps = stepper.average.count
        if self._team.leads:
            standing.save(work)

    def _elapsed_s(self) -> float:
        return self._clock() - self._begun


def _copied(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}


def _seed_torch(seed: int, number: int) -> None:
    """Random numbers of a step depend on nothing but the seed and the step's number."""
    state = np.random.SeedSequence([seed, number]).generate_state(1)
    torch.manual_seed(int(state[0]))
