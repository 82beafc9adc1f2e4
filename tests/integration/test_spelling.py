"""Typing errors in what was typed of a query, on a bundle that was really trained."""

from __future__ import annotations

import numpy as np
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb

from cli.suggestions import suggestions_table
from demo.sample_data import SampleData
from lm.index.lexicon import Lexicon
from service.rpc.completer import completion_response
from suggest.budget import Budget
from suggest.candidates import Candidates, Pool, pool_readings
from suggest.complete import QueryCompleter
from suggest.model import Model, open_model
from suggest.sources.source import read_typed
from suggest.sources.spelling import SpellingSource
from suggest.types import Generated, QueryCompletion, QueryOptions, SuggestionSource
from tests.tiny_bundle import train_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, sample_data: SampleData) -> Model:
    """Without a neural model, which corrections do not ask, but with all queries."""
    published = train_tiny(
        tmp_path_factory.mktemp("spelling"),
        sample_data,
        text=[],
        query_log=[{"path": str(sample_data.queries)}],
        language_models=[
            {
                "name": "queries",
                "unit": "subword",
                "sources": ["queries"],
                "vocabulary_size": 2000,
                "ngram": {"order": 5},
            }
        ],
    )
    return open_model(published.path)


def corrected(completion: QueryCompletion) -> list[str]:
    return [s.text for s in completion.suggestions if s.terms.edit_count]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("new yrok c", "new york c"),
        ("califronia st", "california st"),
        ("univrsity of tex", "university of tex"),
        ("universityof tex", "university of tex"),
        ("unive rsity of tex", "university of tex"),
        ("universityo f tex", "university of tex"),
        ("united sgates na", "united states na"),
        ("unitedd sttaes na", "united states na"),
    ],
)
def test_completions_of_what_was_meant_are_there(model: Model, typed: str, meant: str) -> None:
    completion = model.complete_query(typed)
    found = corrected(completion)
    assert any(text.startswith(meant) for text in found), completion
    assert corrected(model.complete_query(typed, QueryOptions(correct=False))) == []
    assert completion.corrected_query == meant
    for suggestion in completion.suggestions:
        assert suggestion.terms.edit_count == 0 or not suggestion.text.startswith(typed)
        assert 0 <= suggestion.terms.edit_count <= 2


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hotmial", "hotmail"),
        ("wikipdia", "wikipedia"),
        ("harry poter", "harry potter"),
        ("britny spears", "britney spears"),
        ("calfornia", "california"),
        ("restaraunt", "restaurant"),
    ],
)
def test_a_usual_misspelling_is_first_of_all_corrected(model: Model, typed: str, meant: str) -> None:
    first = model.complete_query(typed).suggestions[0]
    assert first.text.startswith(meant)
    assert first.terms.edit_count


@pytest.mark.parametrize("typed", ["xyzzy", "qwrtp", "bcdfg", "zxcvb", "hjkl", "wqptz", "mnbvc"])
def test_nonsense_gets_no_answer(model: Model, typed: str) -> None:
    assert model.bundle.manifest.ranking.floor > 0
    assert model.complete_query(typed).suggestions == ()


_TYPED = ["new yrok", "univrsity of tex", "universityof tex", "york new", "hotmial", "free mus", "weather ", "", "e"]


@pytest.mark.parametrize("generated", Generated)
@pytest.mark.parametrize("typed", _TYPED)
def test_every_list_is_in_the_order_that_it_states(model: Model, generated: Generated, typed: str) -> None:
    options = QueryOptions(generated=generated, min_acceptance_prob=0.0)
    suggestions = model.complete_query(typed, options).suggestions
    stated = [
        (generated is Generated.FILL and each.source is SuggestionSource.GENERATED, -each.acceptance_prob)
        for each in suggestions
    ]
    assert stated == sorted(stated)
    for k in (3, 4):
        shorter = model.complete_query(typed, options._replace(max_suggestions=k)).suggestions
        assert shorter == suggestions[:k]


def test_a_finished_word_is_corrected_to_a_query_of_the_log_too(model: Model) -> None:
    index = model.bundle.queries
    assert index is not None
    assert index.count("new york") > 0
    completion = model.complete_query("new yrok ")
    found = {suggestion.text: suggestion for suggestion in completion.suggestions}
    assert found["new york"].terms.edit_count == 1
    assert found["new york"].typed == ((0, len("new york")),)
    assert any(text.startswith("new york ") for text in found)
    assert "new york" not in [suggestion.text for suggestion in model.complete_query("new york ").suggestions]


