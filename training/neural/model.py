"""The neural language model as torch trains it: token vectors, an encoder, an output layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lm.models.neural import NeuralDescription
from training.config_networks import NeuralConfig
from training.neural.encoders import locked_dropout, make_encoder

if TYPE_CHECKING:
    from training.neural.batches import Batch

START_ID = 1
END_ID = 2
IMPOSSIBLE_LOGIT = -1e9  # of `<s>`, which is never predicted


class OutputVectors(NamedTuple):
    """Rows of the output layer.

    Attributes:
        drawn: ids of tokens that stand for all, (K,), or None.
        of_drawn: their vectors, (K, embedding_size); none where none were drawn.
        of_targets: the targets' vectors, (N, embedding_size).
    """

    drawn: Tensor | None
    of_drawn: Tensor
    of_targets: Tensor


class Output(NamedTuple):
    """What the model gives for a batch.

    Attributes:
        hidden: vectors for the output layer after each token, (B, T, embedding_size).
        state: after the last token, (S, B, D).
        raw: the encoder's output before dropout, (B, T, hidden_size); what activation regularisation looks at.
        vectors: those of the output layer that were asked for.
    """

    hidden: Tensor
    state: Tensor
    raw: Tensor
    vectors: OutputVectors


class NeuralNetwork(nn.Module):
    """Embedding, encoder, and an output layer that shares the embedding's weights unless told otherwise.

    Where the encoder is wider or narrower than the embedding a linear projection leads back, so the output
    layer, which costs most when serving, is as wide as the embedding. Tied weights: Press and Wolf (2017).

    How it begins decides what a minute of training gives. On 0.6 M words, 20,000 of them different, the
    perplexity fell from 454 to 192 with the output bias begun at the logarithm of the tokens' frequencies,
    to 150 with token vectors scaled towards unit variance where they are inputs (as outputs they must be
    small), and to 135 with memory kept at first (the forget gates' bias 1) and a higher learning rate.
    """

    mask: Tensor

    def __init__(self, vocabulary_size: int, config: NeuralConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary_size, config.embedding_size)
        self.encoder = make_encoder(config)
        self.projection: nn.Linear | None = None
        if config.hidden_size != config.embedding_size:
            self.projection = nn.Linear(config.hidden_size, config.embedding_size, bias=False)
        self.output_bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.input_scale = math.sqrt(config.embedding_size)
        nn.init.normal_(self.embedding.weight, std=1 / self.input_scale)
        self.untied: nn.Parameter | None = None
        if not config.tie_weights:
            self.untied = nn.Parameter(torch.empty_like(self.embedding.weight).normal_(std=1 / self.input_scale))
        mask_V = torch.zeros(vocabulary_size)
        mask_V[START_ID] = IMPOSSIBLE_LOGIT
        self.register_buffer("mask", mask_V, persistent=False)

    def initial_state(self, batch: int) -> Tensor:
        """The state before a text, (S, B, D)."""
        shape = self.encoder.state_size, batch, self.encoder.state_width
        return torch.zeros(shape, device=self.output_bias.device)

    def inputs(self, batch: Batch) -> Tensor:
        """What the network reads of a batch: the tokens before its targets, (B, T)."""
        return torch.from_numpy(batch.inputs)

    def forward(
        self,
        inputs: Tensor,
        state_SBD: Tensor | None = None,
        drawn_K: Tensor | None = None,
        targets_N: Tensor | None = None,
    ) -> Output:
        """Reads T tokens of B sentences.

        Args:
            inputs: see `inputs`.
            drawn_K, targets_N: tokens whose output vectors are wanted too.
        """
        if state_SBD is None:
            state_SBD = self.initial_state(len(inputs))
        vectors_BTE, vectors = self.embed(inputs, drawn_K, targets_N)
        raw_BTH, state_SBD = self.encoder(vectors_BTE, state_SBD)
        return self.output(raw_BTH, state_SBD, vectors)

    def embed(
        self, tokens_BT: Tensor, drawn_K: Tensor | None, targets_N: Tensor | None
    ) -> tuple[Tensor, OutputVectors]:
        """The encoder's inputs, (B, T, embedding_size), and vectors of the output layer.

        Tied, they are looked up together: each look-up would write a gradient of its own, as large as the vocabulary
        (55 ms of a step of 215 with 33,000 tokens of width 512, three look-ups).
        """
        config = self.config
        targets_N = tokens_BT.new_zeros(0) if targets_N is None else targets_N
        if self.untied is None:
            none = tokens_BT.new_zeros(0)
            ids = (tokens_BT.flatten(), none if drawn_K is None else drawn_K, targets_N)
            found = torch.split(self.embedding(torch.cat(ids)), [len(part) for part in ids])
            embedded, vectors = found[0].view(*tokens_BT.shape, -1), OutputVectors(drawn_K, *found[1:])
        else:
            embedded, vectors = self.embedding(tokens_BT), self.output_vectors(drawn_K, targets_N)
        vectors_BTE = self._drop_tokens(embedded, tokens_BT) * self.input_scale
        share = config.dropout if config.input_dropout is None else config.input_dropout
        return locked_dropout(vectors_BTE, share, training=self.training), vectors

    def output(self, raw_BTH: Tensor, state_SBD: Tensor, vectors: OutputVectors) -> Output:
        """What the network gives, from the encoder's output."""
        hidden = raw_BTH if self.projection is None else self.projection(raw_BTH)
        hidden = locked_dropout(hidden, self.config.dropout, training=self.training)
        return Output(hidden, state_SBD, raw_BTH, vectors)

    def output_vectors(self, drawn_K: Tensor | None, targets_N: Tensor) -> OutputVectors:
        """The output layer's vectors of some tokens."""
        none = targets_N.new_zeros(0)
        ids = (none if drawn_K is None else drawn_K, targets_N)
        found = torch.split(nn.functional.embedding(torch.cat(ids), self.output_weight()), [len(part) for part in ids])
        return OutputVectors(drawn_K, *found)

    def _drop_tokens(self, vectors_BTE: Tensor, tokens_BT: Tensor) -> Tensor:
        """Drops whole tokens, all occurrences of each in the batch (Gal and Ghahramani, 2016, section 4.2)."""
        share = self.config.embedding_dropout
        if not self.training or share == 0:
            return vectors_BTE
        ones_V = torch.ones(self.embedding.num_embeddings, dtype=vectors_BTE.dtype, device=vectors_BTE.device)
        return vectors_BTE * nn.functional.dropout(ones_V, share)[tokens_BT][..., None]

    def expect(self, counts_V: NDArray[np.int64]) -> None:
        """Sets the output bias so that tokens are predicted as often as they are in the training text."""
        frequencies_V = np.maximum(counts_V, 0.5) / counts_V.sum()
        with torch.no_grad():
            self.output_bias.copy_(torch.from_numpy(np.log(frequencies_V)))

    def output_weight(self) -> Tensor:
        """The output layer's vectors, (V, embedding_size)."""
        return self.embedding.weight if self.untied is None else self.untied

    def bias(self) -> Tensor:
        """The output layer's bias, (V,), which rules `<s>` out."""
        return self.output_bias + self.mask

    def logits(self, hidden_NE: Tensor) -> Tensor:
        """Logits of all tokens, (N, V)."""
        return nn.functional.linear(hidden_NE, self.output_weight(), self.bias())

    def describe(self) -> NeuralDescription:
        """What `neural.json` will say."""
        config = self.config
        return NeuralDescription(
            kind=config.kind,
            vocabulary_size=self.embedding.num_embeddings,
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            layers=1 if config.kind == "window" else config.layers,
            state_size=self.encoder.state_size,
            state_width=self.encoder.state_width,
            carries_state=config.carry_state,
            parameter_count=sum(parameter.numel() for parameter in self.parameters()),
        )
