# ruff: noqa: RUF001 -- look-alike characters are what is tested
import sys
import unicodedata

import pytest

from lm.text.normalize import (
    ends_unspaced,
    is_unspaced,
    join_words,
    last_word_start,
    normalize_query,
    normalize_text,
    normalize_typing,
    split_words,
)
from lm.text.sentences import open_sentence, sentences_so_far, split_sentences


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("", ""),
        ("   ", ""),
        ("  How \t To ", "how to "),
        ("new\u00a0york\n", "new york "),
        ("ＡＢＣ１２３", "abc123"),
        ("ﬁne ½", "fine 1/2"),
        ("CAFE\u0301", "café"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("a\x00b\x7f", "a b "),
        ("می\u200cخواهم", "ميخواهم"),
        ("ㅋㅋ ㄱㅏ", "ㅋㅋ ㄱㅏ"),
        ("ㅎ", "ㅎ"),
        ("한글", "한글"),
        ("\u1112\u1161", "하"),
        ("장바\u1100", "장바ㄱ"),
        ("\u1112 \u1161 \u11b9", "ㅎ ㅏ ㅄ"),
        ("\u1112\u119e\u11ab글", "\u1112\u119e\u11ab글"),  # older Korean
        ("ﾾ ﾾￂ", "ㅎ 하"),
        ("㉠", "ㄱ"),
        ("กำลัง น้ำ", "กำลัง น้ำ"),
        ("ก\u0e4d\u0e32 น\u0e49\u0e4d\u0e32", "กำ น้ำ"),
        ("ກໍາ", "ກຳ"),
        ("ｶﾞ，１", "ガ,1"),
        ("Don’t", "don't"),
        ("don’", "don'"),
        ("the states’ rights", "the states' rights"),
        ("say ‘’", "say ''"),
        ("a▁b", "a_b"),
        ("İ", "i"),
    ],
)
def test_queries_are_normalised(given: str, normal: str) -> None:
    assert normalize_query(given) == normal


def test_text_keeps_its_case_and_loses_blanks_at_both_ends() -> None:
    assert normalize_text("  The\tＵ.S. \n", lowercase=False) == "The U.S."
    assert normalize_text("  The\tＵ.S. \n", lowercase=True) == "the u.s."


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("I don’t", "I don't"),
        ("aujourd’hui l’été", "aujourd'hui l'été"),
        ("‘Go’ he said, ‘now’", "‘Go’ he said, ‘now’"),
    ],
)
def test_an_apostrophe_in_text_is_straight_between_letters(given: str, normal: str) -> None:
    assert normalize_text(given, lowercase=False) == normal
    assert split_words(normalize_text("don’t", lowercase=True)) == split_words("don't") == ["don't"]


def test_case_is_kept_where_asked() -> None:
    assert normalize_typing("  The\tＵ.S’ ", lowercase=False) == "The U.S' "
    assert normalize_typing(" The  End", lowercase=False) == "The End"


def test_every_control_character_separates_and_every_format_character_is_nothing() -> None:
    # later Unicode versions may add some: those of this Python's version must all be known
    for char in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(char) in {"Cc", "Cf"}:
            assert normalize_query(f"a{char}b") == ("a b" if unicodedata.category(char) == "Cc" else "ab"), hex(
                ord(char)
            )
            assert normalize_text(f"a{char}b", lowercase=True) == (f"a{char}b" if char in "\u200c\u200d" else "a b")


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
        ("장바구니에 ㅋㅋ 담았다.", ["장바구니에", "ㅋㅋ", "담았다", "."]),
        ("今天天气很好，我们走！", ["今天天气很好", "，", "我们走", "！"]),
        ("「東京タワー」へ、コーヒー。", ["「", "東京タワー", "」", "へ", "、", "コーヒー", "。"]),
        ("ฉันกำลังไปที่นี่ มากๆ", ["ฉันกำลังไปที่นี่", "มากๆ"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


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
        ("don’", 0),
        ("I don’t", 2),
        ("한국 ㅎ", 3),
        ("장바ㄱ", 0),
        ("한 \u1112\u1161", 2),
        ("今天，天气", 3),
        ("今天，", 3),
        ("今日は「東京タ", 4),
        ("ไป ที่นี่", 3),
        ("ไป น้ำ", 3),
        ("กี่", 0),
    ],
)
def test_where_the_unfinished_word_begins(text: str, start: int) -> None:
    assert last_word_start(text) == start


@pytest.mark.parametrize(
    ("text", "following", "sentence"),
    [
        ("", "", ""),
        ("We met.", "", "We met."),  # may go on as `We met.com`
        ("We met. ", "", ""),
        ("We met. ", "T", ""),
        ("We met. ", "a", "We met."),
        ("we met. ", "a", ""),  # who begins sentences with small letters
        ("We met. (", "", "("),
        ('He left." ', "", ""),
        ("Thank you, Mr. ", "", "Thank you, Mr."),
        ("Thank you, Mr. ", "S", "Thank you, Mr."),
        ("thank you, mr. ", "", "thank you, mr."),
        ("Ask John F. ", "", "Ask John F."),
        ("ask john f. ", "k", "ask john f."),
        ("in the U.S. ", "", "in the U.S."),
        ("Pets, e.g. ", "", "Pets, e.g."),
        ("Es gibt z.B. ", "H", "Es gibt z.B."),
        ("At 5 p.m. ", "", ""),
        ("See No. ", "", ""),
        ("See No. ", "5", "See No."),
        ("It is I. ", "", ""),
        ("So it is, etc. ", "", ""),
        ("So it is, etc. ", "a", "So it is, etc."),
        ("Dear Sir,\n", "", ""),
        ("One. Two\nthree ", "", "three"),
        ("今天。", "", ""),
        ("「はい！」 ", "", ""),
        ("今天，", "", "今天，"),
        ("안녕. ", "", ""),
    ],
)
def test_the_sentence_under_way(text: str, following: str, sentence: str) -> None:
    assert open_sentence(text, following) == sentence
    assert sentences_so_far(text, following)[-1] == sentence


@pytest.mark.parametrize(
    ("text", "holds", "ends"),
    [
        ("the end", False, False),
        ("한국", False, False),
        ("今天", True, True),
        ("今天，", True, True),
        ("今天 ", True, False),
        ("iPhoneの", True, True),
        ("の iPhone", True, False),
        ("น้ำ", True, True),
        ("१२ हिन्दी", False, False),
    ],
)
def test_scripts_without_spaces(text: str, holds: bool, ends: bool) -> None:
    assert is_unspaced(text) is holds
    assert ends_unspaced(text) is ends


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
        ("i met mr. x. we left. it rained", ["i met mr. x. we left.", "it rained"]),
        ("hello ! so . it is", ["hello !", "so .", "it is"]),
        ("At 5 p.m. They slept.", ["At 5 p.m.", "They slept."]),
        ("Well... I think so. 3.5 is more.", ["Well...", "I think so.", "3.5 is more."]),
        ("今日は。「はい！」それ？", ["今日は。", "「はい！」", "それ？"]),
        ("안녕. 그는 갔다.", ["안녕.", "그는 갔다."]),
    ],
)
def test_sentences(paragraph: str, sentences: list[str]) -> None:
    assert split_sentences(paragraph) == sentences
