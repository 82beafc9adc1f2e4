"""The neural model proposes: its beam over the mixture, and what becomes of what it finds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lm.bundle.bundle import Bundle, open_bundle
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END
from suggest.budget import Budget, OptionalPart
from suggest.complete import QueryCompleter
from suggest.model import Model
from suggest.sources.neural import PROPOSED, Explored, NeuralSource
from suggest.sources.source import Reading, read_typed
from suggest.types import Generated, QueryOptions
from training.fit.neural import fit_neural
from training.progress import SilentReporter

TYPED = ["new home h", "free music f", "how to make a c", "texas map o", "pictures of g"]


def opened(folder: Path, use: str) -> Bundle:
    """The bundle with another use of the model that completes queries."""
    bundle = open_bundle(folder, verify=False)
    entries = tuple(
        entry.model_copy(update={"neural_use": use}) if entry.sources[0] == "queries" else entry
        for entry in bundle.manifest.language_models
    )
    manifest = bundle.manifest.model_copy(update={"language_models": entries})
    models = tuple(LanguageModel(entry, folder / entry.name) for entry in entries)
    return replace(bundle, manifest=manifest, language_models=models)


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return Model(opened(tiny_bundle, "propose"))


@pytest.fixture(scope="module")
def language_model(model: Model) -> LanguageModel:
    return model.bundle.language_model("queries")


def explored(model: Model, query: str) -> tuple[Reading, Explored]:
    language_model = model.bundle.language_model("queries")
    pool = QueryCompleter(model.bundle).proposed(query)
    reading = read_typed(language_model, query)
    known = list(zip(pool.candidates.texts, pool.tokens, strict=True))
    return reading, NeuralSource(language_model, model.bundle.words).explore(reading, known)


@pytest.mark.parametrize("query", TYPED)
def test_all_are_scored_by_the_mixture(model: Model, language_model: LanguageModel, query: str) -> None:
    reading, found = explored(model, query)
    pool = QueryCompleter(model.bundle).proposed(query)
    tokens = dict(zip(pool.candidates.texts, pool.tokens, strict=True))
    tokens |= {each.text: each.tokens or () for each in found.proposals}
    assert tokens.keys() >= found.log_probs.keys() - {reading.excluded}
    apart = []
    for text, own in tokens.items():
        whole = language_model.token_log_probs([*reading.context, *own])[Part.ENSEMBLE]
        apart.append(found.log_probs[text] - float(whole[len(reading.context) :].sum()))
    # a query that several tokenisations spell is more probable than one of them
    assert min(apart) == pytest.approx(np.median(apart), abs=1e-3)


@pytest.mark.parametrize("query", TYPED)
def test_proposals_are_new_begin_as_typed_and_come_best_first(model: Model, query: str) -> None:
    reading, found = explored(model, query)
    known = QueryCompleter(model.bundle).proposed(query).candidates.texts
    texts = [each.text for each in found.proposals]
    assert len(texts) <= PROPOSED
    assert not set(texts) & {*known, reading.excluded}
    assert all(text.startswith(query) for text in texts)
    log_probs = [found.log_probs[text] for text in texts]
    assert log_probs == sorted(log_probs, reverse=True)
    sums = [language_log_prob(model, reading, each.tokens or ()) for each in found.proposals]
    assert [each.log_prob for each in found.proposals] == pytest.approx(sums, abs=1e-4)


def language_log_prob(model: Model, reading: Reading, tokens: object) -> float:
    table = model.bundle.language_model("queries").ngram.table
    scores, _ = table.score_all(reading.state.ngram, np.array(tokens, np.int32))
    return float(scores.sum()) - reading.typed_log_prob


def test_a_wide_beam_finds_the_best_of_all(language_model: LanguageModel) -> None:
    reading = read_typed(language_model, "new home h")
    reading.typed_log_prob = 0.0
    narrow = NeuralSource(language_model, width=12).explore(reading, [])
    wide = NeuralSource(language_model, width=400, max_tokens=16).explore(reading, [])
    best, found = wide.proposals[0].text, [each.text for each in narrow.proposals]
    assert best in found
    assert math.exp(narrow.log_probs[best]) == pytest.approx(math.exp(wide.log_probs[best]), rel=0.05)


def test_what_is_known_need_not_be_spelt(language_model: LanguageModel) -> None:
    reading = read_typed(language_model, "new")
    found = NeuralSource(language_model).explore(reading, [("news", ()), ("nowhere", ()), ("new", (END,))])
    assert "nowhere" not in found.log_probs
    assert not {"news", "new"} & {each.text for each in found.proposals}


@pytest.mark.parametrize("query", TYPED)
def test_it_adds_to_what_the_log_does_not_know(model: Model, query: str) -> None:
    fast, refined = (model.complete_query(query, QueryOptions(neural=neural)) for neural in (False, True))
    assert fast.refiners == (OptionalPart.NEURAL,)
    assert "neural" in [timing.stage for timing in refined.timings]
    assert "neural" not in [timing.stage for timing in fast.timings]
    assert refined.suggestions
    again = model.complete_query(query)
    assert [each.text for each in again.suggestions] == [each.text for each in refined.suggestions]


def test_it_is_silent_where_it_has_no_say(model: Model) -> None:
    def stages(query: str, options: QueryOptions = QueryOptions(), budget: Budget | None = None) -> list[str]:  # noqa: B008
        return [timing.stage for timing in model.complete_query(query, options, budget).timings]

    assert "neural" not in stages("new")  # the log knows it
    assert "neural" not in stages("new home h", QueryOptions(generated=Generated.OFF))
    assert "neural" in stages("new home h", QueryOptions(generated=Generated.FILL))
    late = Budget(expires_at_s=0.0, clock=lambda: 0.0)
    assert "neural" not in stages("new home h", budget=late)
    left_out = model.complete_query("new home h", QueryOptions(), late).left_out
    assert OptionalPart.NEURAL in [each.part for each in left_out]


def test_who_asks_is_told_what_the_neural_model_alone_thinks(model: Model) -> None:
    explained = model.complete_query("new home h", QueryOptions(explain=True))
    assert all(each.terms.neural_log_prob is not None for each in explained.suggestions if not each.terms.edit_count)


def test_a_model_that_is_off_is_not_opened(tiny_bundle: Path) -> None:
    bundle = opened(tiny_bundle, "off")
    assert bundle.language_model("queries").neural is None
    answer = Model(bundle).complete_query("new home h", QueryOptions(neural=False))
    assert answer.suggestions
    assert answer.refiners == ()


def test_training_says_whether_it_pays(model: Model) -> None:
    queries = [
        f"{first} {second}" for first in ("free", "new", "home") for second in ("home", "music center", "city map")
    ]
    ranking, figures = fit_neural(model.bundle, queries * 20, SilentReporter())
    assert figures["queries"] > 20
    assert figures["kept"] == (ranking is not None) == (figures["nats"] > 2 * figures["standard_error"])
    few = fit_neural(model.bundle, queries, SilentReporter())
    assert few[0] is None
    assert few[1] == {"queries": figures["queries"] // 20, "kept": False}
