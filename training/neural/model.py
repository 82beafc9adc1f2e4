"""The networks as torch trains them: token vectors, an encoder, an output layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from lm.models.neural import NeuralDescription
from lm.models.reranker import surroundings
from lm.models.vocabulary import BEGIN
from training.config_networks import NeuralConfig
from training.neural.data import Batch

IMPOSSIBLE_LOGIT = -1e9  # of `<s>`, which is never predicted
_CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class RecurrentEncoder(nn.Module):
    """Elman's network, gated recurrent units (Cho et al., 2014) or LSTM (Hochreiter and Schmidhuber, 1997)."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__()
        self.kind = config.kind
        self.dropout, self.weight_drop = config.dropout, config.weight_drop
        widths = [config.embedding_size] + [config.hidden_size] * config.layers
        cell = _CELLS[config.kind]
        # One module a layer: torch's own dropout between layers draws anew at each step of a sentence.
        self.layers = nn.ModuleList(cell(before, after, batch_first=True) for before, after in pairwise(widths))
        self.memories = 2 if config.kind == "lstm" else 1
        self.state_size, self.state_width = self.memories * config.layers, config.hidden_size
        if config.kind == "lstm":  # a forget gate that begins open keeps what was read
            forget = slice(config.hidden_size, 2 * config.hidden_size)
            with torch.no_grad():
                for layer in self.layers:
                    layer.get_parameter("bias_ih_l0")[forget] = 1.0

    def forward(self, vectors_BTE: Tensor, state_SBD: Tensor) -> tuple[Tensor, Tensor]:
        """Reads T tokens.

        Args:
            state_SBD: see `lm.models.neural.NeuralState`.

        Returns:
            The last layer's output after each token, (B, T, H), and the state after the last one.
        """
        count = len(self.layers)
        hidden, after = vectors_BTE, []
        for index, layer in enumerate(self.layers):
            before: Any = tuple(state_SBD[index::count].contiguous()[:, None])  # each (1, B, D)
            hidden, states = self._read(layer, hidden, before if self.memories == 2 else before[0])
            after.append(states if self.memories == 2 else (states,))
            if index + 1 < count:
                hidden = locked_dropout(hidden, self.dropout, training=self.training)
        stacked = torch.cat([states[memory] for memory in range(self.memories) for states in after])
        return hidden, stacked.to(state_SBD.dtype)  # under autocast the cell gives bfloat16

    def _read(self, layer: nn.Module, inputs: Tensor, before: Any) -> Any:
        """One layer; DropConnect on its recurrent weights (Wan et al., 2013; Merity et al., 2018, section 2)."""
        if not self.training or self.weight_drop == 0:
            return layer(inputs, before)
        dropped = nn.functional.dropout(layer.get_parameter("weight_hh_l0"), self.weight_drop)
        return functional_call(layer, {"weight_hh_l0": dropped}, (inputs, before))


