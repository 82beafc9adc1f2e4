"""The ONNX graphs that serving runs, written out node by node.

torch's exporter gives an LSTM node that `quantize_dynamic` leaves in fp32, or turns into one whose scales
depend on the whole batch. Written by hand the graphs are small, equal weights give equal bytes, and every
row is computed for itself. Against ONNX Runtime's DynamicQuantizeLSTM, hidden 256 on one core:
0.035 / 0.33 ms a step of 1 sentence / 6 steps of 10 sentences, where that takes 0.027 / 0.31.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.neural.cells import Cell, LayerWeights
from training.neural.onnx_builder import GraphBuilder, float_tensor, int64_tensor
from training.neural.quantize import quantize_columns, quantize_rows


def recurrent_graph(
    cell: Cell,
    embedding_VE: NDArray[np.float32],
    layers: list[LayerWeights],
    projection_HE: NDArray[np.float32] | None,
) -> bytes:
    """Tokens (B, T) and state (S, B, H) to hidden (B, T, E) and next_state (S, B, H)."""
    graph = GraphBuilder()
    rows, scales = (graph.constant(part) for part in quantize_rows(embedding_VE))
    tokens_TB = graph.one("Transpose", "tokens", perm=[1, 0])
    inputs, input_scales = graph.one("Gather", rows, tokens_TB), graph.one("Gather", scales, tokens_TB)
    hidden = ""
    after: list[list[str]] = []
    for index, layer in enumerate(layers):
        if index:
            inputs, input_scales = graph.quantize_bounded(hidden)
        places = (graph.constant(np.array(memory * len(layers) + index)) for memory in range(cell.memories))
        before = [graph.one("Gather", "state", place, axis=0) for place in places]
        *states, hidden = _layer(graph, cell, layer, inputs, input_scales, before)
        after.append(states)
    if projection_HE is not None:
        hidden = graph.one("MatMul", hidden, graph.constant(projection_HE))
    axis_0 = graph.constant(np.array([0]))
    stacked = [graph.one("Unsqueeze", states[memory], axis_0) for memory in range(cell.memories) for states in after]
    graph.name_output(graph.one("Transpose", hidden, perm=[1, 0, 2]), "hidden")
    graph.name_output(graph.one("Concat", *stacked, axis=0), "next_state")
    shape = (cell.memories * len(layers), "B", layers[0].hidden)
    return graph.model(
        "recurrent",
        [int64_tensor("tokens", "B", "T"), float_tensor("state", *shape)],
        [float_tensor("hidden", "B", "T", embedding_VE.shape[1]), float_tensor("next_state", *shape)],
    )


def _layer(
    graph: GraphBuilder, cell: Cell, layer: LayerWeights, inputs: str, input_scales: str, before: list[str]
) -> list[str]:
    """Quantised inputs (T, B, width) and state tensors (B, H) to state tensors and the layer's output (T, B, H)."""
    gates = graph.integer_product(inputs, input_scales, quantize_columns(layer.input))
    gates = graph.one("Add", gates, graph.constant(layer.bias))
    return graph.node("Scan", *before, gates, outputs=cell.memories + 1, body=cell.body(layer), num_scan_inputs=1)


def bidirectional_graph(
    cell: Cell,
    embedding_VE: NDArray[np.float32],
    layers: tuple[LayerWeights, LayerWeights],
    combination: tuple[NDArray[np.float32], NDArray[np.float32]],
    projection_HE: NDArray[np.float32],
) -> bytes:
    """Surroundings (3, B, T), as `lm.models.reranker` makes them, to hidden (B, T, E), which predicts each place.

    Args:
        layers: forward and backward.
        combination: weights (2H, H) and bias (H,) of the layer that puts both together.
    """
    graph = GraphBuilder()
    rows, scales = (graph.constant(part) for part in quantize_rows(embedding_VE))
    read = []
    for index, layer in enumerate(layers):
        tokens_BT = graph.one("Gather", "surroundings", graph.constant(np.array(index)), axis=0)
        tokens_TB = graph.one("Transpose", tokens_BT, perm=[1, 0])
        inputs, input_scales = graph.one("Gather", rows, tokens_TB), graph.one("Gather", scales, tokens_TB)
        batch = graph.one("Shape", "surroundings", start=1, end=2)
        shape = graph.one("Concat", batch, graph.constant(np.array([layer.hidden])), axis=0)
        before = [graph.one("ConstantOfShape", shape)] * cell.memories
        *_, hidden_TBH = _layer(graph, cell, layer, inputs, input_scales, before)
        read.append(graph.one("Transpose", hidden_TBH, perm=[1, 0, 2]))
    place_BT = graph.one("Gather", "surroundings", graph.constant(np.array(2)), axis=0)
    place_BT1 = graph.one("Unsqueeze", place_BT, graph.constant(np.array([2])))
    before_BTH, after_BTH = read[0], graph.one("GatherND", read[1], place_BT1, batch_dims=1)
    both, scale = graph.quantize_bounded(graph.one("Concat", before_BTH, after_BTH, axis=2))
    weight_FH, bias_H = combination
    combined = graph.integer_product(both, scale, quantize_columns(weight_FH))
    combined = graph.one("Relu", graph.one("Add", combined, graph.constant(bias_H)))
    values, row_scales = graph.quantize_each_row(combined)
    graph.name_output(graph.integer_product(values, row_scales, quantize_columns(projection_HE)), "hidden")
    return graph.model(
        "bidirectional",
        [int64_tensor("surroundings", 3, "B", "T")],
        [float_tensor("hidden", "B", "T", embedding_VE.shape[1])],
    )


