"""Hangul in the making, against a two-set keyboard."""

from __future__ import annotations

import functools
import itertools
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.text.hangul import TypedPrefix, letters, syllable, typed_prefixes
from lm.text.normalize import normalize_query
from tests.two_set_keyboard import CONSONANTS, VOWELS, displays, keys_of

few = settings(max_examples=300, deadline=None)
syllables = st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)
keys = st.sampled_from(CONSONANTS + VOWELS)
_LETTERS = "".join(map(chr, range(0x3131, 0x3164)))


def _matches(typed: str, text: str) -> bool:
    ways = [prefix for prefix in typed_prefixes(typed) if prefix.begins(text)]
    assert len(ways) <= 1, "a text begins in two ways"
    return bool(ways)


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("한국", "ㅎ 하 한 한ㄱ 한구 한국"),
        ("장바구니", "ㅈ 자 장 장ㅂ 장바 장박 장바구 장바군 장바구니"),
        ("과자", "ㄱ 고 과 괒 과자"),
        ("값싼", "ㄱ 가 갑 값 값ㅆ 값싸 값싼"),
        ("닭갈비", "ㄷ 다 달 닭 닭ㄱ 닭가 닭갈 닭갋 닭갈비"),
        ("없다", "ㅇ 어 업 없 없ㄷ 없다"),
        ("의자", "ㅇ 으 의 읮 의자"),
        ("꽃", "ㄲ 꼬 꽃"),
        ("있어", "ㅇ 이 있 있ㅇ 있어"),
        ("갔다", "ㄱ 가 갔 갔ㄷ 갔다"),
    ],
)
def test_every_keystroke_keeps_the_word(word: str, shown: str) -> None:
    assert list(displays(keys_of(word))) == shown.split()
    for typed in shown.split():
        assert _matches(typed, word), typed
        assert _matches(f"서울 {typed}", f"서울 {word}")


@pytest.mark.parametrize(
    ("typed", "yes", "no"),
    [
        ("ㅎ", "하 한국 힣 ㅎ ㅎㅎ", "가 ㄱ 깋"),
        ("하", "하 한국 핳 하나", "해 허 ㅎ"),
        ("한", "한 한국 핞 핝 하나 하늘", "할 핰 하다 해나"),
        ("고", "고 과자 괴물 괜찮아 곰", "교 구 거"),
        ("갑", "갑 값 가방", "갂 갖 가파"),
        ("각", "각 갃 가구", "갂 가까 간"),
        ("달", "달 닭 닳 다리", "담 다시"),
        ("닭", "닭 닭이 달걀 달고", "달 닮 닯 달라"),
        ("값", "값 값싼 갑시", "갑 갑자기"),
        ("있", "있다 이쓰", "이스 읷"),
        ("장바ㄱ", "장바구니 장바ㄱ 장박", "장바 장바나 장밖"),
        ("달ㄱ", "달걀 달ㄱ 닭", "달 달라"),
        ("ㅋㅋ", "ㅋㅋ ㅋㅋㅋ ㅋ카", "카 ㅋ ㅋㅌ"),
        ("ㅠㅠ", "ㅠㅠ", "ㅠ ㅠㅜ"),
        ("ㄲ", "ㄲ 까치 꽃", "ㄱ 가"),
        ("ㄱ", "ㄱ ㄳ ㄱㅅ 가", "ㄲ 까"),
        ("ㄳ", "ㄳ ㄱ사", "ㄱ 사"),
        ("ㅗ", "ㅗ ㅘ", "ㅜ 오"),
    ],
)
def test_what_matches(typed: str, yes: str, no: str) -> None:
    assert [text for text in yes.split() if not _matches(typed, text)] == []
    assert [text for text in no.split() if _matches(typed, text)] == []


@few
@given(st.text(syllables, min_size=1, max_size=4), st.text(syllables, max_size=3))
def test_every_display_on_the_way_matches(word: str, rest: str) -> None:
    shown = list(displays(keys_of(word)))
    assert shown[-1] == word
    for typed in shown:
        assert _matches(typed, word)
        assert _matches(typed, word + rest)


@few
@given(st.text(keys, min_size=1, max_size=6), st.integers(0, 6), st.text(keys, min_size=1, max_size=5))
def test_nothing_matches_that_no_key_leads_to(pressed: str, shared: int, others: str) -> None:
    *_, typed = displays(pressed)
    for text_keys in (pressed[:shared] + others, pressed + others):
        *_, text = displays(text_keys)
        assert _matches(typed, text) == text_keys.startswith(pressed)


@functools.cache
def _neighbours() -> list[tuple[str, str]]:
    """Lone letters, syllables that differ in a letter, and all pairs of these that can be typed; with their keys."""
    near = sorted({*_LETTERS, *"가각갂갃간갔값갑까사산싸고과괴구궈귀그긔긱나다달닭닮다우워위으의이있하"})
    texts = map("".join, itertools.chain(near, itertools.product(near, repeat=2)))
    typable = [(text, keys_of(text)) for text in texts]
    return [(text, pressed) for text, pressed in typable if list(displays(pressed))[-1] == text]


@pytest.mark.parametrize(
    "typed", ["ㄱ", "ㅂ", "가", "고", "우", "의", "각", "갑", "닭", "있", "ㅏ", "ㅗ", "ㄳ", "하ㄸ"]
)
def test_all_that_one_or_two_characters_may_match(typed: str) -> None:
    wrong = [text for text, pressed in _neighbours() if _matches(typed, text) != pressed.startswith(keys_of(typed))]
    assert wrong == []


@few
@given(st.text(string.printable + "日本ไทยéß", max_size=6))
def test_what_is_not_hangul_begins_in_one_way(text: str) -> None:
    assert typed_prefixes(text) == (TypedPrefix(text),)
    assert typed_prefixes("한 " + text + " ") == (TypedPrefix("한 " + text + " "),)


@given(syllables)
def test_syllables_come_apart_and_together(character: str) -> None:
    assert syllable(*letters(character)) == character


@few
@given(st.lists(keys, min_size=1, max_size=8))
def test_what_input_methods_show_is_normal_and_stays(pressed: list[str]) -> None:
    for typed in displays("".join(pressed)):
        assert normalize_query(typed) == typed
        for prefix in typed_prefixes(typed):
            assert normalize_query(prefix.literal + prefix.low) == prefix.literal + prefix.low
