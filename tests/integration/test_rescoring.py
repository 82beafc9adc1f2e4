"""Re-scoring: the neural model's opinion of the next token, and what is remembered of it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lm.models.neural import NeuralModel
from lm.models.parts import Part
from suggest.budget import OptionalPart
from suggest.candidates import Pool
from suggest.complete import QueryCompleter
from suggest.model import Model, open_model
from suggest.opinions import SEEN, Rescorer
from suggest.types import QueryOptions

TYPED = ["new", "new ", "new y", "new yo", "new york", "new york ", "new york t", "new ", "how", "how t", "new yo"]


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return open_model(tiny_bundle)


def unseen(model: Model, query: str) -> tuple[Pool, list[int]]:
    """What is proposed, as for a prefix that hardly anybody has typed, and the rows of what the model can spell."""
    pool = QueryCompleter(model.bundle).proposed(query)
    return replace(pool, total=SEEN - 1), [row for row, tokens in enumerate(pool.tokens) if tokens]


@pytest.mark.parametrize("query", TYPED)
def test_the_next_token_is_the_mixtures_and_all_else_the_n_gram_models(model: Model, query: str) -> None:
    language_model = model.bundle.language_model("queries")
    pool, rows = unseen(model, query)
    chosen = pool.candidates.rows(rows)
    found = Rescorer(language_model).rescore(pool, rows, chosen)[0].log_probs
    mixed = language_model.next_log_probs(pool.context, Part.ENSEMBLE)
    expected = [
        log_prob + mixed[pool.tokens[row][0]] - pool.firsts[row]
        for row, log_prob in zip(rows, chosen.log_probs, strict=True)
    ]
    differences = found - np.array(expected)
    np.testing.assert_allclose(differences, differences[0], atol=1e-5)  # what was typed is the same for all
    assert np.exp(found).sum() == pytest.approx(np.exp(chosen.log_probs).sum())


def test_what_is_remembered_is_what_the_models_say(tiny_bundle: Path, model: Model) -> None:
    remembering = Rescorer(model.bundle.language_model("queries"))
    for query in TYPED:
        afresh = open_model(tiny_bundle)
        pool, rows = unseen(afresh, query)
        rescorer = Rescorer(afresh.bundle.language_model("queries"))
        fresh, read = rescorer.rescore(pool, rows, pool.candidates.rows(rows))
        found, _ = remembering.rescore(pool, rows, pool.candidates.rows(rows))
        assert read
        np.testing.assert_allclose(found.log_probs, fresh.log_probs, atol=1e-5)


def test_a_letter_more_asks_the_network_nothing(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(tiny_bundle)
    rescorer = Rescorer(model.bundle.language_model("queries"))
    pool, rows = unseen(model, "new york t")
    assert rescorer.rescore(pool, rows, pool.candidates.rows(rows))[1]
    monkeypatch.setattr(NeuralModel, "log_probs", None)  # would fail if it were called
    pool, rows = unseen(model, "new york ti")
    assert not rescorer.rescore(pool, rows, pool.candidates.rows(rows))[1]


def test_keystrokes_that_are_known_do_not_make_a_part_look_cheap(tiny_bundle: Path) -> None:
    model = open_model(tiny_bundle)
    for query in ("new quay h", "zoo keeper j", "wether xq"):
        assert model.complete_query(query, QueryOptions(neural=False)).refiners
        model.complete_query(query)
    costs_s = [cost.mean_s for cost in (model._completer._neural_cost, model._completer._spelling_cost)]
    for _ in range(50):
        for query in ("new quay h", "wether xq"):
            model.complete_query(query)
    assert [cost.mean_s for cost in (model._completer._neural_cost, model._completer._spelling_cost)] == costs_s


def test_a_prefix_that_was_seen_often_is_left_to_the_log(model: Model) -> None:
    language_model = model.bundle.language_model("queries")
    pool = QueryCompleter(model.bundle).proposed("new")
    rescorer, rows = Rescorer(language_model), list(range(5))
    assert pool.total >= SEEN
    assert not rescorer.helps(pool)
    chosen = pool.candidates.rows(rows)
    assert rescorer.rescore(pool, rows, chosen)[0] is chosen
    seen, unseen = (
        model.complete_query("new", QueryOptions(neural=False)),
        model.complete_query("new quay h", QueryOptions(neural=False)),
    )
    assert (seen.refiners, unseen.refiners) == ((), (OptionalPart.NEURAL,))


@pytest.mark.parametrize("query", ["new quay h", "free music f"])
def test_who_asks_is_told_what_the_neural_model_thinks_of_each_whole_query(model: Model, query: str) -> None:
    plain, explained = model.complete_query(query), model.complete_query(query, QueryOptions(explain=True))
    assert all(suggestion.terms.neural_log_prob is None for suggestion in plain.suggestions)
    assert [each.text for each in plain.suggestions] == [each.text for each in explained.suggestions]
    assert any(suggestion.terms.neural_log_prob is not None for suggestion in explained.suggestions)


def test_opinions_are_of_whole_queries(model: Model) -> None:
    language_model = model.bundle.language_model("queries")
    pool, rows = unseen(model, "new quay h")
    opinions = Rescorer(language_model).opinions(pool, rows, pool.candidates.rows(rows))
    whole = [
        language_model.token_log_probs([*pool.context, *pool.tokens[row]])[Part.NEURAL][len(pool.context) :].sum()
        for row in rows
    ]
    differences = opinions - np.array(whole)
    np.testing.assert_allclose(differences, differences[0], atol=1e-3)
