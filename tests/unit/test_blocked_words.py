"""Blocked words and phrases are found as a naive search over the words finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.errors import BundleDamagedError
from lm.index.blocked_words import BlockedWords, blockable_words, open_blocked_words

_TEXTS = st.lists(st.sampled_from(["a", "b", "c", "ab", "b's"]), max_size=6).map(" ".join)
_ENTRIES = st.sets(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(" ".join), max_size=4)


def _naive(entries: set[str], words: list[str], ends: range) -> bool:
    return any(words[max(end - len(entry.split()), 0) : end] == entry.split() for entry in entries for end in ends)


@given(entries=_ENTRIES, text=_TEXTS, more=_TEXTS)
def test_as_a_naive_search(entries: set[str], text: str, more: str) -> None:
    blocked = BlockedWords(entries)
    before, new = text.replace("'", " ").split(), more.replace("'", " ").split()
    assert len(blocked) == len(entries)
    assert blocked.block(text) == _naive(entries, before, range(1, len(before) + 1))
    brought = range(len(before) + 1, len(before + new) + 1)
    assert blocked.block_after(text, more) == _naive(entries, before + new, brought)


def test_marks_part_words_and_scripts_without_spaces_have_none() -> None:
    blocked = BlockedWords(["acme", "red tape", "枪支"])
    assert all(map(blocked.block, ["acme's", "e-acme", "red-tape", "买枪支吗"]))
    assert not any(map(blocked.block, ["acmed", "“acmed”", "red hot tape", "red·hot·tape", "", "枪 支"]))


@pytest.mark.parametrize(
    "text",
    [
        "“acme”",
        "acme\u2019s",
        "shoes\u2014acme",
        "¡acme!",
        "e·acme",
        "€acme",
        "😀acme",
        "the “red” tape",
        "ac\u200bme",
        "ac\u200cme",
        "ac\u200dme",
        "red ta\u200dpe",
        "ac\u00adme",
        "买枪\u200d支吗",
    ],
)
def test_marks_of_all_scripts_part_words_and_invisible_characters_hide_none(text: str) -> None:
    blocked = BlockedWords(["acme", "red tape", "枪支"])
    assert blocked.block(text)
    assert blocked.block_after("shoes and ", text)


def test_an_entry_may_hold_invisible_characters() -> None:
    entry = "auf\u200clage"
    assert blockable_words(entry) == ("auflage",)
    assert all(map(BlockedWords([entry]).block, [entry, "«auflage»"]))


def test_without_spaces_an_entry_may_have_begun_before() -> None:
    blocked = BlockedWords(["枪支", "毒"])
    assert all(blocked.block_after(before, text) for before, text in [("买枪", "支吗"), ("", "枪支"), ("枪支", "毒")])
    assert not any(blocked.block_after(before, text) for before, text in [("枪支", "吗"), ("买枪 ", "支")])


def test_an_entry_is_words_with_single_spaces() -> None:
    assert blockable_words("red tape") == ("red", "tape")
    for other in ("red  tape", "red tape*", "r*d", "*", "~", "~^red", "red||blue", "|", " ", "", "can't"):
        assert blockable_words(other) == ()
    for entry in ("red*", "*red", "~red", "^red|blue tape", "!red"):
        assert blockable_words(entry)


def test_a_bundle_keeps_them(tmp_path: Path) -> None:
    assert len(open_blocked_words(tmp_path)) == 0
    BlockedWords(["übel", "red tape"]).save(tmp_path)
    assert (tmp_path / "blocked_words.txt").read_text(encoding="utf-8") == "red tape\nübel\n"
    assert open_blocked_words(tmp_path).block("sehr übel")
    (tmp_path / "blocked_words.txt").write_bytes(b"\xff\n")
    with pytest.raises(BundleDamagedError, match=r"blocked_words\.txt"):
        open_blocked_words(tmp_path)


def test_a_star_stands_for_more_letters() -> None:
    blocked = BlockedWords(["acme*", "*foo*", "*bar", "!acmella"])
    assert all(map(blocked.block, ["acme", "acmes", "my acmeshop", "foo", "afoot", "bar", "crowbar"]))
    assert not any(map(blocked.block, ["pacme", "barn", "acmella", "fo o"]))


def test_words_that_are_only_written_otherwise_are_found() -> None:
    blocked = BlockedWords(["acme", "übel", "sees"])
    assert all(map(blocked.block, ["acmé", "acm3", "4cme", "a c m e", "an a c m e shop", "a-c-m-e", "5ees", "übel"]))
    assert not any(map(blocked.block, ["ubel", "a c m", "acm", "4c m3", "5335", "ac me"]))
    assert blocked.block_after("an a c m ", "e")
    assert not blocked.block_after("an a c m e ", "shop")


def test_a_phrase_may_have_several_words_in_a_place() -> None:
    blocked = BlockedWords(["red|blue tape|ribbon"])
    assert all(map(blocked.block, ["red tape", "red ribbon", "blue tape", "a blue ribbon"]))
    assert not any(map(blocked.block, ["red blue", "tape red", "red", "ribbon"]))


def test_delicate_words_are_for_what_is_logged() -> None:
    blocked = BlockedWords(["~gnome", "~old|young elves", "^stupid", "^must die"])
    for text in ("gnome gardens", "old elves", "gn0me"):
        assert blocked.block_generated(text)
        assert not blocked.block(text)
    assert not blocked.block_generated("elves")
    assert not blocked.block("must die stupid")


def test_an_insult_beside_a_delicate_word_is_blocked_in_either_order() -> None:
    blocked = BlockedWords(["~gnome", "^stupid", "^must die"])
    assert all(map(blocked.block, ["stupid gnome", "the gnome is stupid", "every gnome must die"]))
    assert blocked.block_after("why is the gnome so ", "stupid")
    assert blocked.block_after("stupid ", "gnome")
    assert not blocked.block_after("stupid gnome ", "garden")
