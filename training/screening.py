"""What must not leave a query log: personal data, secrets and words that nobody wants suggested.

Works on normalised queries. Cheap patterns let the usual query pass; the slow, exact tests see the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from lm.errors import InputError
from lm.text import normalize_query
from training.sources import read_lines

_MIN_DIGITS = 7
_SECRET_LENGTH = 16
# White space and all ASCII marks separate words, so that `a-b` is looked up as `a` and `b`.
_WORD = re.compile(r"[^\s!-/:-@\[-`{-~]+")
_SUSPECT = re.compile(rf"@|\d(?:[-. ()/]*\d){{{_MIN_DIGITS - 1}}}|[a-z0-9_]{{{_SECRET_LENGTH}}}|[0-9a-f]{{8}}-")

_EMAIL = re.compile(r"[^\s@]+ ?@ ?[^\s@]+\.[^\s@.]{2,}")
_SSN = re.compile(r"(?<!\d)(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?!\d)")
_IBAN_COMPACT = re.compile(r"\b[a-z]{2}\d{2}[a-z0-9]{11,30}\b")
_IBAN_SPACED = re.compile(r"\b[a-z]{2}\d{2}((?: [a-z0-9]{4}){2,7}(?: [a-z0-9]{1,3})?)\b")
_NUMBER = re.compile(r"\+?\d(?:[-. ()/]*\d)*")
_DIGITS = re.compile(r"\d+")
_YEAR = re.compile(r"1\d{3}|20\d{2}")
_ROUND = re.compile(r"\d{1,3}(?: \d{3})* 000")
_LOCAL_ADDRESS = re.compile(r"(?:127|10|192[. ]168|172[. ](?:1[6-9]|2\d|3[01]))(?:[. ]\d{1,3}){2,3}")
_KEY = re.compile(rf"[a-z0-9_]{{{_SECRET_LENGTH},}}")
_HEX_KEY = re.compile(r"(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LETTER_TO_DIGIT = re.compile(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])")
_KEY_CHANGES = 4


class Screen:
    """Says of a normalised query why it must be dropped, if it must.

    0.33 million web queries a second on one core; searching each with `phonenumbers` alone would do 0.12.
    """

    def __init__(self, blocked_words: Iterable[str] = ()) -> None:
        # Imported here: together they take 0.1 s.
        import phonenumbers
        from stdnum import iban, luhn

        self._blocked = frozenset(blocked_words)
        self._phonenumbers = phonenumbers
        self._iban = iban
        self._luhn = luhn

    def reason(self, query: str) -> str | None:
        """The first reason found against a query: its name in the counts, or None."""
        if not self._blocked.isdisjoint(_WORD.findall(query)):
            return "blocked_word"
        if _SUSPECT.search(query) is None:
            return None
        return self._private(query)

    def _private(self, query: str) -> str | None:
        if _EMAIL.search(query):
            return "email"
        if self._has_iban(query):
            return "iban"
        if _SSN.search(query):
            return "social_security_number"
        for match in _NUMBER.finditer(query):
            reason = self._number(match.group())
            if reason:
                return reason
        return "secret" if _has_secret(query) else None

    def _number(self, number: str) -> str | None:
        groups = _DIGITS.findall(number)
        digits = "".join(groups)
        if len(digits) < _MIN_DIGITS:
            return None
        card_like = 13 <= len(digits) <= 19 and min(map(len, groups)) >= 3
        if card_like and self._luhn.is_valid(digits):
            return "payment_card"
        if _ROUND.fullmatch(number) or _LOCAL_ADDRESS.fullmatch(number):
            return None
        if self._is_phone(number):
            return "phone"
        # `2003-2004`, `3-13-2006` and `551 1956` hold years; what else they hold is short.
        unexplained = sum(len(group) for group in groups if not _YEAR.fullmatch(group))
        return "long_number" if unexplained >= _MIN_DIGITS else None

    def _is_phone(self, number: str) -> bool:
        try:
            parsed = self._phonenumbers.parse(number, "US")
        except self._phonenumbers.NumberParseException:
            return False
        return bool(self._phonenumbers.is_valid_number(parsed))

    def _has_iban(self, query: str) -> bool:
        if any(self._iban.is_valid(match.group()) for match in _IBAN_COMPACT.finditer(query)):
            return True
        for match in _IBAN_SPACED.finditer(query):
            words = match.group().split(" ")
            # The last groups may be words that follow the number.
            if any(self._iban.is_valid("".join(words[:end])) for end in range(len(words), 3, -1)):
                return True
        return False


def _has_secret(query: str) -> bool:
    """Whether it holds a key: hexadecimal, or letters and digits that take turns as no product name does."""
    if _HEX_KEY.search(query):
        return True
    return any(len(_LETTER_TO_DIGIT.findall(match.group())) >= _KEY_CHANGES for match in _KEY.finditer(query))


def load_screen(blocked_words: Path | None = None) -> Screen:
    """A screen with the built-in English list and, if given, an operator's own beside it.

    Raises:
        InputError: the operator's file cannot be read, or a line is not one word.
    """
    built_in = resources.files(__package__).joinpath("blocked_words_en.txt").read_text(encoding="utf-8")
    words = {word for line in built_in.splitlines() if (word := _strip_comment(line))}
    if blocked_words is not None:
        words |= _read_words(blocked_words)
    return Screen(words)


def _strip_comment(line: str) -> str:
    return normalize_query(line.split("#", 1)[0]).rstrip()


def _read_words(path: Path) -> set[str]:
    if path.is_dir():
        raise InputError(path, "is a folder.", remedy="Name the file of blocked words in it.")
    words = set()
    for number, line in read_lines(path):
        word = _strip_comment(line)
        if not word:
            continue
        if not _WORD.fullmatch(word):
            raise InputError(
                path,
                f"{word!r} is not one word of letters and digits.",
                line=number,
                remedy="Write one word a line, without patterns; `#` begins a comment.",
            )
        words.add(word)
    return words
