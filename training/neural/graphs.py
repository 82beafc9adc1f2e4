"""The two ONNX graphs that serving runs, written out node by node.

torch's exporter gives an LSTM node that `quantize_dynamic` leaves in fp32, or turns into one whose scales
depend on the whole batch. Written by hand the graphs are small, equal weights give equal bytes, and every
row is computed for itself. Against ONNX Runtime's DynamicQuantizeLSTM, hidden 256 on one core:
0.035 / 0.33 ms a step of 1 sentence / 6 steps of 10 sentences, where that takes 0.027 / 0.31.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.neural.quantize import (
    ACTIVATION_LEVELS,
    ACTIVATION_ZERO,
    QuantizedMatrix,
    quantize_columns,
    quantize_rows,
)

OPSET = 21
IR_VERSION = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWeights:
    """One LSTM layer; columns are the gates input, forget, output, cell, each `hidden` wide.

    Attributes:
        input: (width of the layer's input, 4 * hidden).
        recurrent: (hidden, 4 * hidden).
        bias: (4 * hidden,).
    """

    input: NDArray[np.float32]
    recurrent: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def hidden(self) -> int:
        """Width of the layer's state."""
        return len(self.recurrent)


class _Graph:
    """Nodes and constants as they accumulate; every name is unique."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._count = 0

    def constant(self, value: NDArray[np.generic]) -> str:
        name = self._name("constant")
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        names = [self._name(operator) for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def one(self, operator: str, *inputs: str, **attributes: Any) -> str:
        return self.node(operator, *inputs, **attributes)[0]

    def name_output(self, value: str, name: str) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [name]))

    def integer_product(self, values: str, zero: str, matrix: QuantizedMatrix, row_scales: str) -> str:
        """`values @ matrix` of quantised values, back in float32."""
        product = self.one("MatMulInteger", values, self.constant(matrix.values), zero)
        scaled = self.one("Mul", self.one("Cast", product, to=TensorProto.FLOAT), row_scales)
        return self.one("Mul", scaled, self.constant(matrix.scales))

    def model(self, name: str, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> bytes:
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="autocomplete",
        )
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"


def _float(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def recurrent_graph(
    embedding_VE: NDArray[np.float32],
    layers: list[LayerWeights],
    projection_HE: NDArray[np.float32] | None,
) -> bytes:
    """Tokens (B, T), h and c (L, B, H) to hidden (B, T, E), next_h and next_c (L, B, H)."""
    graph = _Graph()
    zero = graph.constant(np.array(ACTIVATION_ZERO, np.uint8))
    axis_0 = graph.constant(np.array([0]))
    rows, scales = quantize_rows(embedding_VE)
    tokens_TB = graph.one("Transpose", "tokens", perm=[1, 0])
    inputs = graph.one("Gather", graph.constant(rows), tokens_TB)
    input_scales = graph.one("Gather", graph.constant(scales), tokens_TB)
    hidden = ""
    last_h, last_c = [], []
    for index, layer in enumerate(layers):
        if index:
            inputs, input_scales = _quantize_state(graph, hidden, zero)
        gates = graph.integer_product(inputs, zero, quantize_columns(layer.input), input_scales)
        gates = graph.one("Add", gates, graph.constant(layer.bias))
        position = graph.constant(np.array(index))
        h, c, hidden = graph.node(
            "Scan",
            graph.one("Gather", "h", position, axis=0),
            graph.one("Gather", "c", position, axis=0),
            gates,
            outputs=3,
            body=_cell(layer),
            num_scan_inputs=1,
        )
        last_h.append(graph.one("Unsqueeze", h, axis_0))
        last_c.append(graph.one("Unsqueeze", c, axis_0))
    if projection_HE is not None:
        hidden = graph.one("MatMul", hidden, graph.constant(projection_HE))
    graph.name_output(graph.one("Transpose", hidden, perm=[1, 0, 2]), "hidden")
    graph.name_output(graph.one("Concat", *last_h, axis=0), "next_h")
    graph.name_output(graph.one("Concat", *last_c, axis=0), "next_c")
    state = (len(layers), "B", layers[0].hidden)
    return graph.model(
        "recurrent",
        [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, ("B", "T")),
            _float("h", *state),
            _float("c", *state),
        ],
        [
            _float("hidden", "B", "T", embedding_VE.shape[1]),
            _float("next_h", *state),
            _float("next_c", *state),
        ],
    )


def _quantize_state(graph: _Graph, hidden: str, zero: str) -> tuple[str, str]:
    """An LSTM's output lies in (-1, 1), so its scale is known beforehand."""
    scale = graph.constant(np.array(1 / ACTIVATION_LEVELS, np.float32))
    return graph.one("QuantizeLinear", hidden, scale, zero), scale


def _cell(layer: LayerWeights) -> onnx.GraphProto:
    """One step of one layer: h, c (B, H) and the input's share of the gates (B, 4H) to h, c and h again."""
    cell = _Graph()
    zero = cell.constant(np.array(ACTIVATION_ZERO, np.uint8))
    values, scale = _quantize_state(cell, "h_before", zero)
    recurrent = cell.integer_product(values, zero, quantize_columns(layer.recurrent), scale)
    gates = cell.one("Add", recurrent, "input_gates")
    sizes = cell.constant(np.array([3 * layer.hidden, layer.hidden]))
    sigmoid_gates, candidate = cell.node("Split", gates, sizes, outputs=2, axis=1)
    into, keep, out = cell.node("Split", cell.one("Sigmoid", sigmoid_gates), outputs=3, axis=1, num_outputs=3)
    kept = cell.one("Mul", keep, "c_before")
    c = cell.one("Add", kept, cell.one("Mul", into, cell.one("Tanh", candidate)))
    h = cell.one("Mul", out, cell.one("Tanh", c))
    cell.name_output(h, "h_after")
    cell.name_output(c, "c_after")
    cell.name_output(h, "hidden_step")
    state = ("B", layer.hidden)
    return helper.make_graph(
        cell.nodes,
        "cell",
        [
            _float("h_before", *state),
            _float("c_before", *state),
            _float("input_gates", "B", 4 * layer.hidden),
        ],
        [_float("h_after", *state), _float("c_after", *state), _float("hidden_step", *state)],
        cell.constants,
    )


def output_graph(embedding_VE: NDArray[np.float32], bias_V: NDArray[np.float32]) -> bytes:
    """Hidden (N, E) and targets (N,) to log_probs (N, V) and target_log_probs (N,).

    Only what a caller asks for is computed. Vectors are quantised row by row.
    """
    graph = _Graph()
    vocabulary_size, width = embedding_VE.shape
    zero = graph.constant(np.array(ACTIVATION_ZERO, np.uint8))
    largest = graph.one("ReduceMax", graph.one("Abs", "hidden"), graph.constant(np.array([1])), keepdims=1)
    floor = graph.constant(np.array(1e-9, np.float32))
    levels = graph.constant(np.array(1 / ACTIVATION_LEVELS, np.float32))
    row_scales = graph.one("Mul", graph.one("Max", largest, floor), levels)
    values = graph.one(
        "QuantizeLinear",
        graph.one("Div", "hidden", row_scales),
        graph.constant(np.array(1, np.float32)),
        zero,
    )
    logits = graph.integer_product(values, zero, quantize_columns(embedding_VE.T), row_scales)
    logits = graph.one("Add", logits, graph.constant(bias_V))
    log_probs = graph.one("LogSoftmax", logits, axis=-1)
    graph.name_output(log_probs, "log_probs")
    axis_1 = graph.constant(np.array([1]))
    picked = graph.one("GatherElements", log_probs, graph.one("Unsqueeze", "targets", axis_1), axis=1)
    graph.name_output(graph.one("Squeeze", picked, axis_1), "target_log_probs")
    targets = helper.make_tensor_value_info("targets", TensorProto.INT64, ("N",))
    return graph.model(
        "output",
        [_float("hidden", "N", width), targets],
        [_float("log_probs", "N", vocabulary_size), _float("target_log_probs", "N")],
    )