def test_near_duplicates_collapse_over_readings(model: Model) -> None:
    kinds = [kind for kind in model.bundle.manifest.duplicates.collapse if kind != "plural"]

    def pool(*queries: tuple[str, float]) -> Pool:
        texts, counts = [text for text, _ in queries], np.array([count for _, count in queries])
        some = np.ones(len(queries))
        return Pool(Candidates(texts, some, counts, -some, some), [[]] * len(queries), some.tolist(), (), 1.0)

    exact = pool(("cars blue", 5.0), ("cars odd", 0.0), ("cars few", 1.0))
    first = pool(("blue, cars", 4.0), ("odd, cars", 0.0), ("few, cars", 2.0), ("green cars", 1.0))
    second = pool(("cars, green", 1.0), ("cars green!", 2.0), ("new cars", 1.0))
    language_model = model.bundle.language_model("queries")
    typed, *others = [read_typed(language_model, text) for text in ("carz", "first", "second")]
    for other in others:
        other.edits = 1
    joined, owners = pool_readings(typed, exact, list(zip(others, (first, second), strict=True)), kinds)
    assert {text: correction.query for text, correction in owners.items()} == {
        "odd, cars": "first",
        "few, cars": "first",
        "green cars": "first",
        "cars green!": "second",
        "new cars": "second",
    }
    assert joined.candidates.texts[:3] == exact.candidates.texts


@pytest.mark.parametrize("typed", ["", "n", "new yor", "new york ", "how to ", "university of", "weather in "])
def test_usual_prefixes_are_taken_as_they_stand(model: Model, typed: str) -> None:
    completion = model.complete_query(typed)
    assert corrected(completion) == []
    assert "spelling" not in [timing.stage for timing in completion.timings]
    assert completion.suggestions == model.complete_query(typed, QueryOptions(correct=False)).suggestions


def test_three_queries_of_the_log_are_enough_however_little_they_weigh(model: Model) -> None:
    bundle, typed = model.bundle, "univrsity of tex"
    assert bundle.lexicon is not None
    language_model = bundle.language_model("queries")
    spelling = SpellingSource(language_model, bundle.lexicon, ())
    pool = QueryCompleter(bundle).proposed(typed)
    for logged, suspects in ((2, True), (3, False)):
        reading = read_typed(language_model, typed)
        reading.typed_log_prob, reading.logged, reading.total = pool.typed_log_prob, logged, 0.1 * logged
        assert bool(spelling.suspects(reading)) == suspects


def test_numbers_are_not_corrected(model: Model) -> None:
    found = corrected(model.complete_query("hurircane 2005"))
    assert found
    assert all("hurricane" in text and "2005" in text for text in found)


def test_only_logged_ones_where_asked(model: Model) -> None:
    index = model.bundle.queries
    assert index is not None
    completion = model.complete_query("univrsity of tex", QueryOptions(generated=Generated.OFF))
    assert completion.suggestions
    assert all(index.count(suggestion.text) for suggestion in completion.suggestions)


def test_without_time_nothing_is_looked_up(model: Model) -> None:
    completion = model.complete_query("univrsity of tex", budget=Budget(0.0, lambda: 1.0))
    assert completion.degraded
    assert corrected(completion) == []


def test_the_answer_says_what_was_corrected(model: Model) -> None:
    completion = model.complete_query("univrsity of tex")
    response = completion_response(completion, model, explain=True)
    assert response.corrected_query == completion.corrected_query == "university of tex"
    first = next(suggestion for suggestion in response.suggestions if suggestion.explanation.edit_count)
    assert first.explanation.edit_count == 1
    assert first.segments[0] == pb.TextSegment(text="university of tex", typed=True)
    table = suggestions_table("univrsity of tex", response, explain=True)
    assert "corrected to: university of tex" in str(table.caption)
    assert table.columns[-1].header == "edits"


def test_the_lexicon_holds_the_words_of_the_log(model: Model) -> None:
    lexicon, index = model.bundle.lexicon, model.bundle.queries
    assert isinstance(lexicon, Lexicon)
    assert index is not None
    completions, total = index.completions("", len(index))
    assert lexicon.total == pytest.approx(sum(count * len(query.split(" ")) for query, count in completions), rel=1e-3)
    assert lexicon.count("york") == sum(count * query.split(" ").count("york") for query, count in completions)
    assert total > 0
