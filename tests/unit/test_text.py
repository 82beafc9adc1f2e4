# ruff: noqa: RUF001 -- look-alike characters are what is tested
import sys
import unicodedata

import pytest

from lm.text import (
    join_words,
    last_word_start,
    normalize_query,
    normalize_text,
    split_sentences,
    split_words,
    word_spans,
)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("", ""),
        ("   ", ""),
        ("  How \t To ", "how to "),
        ("new\u00a0york\n", "new york "),
        ("ＡＢＣ１２３", "abc123"),
        ("ﬁne ½", "fine 1⁄2"),
        ("CAFE\u0301", "café"),
        ("zero\u200bwidth\ufeff", "zero width "),
        ("a\x00b\x7f", "a b "),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("ㅋㅋ ㄱㅏ", "ㅋㅋ ㄱㅏ"),
        ("한글", "한글"),
        ("İ", "i̇"),
    ],
)
def test_queries_are_normalised(given: str, normal: str) -> None:
    assert normalize_query(given) == normal


def test_text_keeps_its_case_and_loses_blanks_at_both_ends() -> None:
    assert normalize_text("  The\tＵ.S. \n", lowercase=False) == "The U.S."
    assert normalize_text("  The\tＵ.S. \n", lowercase=True) == "the u.s."


def test_every_control_and_format_character_separates() -> None:
    # later Unicode versions may add some: those of this Python's version must all be known
    kept = {"\u200c", "\u200d"}
    for char in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(char) in {"Cc", "Cf"} and char not in kept:
            assert normalize_query(f"a{char}b") == "a b", hex(ord(char))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't say the president's 1,000.", ["Don't", "say", "the", "president's", "1,000", "."]),
        ("3.14% of 1.5m", ["3.14", "%", "of", "1.5m"]),
        ("well-known (or not)", ["well", "-", "known", "(", "or", "not", ")"]),
        ("the U.S. economy, e.g. trade", ["the", "U.S.", "economy", ",", "e.g.", "trade"]),
        ("wait... -- no", ["wait", "...", "--", "no"]),
        ("<unk> 's 1 @,@ 000 @-@ year", ["<unk>", "'s", "1", "@,@", "000", "@-@", "year"]),
        ("a<unk>b", ["a", "<", "unk", ">", "b"]),
        ("'quoted'", ["'", "quoted", "'"]),
        ("हिन्दी में लिखें।", ["हिन्दी", "में", "लिखें", "।"]),
        ("👨\u200d👩\u200d👧 ok", ["👨\u200d👩\u200d👧", "ok"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_spans_count_code_points_of_the_given_text() -> None:
    assert word_spans("  𝒳y, z") == [("𝒳y", 2, 4), (",", 4, 5), ("z", 6, 7)]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", 0),
        ("the uni", 4),
        ("the ", 4),
        ("the united,", 11),
        ("twenty-", 7),
        ("twenty-fi", 7),
        ("don'", 0),
        ("say 'hel", 5),
        ("'", 1),
        ("in the U.S", 7),
        ("\u00a0\u00a0Ünder", 2),
    ],
)
def test_where_the_unfinished_word_begins(text: str, start: int) -> None:
    assert last_word_start(text) == start


@pytest.mark.parametrize(
    "text",
    [
        "Don't say the president's 1,000 well-known 3.14% things (or U.S. ones).",
        'She said "no" to the states\' rights.',
        "It cost $5, and/or more: “much more”!",
    ],
)
def test_words_join_as_they_were_written(text: str) -> None:
    assert join_words(split_words(text)) == text


def test_split_text_joins_as_a_person_writes() -> None:
    assert join_words(["<unk>", "'s", "1", "@,@", "000", "@-@", "year", "rule", "."]) == "<unk>'s 1,000-year rule."


@pytest.mark.parametrize(
    ("paragraph", "sentences"),
    [
        ("", []),
        ("One. Two! Three? four", ["One.", "Two!", "Three? four"]),
        ('He left. "Why?" she asked.', ["He left.", '"Why?" she asked.']),
        ("“Go.” They went.", ["“Go.”", "They went."]),
        ("Mr. Smith met Dr. J. Doe of the U.S. Senate.", ["Mr. Smith met Dr. J. Doe of the U.S. Senate."]),
        ("See No. 5. No. Really.", ["See No. 5.", "No.", "Really."]),
        ("At 5 p.m. They slept.", ["At 5 p.m.", "They slept."]),
        ("Well... I think so. 3.5 is more.", ["Well...", "I think so.", "3.5 is more."]),
        ("今日は。「はい！」それ？", ["今日は。", "「はい！」", "それ？"]),
        ("안녕. 그는 갔다.", ["안녕.", "그는 갔다."]),
    ],
)
def test_sentences(paragraph: str, sentences: list[str]) -> None:
    assert split_sentences(paragraph) == sentences
