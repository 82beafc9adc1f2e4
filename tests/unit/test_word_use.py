"""Which words exist, and with which of them a query may end."""

from __future__ import annotations

from training.existing_words import WordUse

LOG = [
    ("harry potter and the goblet of fire", 3.0, False),
    ("lyrics of the band", 1.0, False),
    ("the band the", 1.0, False),  # somebody stopped there
    *((f"the {word} of {place}", 1.0, False) for word in ("map", "history", "weather") for place in "abcdefghijklmno"),
]
HELD_OUT = ["the map of rome", "the band", "harry potter and the goblet of fire"]


def _existing(least: int = 1) -> dict[str, bool]:
    use = WordUse()
    use.add_queries(LOG)
    return use.existing(least, HELD_OUT)


def test_a_word_that_hardly_ever_ends_a_query_ends_none() -> None:
    words = _existing()
    assert words["fire"]
    assert words["band"]
    assert words["the"] is False
    assert words["of"] is False


def test_a_word_with_which_no_query_ends_ends_none() -> None:
    assert _existing()["potter"] is False


def test_a_word_exists_from_a_number_of_times_on() -> None:
    assert "lyrics" in _existing()
    assert "lyrics" not in _existing(2)
    assert "potter" in _existing(3)
    assert "potter" not in _existing(4)


def test_words_of_text_exist_without_the_marks_around_them() -> None:
    use = WordUse()
    use.add_text(['"The Congress -- of 1942, o\'clock," he said.', "Straße"])
    assert set(use.existing(1, [])) == {"the", "congress", "of", "1942", "o'clock", "he", "said", "strasse"}
    assert not any(use.existing(1, []).values())


def test_the_words_of_a_catalogue_exist_however_often() -> None:
    use = WordUse()
    use.add_queries([("usb-c cable", 0.5, True), ("usb hub", 1.0, False)])
    assert use.existing(5, []) == {"usb-c": False, "cable": True}
