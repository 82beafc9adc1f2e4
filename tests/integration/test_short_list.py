"""Frequent words alone: what the neural model is asked of where no letter of a word is typed yet."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import training.language_model
from lm.bundle.bundle import open_bundle
from lm.errors import BundleDamagedError
from lm.models.language_model import LanguageModel
from lm.models.neural import NeuralModel
from lm.models.parts import Part
from suggest.decode import complete_word
from training.config import TrainingConfig
from training.evaluation.next_words import Keystrokes, is_typed, listed_words, next_words
from training.pipeline import train
from training.progress import SilentReporter

WORDS = ["the", "red", "cat", "dog", "sees", "likes", "a", "house", "tree", "and", "trees"]
LISTED = 6


@pytest.fixture(scope="module", params=[False, True], ids=["forgetful", "recent words"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a vocabulary of 15 tokens, with a list of 6."""
    folder = tmp_path_factory.mktemp("short-list")
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    sentences = [
        " ".join(rng.choice(WORDS, rng.integers(2, 7), p=shares / shares.sum())).capitalize() + "." for _ in range(400)
    ]
    (folder / "text.txt").write_text(" ".join(sentences), encoding="utf-8")
    neural = {"embedding_size": 16, "hidden_size": 16, "max_steps": 60, "tokens_per_batch": 64, "bptt": 16}
    words = {
        "name": "words",
        "unit": "word",
        "sources": ["text"],
        "ngram": {"order": 3, "discount_fallback": True},
        "neural": neural,
        "recent_words": 10 if request.param else 0,
    }
    config = TrainingConfig.model_validate(
        {"name": "listed", "text": [{"path": "text.txt"}], "language_models": [words]}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.language_model, "_SHORT_LIST", LISTED)
        return train(config, base=folder, reporter=SilentReporter()).path


@pytest.fixture(scope="module")
def model(bundle: Path) -> LanguageModel:
    return open_bundle(bundle).language_model("text")


def _contexts(model: LanguageModel) -> list[tuple[int, ...]]:
    return [tuple(model.tokenizer.encode(text)) for text in ("", "The", "The red cat", "A unheard of trees sees the")]


def _listed(model: LanguageModel) -> NDArray[np.int32]:
    assert model.neural is not None
    assert model.neural.short_list is not None
    return model.neural.short_list.tokens


def test_the_most_frequent_tokens_are_listed(model: LanguageModel) -> None:
    unigrams = model.ngram.table.distribution(0, 0, len(model.vocabulary))
    listed = _listed(model)
    assert sorted(listed.tolist()) == listed.tolist()
    assert unigrams[listed].min() >= np.sort(unigrams)[-LISTED]


def test_the_list_shares_what_the_ngram_model_gives_to_it(model: LanguageModel) -> None:
    assert model.neural is not None
    listed, size = _listed(model), len(model.vocabulary)
    for context in _contexts(model):
        state = model.state(context, Part.ENSEMBLE)
        ngram = np.exp(model.ngram.table.distribution(state.ngram, 0, size).astype(np.float64))
        neural = np.exp(model.next_log_probs(context, Part.NEURAL).astype(np.float64))
        stands_for = ngram.copy()
        stands_for[listed] = neural[listed] / neural[listed].sum() * ngram[listed].sum()
        with np.errstate(divide="ignore"):
            ngram_1V, neural_1V = (np.log(part).astype(np.float32)[None] for part in (ngram, stands_for))
        expected = model.mix(ngram_1V, neural_1V, np.array([state.ngram], np.int64))[0]
        if model.recent_words is not None:
            model.recent_words.mix(expected, state.recent)
        found = model.likely_log_probs([state])[0]
        np.testing.assert_allclose(found, expected, atol=2e-3)
        assert np.exp(found.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)


def test_words_are_looked_for_in_the_list_until_a_letter_is_typed(model: LanguageModel) -> None:
    for context in _contexts(model):
        for typed, log_probs in (
            ("", model.likely_log_probs([model.state(context, Part.ENSEMBLE)])[0]),
            ("t", model.next_log_probs(context, Part.ENSEMBLE)),
        ):
            low, high = model.vocabulary.prefix_range(("▁" + typed).encode())
            given = np.logaddexp.reduce(log_probs[low:high]) if typed else 0.0
            found = complete_word(model, context, typed, 3, Part.ENSEMBLE)
            expected = sorted(range(low, high), key=lambda token: -log_probs[token])[:3]
            assert [hypothesis.tokens for hypothesis in found] == [(token,) for token in expected]
            for hypothesis, token in zip(found, expected, strict=True):
                assert hypothesis.log_prob == pytest.approx(log_probs[token] - given, abs=1e-5)


@pytest.mark.parametrize("damage", ["missing", "other"])
def test_a_list_that_does_not_fit_is_damage(bundle: Path, damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "neural"
    shutil.copytree(bundle / "words" / "neural", folder)
    tokens = folder / "short_list.npy"
    if damage == "missing":
        tokens.unlink()
    else:
        np.save(tokens, np.array([3], np.int32))
    with pytest.raises(BundleDamagedError, match=r"short_list\.npy"):
        NeuralModel(folder)


def test_what_is_measured_is_what_is_served(model: LanguageModel) -> None:
    sentences = ["The red trees likes a cat", "A dog and the house sees a tree"]
    ranks = Keystrokes()
    for sentence in sentences:
        tokens = tuple(model.tokenizer.encode(sentence))
        for place, token in enumerate(tokens):
            word = model.tokenizer.decode([token])
            size = len(model.vocabulary)
            lists = [
                listed_words(model, tokens[:place], word[:typed], Part.ENSEMBLE, size) for typed in range(len(word))
            ]
            if is_typed(word, [token]):
                ranks.add(len(word), ([text for text, _ in listed].index(word) for listed in lists))
    measured = next_words(model, sentences, [Part.ENSEMBLE], SilentReporter())[Part.ENSEMBLE]
    assert {name: value for name, value in measured.items() if name != "calibration"} == pytest.approx(ranks.summary())
