"""Pins put texts at their places; synonyms replace what was typed."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from suggest.pins import Pin, Pins, boosted, placed
from suggest.synonyms import MOST_VARIANTS, Synonyms
from suggest.types import QuerySuggestion, ScoreTerms, SuggestionSource


def _suggestion(text: str, prob: float = 0.5) -> QuerySuggestion:
    return QuerySuggestion(text, text, math.log(prob), prob, SuggestionSource.LOG, (), ScoreTerms(), f"of {text}")


def _pin(text: str, place: int = 0, boost: float = 0.0, payload: str = "") -> Pin:
    return Pin(text, text.upper(), payload, place, boost)


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(1, 20), max_size=5),
    st.sets(st.sampled_from("abcdefghijkl"), max_size=3),
)
def test_each_pin_has_its_place_and_the_others_keep_their_order(
    texts: list[str], places: dict[str, int], hidden: set[str]
) -> None:
    pins = [_pin(text, place) for text, place in places.items()]
    listed = placed(
        [_suggestion(text) for text in texts],
        pins,
        lambda pin: None if pin.text in hidden else _suggestion(pin.text)._replace(pinned=True),
    )
    shown = [each.text for each in listed]
    standing = {text for text in places if text not in hidden or text in texts}
    assert sorted(shown) == sorted({*texts, *standing})
    assert [text for text in shown if text not in places] == [text for text in texts if text not in places]
    assert {each.text for each in listed if each.pinned} == standing
    in_order = [text for text in places if text in standing]
    in_order.sort(key=lambda text: places[text])
    assert [text for text in shown if text in standing] == in_order
    for number, text in enumerate(in_order):
        if len({places[each] for each in in_order}) == len(in_order):
            assert shown.index(text) + 1 == min(places[text], len(shown) - (len(in_order) - 1 - number))


def test_a_place_behind_the_end_is_the_end_and_the_first_of_one_place_comes_first() -> None:
    listed = placed([_suggestion("a")], [_pin("x", 9), _pin("y", 1), _pin("z", 1)], lambda pin: _suggestion(pin.text))
    assert [each.text for each in listed] == ["y", "z", "a", "x"]


def test_a_listed_text_moves_with_what_is_known_of_it() -> None:
    listed = placed([_suggestion("a"), _suggestion("b")], [_pin("b", 1)], lambda _: None)
    assert [(each.text, each.payload, each.pinned) for each in listed] == [("b", "of b", True), ("a", "of a", False)]
    listed = placed([_suggestion("b")], [_pin("b", 1, payload="new")], lambda _: None)
    assert [each.payload for each in listed] == ["new"]


def test_a_boost_multiplies_the_probability_up_to_one() -> None:
    suggestions = [_suggestion("a", 0.5), _suggestion("b", 0.2), _suggestion("c", 0.1)]
    listed = boosted(suggestions, [_pin("c", boost=3.0), _pin("a", 3)])
    assert [(each.text, round(each.acceptance_prob, 6)) for each in listed] == [("a", 0.5), ("c", 0.3), ("b", 0.2)]
    assert [each.pinned for each in listed] == [False, True, False]
    listed = boosted(suggestions, [_pin("c", boost=4.0), _pin("b", boost=100.0), _pin("a", 3)])
    shares = [(each.text, round(1.9 * each.acceptance_prob, 6)) for each in listed]
    assert shares == [("b", 1.0), ("a", 0.5), ("c", 0.4)]
    assert [each.text for each in boosted(suggestions, [_pin("a", boost=0.1)], least=0.08)] == ["b", "c"]
    assert [each.pinned for each in listed] == [True, False, True]
    assert boosted(suggestions, []) == suggestions


def test_a_boost_brings_nothing_generated_before_others_that_it_is_to_follow() -> None:
    guess = _suggestion("b", 0.5)._replace(source=SuggestionSource.GENERATED)
    suggestions = [_suggestion("a", 0.2), _suggestion("c", 0.1), guess]
    pins = [_pin("c", boost=3.0)]
    assert [each.text for each in boosted(suggestions, pins, fills=True)] == ["c", "a", "b"]
    assert [each.text for each in boosted(suggestions, pins)] == ["b", "c", "a"]


def test_pins_hold_for_what_is_typed() -> None:
    pins = Pins({"red shoes": [_pin("a", 1)], "": [_pin("box", 1)]}, {"re": [_pin("a", 2), _pin("b", 2)], "": []})
    assert [(pin.text, pin.place) for pin in pins.of("red shoes ")] == [("a", 1), ("b", 2)]
    assert [(pin.text, pin.place) for pin in pins.of("red")] == [("a", 2), ("b", 2)]
    assert [pin.text for pin in pins.of("")] == ["box"]
    assert not pins.of("r")
    assert not Pins({}, {}).of("red")


def test_synonyms_replace_whole_phrases_where_they_are_typed() -> None:
    synonyms = Synonyms({"tv": ("television",), "cell phone": ("mobile",), "a": tuple("bcdefg")})
    assert synonyms.variants("tv") == ["television"]
    assert synonyms.variants("big tv ") == ["big television "]
    assert synonyms.variants("tv cell phone c") == ["tv mobile c", "television cell phone c"]
    assert not synonyms.variants("tvs")
    assert not synonyms.variants("television")
    assert not synonyms.variants("")
    assert len(synonyms.variants("a a a")) == MOST_VARIANTS
