"""A trained model with queries that became known since: found, ranked and shown as its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm.index.live_queries import LiveQueries, LiveQuery
from suggest.live import Live
from suggest.model import Model, open_model
from suggest.types import Generated, QueryOptions, QuerySuggestion, SuggestionSource

CATALOGUE, TRENDING, LOG = SuggestionSource.CATALOGUE, SuggestionSource.TRENDING, SuggestionSource.LOG
OPTIONS = QueryOptions(neural=False)
LAMP = LiveQuery("zyntrix desk lamp", 40.0, display="Zyntrix desk lamp", payload="id-7", entry=True)


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return open_model(tiny_bundle)


def complete(model: Model, query: str, *live: LiveQuery) -> tuple[QuerySuggestion, ...]:
    queries = LiveQueries().with_changes({each.text: each for each in live})
    options = QueryOptions(generated=Generated.OFF)
    return model.complete_query(query, options, None, Live(queries=(queries,))).suggestions


def popular(model: Model, prefix: str, place: int) -> str:
    assert model.bundle.queries is not None
    return model.bundle.queries.completions(prefix, 50)[0][place][0]


@pytest.mark.parametrize("typed", ["zyn", "zyntrix desk l", "lamp zyn", "desk lamp", "zyntirx desk", "zintrix"])
def test_a_new_entry_is_found_as_those_of_the_bundle(model: Model, typed: str) -> None:
    first = complete(model, typed, LAMP)[0]
    assert (first.display, first.payload, first.source) == ("Zyntrix desk lamp", "id-7", CATALOGUE)
    assert not [each for each in complete(model, typed) if "zyntrix" in each.text]


def test_a_known_query_rises_as_it_is_submitted(model: Model) -> None:
    text = popular(model, "s", 20)
    assert text not in [each.text for each in complete(model, text[:1])]
    rising = LiveQuery(text, 5000.0, 5000.0)
    first = complete(model, text[:1], rising)[0]
    assert (first.text, first.source) == (text, TRENDING)
    assert complete(model, "", rising)[0].text == text
    little = [each for each in complete(model, text[:3], LiveQuery(text, 1e-3)) if each.text == text]
    assert [each.source for each in little] == [LOG]


def test_a_list_is_in_the_order_of_what_it_states(model: Model) -> None:
    live = [LiveQuery(f"{popular(model, '', place)} again", float(place)) for place in range(1, 40)]
    for prefix in {text[:size] for text in (each.text for each in live) for size in (1, 2, 5)}:
        stated = [each.acceptance_prob for each in complete(model, prefix, *live)]
        assert stated == sorted(stated, reverse=True)
        assert sum(stated) <= 1.0 + 1e-6


def test_an_entry_may_be_a_query_of_the_log_too(model: Model) -> None:
    text = popular(model, "", 0)
    instead = LiveQuery(text, 0.01, display=text.upper(), payload="new", entry=True)
    (found,) = [each for each in complete(model, text[:4], instead) if each.text == text]
    assert (found.display, found.payload, found.source) == (text.upper(), "new", CATALOGUE)
    before = next(each for each in complete(model, text[:4]) if each.text == text)
    assert found.acceptance_prob == pytest.approx(before.acceptance_prob, rel=0.1)


def test_an_empty_set_changes_nothing(model: Model) -> None:
    for prefix in ("", "s", "the", "new y"):
        options = QueryOptions()
        plain = model.complete_query(prefix, options, None)
        with_none = model.complete_query(prefix, options, None, Live(queries=(LiveQueries(),)))
        assert with_none.suggestions == plain.suggestions


class _Denied:
    """One text taken down."""

    def __init__(self, text: str) -> None:
        self._text = text

    def blocks(self, text: str) -> bool:
        return text == self._text

    def blocks_after(self, before: str, text: str) -> bool:  # noqa: ARG002
        return False


def test_what_is_new_lowers_what_others_state_and_denied_counts_for_nothing(model: Model) -> None:
    text = popular(model, "s", 0)
    new = f"{text} zyntrix"
    queries = (LiveQueries().with_changes({new: LiveQuery(new, 50.0, 50.0)}),)

    def stated(live: Live) -> dict[str, float]:
        return {
            each.text: each.acceptance_prob for each in model.complete_query(text[:3], OPTIONS, None, live).suggestions
        }

    before, beside = stated(Live()), stated(Live(queries=queries))
    assert new in beside
    assert all(beside[each] < before[each] for each in before.keys() & beside.keys())
    assert stated(Live(queries=queries, blocked=_Denied(new))) == pytest.approx(before)
