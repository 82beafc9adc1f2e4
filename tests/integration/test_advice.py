"""What further language models of queries say of the candidates."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from demo.sample_data import SampleData
from lm.bundle.bundle import open_bundle
from lm.bundle.manifest import MANIFEST_FILE, read_manifest
from lm.errors import BundleDamagedError
from lm.models.vocabulary import END, UNKNOWN
from suggest.candidates import Candidates
from suggest.complete import QueryCompleter
from suggest.model import Model
from suggest.opinions import Advisers
from suggest.types import QueryOptions, SuggestionSource
from tests.tiny_bundle import train_tiny


def test_advice_is_the_share_of_each_whole_query(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle, verify=False)
    words = bundle.language_model("text")
    pieces = bundle.language_model("queries")
    candidates = QueryCompleter(bundle).proposed("new yor").candidates
    assert len(candidates.texts) > 5
    advised = Advisers([words, pieces]).advise(candidates)
    assert advised.advice is not None
    assert advised.unknown_words is not None
    for column, model in enumerate([words, pieces]):
        rows = [[*model.tokenizer.encode(text), END] for text in candidates.texts]
        sums = np.array(
            [
                model.ngram.table.score_all(model.ngram.begin, np.array(row, np.int32))[0].sum(dtype=float)
                for row in rows
            ]
        )
        shares = np.exp(sums - sums.max())
        assert np.exp(advised.advice[:, column]) == pytest.approx(shares / shares.sum(), rel=1e-3)
        if model is words:  # pieces spell every word
            assert advised.unknown_words.tolist() == [row.count(UNKNOWN) for row in rows]
    assert advised.texts == candidates.texts


def test_without_advisers_or_candidates_nothing_changes(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle, verify=False)
    none = Candidates([], np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))
    assert Advisers(bundle.language_models).advise(none) is none
    some = QueryCompleter(bundle).proposed("ne").candidates
    assert Advisers([]).advise(some) is some


def test_a_manifest_that_weighs_advisers_who_are_not_there_is_damaged(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, folder)
    manifest = read_manifest(folder)
    ranking = manifest.ranking.model_copy(update={"advisers": (0.5, 0.5)})
    changed = manifest.model_copy(update={"ranking": ranking})
    (folder / MANIFEST_FILE).write_text(changed.model_dump_json(), encoding="utf-8")
    with pytest.raises(BundleDamagedError, match="2 advisers, but 0"):
        open_bundle(folder, verify=False)


def test_a_bundles_advisers_are_its_further_models_of_queries(tmp_path: Path, sample_data: SampleData) -> None:
    ngram = {"sources": ["queries"], "ngram": {"order": 3}}
    models = [
        {**ngram, "name": "queries", "unit": "subword", "vocabulary_size": 1000},
        {**ngram, "name": "query-words", "unit": "word", "vocabulary_size": 20000},
    ]
    bundle = open_bundle(train_tiny(tmp_path, sample_data, text=[], language_models=models).path)
    assert [model.entry.name for model in bundle.advisers()] == ["query-words"]
    assert bundle.language_model("queries").entry.name == "queries"
    assert bundle.manifest.ranking.advisers[0] > 0.1
    assert bundle.manifest.first_ranking.advisers == ()
    listed = Model(bundle).complete_query("weather in ", QueryOptions(max_suggestions=10)).suggestions
    assert len(listed) >= 5
    assert any(suggestion.source is SuggestionSource.GENERATED for suggestion in listed)
