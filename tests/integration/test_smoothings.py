"""Every smoothing of n-grams is trained, inspected, measured and asked by the same commands."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from demo.sample_data import SampleData
from lm.bundle.bundle import Bundle, open_bundle
from lm.bundle.registry import Registry
from lm.models.language_model import LanguageModel
from lm.models.ngram import KENLM_FILE
from lm.models.parts import Part
from lm.models.vocabulary import END
from training.ngram.kenlm_tools import KENLM_BIN_VARIABLE

_CONFIG = """
name = "tiny"
screening = {{ min_count = 1 }}
held_out = {{ max_queries = 50, max_sentences = 20 }}

[[text]]
path = "{speeches}/200*.txt"

[[query_log]]
path = "{queries}"
max_lines = 4000

[[language_models]]
name = "queries"
unit = "subword"
sources = ["queries"]
vocabulary_size = 800
ngram.order = 4

[[language_models]]
name = "text"
unit = "word"
sources = ["text"]
vocabulary_size = 2000
ngram.order = 3
neural = {{ embedding_size = 16, hidden_size = 16, max_steps = 20 }}
"""
_SMOOTHINGS = {
    "add_delta": ["ngram.smoothing=add_delta", "ngram.delta=0.001"],
    "stupid_backoff": ["ngram.smoothing=stupid_backoff"],
    "kneser_ney": ["ngram.quantize_bits=8"],
}


def _call(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module", params=list(_SMOOTHINGS))
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sample_data: SampleData
) -> tuple[str, Path]:
    """A smoothing, and the folder of a bundle that `autocomplete train` made with it."""
    folder = tmp_path_factory.mktemp(request.param)
    config = folder / "tiny.toml"
    config.write_text(_CONFIG.format(speeches=sample_data.speeches, queries=sample_data.queries), encoding="utf-8")
    settings = [
        argument
        for name in ("queries", "text")
        for setting in _SMOOTHINGS[request.param]
        for argument in ("--set", f"language_models.{name}.{setting}")
    ]
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "kneser_ney":
            patch.setenv(KENLM_BIN_VARIABLE, str(folder))  # no program is there: counting needs none
        result = _call("train", config, *settings)
    assert result.exit_code == 0, result.output
    return request.param, Registry(folder / "var" / "registry").resolve("tiny")


@pytest.fixture
def bundle(trained: tuple[str, Path]) -> Bundle:
    return open_bundle(trained[1])


def _language_models(bundle: Bundle) -> list[LanguageModel]:
    return list(bundle.language_models)


def test_the_bundle_says_its_smoothing(trained: tuple[str, Path]) -> None:
    smoothing, folder = trained

    inspected = _call("inspect", folder)
    document = json.loads(_call("inspect", folder, "--json").stdout)

    assert f"; order 4, {smoothing.replace('_', ' ')}" in inspected.stdout
    assert [entry["ngram_smoothing"] for entry in document["language_models"]] == [smoothing] * 2
    assert (folder / "queries" / KENLM_FILE).is_file() == (smoothing == "kneser_ney")


def test_it_is_measured_again_as_it_was_in_training(trained: tuple[str, Path]) -> None:
    _, folder = trained

    measured = json.loads(_call("evaluate", folder, "--json").stdout)

    kept = json.loads(_call("inspect", folder, "--json").stdout)["metrics"]
    for figures in kept["language_models"].values():
        assert figures.pop("training")["ngram_s"] > 0
    assert measured["language_models"] == kept["language_models"]
    for figures in measured["language_models"].values():
        assert all(1 < perplexity < 5000 for perplexity in figures["perplexity"].values())
    text = measured["language_models"]["text"]["perplexity"]
    assert text["ensemble"] <= 1.02 * min(text["ngram"], text["neural"])


def test_it_completes(trained: tuple[str, Path]) -> None:
    _, folder = trained

    queries = json.loads(_call("complete", "how to ma", "--bundle", folder, "--min-probability", "0", "--json").stdout)[
        "suggestions"
    ]
    words = json.loads(_call("complete", "we wi", "--bundle", folder, "--words", "--json").stdout)["suggestions"]

    generated = [suggestion for suggestion in queries if suggestion["source"] == "SUGGESTION_SOURCE_GENERATED"]
    assert generated
    assert all(suggestion["text"].startswith("how to ma") for suggestion in generated)
    assert "will" in [suggestion["text"].split()[-1] for suggestion in words]


def test_a_sentences_score_is_that_of_its_next_tokens(bundle: Bundle) -> None:
    for model in _language_models(bundle):
        tokens = [*model.tokenizer.encode("we must not be unheardofword about the world"), END]
        for part, scores in model.token_log_probs(tokens).items():
            stepwise = [model.next_log_probs(tokens[:position], part)[token] for position, token in enumerate(tokens)]
            assert scores == pytest.approx(stepwise, abs=2e-3)


def test_probabilities_sum_to_1(bundle: Bundle) -> None:
    for model in _language_models(bundle):
        quantised = model.entry.ngram_smoothing == "kneser_ney"
        for text in ("", "the", "what is the best", "zzqx unheard"):
            log_probs = model.next_log_probs(model.tokenizer.encode(text), Part.NGRAM).astype(np.float64)
            assert math.fsum(np.exp(log_probs)) == pytest.approx(1.0, abs=0.06 if quantised else 1e-5)
