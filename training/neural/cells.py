"""One step of one recurrent layer, of each kind, as the body of an ONNX `Scan`.

Gates come in blocks of `hidden` columns. The input's share of them is computed for all steps at once, outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from training.neural.onnx_builder import GraphBuilder, float_tensor
from training.neural.quantize import quantize_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWeights:
    """One recurrent layer; columns are gates, each `hidden` wide, in the order that its kind says.

    Attributes:
        input: (width of the layer's input, gates * hidden).
        recurrent: (hidden, gates * hidden).
        bias: (gates * hidden,), added to the input's share.
        recurrent_bias: (gates * hidden,), added to the recurrent share; None where `bias` can hold it.
    """

    input: NDArray[np.float32]
    recurrent: NDArray[np.float32]
    bias: NDArray[np.float32]
    recurrent_bias: NDArray[np.float32] | None

    @property
    def hidden(self) -> int:
        """Width of the layer's state."""
        return len(self.recurrent)

    def gates(self, order: tuple[int, ...]) -> LayerWeights:
        """The same layer with its gates in another order."""

        def arranged(columns: NDArray[np.float32]) -> NDArray[np.float32]:
            blocks = np.split(columns, len(order), axis=-1)
            return np.concatenate([blocks[gate] for gate in order], axis=-1)

        return LayerWeights(
            input=arranged(self.input),
            recurrent=arranged(self.recurrent),
            bias=arranged(self.bias),
            recurrent_bias=None if self.recurrent_bias is None else arranged(self.recurrent_bias),
        )


def lstm_cell(layer: LayerWeights) -> onnx.GraphProto:
    """Gates input, forget, output, candidate: h, c (B, H) and the input's share (B, 4H) to h, c and h again."""
    cell = GraphBuilder("step_")
    gates = cell.one("Add", _recurrent_share(cell, layer), "input_gates")
    sizes = cell.constant(np.array([3 * layer.hidden, layer.hidden]))
    sigmoid_gates, candidate = cell.node("Split", gates, sizes, outputs=2, axis=1)
    into, keep, out = cell.node("Split", cell.one("Sigmoid", sigmoid_gates), outputs=3, axis=1, num_outputs=3)
    kept = cell.one("Mul", keep, "c_before")
    c = cell.one("Add", kept, cell.one("Mul", into, cell.one("Tanh", candidate)))
    h = cell.one("Mul", out, cell.one("Tanh", c))
    return _body(cell, layer, gates=4, state={"h": h, "c": c}, hidden=h)


def gru_cell(layer: LayerWeights) -> onnx.GraphProto:
    """Gates reset, update, candidate: h (B, H) and the input's share (B, 3H) to h and h again."""
    cell = GraphBuilder("step_")
    sizes = cell.constant(np.array([2 * layer.hidden, layer.hidden]))
    sigmoid_recurrent, recurrent = cell.node("Split", _recurrent_share(cell, layer), sizes, outputs=2, axis=1)
    sigmoid_input, candidate = cell.node("Split", "input_gates", sizes, outputs=2, axis=1)
    gates = cell.one("Sigmoid", cell.one("Add", sigmoid_recurrent, sigmoid_input))
    reset, keep = cell.node("Split", gates, outputs=2, axis=1, num_outputs=2)
    new = cell.one("Tanh", cell.one("Add", candidate, cell.one("Mul", reset, recurrent)))
    # (1 - keep) * new + keep * before
    h = cell.one("Add", new, cell.one("Mul", keep, cell.one("Sub", "h_before", new)))
    return _body(cell, layer, gates=3, state={"h": h}, hidden=h)


def rnn_cell(layer: LayerWeights) -> onnx.GraphProto:
    """h (B, H) and the input's share (B, H) to h and h again."""
    cell = GraphBuilder("step_")
    h = cell.one("Tanh", cell.one("Add", _recurrent_share(cell, layer), "input_gates"))
    return _body(cell, layer, gates=1, state={"h": h}, hidden=h)


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of recurrent layer.

    Attributes:
        order: where torch has the gates that the graph wants first, second, ...
        memories: state tensors of a layer.
        two_biases: whether a gate acts on the recurrent share after its bias, so that it needs its own.
        body: makes the graph of one step.
    """

    order: tuple[int, ...]
    memories: int
    two_biases: bool
    body: Callable[[LayerWeights], onnx.GraphProto]


CELLS = {
    # torch stacks input, forget, candidate, output; the graph wants the three sigmoids together
    "lstm": Cell((0, 1, 3, 2), 2, False, lstm_cell),
    "gru": Cell((0, 1, 2), 1, True, gru_cell),
    "rnn": Cell((0,), 1, False, rnn_cell),
}


def _recurrent_share(cell: GraphBuilder, layer: LayerWeights) -> str:
    values, scale = cell.quantize_bounded("h_before")  # every kind's output lies in (-1, 1)
    product = cell.integer_product(values, scale, quantize_columns(layer.recurrent))
    if layer.recurrent_bias is None:
        return product
    return cell.one("Add", product, cell.constant(layer.recurrent_bias))


def _body(
    cell: GraphBuilder, layer: LayerWeights, *, gates: int, state: dict[str, str], hidden: str
) -> onnx.GraphProto:
    for name, value in state.items():
        cell.name_output(value, f"{name}_after")
    cell.name_output(hidden, "hidden_step")
    shape = ("B", layer.hidden)
    return cell.body(
        "cell",
        [
            *(float_tensor(f"{name}_before", *shape) for name in state),
            float_tensor("input_gates", "B", gates * shape[1]),
        ],
        [*(float_tensor(f"{name}_after", *shape) for name in state), float_tensor("hidden_step", *shape)],
    )
