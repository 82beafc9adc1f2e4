"""What is stated of corrected suggestions comes true as often as it says."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from demo.sample_data import SampleData
from lm.bundle.bundle import EVALUATION_FOLDER, open_bundle
from suggest.model import Model
from tests.tiny_bundle import train_tiny
from training.evaluation.evaluate import QUERIES_FILE
from training.evaluation.metrics import typed_prefix
from training.evaluation.mistyped import mistyped
from training.evaluation.query_outcomes import wanted_queries
from training.fit.ranking import Choice, fit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sample_data: SampleData) -> Path:
    model = {"name": "queries", "unit": "subword", "sources": ["queries"], "vocabulary_size": 2000}
    return train_tiny(
        tmp_path_factory.mktemp("corrections"),
        sample_data,
        text=[],
        query_log=[{"path": str(sample_data.queries)}],
        held_out={"max_queries": 1000, "test_fraction": 0.1},
        language_models=[{**model, "ngram": {"order": 5}}],
    ).path


def _stated(model: Model, queries: list[str], seed: int) -> tuple[float, float, float]:
    """How many corrected suggestions, what they add up to, how many are right; one prefix in ten has an error."""
    drawn, shown, stated, right = np.random.default_rng(seed), 0, 0.0, 0
    for query in queries:
        prefix = typed_prefix(query)
        if len(prefix) < 4:
            continue
        for typed, times in ((prefix, 9), (mistyped(prefix, drawn), 1)):
            for suggestion in model.complete_query(typed).suggestions:
                if suggestion.terms.edit_count:
                    shown += times
                    stated += times * suggestion.acceptance_prob
                    right += times * (suggestion.text == query)
    return shown, stated, right


@pytest.mark.timeout(600)
def test_of_corrected_suggestions_as_many_are_right_as_is_stated(folder: Path) -> None:
    bundle = open_bundle(folder, verify=False)
    kept = folder / EVALUATION_FOLDER / QUERIES_FILE
    queries = wanted_queries(kept.read_text(encoding="utf-8").splitlines())[:600]
    shown, stated, right = _stated(Model(bundle), queries, seed=1)
    assert shown > 1000
    assert 0.5 * right < stated < 2 * right


def test_an_error_is_mostly_one_edit_and_drawn_by_its_cost() -> None:
    drawn = np.random.default_rng(0)
    found = Counter(mistyped("new york", drawn) for _ in range(4000))
    assert "new york" not in found
    assert np.mean([abs(len(text) - 8) <= 1 for text in found.elements()]) > 0.9  # the others have two
    assert found["newyork"] > 5 * found["nxw york"]  # a space left out against a far key
    assert found["nww york"] > found["nmw york"]  # a neighbour's
    assert found["nwe york"] > 0 < found["ne wyork"] + found["new yrok"]
    again = np.random.default_rng(0)
    assert Counter(mistyped("new york", again) for _ in range(4000)) == found


def test_weights_that_are_held_stay_and_the_others_are_found() -> None:
    drawn, truth, choices = np.random.default_rng(4), np.array([1.0, 0.4, -1.0, 1.0]), []
    for _ in range(3000):
        posterior = -float(drawn.exponential(3))
        of_typed, of_corrected = np.full(4, posterior), np.full(4, math.log(-math.expm1(posterior) + 1e-9))
        listed = np.stack([drawn.normal(0, 1, 8), np.append(of_typed, of_corrected), np.repeat([0.0, 1.0], 4)], axis=1)
        utilities = np.append(listed @ truth[:3], 0.5)
        chances = np.exp(utilities - np.logaddexp.reduce(utilities))
        choices.append(Choice(listed, np.array([0.5]), int(drawn.choice(9, p=chances))))
    held = np.array([True, False, False, True])
    found = fit(choices, np.array([1.0, 1.0, 0.0, 1.0]), np.array([False, True, False, False]), held)
    assert found[0] == found[3] == 1.0
    assert found[1:3] == pytest.approx([0.4, -1.0], abs=0.12)
