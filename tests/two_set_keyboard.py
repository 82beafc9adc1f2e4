"""A two-set keyboard (KS X 5002) and what an input method shows after each key: an oracle for `lm.text.hangul`.

Written from what typists see, syllable by syllable, with Unicode's own composition in place of arithmetic.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

CONSONANTS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅛㅜㅠㅡㅣ"
"""The keys; consonants in the order in which Unicode numbers initials."""

_PAIRS = {
    **{"ㄱㅅ": "ㄳ", "ㄴㅈ": "ㄵ", "ㄴㅎ": "ㄶ", "ㄹㄱ": "ㄺ", "ㄹㅁ": "ㄻ", "ㄹㅂ": "ㄼ", "ㄹㅅ": "ㄽ", "ㄹㅌ": "ㄾ"},
    **{"ㄹㅍ": "ㄿ", "ㄹㅎ": "ㅀ", "ㅂㅅ": "ㅄ", "ㅗㅏ": "ㅘ", "ㅗㅐ": "ㅙ", "ㅗㅣ": "ㅚ"},
    **{"ㅜㅓ": "ㅝ", "ㅜㅔ": "ㅞ", "ㅜㅣ": "ㅟ", "ㅡㅣ": "ㅢ"},
}
_KEYS = {letter: pair for pair, letter in _PAIRS.items()}
_NO_FINALS = "ㄸㅃㅉ"


@dataclass(frozen=True, slots=True)
class Block:
    """What is being composed: an initial, a vowel and a final, each perhaps empty, as compatibility jamo."""

    initial: str = ""
    vowel: str = ""
    final: str = ""

    def shown(self) -> str:
        """The character on the screen; `NFC` makes the syllable."""
        if not (self.initial and self.vowel):
            return self.initial + self.vowel
        names = [unicodedata.name(letter).removeprefix("HANGUL LETTER ") for letter in (self.initial, self.vowel)]
        jamo = unicodedata.lookup(f"HANGUL CHOSEONG {names[0]}") + unicodedata.lookup(f"HANGUL JUNGSEONG {names[1]}")
        if self.final:
            jamo += unicodedata.lookup(f"HANGUL JONGSEONG {_final_name(self.final)}")
        return unicodedata.normalize("NFC", jamo)


def _final_name(letter: str) -> str:
    return "-".join(
        unicodedata.name(part).removeprefix("HANGUL LETTER ") for part in _KEYS.get(letter, letter)
    )  # JONGSEONG KIYEOK-SIOS


def press(block: Block, key: str) -> tuple[str, Block]:
    """What is finished by a key, and what is composed after it."""
    return _press_vowel(block, key) if key in VOWELS else _press_consonant(block, key)


def _press_consonant(block: Block, key: str) -> tuple[str, Block]:
    if block.initial and block.vowel:
        final = _PAIRS.get(block.final + key, "") if block.final else key
        if final and key not in _NO_FINALS:
            return "", Block(block.initial, block.vowel, final)
    elif block.initial and block.initial + key in _PAIRS:
        return "", Block(_PAIRS[block.initial + key])
    return block.shown(), Block(key)


def _press_vowel(block: Block, key: str) -> tuple[str, Block]:
    if block.final:
        pair = _KEYS.get(block.final, block.final)
        return Block(block.initial, block.vowel, pair[:-1]).shown(), Block(pair[-1], key)
    if block.vowel:
        joined = _PAIRS.get(block.vowel + key)
        return ("", Block(block.initial, joined)) if joined else (block.shown(), Block("", key))
    pair = _KEYS.get(block.initial, block.initial)
    return pair[:-1], Block(pair[-1:], key)


def displays(keys: str) -> Iterator[str]:
    """What is on the screen after each key."""
    done, block = "", Block()
    for key in keys:
        finished, block = press(block, key)
        done += finished
        yield done + block.shown()


def keys_of(text: str) -> str:
    """The keys that write a text of syllables and lone letters."""
    keys = []
    for character in text:
        for jamo in unicodedata.normalize("NFD", character):
            name = unicodedata.name(jamo).rpartition(" ")[2]
            for part in name.split("-") if "JONGSEONG" in unicodedata.name(jamo) else [name]:
                letter = unicodedata.lookup(f"HANGUL LETTER {part}")
                keys.append(_KEYS.get(letter, letter))
    return "".join(keys)
