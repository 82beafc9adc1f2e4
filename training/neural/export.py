"""Export of trained weights to the files that serving opens."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from lm.arrays import save_array
from lm.models.neural import DESCRIPTION_FILE, OUTPUT_FILE, RECURRENT_FILE, SHORT_LIST_FILE, SHORT_LIST_TOKENS_FILE
from training.neural.bidirectional import BidirectionalNetwork
from training.neural.cells import CELLS, LayerWeights
from training.neural.encoders import WindowEncoder
from training.neural.graphs import bidirectional_graph, output_graph, recurrent_graph, short_list_graph, window_graph
from training.neural.model import NeuralNetwork


def write_model(model: NeuralNetwork, out_folder: Path) -> None:
    """Quantises a model and writes both graphs and their description; equal weights give equal bytes."""
    out_folder.mkdir(parents=True, exist_ok=True)
    description = json.dumps(asdict(model.describe()), indent=1) + "\n"
    _write(out_folder / RECURRENT_FILE, _reader(model))
    _write(out_folder / OUTPUT_FILE, output_graph(_array(model.output_weight()), _array(model.bias())))
    _write(out_folder / DESCRIPTION_FILE, description.encode())


def write_short_list(model: NeuralNetwork, tokens: NDArray[np.int32], out_folder: Path) -> None:
    """Writes the output layer of some tokens, ids in ascending order (S,), beside the model."""
    weight_SE, bias_S = _array(model.output_weight())[tokens], _array(model.bias())[tokens]
    save_array(out_folder / SHORT_LIST_TOKENS_FILE, tokens)
    _write(out_folder / SHORT_LIST_FILE, short_list_graph(weight_SE, bias_S))


def _reader(model: NeuralNetwork) -> bytes:
    embedding_VE = _array(model.embedding.weight)
    projection_HE = None if model.projection is None else _array(model.projection.weight).T
    encoder, scale = model.encoder, np.float32(model.input_scale)
    if isinstance(model, BidirectionalNetwork):
        return _bidirectional(model, scale)
    if isinstance(encoder, WindowEncoder):
        weight_FH, bias_H = _array(encoder.hidden.weight).T, _array(encoder.hidden.bias)
        return window_graph(embedding_VE * scale, weight_FH, bias_H, projection_HE)
    cell = CELLS[encoder.kind]
    scales = [scale] + [np.float32(1)] * len(encoder.layers)
    layers = [
        _layer(layer, scales[index], two_biases=cell.two_biases).gates(cell.order)
        for index, layer in enumerate(encoder.layers)
    ]
    return recurrent_graph(cell, embedding_VE, layers, projection_HE)


def _bidirectional(model: BidirectionalNetwork, scale: np.float32) -> bytes:
    cell = CELLS[model.config.kind]
    ahead, back = (
        _layer(encoder.get_submodule("layers.0"), scale, two_biases=cell.two_biases).gates(cell.order)
        for encoder in (model.encoder, model.backward_encoder)
    )
    combination = _array(model.combination.weight).T, _array(model.combination.bias)
    projection_HE = _array(model.get_parameter("projection.weight")).T
    return bidirectional_graph(cell, _array(model.embedding.weight), (ahead, back), combination, projection_HE)


def _layer(layer: nn.Module, input_scale: np.float32, *, two_biases: bool) -> LayerWeights:
    bias, recurrent_bias = _array(layer.get_parameter("bias_ih_l0")), _array(layer.get_parameter("bias_hh_l0"))
    return LayerWeights(
        input=_array(layer.get_parameter("weight_ih_l0")).T * input_scale,
        recurrent=_array(layer.get_parameter("weight_hh_l0")).T,
        bias=bias if two_biases else bias + recurrent_bias,
        recurrent_bias=recurrent_bias if two_biases else None,
    )


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return array


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(path.name + ".part")
    aside.write_bytes(content)
    aside.replace(path)
