"""One optimiser step: loss, gradient, update."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lm.errors import AutocompleteError
from training.config_networks import NeuralConfig
from training.neural.averaging import NonMonotonicAverage
from training.neural.batches import Batch
from training.neural.hardware import has_bfloat16
from training.neural.loss import Loss
from training.neural.memory import free_bytes, too_little
from training.neural.model import NeuralNetwork
from training.neural.team import Team


class Step(NamedTuple):
    """What came of a step: loss in nats a token, and the gradient's norm before it was clipped."""

    loss: float
    gradient_norm: float


class BatchLoss(nn.Module):
    """The loss of a batch, and the state after it; a module of its own, for it is what a team shares out."""

    def __init__(self, network: NeuralNetwork, loss: Loss, device: torch.device) -> None:
        super().__init__()
        self.network = network
        self._loss = loss
        self._device = device
        self._bfloat16 = has_bfloat16(device)

    def forward(self, batch: Batch, state_SBD: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """(mean nats a token, that with what regularises added, the state after the batch)."""
        inputs = self.network.inputs(batch).to(self._device)
        valid_BT = torch.from_numpy(batch.valid).to(self._device)
        targets_N = torch.from_numpy(batch.targets[batch.valid]).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            output = self.network(inputs, state_SBD, self._loss.draw(), targets_N)
            if batch.size:
                nats = self._loss(self.network, self._product_type(output.hidden[valid_BT]), targets_N, output.vectors)
            else:  # more processes than rows
                nats = 0 * (output.hidden.sum() + self.network.output_weight().sum() + self.network.bias().sum())
        return nats.detach(), nats + self._penalty(output.hidden, output.raw), output.state.detach()

    def _product_type(self, hidden_NE: Tensor) -> Tensor:
        """In the type of the products: not every cell gives it under autocast."""
        return hidden_NE.to(torch.bfloat16) if self._bfloat16 else hidden_NE

    def _penalty(self, hidden_BTE: Tensor, raw_BTH: Tensor) -> Tensor | float:
        """Activation regularisation and its temporal kind (Merity, McCann and Socher, 2017, section 4)."""
        config, penalty = self.network.config, hidden_BTE.new_zeros((), dtype=torch.float32)
        if config.activation_regularization:
            penalty = penalty + config.activation_regularization * hidden_BTE.float().pow(2).mean()
        if config.temporal_regularization and raw_BTH.shape[1] > 1:
            penalty = penalty + config.temporal_regularization * raw_BTH.float().diff(dim=1).pow(2).mean()
        return penalty


class Stepper:
    """Steps that follow each other.

    Attributes:
        optimizer: torch's.
        average: of the weights, where the optimizer is `asgd`.
        state: of this process's streams after the last step, (S, B, D), where it is carried on.
    """

    def __init__(self, network: NeuralNetwork, loss: Loss, device: torch.device, team: Team) -> None:
        self._network, self._team, self._device = network, team, device
        self._config: NeuralConfig = network.config
        self._batch_loss = team.wrap(BatchLoss(network, loss, device))
        self.optimizer = _optimizer(network, self._config)
        self.average: NonMonotonicAverage | None = None
        self.state: Tensor | None = None

    def step(self, batch: Batch, learning_rate: float, number: int) -> Step:
        """One step on the whole team's batch.

        Raises:
            AutocompleteError: the loss or the gradient is not finite; the weights are as before.
            ConfigError: memory ran out; says what would fit.
        """
        self._network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        share = self._team.share(batch)
        try:
            loss, norm, state = self._gradient(share, share.size * self._team.size / batch.size)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise self._out_of_memory() from error
        except RuntimeError as error:
            if "allocate memory" not in str(error):
                raise
            raise self._out_of_memory() from error
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise AutocompleteError(
                f"Training of the neural model diverged at step {number}, on a batch of {len(batch.valid)} rows and "
                f"{batch.size} tokens: the loss is {loss:g}, the gradient's norm {norm:g}. "
                "The last checkpoint is kept.",
                remedy="Lower neural.learning_rate or neural.gradient_clip, then train again.",
            )
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        self.state = state if self._config.carry_state else None
        return Step(loss, norm)

    def _gradient(self, share: Batch, weight: float) -> tuple[float, float, Tensor]:
        """Mean loss of the team, the gradient's norm after clipping it, and the state after the batch.

        Args:
            weight: of this share's mean, so that the mean over the team is that over all tokens.
        """
        nats, loss, state = self._batch_loss(share, self.state if share.goes_on else None)
        self.optimizer.zero_grad(set_to_none=True)
        (loss * weight).backward()
        norm = torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._config.gradient_clip)
        return self._team.total(float(nats) * weight) / self._team.size, float(norm), state

    def _out_of_memory(self) -> AutocompleteError:
        return too_little(self._config, self._network.describe(), free_bytes(self._device) or 0)


def _optimizer(network: NeuralNetwork, config: NeuralConfig) -> torch.optim.Optimizer:
    if config.optimizer == "asgd":
        return torch.optim.SGD(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True)
