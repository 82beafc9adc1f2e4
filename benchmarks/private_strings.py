"""Made-up personal data and keys as people type them into a search box: valid by their check digits, nobody's own."""

# ruff: noqa: SIM905 -- lists of words read better unquoted
from __future__ import annotations

import base64
import importlib
import json
import random
import re
import string
from collections.abc import Callable
from copy import copy
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import iban, luhn

_REGIONS = """
    US CA GB IE AU NZ DE AT CH FR BE NL LU ES PT IT GR SE NO DK FI IS PL CZ SK HU RO BG HR RS UA RU TR IL AE SA EG ZA NG
    KE IN PK BD LK TH VN MY SG ID PH CN HK TW JP KR BR AR CL CO PE MX CR
""".split()
_IBANS = {  # letters: A, digits: 9
    "DE": "9" * 18, "GB": "AAAA" + "9" * 14, "FR": "9" * 23, "NL": "AAAA" + "9" * 10, "NO": "9" * 11, "AT": "9" * 16,
    "CH": "9" * 17, "SE": "9" * 20, "PL": "9" * 24, "DK": "9" * 14, "IT": "A" + "9" * 22, "PT": "9" * 21,
    "FI": "9" * 14, "IE": "AAAA" + "9" * 14, "LU": "9" * 16, "SA": "9" * 20, "AE": "9" * 19, "ES": "9" * 20,
    "BE": "9" * 12, "MT": "AAAA" + "9" * 23, "TR": "9" * 22, "CZ": "9" * 20, "HU": "9" * 24, "GR": "9" * 23,
}  # fmt: skip
_CARDS = "4:16 4:13 4:19 51:16 55:16 2221:16 34:15 37:15 6011:16 36:14 3528:16 62:16 62:19 5018:16".split()
# A module of python-stdnum, and how such a number looks: # a digit, @ a letter, YMD a birthday, Y4MD with four digits.
_IDENTITY = (
    ("us.ssn", "###-##-####"), ("us.ssn", "### ## ####"), ("us.ssn", "#########"), ("ca.sin", "### ### ###"),
    ("ca.sin", "###-###-###"), ("gb.nhs", "### ### ####"), ("gb.nhs", "##########"), ("", "ab ## ## ## c"),
    ("", "jg######d"), ("fr.nir", "1 ## 0# 75 ### ### ##"), ("fr.nir", "2##1275########"),
    ("de.idnr", "## ### ### ###"), ("de.idnr", "###########"), ("it.codicefiscale", "@@@@@@##a##@###@"),
    ("es.dni", "########@"), ("es.dni", "##.###.###-@"), ("es.nie", "x#######@"), ("nl.bsn", "#########"),
    ("be.nn", "YMD-###.##"), ("be.nn", "YMD#####"),
    ("ch.ssn", "756.####.####.##"), ("at.vnr", "#### DMY"), ("se.personnummer", "YMD-####"),
    ("no.fodselsnummer", "DMY #####"), ("dk.cpr", "DMY-####"), ("fi.hetu", "DMY-###@"), ("fi.hetu", "DMYa###@"),
    ("pl.pesel", "YMD#####"), ("cz.rc", "YMD/####"), ("ro.cnp", "1YMD######"), ("br.cpf", "###.###.###-##"),
    ("br.cpf", "###########"), ("in_.aadhaar", "#### #### ####"), ("in_.pan", "@@@p@####@"), ("kr.rrn", "YMD-1######"),
    ("cn.ric", "110105Y4MD####"), ("za.idnr", "YMD #### 0 8 #"), ("za.idnr", "YMD####08#"), ("au.tfn", "### ### ###"),
    ("tr.tckimlik", "###########"), ("cl.rut", "##.###.###-#"), ("ie.pps", "#######@"), ("is_.kennitala", "DMY-####"),
    ("bg.egn", "YMD####"), ("ee.ik", "3YMD####"), ("lt.asmens", "3YMD####"), ("mx.curp", "@@@@YMDhdf@@@##"),
    ("my.nric", "YMD-14-####"),
)  # fmt: skip
_NAMES = """
    anna bert chloe dmitri eva farid grace hiro ines jörg kofi lena marco nadia olu petra quinn rosa sven tariq
""".split()
_SURNAMES = """
    smith müller garcia rossi novak tanaka silva okafor haddad jensen kowalski o'neil brown lee
""".split()
_HOSTS = """
    gmail.com yahoo.com hotmail.com aol.com outlook.com icloud.com gmx.de web.de mail.ru qq.com example.org
    cs.example.edu mail.example.co.uk müller-bau.de startup.io corp.example.com.au
""".split()
_OTHER_ZEROS = "\u0660\u0966\uff10\u06f0"
_AROUND = (
    "call {} pizza", "{} owner", "who is {}", "{} reverse lookup", "find {} address", "is {} real", "{} 2006",
    "best {} 24 7", "report {} scam", "my number {} expired", "2 large pizzas {}", "route 66 {}", "ssn {} jones",
    "acct:{}", "{}, 90210", "({})", "help with {} please", "#{}", "transfer to {} today", "\"{}\"",
)  # fmt: skip


