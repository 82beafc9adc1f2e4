"""One run of training: steps, measurements, checkpoints."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lm.errors import AutocompleteError
from training.config import NeuralConfig
from training.neural.batches import Batch, Pieces, Sentences, batches_in_order, batches_of_epoch, gather
from training.neural.checkpoint import CurvePoint, Standing
from training.neural.hardware import has_bfloat16, open_device
from training.neural.interrupt import deferred_interrupt
from training.neural.loss import Loss, SampledLoss, full_loss
from training.neural.model import RecurrentModel
from training.neural.schedule import Plan, learning_rate
from training.progress import Reporter, Task

MEASUREMENTS = 4  # on the validation text, evenly spread over training
VALIDATION_TOKENS = 100_000
VALIDATION_LOGITS = 200_000_000  # 10,000 tokens of a vocabulary of 20,000: about a second on two cores
VALIDATION_BATCH = 1024
WEIGHT_DECAY = 0.01
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
        clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._seed = seed
        self._training, self._pieces = training, Pieces.cut(training)
        limit = min(VALIDATION_TOKENS, VALIDATION_LOGITS // vocabulary_size)
        self._validation, self._validation_pieces = validation, Pieces.cut(validation, limit)
        self._standing = standing
        counts_V = training.token_counts(vocabulary_size)
        self._device = open_device(config.device)
        self._bfloat16 = has_bfloat16(self._device)
        self._model, self._optimizer = self._build(counts_V)
        self._loss: Loss = full_loss
        if 0 < config.sampled_softmax < vocabulary_size - 1:
            self._loss = SampledLoss(counts_V, config.sampled_softmax, self._device)
        self._plan = self._make_plan()
        self._clock = clock
        self._begun = clock() - standing.elapsed_s

    def train(self, work: Path, reporter: Reporter) -> None:
        """Steps until the plan is fulfilled; leaves the checkpoint of the finished run."""
        saved_at = reported_at = self._elapsed_s()
        with (
            reporter.task("Training the neural model", total=1.0) as task,
            deferred_interrupt() as check_interrupt,
        ):
            try:
                for batch in self._batches():
                    done = self._plan.progress(self._standing.step, self._elapsed_s())
                    if done >= 1.0:
                        break
                    self._step(batch, done)
                    self._measure_if_due(done)
                    check_interrupt()
                    now_s = self._elapsed_s()
                    if now_s - reported_at >= REPORT_EVERY_S:
                        self._report(task)
                        reported_at = now_s
                    if now_s - saved_at >= self._config.checkpoint_every_s:
                        self._save(work)
                        saved_at = now_s
            except KeyboardInterrupt:
                self._save(work)
                raise
            self._finish(work, task)

    def _build(self, counts_V: NDArray[np.int64]) -> tuple[RecurrentModel, torch.optim.AdamW]:
        _seed_torch(self._seed, 0)
        model = RecurrentModel(len(counts_V), self._config)
        model.expect(counts_V)
        if self._standing.model:
            model.load_state_dict(self._standing.model)
        model.to(self._device)
        optimizer = torch.optim.AdamW(
            model.parameters(),
            self._config.learning_rate,
            weight_decay=WEIGHT_DECAY,
            fused=True,
        )
        if self._standing.optimizer:
            optimizer.load_state_dict(self._standing.optimizer)
        return model, optimizer

    def _make_plan(self) -> Plan:
        steps = len(self._epoch(0)) * self._config.max_epochs
        minutes = self._config.max_minutes
        return Plan(
            steps=min(steps, self._config.max_steps or steps),
            duration_s=None if minutes is None else minutes * 60,
        )

    def _epoch(self, epoch: int) -> list[NDArray[np.int64]]:
        return batches_of_epoch(self._pieces, self._config.tokens_per_batch, seed=self._seed, epoch=epoch)

    def _batches(self) -> Iterator[Batch]:
        """The steps from where training stands, without end."""
        skip = self._standing.step
        for epoch in itertools.count():
            batches = self._epoch(epoch)
            for rows in batches[skip:]:
                yield gather(self._training, self._pieces, rows)
            skip = max(0, skip - len(batches))

    def _step(self, batch: Batch, progress: float) -> None:
        standing = self._standing
        _seed_torch(self._seed, standing.step + 1)
        self._model.train()
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._config.learning_rate, progress)
        loss = self._batch_loss(batch, self._loss)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._config.gradient_clip)
        if not math.isfinite(value := float(loss.detach())) or not math.isfinite(float(norm)):
            raise AutocompleteError(
                f"Training of the neural model diverged at step {standing.step + 1}: the loss is {value:g}, "
                f"the gradient's norm {float(norm):g}.",
                remedy="Lower neural.learning_rate or neural.gradient_clip, then train again.",
            )
        self._optimizer.step()
        standing.step += 1
        standing.token_count += batch.size
        standing.loss_sum += value
        standing.loss_steps += 1

    def _batch_loss(self, batch: Batch, loss: Loss) -> Tensor:
        inputs_BT = torch.from_numpy(batch.inputs).to(self._device)
        valid_BT = torch.from_numpy(batch.valid).to(self._device)
        targets_N = torch.from_numpy(batch.targets[batch.valid]).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            hidden_BTE, _ = self._model(inputs_BT)
            return loss(self._model, hidden_BTE[valid_BT], targets_N)

    def _measure_if_due(self, progress_before: float) -> None:
        progress = self._plan.progress(self._standing.step, self._elapsed_s())
        if progress < 1 and int(progress * MEASUREMENTS) > int(progress_before * MEASUREMENTS):
            self._measure()

    def _measure(self) -> None:
        standing = self._standing
        validation_loss = self._validate()
        standing.elapsed_s = self._elapsed_s()
        train_loss = standing.loss_sum / max(1, standing.loss_steps)
        standing.loss_sum, standing.loss_steps = 0.0, 0
        standing.curve.append(
            CurvePoint(
                step=standing.step,
                elapsed_s=standing.elapsed_s,
                train_loss=train_loss,
                validation_loss=validation_loss,
            )
        )
        if validation_loss < standing.best_loss:
            standing.best_loss = validation_loss
            standing.best_model = {
                name: tensor.detach().cpu().clone() for name, tensor in self._model.state_dict().items()
            }

    def _validate(self) -> float:
        self._model.eval()
        total, count = 0.0, 0
        with torch.inference_mode():
            for batch in batches_in_order(self._validation, self._validation_pieces, VALIDATION_BATCH):
                targets = batch.size
                total += float(self._batch_loss(batch, full_loss)) * targets
                count += targets
        return total / count

    def _report(self, task: Task) -> None:
        standing = self._standing
        elapsed_s = self._elapsed_s()
        loss = standing.loss_sum / standing.loss_steps if standing.loss_steps else standing.curve[-1].validation_loss
        task.update(
            self._plan.progress(standing.step, elapsed_s),
            note=f"loss {loss:.3f}, perplexity {math.exp(loss):.0f}, {standing.token_count / elapsed_s:,.0f} tokens/s",
        )

    def _finish(self, work: Path, task: Task) -> None:
        self._measure()
        self._report(task)
        self._standing.finished = True
        self._save(work)

    def _save(self, work: Path) -> None:
        standing = self._standing
        standing.elapsed_s = self._elapsed_s()
        standing.model = self._model.state_dict()
        standing.optimizer = {} if standing.finished else self._optimizer.state_dict()
        standing.save(work)

    def _elapsed_s(self) -> float:
        return self._clock() - self._begun


def _seed_torch(seed: int, number: int) -> None:
    """Random numbers of a step depend on nothing but the seed and the step's number."""
    state = np.random.SeedSequence([seed, number]).generate_state(1)
    torch.manual_seed(int(state[0]))
