"""The ONNX graphs that serving runs, with int8 weights.

They are written operator by operator, because torch's exporter gives an LSTM node that ONNX Runtime's quantisation
either leaves in float32 or turns into one with scales that depend on the whole batch. Here each row is quantised by
itself, so a result depends on nothing else in its batch, and equal weights give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = NDArray[np.float32]

OPSET, IR_VERSION = 21, 10
# Activations lie in [1, 127] around 64, one bit fewer than they could: processors without VNNI add two
# products of uint8 and int8 in 16 bits, which 127 * 127 * 2 fits and 255 * 127 * 2 does not.
ACTIVATION_LEVELS, ACTIVATION_ZERO = 63, 64
WEIGHT_LEVELS = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One recurrent layer; columns are gates, each `hidden` wide, in the order of `GATES`.

    Attributes:
        kind: `lstm`, `gru` or `rnn`.
        input: (width of the layer's input, gates * hidden).
        recurrent: (hidden, gates * hidden).
        bias: (gates * hidden,), added to the input's share.
        recurrent_bias: (gates * hidden,), added to the recurrent share; None if `bias` holds it already.
    """

    kind: str
    input: Weights
    recurrent: Weights
    bias: Weights
    recurrent_bias: Weights | None


def recurrent(embedding_VE: Weights, layers: Sequence[Layer], projection_HE: Weights | None) -> bytes:
    """Tokens (B, T) and state (S, B, H) to hidden (B, T, E) and next_state (S, B, H)."""
    graph, memories = _Graph(), len(_MEMORIES[layers[0].kind])
    inputs, input_scales = graph.gather_rows(graph.quantized_rows(embedding_VE), "tokens")
    hidden = ""
    after: list[list[str]] = []
    for index, layer in enumerate(layers):
        if index:
            inputs, input_scales = graph.quantize_bounded(hidden)
        before = [graph.Gather("state", memory * len(layers) + index, axis=0) for memory in range(memories)]
        *states, hidden = graph.scan(layer, inputs, input_scales, before)
        after.append(states)
    if projection_HE is not None:
        hidden = graph.MatMul(hidden, projection_HE)
    stacked = [graph.Unsqueeze(states[memory], [0]) for memory in range(memories) for states in after]
    graph.Identity(graph.Transpose(hidden, perm=[1, 0, 2]), name="hidden")
    graph.Concat(*stacked, axis=0, name="next_state")
    shape = (len(stacked), "B", len(layers[0].recurrent))
    return graph.model(
        [_int64("tokens", "B", "T"), _float("state", *shape)],
        [_float("hidden", "B", "T", embedding_VE.shape[1]), _float("next_state", *shape)],
    )


def bidirectional(
    embedding_VE: Weights, layers: tuple[Layer, Layer], combination: tuple[Weights, Weights], projection_HE: Weights
) -> bytes:
    """Surroundings (3, B, T), as `lm.models.reranker` makes them, to hidden (B, T, E), which predicts each place.

    Args:
        layers: forward and backward.
        combination: weights (2H, H) and bias (H,) of the layer that puts both together.
    """
    graph, read = _Graph(), []
    embedding = graph.quantized_rows(embedding_VE)
    batch = graph.Shape("surroundings", start=1, end=2)
    for index, layer in enumerate(layers):
        tokens_BT = graph.Gather("surroundings", index, axis=0)
        none = graph.ConstantOfShape(graph.Concat(batch, [len(layer.recurrent)], axis=0))
        before = [none] * len(_MEMORIES[layer.kind])
        *_, hidden_TBH = graph.scan(layer, *graph.gather_rows(embedding, tokens_BT), before)
        read.append(graph.Transpose(hidden_TBH, perm=[1, 0, 2]))
    place_BT1 = graph.Unsqueeze(graph.Gather("surroundings", 2, axis=0), [2])
    before_BTH, after_BTH = read[0], graph.GatherND(read[1], place_BT1, batch_dims=1)
    both = graph.quantize_bounded(graph.Concat(before_BTH, after_BTH, axis=2))
    weight_FH, bias_H = combination
    combined = graph.Relu(graph.Add(graph.product(*both, weight_FH), bias_H))
    graph.Identity(graph.product(*graph.quantize_each_row(combined), projection_HE), name="hidden")
    return graph.model([_int64("surroundings", 3, "B", "T")], [_float("hidden", "B", "T", embedding_VE.shape[1])])


