"""Export of trained weights to the files that serving opens."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lm.neural import DESCRIPTION_FILE, OUTPUT_FILE, RECURRENT_FILE
from training.neural.graphs import LayerWeights, output_graph, recurrent_graph
from training.neural.model import RecurrentModel


def write_model(model: RecurrentModel, out_folder: Path) -> None:
    """Quantises a model and writes both graphs and their description; equal weights give equal bytes."""
    out_folder.mkdir(parents=True, exist_ok=True)
    embedding_VE = _array(model.embedding.weight)
    projection_HE = None if model.projection is None else _array(model.projection.weight).T
    layers = [_layer(model, index, model.input_scale if index == 0 else 1.0) for index in range(model.lstm.num_layers)]
    description = json.dumps(asdict(model.describe()), indent=1) + "\n"
    _write(out_folder / RECURRENT_FILE, recurrent_graph(embedding_VE, layers, projection_HE))
    _write(out_folder / OUTPUT_FILE, output_graph(embedding_VE, _array(model.bias())))
    _write(out_folder / DESCRIPTION_FILE, description.encode())


def _layer(model: RecurrentModel, index: int, input_scale: float) -> LayerWeights:
    def gates(name: str) -> NDArray[np.float32]:
        """torch stacks the gates input, forget, cell, output; the graph wants the three sigmoids together."""
        into, keep, candidate, out = np.split(_array(getattr(model.lstm, f"{name}_l{index}")), 4)
        return np.concatenate([into, keep, out, candidate])

    return LayerWeights(
        input=gates("weight_ih").T * np.float32(input_scale),
        recurrent=gates("weight_hh").T,
        bias=gates("bias_ih") + gates("bias_hh"),
    )


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return array


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(path.name + ".part")
    aside.write_bytes(content)
    aside.replace(path)
