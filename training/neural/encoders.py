"""What reads the tokens of a neural language model: recurrent layers, or a window of the last few tokens.

An encoder turns token vectors (B, T, E) and a state (S, B, D) into `Reading`. States are as
`lm.models.neural.NeuralState`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from training.config_networks import NeuralConfig

_CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Reading(NamedTuple):
    """What an encoder gives.

    Attributes:
        hidden: of the last layer after each token, (B, T, H).
        state: after the last token, (S, B, D).
    """

    hidden: Tensor
    state: Tensor


class RecurrentEncoder(nn.Module):
    """Elman's network, gated recurrent units (Cho et al., 2014) or LSTM (Hochreiter and Schmidhuber, 1997)."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__()
        self.kind = config.kind
        self.dropout = config.dropout
        self.weight_drop = config.weight_drop
        widths = [config.embedding_size] + [config.hidden_size] * config.layers
        cell = _CELLS[config.kind]
        # One module a layer, for torch's own dropout between layers draws anew at each step of a sentence.
        self.layers = nn.ModuleList(cell(before, after, batch_first=True) for before, after in pairwise(widths))
        self.memories = 2 if config.kind == "lstm" else 1
        self.state_size, self.state_width = self.memories * config.layers, config.hidden_size
        if config.kind == "lstm":
            keep = slice(config.hidden_size, 2 * config.hidden_size)
            with torch.no_grad():
                for layer in self.layers:
                    layer.get_parameter("bias_ih_l0")[keep] = 1.0

    def forward(self, vectors_BTE: Tensor, state_SBD: Tensor) -> Reading:
        """Reads T tokens."""
        count = len(self.layers)
        hidden, outs, memories = vectors_BTE, [], []
        for index, layer in enumerate(self.layers):
            before: Any = state_SBD[index : index + 1].contiguous()
            if self.memories == 2:
                before = (before, state_SBD[count + index : count + index + 1].contiguous())
            hidden, after = self._read(layer, hidden, before)
            if self.memories == 2:
                outs.append(after[0])
                memories.append(after[1])
            else:
                outs.append(after)
            if index + 1 < count:
                hidden = locked_dropout(hidden, self.dropout, training=self.training)
        # in the state's own type: under autocast the cell gives bfloat16
        return Reading(hidden, torch.cat(outs + memories).to(state_SBD.dtype))

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

    def forward(self, vectors_BTE: Tensor, state_SBD: Tensor) -> Reading:
        """Reads T tokens; the state holds the vectors before them, oldest first."""
        before_BSE = state_SBD.transpose(0, 1).to(vectors_BTE.dtype)
        all_BNE = torch.cat([before_BSE, vectors_BTE], dim=1)  # N = S + T
        length = vectors_BTE.shape[1]
        seen = torch.cat([all_BNE[:, place : place + length] for place in range(self.window)], dim=-1)
        return Reading(torch.tanh(self.hidden(seen)), all_BNE[:, length:].transpose(0, 1).to(state_SBD.dtype))


def make_encoder(config: NeuralConfig) -> RecurrentEncoder | WindowEncoder:
    """The encoder of the configured kind."""
    return WindowEncoder(config) if config.kind == "window" else RecurrentEncoder(config)


def locked_dropout(values_BTE: Tensor, share: float, *, training: bool) -> Tensor:
    """Drops the same components at all steps of a sentence (Gal and Ghahramani, 2016, section 4).

    It needs few random numbers too: drawing one for each value took 7% of a step.
    """
    if not training or share == 0:
        return values_BTE
    batch, _, width = values_BTE.shape
    ones_B1E = torch.ones(batch, 1, width, dtype=values_BTE.dtype, device=values_BTE.device)
    return values_BTE * nn.functional.dropout(ones_B1E, share)
