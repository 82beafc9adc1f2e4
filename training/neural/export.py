"""Writes trained weights as the files that serving opens."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from lm.arrays import save_array
from lm.models.neural import DESCRIPTION_FILE, OUTPUT_FILE, RECURRENT_FILE, SHORT_LIST_FILE, SHORT_LIST_TOKENS_FILE
from training.config_networks import NeuralConfig
from training.neural import graphs
from training.neural.checkpoint import Checkpoint
from training.neural.model import BidirectionalNetwork, NeuralNetwork, WindowEncoder, network_class


def export_neural(work: Path, out_folder: Path, short_list: NDArray[np.int32] | None = None) -> None:
    """Writes the best weights of a finished run as `NeuralModel` or `Reranker` of `lm.models` opens them.

    Args:
        short_list: tokens for which the output layer is written once more, by itself; ascending (S,).

    Raises:
        InputError: there is no finished run in the folder.
    """
    checkpoint = Checkpoint.load_finished(work)
    settings = checkpoint.settings
    config = NeuralConfig(**{name: settings[name] for name in NeuralConfig.model_fields if name in settings})
    network = network_class(settings)(settings["vocabulary_size"], config)
    network.load_state_dict(checkpoint.best_model)
    write_model(network, out_folder)
    if short_list is not None:
        weight_SE, bias_S = _array(network.output_weight())[short_list], _array(network.bias())[short_list]
        save_array(out_folder / SHORT_LIST_TOKENS_FILE, short_list)
        (out_folder / SHORT_LIST_FILE).write_bytes(graphs.short_list(weight_SE, bias_S))


def write_model(network: NeuralNetwork, out_folder: Path) -> None:
    """Quantises a network and writes both graphs and their description. Equal weights give equal bytes."""
    out_folder.mkdir(parents=True, exist_ok=True)
    output = graphs.output(_array(network.output_weight()), _array(network.bias()))
    (out_folder / RECURRENT_FILE).write_bytes(_reader(network))
    (out_folder / OUTPUT_FILE).write_bytes(output)
    description = json.dumps(asdict(network.describe()), indent=1) + "\n"
    (out_folder / DESCRIPTION_FILE).write_text(description, encoding="utf-8")


def _reader(network: NeuralNetwork) -> bytes:
    """The graph that reads tokens; the scale of inputs goes into the first weights that meet them."""
    kind, scale = network.config.kind, np.float32(network.input_scale)
    embedding_VE = _array(network.embedding.weight)
    projection_HE = None if network.projection is None else _array(network.projection.weight).T
    if isinstance(network, BidirectionalNetwork):
        encoders = (network.encoder, network.backward_encoder)
        ahead, back = (_layer(kind, encoder.get_submodule("layers.0"), scale) for encoder in encoders)
        combination = _array(network.combination.weight).T, _array(network.combination.bias)
        assert projection_HE is not None
        return graphs.bidirectional(embedding_VE, (ahead, back), combination, projection_HE)
    if isinstance(network.encoder, WindowEncoder):
        hidden = network.encoder.hidden
        return graphs.window(embedding_VE * scale, _array(hidden.weight).T, _array(hidden.bias), projection_HE)
    scales = [scale] + [np.float32(1)] * len(network.encoder.layers)
    layers = [_layer(kind, *pair) for pair in zip(network.encoder.layers, scales, strict=False)]
    return graphs.recurrent(embedding_VE, layers, projection_HE)


def _layer(kind: str, layer: nn.Module, input_scale: np.float32) -> graphs.Layer:
    def weights(name: str) -> NDArray[np.float32]:
        """As (inputs, gates * hidden), gates in the order that the graphs want."""
        columns = _array(layer.get_parameter(f"{name}_l0")).T
        blocks = np.split(columns, len(graphs.GATES[kind]), axis=-1)
        return np.concatenate([blocks[gate] for gate in graphs.GATES[kind]], axis=-1)

    bias, recurrent_bias = weights("bias_ih"), weights("bias_hh")
    two_biases = kind == "gru"  # a gate acts on the recurrent share after its bias was added
    return graphs.Layer(
        kind=kind,
        input=weights("weight_ih") * input_scale,
        recurrent=weights("weight_hh"),
        bias=bias if two_biases else bias + recurrent_bias,
        recurrent_bias=recurrent_bias if two_biases else None,
    )


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return array
