"""What must not leave a log: personal data, secrets and words that nobody wants suggested.

It works on normalised text. Cheap patterns let most queries pass; the slow, exact tests see the rest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from lm.errors import InputError
from lm.index.blocked_words import BlockedWords, blockable_words
from lm.text.normalize import normalize_query
from lm.text.private import KNOWN_KEY, LETTERED_ID, MIN_DIGITS, NUMBER, TOKEN, YEAR, holds_email, looks_private, plain
from training.data.sources import read_lines

_SSN = re.compile(r"(?<!\d)(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?!\d)")
_IBAN_COMPACT = re.compile(r"(?<![a-z0-9])[a-z]{2}\d{2}[a-z0-9]{11,30}(?![a-z0-9])")
_IBAN_GROUPED = re.compile(r"(?<![a-z0-9])[a-z]{2}\d{2}(?:[ -][a-z0-9]{4}){2,7}(?:[ -][a-z0-9]{1,3})?(?![a-z0-9])")
_DIGITS = re.compile(r"\d+")
_ROUND = re.compile(r"\d{1,3}(?: \d{3})* 000")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
# three groups may be the beginning of an address, but `10.119.198` has the shape of an identity number
_LOCAL_ADDRESS = re.compile(
    rf"(?:(?:127|10)(?![. ]\d{{3}}[. ]\d{{3}}\Z)|192[. ]168|172[. ](?:1[6-9]|2\d|3[01]))(?:[. ]{_OCTET}){{2,3}}"
)
_CALL = re.compile(r"(?<![a-z])(?:call|caller|cell|fax|mobile|phone|sms|tel|telephone|text|whatsapp|number)(?![a-z])")
_SLASHED = re.compile(r"\d{1,4}(?:/\d{1,4})+")
_SPACED = re.compile(r"\d{1,5}(?: \d{1,5})+")
_HEX_KEY = re.compile(r"(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RARE_PAIR = re.compile(r"(?=[jqxzvkw][bcdfghjklmnpqrstvwxz]|[bcdfghjkmpqtvwxz][jqxzvkw]|q[^u])")
"""Two letters that are rare together in words; in random text it is every fourth pair."""
_LETTER_TO_DIGIT = re.compile(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])")

# How the digits of a payment card are grouped, and those of short telephone numbers.
_CARD_SHAPES = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (8, 8), (6, 13), (4, 4, 4, 1), (4, 4, 4, 7)}
_PHONE_SHAPES = {(3, 4), (4, 4), (2, 2, 2, 2), (3, 2, 3), (2, 3, 3), (3, 3, 2), (2, 3, 4), (3, 5), (4, 5)}
_ID_SHAPES = {(6, 4), (4, 6), (3, 3, 4), (4, 4, 4)}
_LONG_LIST = 20
"""More digits in groups of at most five than any number of a person has."""


_BUILT_IN = ("blocked_words_en.txt", "delicate_words_en.txt")


class Screen:
    """Says why a normalised text must be dropped, if it must."""

    def __init__(self, blocked: BlockedWords | None = None) -> None:
        # imported here, for they are slow to import
        import phonenumbers
        from stdnum import iban, isbn, luhn
        from stdnum.fi import hetu
        from stdnum.in_ import pan
        from stdnum.it import codicefiscale
        from stdnum.mx import curp

        self.blocked = blocked or BlockedWords()
        self._phonenumbers = phonenumbers
        self._iban, self._luhn, self._isbn = iban, luhn, isbn
        self._identity = {"hetu": hetu, "pan": pan, "codicefiscale": codicefiscale, "curp": curp}

    def reason(self, query: str) -> str | None:
        """The first reason to drop a query, by its name in the counts, or None."""
        return "blocked_word" if self.blocked.block(query) else self.private(query)

    def private(self, text: str) -> str | None:
        """The kind of personal data or key that a text holds, by its name in the counts, or None."""
        if not looks_private(text):
            return None
        text = plain(text)
        if holds_email(text):
            return "email"
        if self._has_iban(text):
            return "iban"
        if _SSN.search(text) or self._has_lettered_id(text):
            return "identity_number"
        called = _CALL.search(text) is not None or not any(map(str.isalpha, text))
        for match in NUMBER.finditer(text):
            reason = self._number(match.group(), called)
            if reason:
                return reason
        return "secret" if _has_secret(text) else None

    def _number(self, number: str, called: bool) -> str | None:
        groups = _DIGITS.findall(number)
        digits = "".join(groups)
        if len(digits) < MIN_DIGITS:
            return None
        if self._holds_card(groups):
            return "payment_card"
        if _is_public(number) or self._is_book(digits):
            return None
        if self._is_phone(number) or any(map(self._is_phone, _american_shapes(groups))):
            return "phone"
        if len(digits) - _year_digits(number, groups, called) < MIN_DIGITS or _is_list(number, groups):
            return None
        return "long_number"

    def _holds_card(self, groups: Sequence[str]) -> bool:
        """Whether a card's digits stand there, perhaps with its date or a postcode."""
        digits = "".join(groups)
        if 13 <= len(digits) <= 19 and min(map(len, groups)) >= 3 and self._luhn.is_valid(digits):
            return True
        return any(
            ((len(window) == 1 and 13 <= len(window[0]) <= 19) or tuple(map(len, window)) in _CARD_SHAPES)
            and window[0][0] in "23456"
            and self._luhn.is_valid("".join(window))
            for window in _windows(groups, 5)
        )

    def _is_book(self, digits: str) -> bool:
        return len(digits) == 13 and digits.startswith(("978", "979")) and self._isbn.is_valid(digits)

    def _is_phone(self, number: str) -> bool:
        try:
            parsed = self._phonenumbers.parse(number, "US")
        except self._phonenumbers.NumberParseException:
            return False
        return bool(self._phonenumbers.is_valid_number(parsed))

    def _has_iban(self, text: str) -> bool:
        if any(self._is_iban(match.group()) for match in _IBAN_COMPACT.finditer(text)):
            return True
        for match in _IBAN_GROUPED.finditer(text):
            words = re.split("[ -]", match.group())
            # The last groups may be words that follow the number.
            if any(self._is_iban("".join(words[:end])) for end in range(len(words), 3, -1)):
                return True
        return False

    def _is_iban(self, number: str) -> bool:
        # Without the check digits that some countries have inside: a number that lacks them is no word either.
        return bool(self._iban.is_valid(number, check_country=False))

    def _has_lettered_id(self, text: str) -> bool:
        for match in LETTERED_ID.finditer(text):
            kind = match.lastgroup or ""
            if kind not in self._identity or self._identity[kind].is_valid(match.group()):
                return True
        return False


