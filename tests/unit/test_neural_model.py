"""The exported model against the torch model it was made from."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from lm.errors import BundleDamagedError
from lm.models.neural import NeuralModel
from training.config_networks import NeuralConfig
from training.neural.export import write_model
from training.neural.model import NeuralNetwork

VOCABULARY = 300
Pair = tuple[NeuralNetwork, NeuralModel]
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {"embedding_size": 48, "hidden_size": 48},
    "projected": {"embedding_size": 32, "hidden_size": 64},
    "deep": {"embedding_size": 48, "hidden_size": 48, "layers": 2},
    "untied": {"embedding_size": 48, "hidden_size": 48, "tie_weights": False},
    "gru": {"kind": "gru", "embedding_size": 32, "hidden_size": 48, "layers": 2},
    "rnn": {"kind": "rnn", "embedding_size": 48, "hidden_size": 48},
    "window": {"kind": "window", "embedding_size": 32, "hidden_size": 48, "window": 4},
    "last token": {"kind": "window", "embedding_size": 32, "hidden_size": 32, "window": 1},
}


def torch_model(shape: str) -> NeuralNetwork:
    torch.manual_seed(3)
    model = NeuralNetwork(VOCABULARY, NeuralConfig.model_validate(SHAPES[shape]))
    with torch.no_grad():  # as far from uniform as trained weights are
        model.embedding.weight.mul_(4)
        model.output_bias.normal_()
    return model.eval()


@pytest.fixture(scope="module", params=SHAPES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    model = torch_model(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    write_model(model, folder)
    return model, NeuralModel(folder)


def random_tokens(*shape: int) -> NDArray[np.int64]:
    return np.random.default_rng(5).integers(0, VOCABULARY, shape)


def test_log_probs_are_those_of_torch_but_for_quantisation(pair: Pair) -> None:
    model, served = pair
    tokens = random_tokens(7, 9)
    hidden, _ = served.advance(tokens, served.initial_state(7))
    found = served.log_probs(hidden.reshape(63, -1))
    with torch.inference_mode():
        expected = model.logits(model(torch.from_numpy(tokens))[0].flatten(0, 1)).log_softmax(-1).numpy()
    likely = expected > -8
    spread = expected[likely].std()
    assert spread > 0.9  # the comparison means something
    assert np.abs(found - expected)[likely].mean() < 0.04 * spread


def test_probabilities_sum_to_one_without_the_start_of_a_sentence(pair: Pair) -> None:
    _, served = pair
    hidden, _ = served.advance(random_tokens(1, 20), served.initial_state())
    probs = np.exp(served.log_probs(hidden[0]).astype(np.float64))
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)
    assert (probs[:, 1] == 0).all()
    assert (probs[:, 0] > 0).all()


def test_a_row_does_not_depend_on_its_batch_or_on_how_the_sentence_was_cut(pair: Pair) -> None:
    _, served = pair
    tokens = random_tokens(6, 8)
    together, last = served.advance(tokens, served.initial_state(6))
    state = served.initial_state()
    for step in range(8):
        hidden, state = served.advance(tokens[4:5, step : step + 1], state)
        np.testing.assert_array_equal(hidden[0, 0], together[4, step])
        np.testing.assert_array_equal(served.log_probs(hidden[0])[0], served.log_probs(together[:, step])[4])
    np.testing.assert_array_equal(state[:, 0], last[:, 4])


def test_target_log_probs_are_taken_from_log_probs(pair: Pair) -> None:
    _, served = pair
    rows = 1 + (1 << 20) // VOCABULARY  # more than are computed at a time
    hidden = np.random.default_rng(1).normal(size=(rows, SHAPES["plain"]["hidden_size"])).astype(np.float32)
    hidden = hidden[:, : served.description.embedding_size]
    targets = random_tokens(rows)
    found = served.target_log_probs(hidden, targets)
    np.testing.assert_array_equal(found, served.log_probs(hidden)[np.arange(rows), targets])


def test_no_rows_are_no_error(pair: Pair) -> None:
    _, served = pair
    nothing = np.zeros((0, served.description.embedding_size), np.float32)
    assert served.log_probs(nothing).shape == (0, VOCABULARY)
    assert served.target_log_probs(nothing, np.zeros(0, np.int64)).shape == (0,)


def test_threads_share_a_model(pair: Pair) -> None:
    _, served = pair
    tokens = random_tokens(4, 5)

    def compute(_: int) -> NDArray[np.float32]:
        hidden, _last = served.advance(tokens, served.initial_state(4))
        return served.log_probs(hidden[:, -1])

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(compute, range(40)))
    assert all(np.array_equal(result, results[0]) for result in results)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_large_matrix_is_int8(shape: str, tmp_path: Path) -> None:
    write_model(torch_model(shape), tmp_path)
    shapes = SHAPES[shape]
    expected = 1 if shapes.get("kind") == "window" else 2 * shapes.get("layers", 1)
    products = 0
    for name in ("recurrent.onnx", "output.onnx"):
        graph = onnx.load(tmp_path / name).graph
        bodies = [attribute.g for node in graph.node for attribute in node.attribute if attribute.name == "body"]
        for part in (graph, *bodies):
            weights = {constant.name: constant for constant in part.initializer}
            products += sum(node.op_type == "MatMulInteger" for node in part.node)
            for node in part.node:
                if node.op_type == "MatMulInteger":
                    assert weights[node.input[1]].data_type == onnx.TensorProto.INT8
    assert products == expected + 1


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_model(torch_model("plain"), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["neural.json", "output.onnx", "recurrent.onnx"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


@pytest.mark.parametrize("name", ["neural.json", "output.onnx", "recurrent.onnx"])
@pytest.mark.parametrize("content", [None, b"", b"\x00garbage", b"{}"])
def test_a_missing_or_damaged_file_is_named(name: str, content: bytes | None, tmp_path: Path) -> None:
    write_model(torch_model("plain"), tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BundleDamagedError, match=name):
        NeuralModel(tmp_path)


def test_opening_a_model_keeps_nothing_to_report(tmp_path: Path) -> None:
    write_model(torch_model("plain"), tmp_path / "model")
    (tmp_path / "home").mkdir()
    silent = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")  # onnxruntime would be quiet, or write elsewhere
    environment = {name: value for name, value in os.environ.items() if name not in silent}
    imports = "from pathlib import Path; from lm.models.neural import NeuralModel"
    script = f"{imports}; NeuralModel(Path({str(tmp_path)!r}, 'model'))"
    subprocess.run([sys.executable, "-c", script], env=environment | {"HOME": str(tmp_path / "home")}, check=True)
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]  # such as an id of the machine
