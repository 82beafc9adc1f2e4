"""Averaged SGD that begins by itself: NT-ASGD (Merity, Keskar and Socher, 2018, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

PATIENCE = 5  # measurements that a better one may be old: the paper's n


class NonMonotonicAverage:
    """The mean of the weights since validation stopped improving; before that there is none.

    Attributes:
        weights: the mean, by parameter; empty before it begins.
        count: steps in it.
    """

    def __init__(self, model: nn.Module, weights: dict[str, Tensor], count: int) -> None:
        self._model = model
        self.weights = {name: value.to(model.get_parameter(name).device) for name, value in weights.items()}
        self.count = count

    def begin_if_due(self, losses: Sequence[float]) -> None:
        """Begins once the newest loss is no better than the best of those before the last `PATIENCE`."""
        if not self.count and len(losses) > PATIENCE and losses[-1] > min(losses[:-PATIENCE]):
            self.weights = {name: value.detach().clone() for name, value in self._model.named_parameters()}
            self.count = 1

    def update(self) -> None:
        """Takes the weights after a step in."""
        if not self.count:
            return
        self.count += 1
        for name, value in self._model.named_parameters():
            self.weights[name].lerp_(value.detach(), 1 / self.count)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model with the mean for its weights, where there is one."""
        if not self.count:
            yield
            return
        kept = {name: value.detach().clone() for name, value in self._model.named_parameters()}
        self._set(self.weights)
        try:
            yield
        finally:
            self._set(kept)

    @torch.no_grad()
    def _set(self, weights: dict[str, Tensor]) -> None:
        for name, value in self._model.named_parameters():
            value.copy_(weights[name])