def _year_digits(number: str, groups: Sequence[str], called: bool) -> int:
    """How many of the digits belong to years: `2003-2004`, `3-13-2006`, `form 1040 2005`, but not `call 551-1956`."""
    years = sum(4 for group in groups if YEAR.fullmatch(group))
    if years == len("".join(groups)):
        return years
    if any(tuple(map(len, window)) in _ID_SHAPES for window in _windows(groups, 3)):
        return 0
    joined = tuple(map(len, groups)) in _PHONE_SHAPES and (called or not _SPACED.fullmatch(number))
    return 0 if joined or number[0] in "+0" or ")" in number else years


def _is_public(number: str) -> bool:
    """Whether it is an amount, an address of a private network, or sizes and ranges such as `275/45/20`."""
    return any(pattern.fullmatch(number) for pattern in (_ROUND, _LOCAL_ADDRESS, _SLASHED))


def _windows(groups: Sequence[str], longest: int) -> Iterator[Sequence[str]]:
    for start in range(len(groups)):
        for end in range(start + 1, min(start + longest, len(groups)) + 1):
            yield groups[start:end]


def _american_shapes(groups: Sequence[str]) -> Iterator[str]:
    """Telephone numbers among other numbers: `212 555 0142 24 7`."""
    for window in _windows(groups, 3):
        if tuple(map(len, window)) in {(3, 3, 4), (3, 7), (10,)}:
            yield "".join(window)


