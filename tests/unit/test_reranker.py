"""The bidirectional model: torch against its ONNX twin, and pseudo-log-likelihoods against a naive loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.errors import BundleDamagedError
from lm.models.reranker import Reranker, surroundings
from lm.models.vocabulary import BEGIN, END
from training.config_networks import RerankerConfig
from training.neural.data import Batch
from training.neural.export import write_model
from training.neural.model import BidirectionalNetwork

VOCABULARY = 300
TEXTS = [[7, 8, 9, 10], [5], [11, 11, 250, 30, 31, 32, 33], [7, 8]]
Pair = tuple[BidirectionalNetwork, Reranker]


def torch_model(kind: str = "lstm", hidden_size: int = 48) -> BidirectionalNetwork:
    torch.manual_seed(3)
    config = RerankerConfig.model_validate({"kind": kind, "embedding_size": 32, "hidden_size": hidden_size})
    model = BidirectionalNetwork(VOCABULARY, config.network())
    with torch.no_grad():  # as far from uniform as trained weights are
        model.embedding.weight.mul_(4)
        model.output_bias.normal_()
        model.get_parameter("projection.weight").mul_(6)
    return model.eval()


@pytest.fixture(scope="module", params=[("lstm", 48), ("lstm", 32), ("gru", 48)], ids=str)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    model = torch_model(*request.param)
    folder = tmp_path_factory.mktemp("reranker")
    write_model(model, folder)
    return model, Reranker(folder)


def batch_of(texts: list[list[int]]) -> Batch:
    longest = 1 + max(map(len, texts))
    inputs, targets = np.zeros((2, len(texts), longest), np.int64)
    valid = np.arange(longest) <= np.array([[len(text)] for text in texts])
    for row, text in enumerate(texts):
        inputs[row, : len(text) + 1] = BEGIN, *text
        targets[row, : len(text) + 1] = *text, END
    return Batch(inputs=inputs, targets=targets, valid=valid)


def log_probs(model: BidirectionalNetwork, texts: list[list[int]]) -> torch.Tensor:
    """Of all tokens at all places, (B, T, V)."""
    with torch.inference_mode():
        hidden: torch.Tensor = model(model.inputs(batch_of(texts))).hidden
        return model.logits(hidden).log_softmax(-1)


def masked_log_prob(model: BidirectionalNetwork, text: list[int], place: int) -> float:
    """Reads what is before and after the place, token by token, never the token there; no padding, no reversal."""
    with torch.inference_mode():

        def read(encoder: torch.nn.Module, tokens: list[int]) -> torch.Tensor:
            vectors = model.embedding(torch.tensor([tokens])) * model.input_scale
            hidden: torch.Tensor = encoder(vectors, model.initial_state(1))[0]
            return hidden[0, -1]

        before = read(model.encoder, [BEGIN, *text[:place]])
        after = read(model.backward_encoder, [BEGIN, END, *text[:place:-1]])
        combined = torch.relu(model.combination(torch.cat([before, after])))
        hidden = torch.nn.functional.linear(combined, model.get_parameter("projection.weight"))
        return float(model.logits(hidden[None]).log_softmax(-1)[0, text[place]])


def test_a_token_is_predicted_from_all_others_and_not_from_itself() -> None:
    model, text = torch_model(), TEXTS[2]
    before = log_probs(model, [text])[0]
    for place in range(len(text)):
        changed = [*text]
        changed[place] = 77
        after = log_probs(model, [changed])[0]
        same = (after == before).all(dim=1)
        assert same[place]
        others = [other for other in range(len(text)) if other != place]  # `</s>` comes last and is certain
        assert not same[others].any()


def test_a_batch_of_a_text_gives_what_masking_each_place_in_turn_gives() -> None:
    model = torch_model()
    found = log_probs(model, TEXTS)
    for row, text in enumerate(TEXTS):
        expected = [masked_log_prob(model, text, place) for place in range(len(text))]
        np.testing.assert_allclose(found[row, np.arange(len(text)), text], expected, atol=1e-5)


def test_the_served_score_is_the_sum_of_what_torch_gives_but_for_quantisation(pair: Pair) -> None:
    model, served = pair
    rng = np.random.default_rng(2)
    texts = [rng.integers(3, VOCABULARY, length).tolist() for length in (1, 9, 4, 12, 7)]
    expected = log_probs(model, texts).numpy()
    expected_N = np.concatenate([expected[row, np.arange(len(text)), text] for row, text in enumerate(texts)])
    found_N = served.token_log_probs(texts)
    assert expected_N.std() > 0.9  # the comparison means something
    assert np.abs(found_N - expected_N).mean() < 0.06 * expected_N.std()
    lengths = np.cumsum([len(text) for text in texts])[:-1]
    sums = [part.sum(dtype=np.float64) for part in np.split(found_N, lengths)]
    np.testing.assert_allclose(served.scores(texts), sums, rtol=1e-12)


def test_a_text_does_not_depend_on_its_batch_or_padding(pair: Pair) -> None:
    _, served = pair
    together = served.scores(TEXTS)
    alone = [served.scores([text])[0] for text in TEXTS]
    np.testing.assert_array_equal(together, alone)


def test_texts_without_tokens_score_0(pair: Pair) -> None:
    _, served = pair
    assert served.scores([]).shape == (0,)
    np.testing.assert_array_equal(served.scores([[], [5], []]), [0, served.scores([[5]])[0], 0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(3, 99), max_size=6), min_size=1, max_size=5))
def test_both_directions_read_all_but_the_target(texts: list[list[int]]) -> None:
    batch = batch_of(texts)
    before, after, place = surroundings(batch.inputs, batch.targets, batch.valid)
    for row, text in enumerate(texts):
        closed = [*text, END]
        for index in range(len(closed)):
            assert before[row, : index + 1].tolist() == [BEGIN, *closed[:index]]
            assert after[row, : place[row, index] + 1].tolist() == [BEGIN, *closed[:index:-1]]


def test_every_large_matrix_is_int8_equal_weights_give_equal_bytes_and_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_model(torch_model(), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["neural.json", "output.onnx", "recurrent.onnx"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    graph = onnx.load(tmp_path / "a" / "recurrent.onnx").graph
    assert not [node.op_type for node in graph.node if node.op_type == "MatMul"]
    assert sum(node.op_type == "MatMulInteger" for node in graph.node) == 4  # and one in each layer's body
    for name in files:
        content = (tmp_path / "a" / name).read_bytes()
        (tmp_path / "a" / name).unlink()
        with pytest.raises(BundleDamagedError, match=name):
            Reranker(tmp_path / "a")
        (tmp_path / "a" / name).write_bytes(content)
