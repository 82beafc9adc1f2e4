"""The loss of a step: over the whole vocabulary, or over a sample of it where that is large."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.neural.model import START_ID, NeuralNetwork, OutputVectors
from training.neural.normalizer import log_normalizer

SAMPLING_POWER = 0.75  # of a token's count


class Loss(Protocol):
    """Mean negative log probability of targets, in nats."""

    def draw(self) -> Tensor | None:
        """Ids of tokens that stand for all in this step, (K,); None: all take part themselves."""

    def __call__(
        self, network: NeuralNetwork, hidden_NE: Tensor, targets_N: Tensor, vectors: OutputVectors | None = None
    ) -> Tensor:
        """A scalar to minimise; `vectors` are those of what was drawn, looked up here if not given."""


class FullLoss:
    """The exact loss."""

    def draw(self) -> None:
        """See `Loss.draw`."""

    def __call__(
        self, network: NeuralNetwork, hidden_NE: Tensor, targets_N: Tensor, vectors: OutputVectors | None = None
    ) -> Tensor:
        """See `Loss`."""
        if vectors is None:
            vectors = network.output_vectors(None, targets_N)
        normalizer_N = log_normalizer(hidden_NE, network.output_weight(), network.bias())
        return (normalizer_N - _target_logits(network, hidden_NE, targets_N, vectors)).mean()


class SampledLoss:
    """Estimates the normaliser from `size` tokens drawn for each step and shared by its targets.

    Token i is drawn with probability p_i = min(1, t * count_i ** 0.75), t such that `size` are expected: so
    frequent ones always take part. A drawn token counts 1 / p_i times, which makes the sum of exponentials
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
        """See `Loss.draw`; torch's global generator draws."""
        return torch.from_numpy(self._draw(float(torch.rand(())))).to(self._device)

    def __call__(
        self, network: NeuralNetwork, hidden_NE: Tensor, targets_N: Tensor, vectors: OutputVectors | None = None
    ) -> Tensor:
        """See `Loss`."""
        if vectors is None:
            vectors = network.output_vectors(self.draw(), targets_N)
        sample_K = vectors.drawn
        assert sample_K is not None
        correction_K = np.log(self._inclusion_V[sample_K.cpu().numpy()]).astype(np.float32)
        rest_N = log_normalizer(
            hidden_NE,
            vectors.of_drawn,
            network.bias()[sample_K] - torch.from_numpy(correction_K).to(self._device),
            self._own_columns(sample_K, targets_N),
        )
        # log(exp(rest) + exp(target)) - target
        return functional.softplus(rest_N - _target_logits(network, hidden_NE, targets_N, vectors)).mean()

    def _draw(self, uniform: float) -> NDArray[np.int64]:
        grid = np.arange(uniform, self._cumulated_V[-1], 1.0)
        return np.unique(np.searchsorted(self._cumulated_V, grid, side="right"))

    def _own_columns(self, sample_K: Tensor, targets_N: Tensor) -> Tensor:
        """Where each target is in the sample, (N,), -1 where it is not."""
        self._columns_V[sample_K] = torch.arange(len(sample_K), device=self._device)
        own_N = self._columns_V[targets_N]
        self._columns_V[sample_K] = -1
        return own_N


def _target_logits(network: NeuralNetwork, hidden_NE: Tensor, targets_N: Tensor, vectors: OutputVectors) -> Tensor:
    """Logits of the targets alone, (N,) float32."""
    return (hidden_NE * vectors.of_targets).float().sum(-1) + network.bias()[targets_N]


def _inclusion_probs(counts_V: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """min(1, t * weight) with t such that they sum to `size`; `<s>` is never drawn."""
    weights_V = np.maximum(counts_V, 1).astype(np.float64) ** SAMPLING_POWER
    weights_V[START_ID] = 0.0
    certain_V = np.zeros(len(weights_V), bool)
    while True:
        scale = (size - certain_V.sum()) / weights_V[~certain_V].sum()
        probs_V = np.where(certain_V, 1.0, weights_V * scale)
        if not (probs_V > 1).any():
            return probs_V
        certain_V |= probs_V >= 1