def _is_list(number: str, groups: Sequence[str]) -> bool:
    """Whether it is several short numbers in a row, as in `rcw 41 04 005` and `j chem 22 54 4 1248`."""
    if not _SPACED.fullmatch(number) or any(
        len(group) > 3 and group.startswith("00") for group in groups
    ):  # as calls abroad do
        return False
    inner = next((place for place in range(1, len(groups) - 1) if len(groups[place]) == 1), None)
    if inner is not None:
        return all(_is_short(part) for part in (groups[:inner], groups[inner + 1 :]))
    return _is_short(groups)


def _is_short(groups: Sequence[str]) -> bool:
    """Whether these groups of digits cannot be one number of a person."""
    lengths = tuple(map(len, groups))
    trunk = any(group[0] == "0" for group in groups[:1]) and sum(lengths) >= MIN_DIGITS
    if trunk or any(window in _PHONE_SHAPES for window in (lengths, lengths[1:], lengths[:-1])):
        return False
    return sum(lengths) < MIN_DIGITS + 2 or (sum(lengths) > _LONG_LIST and set(lengths[:-1]) != {4})


def _has_secret(text: str) -> bool:
    """Whether a text holds a key: of a known kind, hexadecimal, or letters and digits mixed as in no name."""
    if KNOWN_KEY.search(text) or _HEX_KEY.search(text):
        return True
    return any(_is_random(match.group()) for match in TOKEN.finditer(text))


def _is_random(token: str) -> bool:
    changes = len(_LETTER_TO_DIGIT.findall(token))
    return changes >= 4 or (changes >= 2 and len(token) >= 20 and len(_RARE_PAIR.findall(token)) >= 3)


def load_screen(blocked_words: Path | None = None) -> Screen:
    """A screen with the built-in English list and, if given, an operator's own beside it.

    Raises:
        InputError: the operator's file cannot be read, or a line is not made of words.
    """
    return Screen(load_blocked_words(blocked_words))


def built_in_lists() -> list[str]:
    """SHA-256 of each built-in list, in hexadecimal: what was screened with another one is screened anew."""
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in _built_in()]


def _built_in() -> Iterator[Traversable]:
    return (resources.files(__package__).joinpath(name) for name in _BUILT_IN)


def load_blocked_words(path: Path | None = None) -> BlockedWords:
    """The built-in English lists and, if given, an operator's own beside them: an entry a line.

    Raises:
        InputError: the operator's file cannot be read, or a line holds something else.
    """
    lines = (line for file in _built_in() for line in file.read_text(encoding="utf-8").splitlines())
    entries = {entry for line in lines if (entry := _strip_comment(line))}
    return BlockedWords(entries if path is None else _joined(entries, _read_entries(path)))


def _joined(entries: set[str], own: set[str]) -> set[str]:
    """Both, without those of the built-in entries that the operator says are harmless."""
    harmless = {entry[1:] for entry in own if entry.startswith("!")}
    return {entry for entry in entries if entry.lstrip("~^") not in harmless} | own


def _strip_comment(line: str) -> str:
    return normalize_query(line.split("#", 1)[0]).rstrip()


def _read_entries(path: Path) -> set[str]:
    if path.is_dir():
        raise InputError(path, "is a folder.", remedy="Name the file of blocked words in it.")
    entries = set()
    for number, line in read_lines(path):
        entry = _strip_comment(line)
        if entry and not blockable_words(entry):
            raise InputError(
                path,
                f"{entry!r} is not made of words of letters and digits.",
                line=number,
                remedy="Write one word or phrase a line, without marks. `*` stands for more letters, `|` parts words of"
                " which any will do, `~`, `^` and `!` stand before an entry; `#` begins a comment.",
            )
        entries.add(entry)
    return entries - {""}
