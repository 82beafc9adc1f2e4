"""The loss of a step: over the whole vocabulary, or over a sample of it where the vocabulary is large."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from lm.models.vocabulary import BEGIN
from training.neural.data import Batch
from training.neural.device import has_bfloat16
from training.neural.model import NeuralNetwork

SAMPLING_POWER = 0.75  # of a token's count
BLOCK_LOGITS = 1 << 19  # 2 MB of float32: what the processor's cache holds


class BatchLoss(nn.Module):
    """The loss of a batch, and the state after it.

    It is a module, because torch wraps a module to average gradients over several processes.
    """

    def __init__(self, network: NeuralNetwork, sampler: Sampler | None, device: torch.device) -> None:
        super().__init__()
        self.network = network
        self._sampler, self._device, self._bfloat16 = sampler, device, has_bfloat16(device)

    def forward(self, batch: Batch, state_SBD: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """(mean nats a token, the same with the penalties added, the state after the batch)."""
        inputs = self.network.inputs(batch).to(self._device)
        valid_BT = torch.from_numpy(batch.valid).to(self._device)
        targets_N = torch.from_numpy(batch.targets[batch.valid]).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            drawn_K = None if self._sampler is None else self._sampler.draw()
            output = self.network(inputs, state_SBD, targets_N if drawn_K is None else torch.cat([drawn_K, targets_N]))
            hidden_NE = output.hidden[valid_BT]
            if self._bfloat16:
                hidden_NE = hidden_NE.to(torch.bfloat16)  # not every cell gives it under autocast
            if batch.size:
                nats = mean_loss(self.network, hidden_NE, targets_N, output.vectors, drawn_K, self._sampler)
            else:  # more processes than rows: all weights take part with a gradient of 0
                nats = 0 * (output.hidden.sum() + self.network.output_weight().sum() + self.network.bias().sum())
        return nats.detach(), nats + self._penalty(output.hidden, output.raw), output.state.detach()

    def _penalty(self, hidden_BTE: Tensor, raw_BTH: Tensor) -> Tensor:
        """Activation regularisation and its temporal kind (Merity, McCann and Socher, 2017, section 4)."""
        config, penalty = self.network.config, hidden_BTE.new_zeros((), dtype=torch.float32)
        if config.activation_regularization:
            penalty = penalty + config.activation_regularization * hidden_BTE.float().pow(2).mean()
        if config.temporal_regularization and raw_BTH.shape[1] > 1:
            penalty = penalty + config.temporal_regularization * raw_BTH.float().diff(dim=1).pow(2).mean()
        return penalty


def mean_loss(
    network: NeuralNetwork,
    hidden_NE: Tensor,
    targets_N: Tensor,
    vectors: Tensor,
    drawn_K: Tensor | None,
    sampler: Sampler | None,
) -> Tensor:
    """Mean negative log probability of targets, in nats: exact without a sampler, else estimated.

    Args:
        vectors: rows of the output layer: those of the drawn tokens, if any, then those of the targets.
        drawn_K: the tokens that stand for all others in this step.
    """
    of_drawn_KE, of_targets_NE = torch.split(vectors, [len(vectors) - len(targets_N), len(targets_N)])
    target_logits_N = (hidden_NE * of_targets_NE).float().sum(-1) + network.bias()[targets_N]
    if sampler is None or drawn_K is None:
        normalizer_N = log_normalizer(hidden_NE, network.output_weight(), network.bias())
        return (normalizer_N - target_logits_N).mean()
    bias_K = network.bias()[drawn_K] - sampler.log_inclusion(drawn_K)
    rest_N = log_normalizer(hidden_NE, of_drawn_KE, bias_K, sampler.columns(drawn_K, targets_N))
    return functional.softplus(rest_N - target_logits_N).mean()  # log(exp(rest) + exp(target)) - target


class Sampler:
    """Draws about `size` tokens for each step; in the normaliser their logits stand for those of all tokens.

    Token i is drawn with probability p_i = min(1, t * count_i ** 0.75), where t makes the expected number `size`,
    so frequent tokens always take part. A drawn token counts 1 / p_i times, which makes the sum of exponentials
    unbiased ("Adaptive importance sampling", Bengio and Senecal 2008, section III, without replacement). The
    target itself always counts once. Drawing is systematic: one random number places an even grid on the
    cumulated probabilities, which gives exactly these p_i and no duplicates.
    """

    def __init__(self, counts_V: NDArray[np.int64], size: int, device: torch.device) -> None:
        self._inclusion_V = _inclusion_probs(counts_V, size)
        self._cumulated_V = np.cumsum(self._inclusion_V)
        self._device = device
        self._columns_V = torch.full((len(counts_V),), -1, dtype=torch.int64, device=device)

    def draw(self) -> Tensor:
        """Tokens of a step, (K,); the random number is torch's."""
        grid = np.arange(float(torch.rand(())), self._cumulated_V[-1], 1.0)
        drawn_K = np.unique(np.searchsorted(self._cumulated_V, grid, side="right"))
        return torch.from_numpy(drawn_K).to(self._device)

    def log_inclusion(self, drawn_K: Tensor) -> Tensor:
        """The logarithm of each drawn token's probability to be drawn, (K,)."""
        log_probs_K = np.log(self._inclusion_V[drawn_K.cpu().numpy()]).astype(np.float32)
        return torch.from_numpy(log_probs_K).to(self._device)

    def columns(self, drawn_K: Tensor, targets_N: Tensor) -> Tensor:
        """Where each target is among the drawn tokens, (N,), -1 where it is not."""
        self._columns_V[drawn_K] = torch.arange(len(drawn_K), device=self._device)
        columns_N = self._columns_V[targets_N]
        self._columns_V[drawn_K] = -1
        return columns_N


