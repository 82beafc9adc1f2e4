"""Re-scoring: what is remembered of earlier keystrokes changes nothing, and the first candidates alone are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import suggest.rescoring
from suggest.candidates import Pool, propose
from suggest.model import Model, open_model
from suggest.rescoring import RESCORED, SEEN, Rescored, Rescorer

TYPED = ["new", "new ", "new y", "new yo", "new york", "new york ", "new york t", "new ", "how", "how t", "new yo"]


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return open_model(tiny_bundle)


def unseen(pool: Pool) -> Pool:
    """The pool as of a prefix that hardly anybody has typed."""
    return replace(pool, total=SEEN - 1)


def rescored(model: Model, rescorer: Rescorer, query: str) -> tuple[Rescored, int]:
    language_model = model.bundle.language_model("queries")
    pool = unseen(propose(language_model, model.bundle.queries, query, model.bundle.denied))
    rows = [row for row, tokens in enumerate(pool.tokens) if tokens][:12]
    return rescorer.rescore(pool, rows, pool.candidates.of(rows)), len(rows)


def test_what_is_remembered_is_what_the_models_say(model: Model) -> None:
    language_model = model.bundle.language_model("queries")
    remembering = Rescorer(language_model)
    for query in TYPED:
        found, _ = rescored(model, remembering, query)
        fresh, _ = rescored(model, Rescorer(language_model), query)
        np.testing.assert_array_equal(found.neural, fresh.neural)
        np.testing.assert_array_equal(found.candidates.log_probs, fresh.candidates.log_probs)


def test_a_keystroke_that_only_narrows_the_list_asks_the_network_nothing(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    rescorer = Rescorer(model.bundle.language_model("queries"))
    first, _ = rescored(model, rescorer, "new york t")
    monkeypatch.setattr(suggest.rescoring, "neural_log_probs", None)  # would fail if it were called
    again, _ = rescored(model, rescorer, "new york t")
    assert (first.read, again.read) == (True, False)


def test_keystrokes_that_are_known_do_not_make_the_neural_model_look_cheap(tiny_bundle: Path) -> None:
    model = open_model(tiny_bundle)
    for query in ("new quay h", "zoo keeper j"):
        assert model.complete_query(query, neural=False).refinable
        model.complete_query(query)
    cost_s = model._completer._neural_cost.mean_s
    for _ in range(50):
        model.complete_query("new quay h")
    assert model._completer._neural_cost.mean_s == cost_s


def test_a_prefix_that_was_seen_often_is_left_to_the_log(model: Model) -> None:
    language_model = model.bundle.language_model("queries")
    pool = propose(language_model, model.bundle.queries, "new", model.bundle.denied)
    rescorer, rows = Rescorer(language_model), list(range(5))
    assert pool.total >= SEEN
    assert not rescorer.helps(pool)
    assert rescorer.rescore(pool, rows, pool.candidates.of(rows)).candidates is not None
    seen, unseen = model.complete_query("new", neural=False), model.complete_query("new quay h", neural=False)
    assert (seen.refinable, unseen.refinable) == (False, True)


def test_the_others_keep_the_n_gram_models_opinion(model: Model) -> None:
    language_model = model.bundle.language_model("queries")
    pool = unseen(propose(language_model, model.bundle.queries, "new", model.bundle.denied))
    rows = [row for row, tokens in enumerate(pool.tokens) if tokens][: RESCORED + 4]
    chosen = pool.candidates.of(rows)
    found = Rescorer(language_model).rescore(pool, rows, chosen)
    assert np.isfinite(found.neural).tolist() == [place < RESCORED for place in range(len(rows))]
    np.testing.assert_array_equal(found.candidates.log_probs[RESCORED:], chosen.log_probs[RESCORED:])
    first = slice(0, RESCORED)  # and the re-scored ones share what these gave them
    assert np.exp(found.candidates.log_probs[first]).sum() == pytest.approx(np.exp(chosen.log_probs[first]).sum())
