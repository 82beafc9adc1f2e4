"""A plain word after what cannot become private needs no second look."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lm.text.private import _holds_private, is_plain_word, looks_private, may_become_private

_PIECES = ["jane", "doe", "at", "the", "gmail", "yahoo", "com", "dot", "net", "(at)", "( at", "[", ")", "a.b", "x_y"]
_PIECES += ["sk-", "akia", "eyj", "ghp", "ab", "12", "123456", "c", "@", "mail", "www", "é", "co", "aiza", "-", "@x"]
_WORDS = st.one_of(st.sampled_from([*_PIECES, "abcdefghijklmno", "q" * 16]), st.text("abcdot", min_size=1, max_size=18))


@given(st.lists(st.one_of(st.sampled_from(_PIECES), st.text("abcdotkizé", min_size=1, max_size=18)), max_size=8))
def test_texts_of_letters_alone_are_judged_as_all_others(pieces: list[str]) -> None:
    text = " ".join(pieces)
    assert looks_private(text) == _holds_private(text)


@given(st.lists(st.sampled_from(_PIECES), max_size=7), _WORDS)
def test_a_plain_word_makes_only_conspicuous_text_private(pieces: list[str], word: str) -> None:
    before = "".join(piece + " " for piece in pieces)
    if is_plain_word(word):
        assert not looks_private(word)
        if not looks_private(before) and not may_become_private(before):
            assert not looks_private(before + word)
