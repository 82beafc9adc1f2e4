"""What was typed, as beginnings that a text may have; for Hangul in the making there are several.

A syllable grows letter by letter: `ㅎ`, `하`, `한`; its last consonant may yet move to the next one (`하나`), its
vowel or last consonant may become a compound (`고` `과`, `갑` `값`). A text matches if the keys that write it on a
two-set keyboard (KS X 5002) begin with those that write what was typed. Only the last letters are in the making, and
what matches is a few ranges of texts, for a syllable is `U+AC00 + (initial * 21 + vowel) * 28 + final`
(The Unicode Standard, section 3.12).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_COMPOUNDS = (
    "ㄳ=ㄱㅅ ㄵ=ㄴㅈ ㄶ=ㄴㅎ ㄺ=ㄹㄱ ㄻ=ㄹㅁ ㄼ=ㄹㅂ ㄽ=ㄹㅅ ㄾ=ㄹㅌ ㄿ=ㄹㅍ ㅀ=ㄹㅎ ㅄ=ㅂㅅ "
    "ㅘ=ㅗㅏ ㅙ=ㅗㅐ ㅚ=ㅗㅣ ㅝ=ㅜㅓ ㅞ=ㅜㅔ ㅟ=ㅜㅣ ㅢ=ㅡㅣ"
)
COMPOUNDS = {row[0]: (row[2], row[3]) for row in _COMPOUNDS.split()}
"""Letters that take two keys. A doubled consonant such as `ㄲ` is one key with shift."""


@dataclass(frozen=True, slots=True)
class TypedPrefix:
    """One beginning: a literal text and, where `low` is given, one more character of [`low`, `high`].

    UTF-8 keeps the order of code points, so texts that begin so are one range of those sorted by their bytes.
    """

    literal: str
    low: str = ""
    high: str = ""

    def begins(self, text: str) -> bool:
        """Whether the text begins so."""
        if not text.startswith(self.literal):
            return False
        position = len(self.literal)
        return not self.low or self.low <= text[position : position + 1] <= self.high

    def bounds(self) -> tuple[bytes, bytes]:
        """UTF-8 of the first beginning and of the last; equal where there is but one."""
        literal = self.literal.encode()
        return literal + self.low.encode(), literal + self.high.encode()


def syllable(initial: int, vowel: int, final: int = 0) -> str:
    """The syllable of the letters at these places of `INITIALS`, `VOWELS` and `FINALS`."""
    return chr(0xAC00 + (initial * len(VOWELS) + vowel) * len(FINALS) + final)


def letters(character: str) -> tuple[int, int, int]:
    """Where a syllable's letters stand: the inverse of `syllable`."""
    rest, final = divmod(ord(character) - 0xAC00, len(FINALS))
    return (*divmod(rest, len(VOWELS)), final)


def typed_prefixes(text: str) -> tuple[TypedPrefix, ...]:
    """How a text may begin if its writer has typed `text` so far; no text begins in two of these ways.

    What is not Hangul begins in one way, as it stands; so it does wherever Hangul is not at its end.

    Args:
        text: normalised, see `lm.text.normalize`: syllables are composed, lone letters are compatibility jamo.
    """
    last = text[-1:]
    if "가" <= last <= "힣":
        return _after_syllable(text[:-1], last)
    if last in _LETTER_RUNS:
        return _after_letter(text[:-1], last)
    return (TypedPrefix(text),)


def _after_syllable(stem: str, last: str) -> tuple[TypedPrefix, ...]:
    initial, vowel, final = letters(last)
    if not final:
        vowels = [VOWELS.index(made) for made in _becomes(VOWELS[vowel])]  # neighbours, and so all their syllables
        return (TypedPrefix(stem, last, syllable(initial, vowels[-1], len(FINALS) - 1)),)
    kept, moved = COMPOUNDS.get(FINALS[final], ("", FINALS[final]))
    moving = _beginning_with(stem + syllable(initial, vowel, FINALS.index(kept)), moved)
    return (*_ending_with(stem, initial, vowel, FINALS[final]), moving)


def _after_letter(stem: str, last: str) -> tuple[TypedPrefix, ...]:
    """A letter on its own may be meant so, as in `ㅋㅋ`, or wait for its vowel."""
    found = [TypedPrefix(stem, chr(low), chr(high)) for low, high in _LETTER_RUNS[last]]
    if last in INITIALS:
        found.append(_beginning_with(stem, last))
    elif last in COMPOUNDS and last in FINALS:
        kept, moved = COMPOUNDS[last]
        found.append(_beginning_with(stem + kept, moved))
    return (*found, *_joined(stem, last))


def _joined(stem: str, letter: str) -> list[TypedPrefix]:
    """The letter as a final of the syllable before: some input methods leave `장바ㄱ` where others write `장박`."""
    if not "가" <= stem[-1:] <= "힣":
        return []
    initial, vowel, final = letters(stem[-1])
    for made in _becomes(FINALS[final])[1:] if final else FINALS[1:]:
        if made == letter or COMPOUNDS.get(made) == (FINALS[final], letter):
            return _ending_with(stem[:-1], initial, vowel, made)
    return []


def _ending_with(stem: str, initial: int, vowel: int, final: str) -> list[TypedPrefix]:
    """Syllables with this final or a compound that begins with it."""
    runs = _FINAL_RUNS[final]
    return [TypedPrefix(stem, syllable(initial, vowel, low), syllable(initial, vowel, high)) for low, high in runs]


def _beginning_with(stem: str, initial: str) -> TypedPrefix:
    place = INITIALS.index(initial)
    return TypedPrefix(stem, syllable(place, 0), syllable(place, len(VOWELS) - 1, len(FINALS) - 1))


def _becomes(letter: str) -> list[str]:
    """The letter, and the compounds that begin with it, in the order of their code points."""
    return [letter, *sorted(made for made, keys in COMPOUNDS.items() if keys[0] == letter)]


def _runs(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Ascending numbers as ranges: the first and last of each."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return tuple(runs)


_FINAL_RUNS = {final: _runs(FINALS.index(made) for made in _becomes(final)) for final in FINALS[1:]}
_LETTER_RUNS = {letter: _runs(map(ord, _becomes(letter))) for letter in {*INITIALS, *VOWELS, *FINALS[1:]}}