def window(embedding_VE: Weights, weight_FH: Weights, bias_H: Weights, projection_HE: Weights | None) -> bytes:
    """Tokens (B, T) and state (S, B, E), the S token vectors before, to hidden (B, T, E) and next_state.

    Args:
        embedding_VE: token vectors as the hidden layer wants them.
        weight_FH: of the hidden layer; F = (S + 1) * E, the oldest token first.
    """
    graph, width = _Graph(), embedding_VE.shape[1]
    places = range(len(weight_FH) // width)
    vectors_BTE = graph.Cast(graph.Gather(embedding_VE.astype(np.float16), "tokens"), to=TensorProto.FLOAT)
    all_BNE = graph.Concat(graph.Transpose("state", perm=[1, 0, 2]), vectors_BTE, axis=1)
    length = graph.Shape("tokens", start=1, end=2)
    views = [graph.Slice(all_BNE, [place], graph.Add([place], length), [1]) for place in places]
    product = graph.product(*graph.quantize_each_row(graph.Concat(*views, axis=2)), weight_FH)
    hidden = graph.Tanh(graph.Add(product, bias_H))
    if projection_HE is not None:
        hidden = graph.MatMul(hidden, projection_HE)
    graph.Identity(hidden, name="hidden")
    kept = graph.Slice(all_BNE, length, graph.Shape(all_BNE, start=1, end=2), [1])
    graph.Transpose(kept, perm=[1, 0, 2], name="next_state")
    shape = (len(places) - 1, "B", width)
    return graph.model(
        [_int64("tokens", "B", "T"), _float("state", *shape)],
        [_float("hidden", "B", "T", width), _float("next_state", *shape)],
    )


def output(weight_VE: Weights, bias_V: Weights) -> bytes:
    """Hidden (N, E) and targets (N,) to log_probs (N, V) and target_log_probs (N,); a call can ask for one of them."""
    graph = _Graph()
    vocabulary_size, width = weight_VE.shape
    log_probs = graph.LogSoftmax(graph.logits(weight_VE, bias_V), axis=-1, name="log_probs")
    picked = graph.GatherElements(log_probs, graph.Unsqueeze("targets", [1]), axis=1)
    graph.Squeeze(picked, [1], name="target_log_probs")
    return graph.model(
        [_float("hidden", "N", width), _int64("targets", "N")],
        [_float("log_probs", "N", vocabulary_size), _float("target_log_probs", "N")],
    )


def short_list(weight_SE: Weights, bias_S: Weights) -> bytes:
    """Hidden (N, E) to the probabilities (N, S) of some tokens, which add up to 1."""
    graph = _Graph()
    graph.Softmax(graph.logits(weight_SE, bias_S), axis=-1, name="probabilities")
    size, width = weight_SE.shape
    return graph.model([_float("hidden", "N", width)], [_float("probabilities", "N", size)])


class _Graph:
    """A graph under construction. `graph.Add(x, y, ...)` adds an operator and returns the name of its result.

    Inputs are names of results, or arrays, numbers and lists of numbers, which become constants.

    Args:
        scope: what names begin with; a body's names must differ from those of the graph around it.
    """

    def __init__(self, scope: str = "") -> None:
        self._scope, self._count = scope, 0
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def __getattr__(self, operator: str) -> Callable[..., str]:
        return partial(self._one, operator)

    def _one(self, operator: str, *inputs: Any, name: str = "", **attributes: Any) -> str:
        return self._add(operator, inputs, [name or self._name(operator)], attributes)[0]

    def _add(self, operator: str, inputs: Sequence[Any], names: list[str], attributes: dict[str, Any]) -> list[str]:
        given = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        self._nodes.append(helper.make_node(operator, given, names, **attributes))
        return names

    def _constant(self, value: Any) -> str:
        name = self._name("constant")
        self._constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{self._scope}{stem}_{self._count}"

    def split(self, values: str, sizes: Sequence[int]) -> list[str]:
        """Parts of the columns of (B, width)."""
        return self._add("Split", (values, sizes), [self._name("Split") for _ in sizes], {"axis": 1})

    def scan(self, layer: Layer, inputs: str, input_scales: str, before: list[str]) -> list[str]:
        """Quantised inputs (T, B, width) and state tensors (B, H) to state tensors and the layer's output (T, B, H)."""
        # the input's share of the gates is computed for all steps at once, outside the loop
        gates = self.Add(self.product(inputs, input_scales, layer.input), layer.bias)
        names = [self._name("Scan") for _ in range(len(before) + 1)]
        return self._add("Scan", [*before, gates], names, {"body": _step(layer), "num_scan_inputs": 1})

    def quantized_rows(self, vectors: Weights) -> tuple[str, str]:
        """Rows (N, width) as activations, each with a scale of its own (N, 1)."""
        scales = _scales(vectors, axis=1, levels=ACTIVATION_LEVELS)
        return self._constant((np.rint(vectors / scales) + ACTIVATION_ZERO).astype(np.uint8)), self._constant(scales)

    def gather_rows(self, rows: tuple[str, str], tokens_BT: str) -> tuple[str, str]:
        """What `quantized_rows` gave, of tokens, steps first: (T, B, width) and (T, B, 1)."""
        tokens_TB = self.Transpose(tokens_BT, perm=[1, 0])
        return self.Gather(rows[0], tokens_TB), self.Gather(rows[1], tokens_TB)

    def quantize_bounded(self, values: str) -> tuple[str, str]:
        """Values that lie in [-1, 1], so that their scale is known beforehand; and that scale."""
        scale = self._constant(np.float32(1 / ACTIVATION_LEVELS))
        return self.QuantizeLinear(values, scale, np.uint8(ACTIVATION_ZERO)), scale

    def quantize_each_row(self, values: str) -> tuple[str, str]:
        """Rows (N, width), each with a scale of its own (N, 1)."""
        largest = self.Max(self.ReduceMax(self.Abs(values), [-1], keepdims=1), np.float32(1e-9))
        scales = self.Mul(largest, np.float32(1 / ACTIVATION_LEVELS))
        return self.QuantizeLinear(self.Div(values, scales), np.float32(1), np.uint8(ACTIVATION_ZERO)), scales

    def product(self, values: str, row_scales: str, weights: Weights) -> str:
        """`values @ weights` of quantised values, in float32; each column of the weights is int8 with its own scale."""
        scales = _scales(weights, axis=0, levels=WEIGHT_LEVELS)
        columns = np.rint(weights / scales).astype(np.int8)
        product = self.MatMulInteger(values, columns, np.uint8(ACTIVATION_ZERO))
        return self.Mul(self.Mul(self.Cast(product, to=TensorProto.FLOAT), row_scales), scales.ravel())

    def logits(self, weight_VE: Weights, bias_V: Weights) -> str:
        """Logits (N, V) of the input `hidden`, (N, E)."""
        return self.Add(self.product(*self.quantize_each_row("hidden"), weight_VE.T), bias_V)

    def body(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.GraphProto:
        """The graph as a part of another."""
        return helper.make_graph(self._nodes, "graph", inputs, outputs, self._constants)

    def model(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> bytes:
        """The graph as the content of a file."""
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(
            self.body(inputs, outputs), opset_imports=[opset], ir_version=IR_VERSION, producer_name="autocomplete"
        )
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)


def _scales(weights: Weights, *, axis: int, levels: int) -> Weights:
    largest = np.abs(weights).max(axis=axis, keepdims=True)
    return (np.where(largest > 0, largest, 1) / levels).astype(np.float32)


def _float(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _int64(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.INT64, shape)


def _step(layer: Layer) -> onnx.GraphProto:
    """One step of a layer as the body of a `Scan`.

    State tensors (B, H) and the input's share of the gates (B, gates * H) to state tensors and the output (B, H).
    """
    step, hidden, memories = _Graph("step_"), len(layer.recurrent), _MEMORIES[layer.kind]
    # every kind's output lies in (-1, 1)
    recurrent_share = step.product(*step.quantize_bounded("h_before"), layer.recurrent)
    if layer.recurrent_bias is not None:
        recurrent_share = step.Add(recurrent_share, layer.recurrent_bias)
    state = _CELLS[layer.kind](step, recurrent_share, hidden)
    for memory, value in zip((*memories, "hidden"), (*state, state[0]), strict=True):
        step.Identity(value, name=f"{memory}_after")
    gates = _float("input_gates", "B", len(GATES[layer.kind]) * hidden)
    return step.body(
        [*(_float(f"{memory}_before", "B", hidden) for memory in memories), gates],
        [_float(f"{memory}_after", "B", hidden) for memory in (*memories, "hidden")],
    )


def _lstm(step: _Graph, recurrent_share: str, hidden: int) -> tuple[str, ...]:
    sigmoid_gates, candidate = step.split(step.Add(recurrent_share, "input_gates"), [3 * hidden, hidden])
    into, keep, out = step.split(step.Sigmoid(sigmoid_gates), [hidden] * 3)
    c = step.Add(step.Mul(keep, "c_before"), step.Mul(into, step.Tanh(candidate)))
    return step.Mul(out, step.Tanh(c)), c


def _gru(step: _Graph, recurrent_share: str, hidden: int) -> tuple[str, ...]:
    sigmoid_recurrent, candidate_recurrent = step.split(recurrent_share, [2 * hidden, hidden])
    sigmoid_input, candidate_input = step.split("input_gates", [2 * hidden, hidden])
    reset, keep = step.split(step.Sigmoid(step.Add(sigmoid_recurrent, sigmoid_input)), [hidden] * 2)
    new = step.Tanh(step.Add(candidate_input, step.Mul(reset, candidate_recurrent)))
    return (step.Add(new, step.Mul(keep, step.Sub("h_before", new))),)  # (1 - keep) * new + keep * before


def _rnn(step: _Graph, recurrent_share: str, hidden: int) -> tuple[str, ...]:  # noqa: ARG001
    return (step.Tanh(step.Add(recurrent_share, "input_gates")),)


GATES = {
    "lstm": (0, 1, 3, 2),  # torch stacks input, forget, candidate, output; here the three sigmoids stand together
    "gru": (0, 1, 2),  # reset, update, candidate
    "rnn": (0,),
}
"""Where torch has the gates that the graph of each kind wants first, second and so on."""
_MEMORIES = {"lstm": ("h", "c"), "gru": ("h",), "rnn": ("h",)}
_CELLS = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}
