"""Texts of letters alone, which have a short way, are judged as all others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lm.text.private import _holds_private, looks_private

_PIECES = ["jane", "doe", "at", "the", "gmail", "yahoo", "com", "dot", "net", "(at)", "( at", "[", ")", "a.b", "x_y"]
_PIECES += ["sk-", "akia", "eyj", "ghp", "ab", "12", "123456", "c", "@", "mail", "www", "é", "co", "aiza", "-", "@x"]


@given(st.lists(st.one_of(st.sampled_from(_PIECES), st.text("abcdotkizé", min_size=1, max_size=18)), max_size=8))
def test_texts_of_letters_alone_are_judged_as_all_others(pieces: list[str]) -> None:
    text = " ".join(pieces)
    assert looks_private(text) == _holds_private(text)