def _inclusion_probs(counts_V: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """min(1, t * weight), where t makes the sum `size`; `<s>` is never drawn."""
    weights_V = np.maximum(counts_V, 1).astype(np.float64) ** SAMPLING_POWER
    weights_V[BEGIN] = 0.0
    certain_V = np.zeros(len(weights_V), bool)
    while True:
        scale = (size - certain_V.sum()) / weights_V[~certain_V].sum()
        probs_V = np.where(certain_V, 1.0, weights_V * scale)
        if not (probs_V > 1).any():
            return probs_V
        certain_V |= probs_V >= 1


class _LogNormalizer(Function):
    """log(sum over k of exp(hidden . weights_k + bias_k)) of each row, with a backward pass that fits the cache.

    torch's `logsumexp` reads and writes all logits a dozen times. Here a few rows at a time are turned into
    probabilities in place, in float32 whatever the logits are stored in, and these are the gradient.
    """

    @staticmethod
    def forward(ctx: Any, hidden_NE: Tensor, weights_KE: Tensor, bias_K: Tensor, own_N: Tensor | None) -> Tensor:
        """Computes it.

        Args:
            hidden_NE: vectors; the products are computed in their type.
            own_N: the column that each row leaves out of its sum, -1 for none; None: no row leaves one out.

        Returns:
            (N,) float32.
        """
        weights_KE = weights_KE.to(hidden_NE.dtype)
        logits_NK = torch.addmm(bias_K.to(hidden_NE.dtype), hidden_NE, weights_KE.T)
        result_N = torch.empty(len(logits_NK), dtype=torch.float32, device=logits_NK.device)
        step = max(1, BLOCK_LOGITS // logits_NK.shape[1])
        for row in range(0, len(logits_NK), step):
            rows = slice(row, row + step)
            result_N[rows] = _to_probs(logits_NK[rows], None if own_N is None else own_N[rows])
        ctx.save_for_backward(logits_NK, hidden_NE, weights_KE)
        return result_N

    @staticmethod
    def backward(ctx: Any, gradient_N: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of the vectors, the weights and the bias."""
        probs_NK, hidden_NE, weights_KE = ctx.saved_tensors
        gradient_NK = probs_NK.mul_(gradient_N[:, None].to(probs_NK.dtype))
        ones_1N = torch.ones_like(gradient_NK[:, :1]).T  # a product sums faster than `sum`, which copies
        return (
            gradient_NK @ weights_KE,
            (gradient_NK.T @ hidden_NE).float(),
            (ones_1N @ gradient_NK).squeeze(0).float(),
            None,
        )


def log_normalizer(hidden_NE: Tensor, weights_KE: Tensor, bias_K: Tensor, own_N: Tensor | None = None) -> Tensor:
    """The logarithm of the softmax's normaliser, (N,); see `_LogNormalizer.forward`."""
    result_N: Tensor = _LogNormalizer.apply(hidden_NE, weights_KE, bias_K, own_N)  # type: ignore[no-untyped-call]
    return result_N


def _to_probs(logits_NK: Tensor, own_N: Tensor | None) -> Tensor:
    """Replaces logits by probabilities; returns the logarithm of each row's normaliser."""
    values_NK = logits_NK.float()  # the logits themselves where they are float32 already
    if own_N is not None:
        rows = torch.nonzero(own_N >= 0).squeeze(-1)
        values_NK[rows, own_N[rows]] = -torch.inf
    largest_N1 = values_NK.amax(-1, keepdim=True)
    sum_N1 = values_NK.sub_(largest_N1).exp_().sum(-1, keepdim=True)
    logits_NK.copy_(values_NK.div_(sum_N1))
    return (largest_N1 + sum_N1.log()).squeeze(-1)