def email(chance: random.Random) -> str:
    """An e-mail address, in a few cases spelt out."""
    name, surname, host = chance.choice(_NAMES), chance.choice(_SURNAMES), chance.choice(_HOSTS)
    number = chance.randrange(1, 2010)
    local = chance.choice(("{0}.{1}", "{3}{1}{2}", "{0}_{1}", "{0}+{1}", "{1}{2}"))
    local = local.format(name, surname, number, name[0])
    shapes = ("{0}@{1}",) * 6 + ("{0} @ {1}", "{0}@ {1}", "{0} (at) {1}", "{0}[at]{1}", "mailto:{0}@{1}", "<{0}@{1}>")
    text = chance.choice((*shapes, "{0} at {2} dot {3}", "{0}@{2} {3}")).format(local, host, *host.rsplit(".", 1))
    return text.upper() if chance.random() < 0.1 else text


def phone(chance: random.Random) -> str:
    """A telephone number of one of 62 regions, as it is dialled there or from abroad."""
    region = chance.choice(_REGIONS)
    kind = PhoneNumberType.MOBILE if chance.random() < 0.5 else PhoneNumberType.FIXED_LINE
    number: Any = copy(phonenumbers.example_number_for_type(region, kind))
    digits = str(number.national_number)
    while True:
        drawn = chance.randint(3, 5)
        number.national_number = int(digits[:-drawn] + "".join(chance.choices(string.digits, k=drawn)))
        if phonenumbers.is_valid_number(number):
            break
    form = chance.choice([PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.E164])
    text = str(phonenumbers.format_number(number, form))
    compact = re.sub(r"[^\d+]", "", text)
    return chance.choice(
        [text, text.replace(" ", "-"), re.sub("[ -]", ".", text), compact, text.replace("+", "00"), text]
    )


def card(chance: random.Random) -> str:
    """A payment card's number, compact or in groups."""
    first, _, length = chance.choice(_CARDS).partition(":")
    body = first + "".join(chance.choices(string.digits, k=int(length) - 1 - len(first)))
    return _grouped(body + luhn.calc_check_digit(body), chance.choice(["", " ", " ", "-", "."]))


def bank_account(chance: random.Random) -> str:
    """An IBAN of one of 24 countries, compact or in groups of four."""
    country = chance.choice(sorted(_IBANS))
    while True:
        body = "".join(chance.choice(string.digits if c == "9" else string.ascii_uppercase) for c in _IBANS[country])
        number = country + iban.calc_check_digits(f"{country}00{body}") + body
        if iban.is_valid(number, check_country=False):
            break
    text = _grouped(number, chance.choice(["", " ", " ", "-"]))
    return text.lower() if chance.random() < 0.5 else text


def identity_number(chance: random.Random) -> str:
    """A social security or identity number of one of 33 countries."""
    module, shape = chance.choice(_IDENTITY)
    judge = importlib.import_module(f"stdnum.{module}") if module else None
    while True:
        year, month, day = chance.randint(1940, 1999), chance.randint(1, 12), chance.randint(1, 28)
        dated = shape.replace("Y4MD", f"{year}{month:02}{day:02}").replace("YMD", f"{year % 100:02}{month:02}{day:02}")
        dated = dated.replace("DMY", f"{day:02}{month:02}{year % 100:02}")
        text = "".join(
            chance.choice(string.digits) if c == "#" else chance.choice(string.ascii_lowercase) if c == "@" else c
            for c in dated
        )
        if judge is None or judge.is_valid(text.replace(" ", "").replace(".", "")):  # some modules know no such marks
            return text


def key(chance: random.Random) -> str:
    """An API key, a digest, a UUID or a JSON web token."""

    def some(letters: str, length: int) -> str:
        return "".join(chance.choices(letters, k=length))

    base62, hexadecimal = string.ascii_letters + string.digits, "0123456789abcdef"
    token = base64.urlsafe_b64encode(json.dumps({"sub": some(string.digits, 10), "iat": 1516239022}).encode()).decode()
    return chance.choice(
        [
            "ghp_" + some(base62, 36), "sk_live_" + some(base62, 24),
            "AKIA" + some(string.ascii_uppercase + "234567", 16), "AIza" + some(base62 + "-_", 35),
            "xoxb-" + some(string.digits, 11) + "-" + some(base62, 24),
            some(hexadecimal, 32), some(hexadecimal, 40), some(base62, 40), some(base62 + "+/", 40) + "==",
            "-".join(some(hexadecimal, length) for length in (8, 4, 4, 4, 12)),
            f"eyJhbGciOiJIUzI1NiJ9.{token}.{some(base62 + '-_', 43)}",
        ]
    )  # fmt: skip


KINDS: dict[str, Callable[[random.Random], str]] = {
    "e-mail": email,
    "phone": phone,
    "card": card,
    "IBAN": bank_account,
    "identity number": identity_number,
    "key": key,
}


def private_strings(kind: str, count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Distinct private strings of a kind, each with the query that holds it: every second one has words around it."""
    chance = random.Random(f"{kind}:{seed}")
    found: dict[str, str] = {}
    while len(found) < count:
        text = KINDS[kind](chance)
        if text.isascii() and kind in {"phone", "card"} and chance.random() < 0.03:
            zero = ord(chance.choice(_OTHER_ZEROS))
            text = text.translate({ord(digit): zero + int(digit) for digit in string.digits})
        query = chance.choice(_AROUND).format(text) if len(found) % 2 else text
        found.setdefault(text, query)
    return list(found.items())


def _grouped(text: str, separator: str) -> str:
    """In groups of four; fifteen digits as 4, 6 and 5."""
    groups = [text[:4], text[4:10], text[10:]] if len(text) == 15 and text.isdigit() else re.findall(".{1,4}", text)
    return separator.join(groups)
