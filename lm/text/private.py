"""What looks like personal data or a key, by cheap patterns without a library and erring on the side of silence.

Training judges the queries of a log more exactly (`training.data.screening`): whatever it drops as private looks
private here, and more does. Serving therefore needs neither its libraries nor a list of what was dropped.
"""

from __future__ import annotations

import re
import unicodedata

MIN_DIGITS = 7
"""The fewest digits of a telephone number without its area code."""

NUMBER = re.compile(r"\+?\d(?:[-. ()/]*\d)*")
"""Digits and what people write between those of one number; of `plain` text, as all patterns here."""

YEAR = re.compile(r"1\d{3}|20[0-3]\d")

_ADDRESS = re.compile(r"[^\s@]{2,}@[^\s@]{2,}|[^\s@]+ ?@ ?[^\s@]+[. ][a-z]{2,}")
# name (at) host (dot) com, jane at host dot com
_SPELT_ADDRESS = re.compile(
    r"[^\s@]+ ?[(\[{<] ?(?:at|@) ?[)\]}>] ?[^\s@]+"
    r"|[^\s@]+ at (?!the )[^\s@]+ dot (?:com|net|org|edu|gov|info|[a-z]{2})\b"
)
# logs that lost their marks: jane.doe72 gmail com
_HOST = re.compile(
    r" (?:gmail|googlemail|hotmail|yahoo|ymail|aol|outlook|icloud|gmx|protonmail)[. ](?:com|net|de|co)\b"
)
_NAME = re.compile(r"(?<!\S)(?=\S*[a-z])(?!www)[a-z0-9._+-]*[\d._][a-z0-9._+-]*(?: at)?\Z")

LETTERED_ID = re.compile(
    r"(?<![a-z0-9])(?:"
    r"(?P<nino>[a-ceghj-prstw-z][a-ceghj-nprstw-z][ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[a-d])"  # United Kingdom
    r"|(?P<pan>[a-z]{3}[abcfghjlptk][a-z]\d{4}[a-z])"  # India
    r"|(?P<hetu>\d{6}[-+a-fu-y]\d{3}[0-9a-y])"  # Finland
    r"|(?P<curp>[a-z]{4}\d{6}[hmx][a-z]{5}[a-z0-9]\d)"  # Mexico
    r"|(?P<codicefiscale>[a-z]{6}[0-9l-v]{2}[a-z][0-9l-v]{2}[a-z][0-9l-v]{3}[a-z])"  # Italy
    r")(?![a-z0-9])"
)
"""Identity numbers with so many letters that they have no long run of digits."""

KNOWN_KEY = re.compile(
    r"(?<![a-z0-9])(?:gh[oprsu]_|github_pat_|glpat-|npm_|pypi-|xox[abeoprs]-|hf_|dop_v1_|shpat_|[rs]k_(?:live|test)_"
    r"|sk-(?:proj-|ant-)?(?=[a-z_-]*\d)|akia(?=[a-z2-7]{16})|aiza(?=[a-z0-9_-]{35})|eyj[a-z0-9_-]{8,}\.)[a-z0-9_-]{12,}"
)
"""Keys with a beginning that names their issuer; the last kind is a JSON web token."""

TOKEN = re.compile(r"(?=[a-z_+/=-]*\d)[a-z0-9_+/=-]{16,}")
_DATE = re.compile(r"(?:1\d|20)\d{2}([-/ ]+(?:1\d|20)\d{2})+|\d{1,2}([-./ ])\d{1,2}\2(?:1\d|20)\d{2}")
_DIGIT = re.compile(r"\d")
_SPELT_MARK = re.compile(r"[(\[{<] ?at|at (?:[^\s@]+) dot ")
_OTHER_DASHES = re.compile("[\u2010-\u2015\u2212]")  # those that NFKC leaves


def plain(text: str) -> str:
    """Normalised text with ASCII digits, whatever script they were of, and ASCII dashes."""
    if text.isascii():
        return text
    dashes = _OTHER_DASHES.sub("-", text)
    return _DIGIT.sub(lambda match: str(unicodedata.decimal(match.group())), dashes)


def holds_email(text: str) -> bool:
    """Whether plain text holds an e-mail address, as people type, spell or mangle them."""
    if "@" in text and _ADDRESS.search(text):
        return True
    if "at" in text and _SPELT_MARK.search(text) and _SPELT_ADDRESS.search(text):
        return True
    host = _HOST.search(text)
    return host is not None and _NAME.search(text, 0, host.start()) is not None


def looks_private(text: str) -> bool:
    """Whether normalised text holds what may be an address, a number that stands for a person, or a key."""
    if text.replace(" ", "").isalpha():  # most texts: letters alone hardly ever make anything private
        return (" dot " in text and holds_email(text)) or (
            ("akia" in text or "aiza" in text) and KNOWN_KEY.search(text) is not None
        )
    return _holds_private(text)


def _holds_private(text: str) -> bool:
    digits = len(_DIGIT.findall(text))
    if not digits:
        if holds_email(text):
            return True
        return ("_" in text or "akia" in text or "aiza" in text) and KNOWN_KEY.search(text) is not None
    ascii_text = plain(text)
    if holds_email(ascii_text):
        return True
    longest = max(map(len, ascii_text.split()))
    if longest >= 16 and (TOKEN.search(ascii_text) or KNOWN_KEY.search(ascii_text)):
        return True
    if digits >= 4 and LETTERED_ID.search(ascii_text):
        return True
    return digits >= MIN_DIGITS and any(_is_long(match.group()) for match in NUMBER.finditer(ascii_text))


def _is_long(number: str) -> bool:
    return sum(map(str.isdigit, number)) >= MIN_DIGITS and _DATE.fullmatch(number) is None
