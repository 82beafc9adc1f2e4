"""Loss on the validation text, always exact: over the whole vocabulary."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from training.config_networks import NeuralConfig
from training.neural.batches import Batch, Pieces, Sentences, batches_in_order
from training.neural.feeds import StreamFeed
from training.neural.loss import FullLoss
from training.neural.model import NeuralNetwork
from training.neural.stepper import BatchLoss

TOKENS = 100_000
LOGITS = 1_000_000_000  # 30,000 tokens of a vocabulary of 33,000: five seconds on two cores
BATCH = 1024
_STREAMS = 8


class Validation:
    """The validation text, or as much of it as is measured in a few seconds."""

    def __init__(self, sentences: Sentences, vocabulary_size: int, config: NeuralConfig, device: torch.device) -> None:
        self._sentences, self._config, self._device = sentences, config, device
        self._limit = min(TOKENS, LOGITS // vocabulary_size)

    def loss(self, network: NeuralNetwork) -> float:
        """Nats a token."""
        network.eval()
        batch_loss = BatchLoss(network, FullLoss(), self._device)
        total, count = 0.0, 0
        state: Tensor | None = None
        with torch.inference_mode():
            for batch in self._batches():
                nats, _, state = batch_loss(batch, state if batch.goes_on else None)
                total += float(nats) * batch.size
                count += batch.size
        return total / count

    def _batches(self) -> Iterator[Batch]:
        if self._config.carry_state:
            feed = StreamFeed(self._sentences, _STREAMS, BATCH // _STREAMS, None, self._limit)
            yield from feed.batches(0, 0)
        else:
            yield from batches_in_order(self._sentences, Pieces.cut(self._sentences, self._limit), BATCH)
