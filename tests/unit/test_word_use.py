"""Which words exist, and with which of them a query may end."""

from __future__ import annotations

from lm.index.existing_words import Ending
from training.existing_words import WordUse

LOG = [
    ("harry potter and the goblet of fire", 3.0, False),
    ("lyrics of the band", 1.0, False),
    ("the band the", 1.0, False),  # somebody stopped there
    *((f"the {word} of {place}", 1.0, False) for word in ("map", "history", "weather") for place in "abcdefghijklmno"),
]
HELD_OUT = ["the map of rome", "the band", "harry potter and the goblet of fire"]


def _existing(least: int = 1) -> dict[str, Ending]:
    use = WordUse()
    use.add_queries(LOG)
    return use.existing(least, HELD_OUT)


def test_a_word_that_hardly_ever_ends_a_query_ends_none() -> None:
    words = _existing()
    assert words["fire"] is words["band"] is Ending.ANY_QUERY
    assert words["the"] is words["of"] is Ending.WORD


def test_a_rare_word_with_which_no_query_ends_may_end_one_if_it_was_typed() -> None:
    assert _existing()["potter"] is Ending.TYPED_QUERY


def test_a_word_exists_from_a_number_of_times_on() -> None:
    assert "lyrics" in _existing()
    assert "lyrics" not in _existing(2)
    assert "potter" in _existing(3)
    assert "potter" not in _existing(4)


def test_words_of_text_exist_without_the_marks_around_them() -> None:
    use = WordUse()
    use.add_queries(LOG)
    before = set(use.existing(1, HELD_OUT))
    use.add_text(['"The Congress -- of 1942, o\'clock," he said.', "Straße"])
    words = use.existing(1, HELD_OUT)
    assert set(words) - before == {"congress", "1942", "o'clock", "he", "said", "strasse"}
    assert words["congress"] is Ending.TYPED_QUERY
    assert words["of"] is Ending.WORD


def test_the_words_of_a_catalogue_exist_however_often() -> None:
    use = WordUse()
    use.add_queries([("usb-c cable", 0.5, True), ("usb hub", 1.0, False)])
    assert use.existing(5, []) == {"usb-c": Ending.TYPED_QUERY, "cable": Ending.ANY_QUERY}
