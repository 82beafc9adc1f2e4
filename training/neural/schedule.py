"""How far training is, and the learning rate there."""

from __future__ import annotations

from dataclasses import dataclass

from training.config_networks import NeuralConfig

WARM_UP = 0.04  # share of training in which the learning rate rises


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When training ends: whichever comes first.

    Attributes:
        steps: optimiser steps at most.
        duration_s: seconds at most, validation and interrupted runs included; None leaves it to the steps,
            which makes training repeatable.
    """

    steps: int
    duration_s: float | None

    def progress(self, step: int, elapsed_s: float) -> float:
        """Share of training that is done, in [0, 1]."""
        share = step / self.steps
        if self.duration_s is not None:
            share = max(share, elapsed_s / self.duration_s)
        return min(1.0, share)


def learning_rate(config: NeuralConfig, progress: float) -> float:
    """Rises linearly to the peak, then, but for averaged SGD, falls linearly to 0."""
    rising = min((progress + 1e-3) / WARM_UP, 1.0)
    falling = 1.0 if config.optimizer == "asgd" else (1 - progress) / (1 - WARM_UP)
    return config.learning_rate * min(rising, falling)