class WindowEncoder(nn.Module):
    """The last `window` token vectors, concatenated, through one hidden layer (Bengio et al., 2003)."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__()
        self.window = config.window
        self.hidden = nn.Linear(config.window * config.embedding_size, config.hidden_size)
        self.state_size, self.state_width = config.window - 1, config.embedding_size

    def forward(self, vectors_BTE: Tensor, state_SBD: Tensor) -> tuple[Tensor, Tensor]:
        """As `RecurrentEncoder.forward`; the state holds the vectors before the tokens, oldest first."""
        before_BSE = state_SBD.transpose(0, 1).to(vectors_BTE.dtype)
        all_BNE = torch.cat([before_BSE, vectors_BTE], dim=1)  # N = S + T
        length = vectors_BTE.shape[1]
        seen = torch.cat([all_BNE[:, place : place + length] for place in range(self.window)], dim=-1)
        return torch.tanh(self.hidden(seen)), all_BNE[:, length:].transpose(0, 1).to(state_SBD.dtype)


class Output(NamedTuple):
    """What a network gives for a batch.

    Attributes:
        hidden: vectors for the output layer after each token, (B, T, E).
        state: after the last token, (S, B, D).
        raw: the encoder's output before dropout, (B, T, H), for activation regularisation.
        vectors: the rows of the output layer that were asked for, (K, E).
    """

    hidden: Tensor
    state: Tensor
    raw: Tensor
    vectors: Tensor


class NeuralNetwork(nn.Module):
    """Embedding, encoder, and an output layer that shares the embedding's weights unless told otherwise.

    If the encoder's width differs from the embedding's, a linear projection leads back. So the output layer, which
    costs most when serving, is as wide as the embedding. Tied weights: Press and Wolf (2017).

    Four choices make the first minute of training count: the output bias begins at the logarithm of the tokens'
    frequencies, token vectors are scaled to unit variance where they are inputs (as outputs they must be small),
    forget gates begin open, and the learning rate is high.
    """

    mask: Tensor

    def __init__(self, vocabulary_size: int, config: NeuralConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary_size, config.embedding_size)
        self.encoder = WindowEncoder(config) if config.kind == "window" else RecurrentEncoder(config)
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
        mask_V[BEGIN] = IMPOSSIBLE_LOGIT
        self.register_buffer("mask", mask_V, persistent=False)

    def set_frequencies(self, counts_V: NDArray[np.int64]) -> None:
        """Sets the output bias so that tokens are predicted as often as they are in the training text."""
        frequencies_V = np.maximum(counts_V, 0.5) / counts_V.sum()
        with torch.no_grad():
            self.output_bias.copy_(torch.from_numpy(np.log(frequencies_V)))

    def initial_state(self, batch: int) -> Tensor:
        """The state before a text, (S, B, D)."""
        shape = self.encoder.state_size, batch, self.encoder.state_width
        return torch.zeros(shape, device=self.output_bias.device)

    def inputs(self, batch: Batch) -> Tensor:
        """What the network reads of a batch: the token before each target, (B, T)."""
        return torch.from_numpy(batch.inputs)

    def forward(self, inputs: Tensor, state_SBD: Tensor | None = None, outputs_K: Tensor | None = None) -> Output:
        """Reads T tokens of B sentences.

        Args:
            inputs: see `inputs`.
            state_SBD: before the first token; None: that before a text.
            outputs_K: tokens for which the rows of the output layer are wanted too.
        """
        if state_SBD is None:
            state_SBD = self.initial_state(len(inputs))
        vectors_BTE, vectors_KE = self._embed(inputs, outputs_K)
        raw_BTH, state_SBD = self.encoder(vectors_BTE, state_SBD)
        return self._output(raw_BTH, state_SBD, vectors_KE)

    def _embed(self, tokens_BT: Tensor, outputs_K: Tensor | None) -> tuple[Tensor, Tensor]:
        """The encoder's inputs, (B, T, E), and rows of the output layer, (K, E).

        With tied weights one look-up gives both, because each look-up writes a gradient as large as the vocabulary.
        """
        config = self.config
        outputs_K = tokens_BT.new_zeros(0) if outputs_K is None else outputs_K
        if self.untied is None:
            found = self.embedding(torch.cat([tokens_BT.flatten(), outputs_K]))
            embedded, vectors_KE = torch.split(found, [tokens_BT.numel(), len(outputs_K)])
            embedded = embedded.view(*tokens_BT.shape, -1)
        else:
            embedded, vectors_KE = self.embedding(tokens_BT), nn.functional.embedding(outputs_K, self.untied)
        vectors_BTE = self._drop_tokens(embedded, tokens_BT) * self.input_scale
        share = config.dropout if config.input_dropout is None else config.input_dropout
        return locked_dropout(vectors_BTE, share, training=self.training), vectors_KE

    def _output(self, raw_BTH: Tensor, state_SBD: Tensor, vectors_KE: Tensor) -> Output:
        hidden = raw_BTH if self.projection is None else self.projection(raw_BTH)
        hidden = locked_dropout(hidden, self.config.dropout, training=self.training)
        return Output(hidden, state_SBD, raw_BTH, vectors_KE)

    def _drop_tokens(self, vectors_BTE: Tensor, tokens_BT: Tensor) -> Tensor:
        """Drops whole tokens, all occurrences of each in the batch (Gal and Ghahramani, 2016, section 4.2)."""
        share = self.config.embedding_dropout
        if not self.training or share == 0:
            return vectors_BTE
        ones_V = torch.ones(self.embedding.num_embeddings, dtype=vectors_BTE.dtype, device=vectors_BTE.device)
        return vectors_BTE * nn.functional.dropout(ones_V, share)[tokens_BT][..., None]

    def output_weight(self) -> Tensor:
        """The output layer's vectors, (V, E)."""
        return self.embedding.weight if self.untied is None else self.untied

    def bias(self) -> Tensor:
        """The output layer's bias, (V,), which rules `<s>` out."""
        return self.output_bias + self.mask

    def logits(self, hidden_NE: Tensor) -> Tensor:
        """Logits of all tokens, (N, V)."""
        return nn.functional.linear(hidden_NE, self.output_weight(), self.bias())

    def describe(self) -> NeuralDescription:
        """The content of `neural.json`."""
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


