# ruff: noqa: RUF001 -- look-alike characters are what is tested
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from lm.text.normalize import (
    join_words,
    last_word_start,
    normalize_query,
    normalize_text,
    split_words,
)
from lm.text.sentences import sentences_so_far, split_sentences

few = settings(max_examples=60, deadline=None)
# Letters and marks on which normalisation can stumble: jamo, wide and narrow forms, marks, joiners, odd blanks.
awkward = st.text(
    st.sampled_from(
        "aA \u0307i \t\u00a0\u200b\u200d\u0301\u0345\u0130\u03a3ßﬁＡ！\u1e9e½…'’-.1"
        "ㄱㅏ가\u1100\u1161\u119e\u11a8\u11f0ﾡￂ㉠กำ\u0e4d\u0e32\u0e49ｶﾞ"
    )
)


@few
@given(st.text() | awkward)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalize_query(text)
    assert normalize_query(once) == once
    for lowercase in (True, False):
        plain = normalize_text(text, lowercase=lowercase)
        assert normalize_text(plain, lowercase=lowercase) == plain
    # models see a query as its key is
    assert normalize_text(once, lowercase=True) == once.rstrip()


@few
@given(st.text() | awkward)
def test_a_normal_query_has_no_blank_but_single_spaces(text: str) -> None:
    query = normalize_query(text)
    assert not query.startswith(" ")
    assert "  " not in query
    for char in query:
        assert char == " " or not char.isspace()
        assert unicodedata.category(char) not in {"Cc", "Cf"} or char == "\u200d"


@few
@given(st.text(st.characters(max_codepoint=127)))
def test_the_quick_way_for_ascii_is_the_slow_way(text: str) -> None:
    # a letter outside ASCII at the end takes the slow way and stands alone
    assert normalize_query(text + " é") == (normalize_query(text).rstrip() + " é").lstrip()


@few
@given(st.text() | awkward)
def test_nothing_but_blanks_stands_between_words(text: str) -> None:
    end = 0
    for word in split_words(text):
        assert word
        start = text.index(word, end)
        assert normalize_text(text[end:start], lowercase=False) == ""
        end = start + len(word)


@few
@given(st.text() | awkward)
def test_the_last_word_is_the_rest_of_the_text(text: str) -> None:
    start = last_word_start(text)
    assert 0 <= start <= len(text)
    if text and text[-1].isspace():
        assert start == len(text)
    if start < len(text):
        assert not any(char.isspace() for char in text[start:])


@few
@given(st.text() | awkward)
def test_sentences_hold_all_that_is_no_blank(text: str) -> None:
    sentences = split_sentences(text)
    assert all(sentence.strip() == sentence != "" for sentence in sentences)
    together = "".join("".join(sentences).split())
    assert together.replace("\u200b", "") == "".join(text.split()).replace("\u200b", "")


sentence_like = st.lists(
    st.sampled_from(["Mr", "the", "The", "U.S", "p.m", "No", "5", "x", "I", "etc", "(", '"', "met", "今天"]).flatmap(
        lambda word: st.sampled_from([" ", ". ", ".", '." ', "! ", ", ", "。", " “", "... "]).map(
            lambda end: word + end
        )
    ),
    max_size=12,
).map("".join)


@few
@given(sentence_like)
def test_a_text_that_is_typed_is_cut_as_the_whole_text_is(text: str) -> None:
    whole = split_sentences(text)
    for place in range(len(text)):
        if text[place].isalnum() and not text[:place][-1:].isalnum():
            *before, last = sentences_so_far(text[:place], text[place])
            assert before == whole[: len(before)]
            following = whole[len(before)]
            assert following.startswith(last)
            assert following[len(last) :].lstrip().startswith(text[place])


words = st.lists(st.from_regex(r"[a-z]{1,6}('[a-z]{1,3})?|[0-9]{1,3}(,[0-9]{3})?", fullmatch=True), min_size=1)


@few
@given(words, st.sampled_from([".", "?", "!", "..."]))
def test_a_plain_sentence_survives_splitting_and_joining(sentence: list[str], end: str) -> None:
    tokens = [*sentence, end]
    assert split_words(join_words(tokens)) == tokens
