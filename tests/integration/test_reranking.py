"""A re-ranker from training to the served list."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from demo.sample_data import SampleData
from lm.bundle.bundle import Bundle, open_bundle
from lm.errors import BundleDamagedError
from suggest.budget import Budget, OptionalPart
from suggest.model import Model
from suggest.types import QueryOptions
from tests.tiny_bundle import train_tiny

SMALL = {"embedding_size": 32, "hidden_size": 32, "tokens_per_batch": 512, "max_steps": 60}


@pytest.fixture(scope="module")
def bundle_folder(sample_data: SampleData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    queries = {
        "name": "queries",
        "unit": "subword",
        "sources": ["queries"],
        "vocabulary_size": 1000,
        "ngram": {"order": 3},
        "reranker": SMALL,
    }
    folder = tmp_path_factory.mktemp("reranking")
    return train_tiny(folder, sample_data, text=[], language_models=[queries]).path


@pytest.fixture(scope="module")
def bundle(bundle_folder: Path) -> Bundle:
    return open_bundle(bundle_folder)


def serving(bundle: Bundle, weight: float) -> Model:
    ranking = bundle.manifest.ranking.model_copy(update={"reranker": weight, "floor": 0.0})
    return Model(replace(bundle, manifest=bundle.manifest.model_copy(update={"ranking": ranking})))


def test_training_keeps_it_in_the_bundle_and_says_how_it_went(bundle: Bundle) -> None:
    entry = bundle.manifest.language_models[0]
    reranker = bundle.language_model("queries").reranker
    assert reranker is not None
    assert entry.reranker_kind == reranker.description.kind == "bidirectional lstm"
    assert entry.reranker_parameter_count == reranker.description.parameter_count > 1000 * 32
    assert not entry.neural_kind
    training = bundle.manifest.metrics["language_models"]["queries"]["training"]["reranker"]
    assert training["steps"] == 60
    assert training["curve"][-1]["validation_loss"] < np.log(1000)


def test_what_suits_the_whole_query_rises(bundle: Bundle) -> None:
    language_model = bundle.language_model("queries")
    assert language_model.reranker is not None
    plain, reranked = serving(bundle, 0.0).complete_query("how to "), serving(bundle, 1000.0).complete_query("how to ")
    assert [timing.stage for timing in plain.timings] == ["parse", "ngram", "rank"]
    assert [timing.stage for timing in reranked.timings] == ["parse", "ngram", "reranker", "rank"]
    made_up = [suggestion.text for suggestion in reranked.suggestions if suggestion.terms.popularity_log_prob is None]
    scores = language_model.reranker.scores([language_model.tokenizer.encode(text) for text in made_up])
    assert len(made_up) > 1
    assert scores.tolist() == sorted(scores, reverse=True)
    assert [s.text for s in reranked.suggestions] != [s.text for s in plain.suggestions]
    assert np.exp([s.log_prob for s in reranked.suggestions]).sum() <= 1.001


def test_it_is_not_run_without_a_weight_without_time_or_where_no_network_is_wanted(bundle: Bundle) -> None:
    def stages(model: Model, *, neural: bool = True, budget: Budget | None = None) -> tuple[bool, bool]:
        completion = model.complete_query("how to ", QueryOptions(neural=neural), budget=budget)
        return "reranker" in [timing.stage for timing in completion.timings], completion.degraded

    late = Budget(0.0, lambda: 1.0)
    assert stages(serving(bundle, 0.3)) == (True, False)
    assert stages(serving(bundle, 0.3), budget=late) == (False, True)
    assert stages(serving(bundle, 0.3), neural=False) == (False, False)
    assert stages(serving(bundle, 0.0), budget=late) == (False, False)


def test_what_could_refine_a_fast_answer_is_named(bundle: Bundle) -> None:
    for weight, refiners in ((0.3, (OptionalPart.RERANKER,)), (0.0, ())):
        model = serving(bundle, weight)
        assert model.complete_query("how to ", QueryOptions(neural=False)).refiners == refiners
        assert model.complete_query("how to ").refiners == ()
        assert model.complete_query("日本" * 20, QueryOptions(neural=False)).refiners == ()


def test_a_prefix_that_nothing_completes_is_no_error(bundle: Bundle) -> None:
    assert serving(bundle, 0.3).complete_query("日本" * 20).suggestions == ()


def test_one_of_another_vocabulary_is_named(bundle_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle_folder, copy)
    path = copy / "queries" / "reranker" / "neural.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vocabulary_size": 7}))
    with pytest.raises(BundleDamagedError, match=r"reranker.*another vocabulary"):
        open_bundle(copy, verify=False)
