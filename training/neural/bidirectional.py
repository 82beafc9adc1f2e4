"""The bidirectional network as torch trains it: each token is predicted from all others of its sentence."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from lm.models.neural import NeuralDescription
from lm.models.reranker import surroundings
from training.config_networks import NeuralConfig
from training.neural.batches import Batch
from training.neural.encoders import RecurrentEncoder, locked_dropout
from training.neural.model import NeuralNetwork, Output


class BidirectionalNetwork(NeuralNetwork):
    """Two recurrent layers, of which one reads each sentence from its end.

    The token at a place is predicted from what the forward layer has read before it and the backward layer after
    it, put together by a layer of rectified linear units (context2vec: Melamud et al., 2016, section 3.1).
    """

    def __init__(self, vocabulary_size: int, config: NeuralConfig) -> None:
        super().__init__(vocabulary_size, config)
        self.backward_encoder = RecurrentEncoder(config)
        self.combination = nn.Linear(2 * config.hidden_size, config.hidden_size)
        self.projection = nn.Linear(config.hidden_size, config.embedding_size, bias=False)

    def inputs(self, batch: Batch) -> Tensor:
        """See `lm.models.reranker.surroundings`, (3, B, T)."""
        return torch.from_numpy(surroundings(batch.inputs, batch.targets, batch.valid))

    def forward(
        self,
        inputs: Tensor,
        state_SBD: Tensor | None = None,
        drawn_K: Tensor | None = None,
        targets_N: Tensor | None = None,
    ) -> Output:
        """As `NeuralNetwork.forward`, but `inputs` are (3, B, T), and `hidden` predicts without its target.

        Args:
            state_SBD: None: each sentence is read by itself.
        """
        assert state_SBD is None
        _, batch, length = inputs.shape
        vectors_NTE, vectors = self.embed(inputs[:2].reshape(2 * batch, length), drawn_K, targets_N)
        none_SBD = self.initial_state(batch)
        before_BTH, _ = self.encoder(vectors_NTE[:batch], none_SBD)
        after_BTH, _ = self.backward_encoder(vectors_NTE[batch:], none_SBD)
        after_BTH = after_BTH.gather(1, inputs[2][..., None].expand_as(after_BTH))
        both_BTH = torch.cat([before_BTH, after_BTH], dim=-1)
        dropped_BTH = locked_dropout(both_BTH, self.config.dropout, training=self.training)
        raw_BTH = torch.relu(self.combination(dropped_BTH))
        return self.output(raw_BTH, none_SBD, vectors)

    def describe(self) -> NeuralDescription:
        """See `NeuralNetwork.describe`."""
        return replace(super().describe(), kind=f"bidirectional {self.config.kind}", layers=2)