class BidirectionalNetwork(NeuralNetwork):
    """The re-ranker: predicts each token from all other tokens of its sentence.

    One recurrent layer reads the sentence forward, another backward. What the forward layer has read before a place
    and the backward layer after it goes through a layer of rectified linear units, which predicts the token there
    (context2vec: Melamud et al., 2016, section 3.1).
    """

    def __init__(self, vocabulary_size: int, config: NeuralConfig) -> None:
        super().__init__(vocabulary_size, config)
        self.backward_encoder = RecurrentEncoder(config)
        self.combination = nn.Linear(2 * config.hidden_size, config.hidden_size)
        self.projection = nn.Linear(config.hidden_size, config.embedding_size, bias=False)

    def inputs(self, batch: Batch) -> Tensor:
        """See `lm.models.reranker.surroundings`, (3, B, T)."""
        return torch.from_numpy(surroundings(batch.inputs, batch.targets, batch.valid))

    def forward(self, inputs: Tensor, state_SBD: Tensor | None = None, outputs_K: Tensor | None = None) -> Output:
        """As `NeuralNetwork.forward`, but `inputs` are (3, B, T) and `hidden` predicts the token at its own place.

        Args:
            state_SBD: None: each sentence is read by itself.
        """
        assert state_SBD is None
        _, batch, length = inputs.shape
        vectors_NTE, vectors_KE = self._embed(inputs[:2].reshape(2 * batch, length), outputs_K)
        none_SBD = self.initial_state(batch)
        before_BTH, _ = self.encoder(vectors_NTE[:batch], none_SBD)
        after_BTH, _ = self.backward_encoder(vectors_NTE[batch:], none_SBD)
        after_BTH = after_BTH.gather(1, inputs[2][..., None].expand_as(after_BTH))
        both_BTH = torch.cat([before_BTH, after_BTH], dim=-1)
        dropped_BTH = locked_dropout(both_BTH, self.config.dropout, training=self.training)
        return self._output(torch.relu(self.combination(dropped_BTH)), none_SBD, vectors_KE)

    def describe(self) -> NeuralDescription:
        """See `NeuralNetwork.describe`."""
        return replace(super().describe(), kind=f"bidirectional {self.config.kind}", layers=2)


def network_class(settings: dict[str, Any]) -> type[NeuralNetwork]:
    """The class of network that a run with these settings trains."""
    return BidirectionalNetwork if settings.get("bidirectional") else NeuralNetwork


def locked_dropout(values_BTE: Tensor, share: float, *, training: bool) -> Tensor:
    """Drops the same components at all steps of a sentence (Gal and Ghahramani, 2016, section 4).

    It also draws far fewer random numbers than dropout of every value would.
    """
    if not training or share == 0:
        return values_BTE
    batch, _, width = values_BTE.shape
    ones_B1E = torch.ones(batch, 1, width, dtype=values_BTE.dtype, device=values_BTE.device)
    return values_BTE * nn.functional.dropout(ones_B1E, share)
