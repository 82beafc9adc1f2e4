"""Blocked words and phrases are found as a naive search over the words finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.errors import BundleDamagedError
from lm.index.never_generated import BlockedWords, blockable_words, open_blocked_words

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
    assert not any(map(blocked.block, ["acmed", "“acmed”", "acmé", "red hot tape", "red·hot·tape", "", "枪 支"]))


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
    assert blockable_words("red  tape") == blockable_words("red*") == blockable_words(" ") == blockable_words("") == ()


def test_a_bundle_keeps_them(tmp_path: Path) -> None:
    assert len(open_blocked_words(tmp_path)) == 0
    BlockedWords(["übel", "red tape"]).save(tmp_path)
    assert (tmp_path / "blocked_words.txt").read_text(encoding="utf-8") == "red tape\nübel\n"
    assert open_blocked_words(tmp_path).block("sehr übel")
    (tmp_path / "blocked_words.txt").write_bytes(b"\xff\n")
    with pytest.raises(BundleDamagedError, match=r"blocked_words\.txt"):
        open_blocked_words(tmp_path)