def window_graph(
    embedding_VE: NDArray[np.float32],
    weight_FH: NDArray[np.float32],
    bias_H: NDArray[np.float32],
    projection_HE: NDArray[np.float32] | None,
) -> bytes:
    """Tokens (B, T) and state (S, B, E), the S token vectors before, to hidden (B, T, E) and next_state.

    Args:
        embedding_VE: token vectors as the hidden layer wants them.
        weight_FH: of the hidden layer; F = (S + 1) * E, the oldest token first.
    """
    graph = GraphBuilder()
    width = embedding_VE.shape[1]
    window = len(weight_FH) // width
    vectors_BTE = graph.one("Gather", graph.constant(embedding_VE.astype(np.float16)), "tokens")
    vectors_BTE = graph.one("Cast", vectors_BTE, to=1)
    before_BSE = graph.one("Transpose", "state", perm=[1, 0, 2])
    all_BNE = graph.one("Concat", before_BSE, vectors_BTE, axis=1)
    axis_1 = graph.constant(np.array([1]))
    length = graph.one("Shape", "tokens", start=1, end=2)
    end = graph.one("Shape", all_BNE, start=1, end=2)
    offsets = [graph.constant(np.array([place])) for place in range(window)]
    views = [graph.one("Slice", all_BNE, place, graph.one("Add", place, length), axis_1) for place in offsets]
    values, scales = graph.quantize_each_row(graph.one("Concat", *views, axis=2))
    product = graph.integer_product(values, scales, quantize_columns(weight_FH))
    hidden = graph.one("Tanh", graph.one("Add", product, graph.constant(bias_H)))
    if projection_HE is not None:
        hidden = graph.one("MatMul", hidden, graph.constant(projection_HE))
    graph.name_output(hidden, "hidden")
    kept = graph.one("Slice", all_BNE, length, end, axis_1)
    graph.name_output(graph.one("Transpose", kept, perm=[1, 0, 2]), "next_state")
    shape = (window - 1, "B", width)
    return graph.model(
        "window",
        [int64_tensor("tokens", "B", "T"), float_tensor("state", *shape)],
        [float_tensor("hidden", "B", "T", width), float_tensor("next_state", *shape)],
    )


def output_graph(weight_VE: NDArray[np.float32], bias_V: NDArray[np.float32]) -> bytes:
    """Hidden (N, E) and targets (N,) to log_probs (N, V) and target_log_probs (N,).

    Only what a caller asks for is computed. Vectors are quantised row by row.
    """
    graph = GraphBuilder()
    vocabulary_size, width = weight_VE.shape
    log_probs = graph.one("LogSoftmax", _logits(graph, weight_VE, bias_V), axis=-1)
    graph.name_output(log_probs, "log_probs")
    axis_1 = graph.constant(np.array([1]))
    picked = graph.one("GatherElements", log_probs, graph.one("Unsqueeze", "targets", axis_1), axis=1)
    graph.name_output(graph.one("Squeeze", picked, axis_1), "target_log_probs")
    return graph.model(
        "output",
        [float_tensor("hidden", "N", width), int64_tensor("targets", "N")],
        [float_tensor("log_probs", "N", vocabulary_size), float_tensor("target_log_probs", "N")],
    )


def short_list_graph(weight_SE: NDArray[np.float32], bias_S: NDArray[np.float32]) -> bytes:
    """Hidden (N, E) to the probabilities (N, S) of some tokens, which add up to 1."""
    graph = GraphBuilder()
    graph.name_output(graph.one("Softmax", _logits(graph, weight_SE, bias_S), axis=-1), "probabilities")
    size, width = weight_SE.shape
    return graph.model("short_list", [float_tensor("hidden", "N", width)], [float_tensor("probabilities", "N", size)])


def _logits(graph: GraphBuilder, weight_VE: NDArray[np.float32], bias_V: NDArray[np.float32]) -> str:
    values, row_scales = graph.quantize_each_row("hidden")
    logits = graph.integer_product(values, row_scales, quantize_columns(weight_VE.T))
    return graph.one("Add", logits, graph.constant(bias_V))
