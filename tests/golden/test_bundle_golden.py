"""The tiny bundle's quality: real speeches and queries, known figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.sample_data import SampleData
from lm.bundle.manifest import read_manifest
from lm.bundle.registry import Registry
from tests.tiny_bundle import train_tiny

GOLDEN = json.loads(Path(__file__).with_name("tiny_bundle.json").read_text())


def test_perplexity_and_mrr_are_as_known(tiny_bundle: Path) -> None:
    metrics = read_manifest(tiny_bundle).metrics
    for name, figures in GOLDEN["perplexity"].items():
        measured = metrics["language_models"][name]["perplexity"]
        assert measured == {part: pytest.approx(value, rel=0.02) for part, value in figures.items()}
    for group, value in GOLDEN["mrr_at_10"].items():
        assert metrics["queries"][group]["mrr_at_10"] == pytest.approx(value, rel=0.02)


def test_the_mixture_is_no_worse_than_its_parts(tiny_bundle: Path) -> None:
    models = read_manifest(tiny_bundle).metrics["language_models"]
    for figures in models.values():
        # The weight is fitted on other sentences than it is measured on.
        perplexity = figures["perplexity"]
        assert perplexity["ensemble"] < 1.005 * min(perplexity["ngram"], perplexity["neural"])
    assert models["text"]["perplexity"]["ensemble"] < 0.98 * models["text"]["perplexity"]["ngram"]


def test_the_served_list_beats_popularity(tiny_bundle: Path) -> None:
    queries = read_manifest(tiny_bundle).metrics["queries"]
    assert queries["all"]["mrr_at_10"] > queries["popularity_only"]["all"]["mrr_at_10"]


def test_equal_inputs_and_seed_give_equal_files(tiny_bundle: Path, sample_data: SampleData, tmp_path: Path) -> None:
    again = train_tiny(tmp_path, sample_data)
    assert read_manifest(again.path).files == read_manifest(tiny_bundle).files

    resumed = train_tiny(tmp_path, sample_data)  # all steps are finished: still known are their seconds and curves
    before, after = (read_manifest(each.path).metrics["language_models"] for each in (again, resumed))
    assert {name: each["training"] for name, each in after.items()} == {
        name: each["training"] for name, each in before.items()
    }


def test_a_worse_bundle_is_published_but_not_activated(sample_data: SampleData, tmp_path: Path) -> None:
    registry = {"registry": str(tmp_path / "registry"), "keep_versions": 2}
    first = train_tiny(tmp_path, sample_data, publishing=registry)
    worse = train_tiny(
        tmp_path,
        sample_data,
        publishing=registry,
        query_log=[{"path": str(sample_data.queries), "max_lines": 8000}],
        language_models=[
            {
                "name": "queries",
                "unit": "subword",
                "sources": ["queries"],
                "vocabulary_size": 1000,
                "ngram": {"order": 2},
            }
        ],
    )
    assert first.activated
    assert not worse.activated
    assert "perplexity of queries" in worse.reason
    assert Registry(tmp_path / "registry").active_version("tiny") == first.version
    assert len(Registry(tmp_path / "registry").versions("tiny")) == 2
