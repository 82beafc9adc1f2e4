"""What is the same, what is near, what is neither: one table, in the scripts that people type."""

# ruff: noqa: RUF001 -- characters that look alike are what is tested
from __future__ import annotations

import itertools

import pytest

from lm.text.folding import NearWord, near_end, near_words, normalize_query, typed_end

SAME = """
latin
iPhone | IPHONE
Straße | STRASSE
ﬁne ﬂow | fine flow
ＵＳＢ－Ｃ | usb-c
Levi's® 501® | levi's 501
Café™ | café
Cafe\u0301 | Café
½ inch | 1/2 inch
1½ inch | 1 1/2 inch
1\u200b½ cup | 1½ cup
10×15 | 10x15
Nike × Sacai | nike x sacai
27” monitor | 27" monitor
27″ monitor | 27" monitor
6′ ladder | 6' ladder
Rock ’n’ Roll | rock 'n' roll
O‘Neill | o'neill
don`t | don't
«guillemets» | "guillemets"
Wi‑Fi | wi-fi
Spider–Man | spider-man
COVID—19 | covid-19
3 − 2 | 3 - 2
new\u00a0york | new york
zero\u200bwidth | zerowidth
co\u00adoperate | cooperate
\ufefftext | text
İstanbul | istanbul
ılıca | ilica
IŞIK | işik
№ 5 | no 5
x² | x2
5 ㎡ | 5 m2
greek
ΟΔΟΣ | οδοσ
Οδός | οδόσ
cyrillic
ЁЛКА | ёлка
И\u0306од | йод
armenian
ԵՐԵՎԱՆ | երեվան
Երևան | երեւան
georgian
ᲗᲑᲘᲚᲘᲡᲘ | თბილისი
cherokee
ᏣᎳᎩ | ꮳꮃꭹ
hebrew
צה״ל | צה"ל
ג׳ירפה | ג'ירפה
תל־אביב | תל-אביב
arabic
مصرى | مصري
كتاب | کتاب
كـــتاب | كتاب
ﻛﺘﺎﺏ | كتاب
٢٠٢٤ | 2024
persian
می\u200cخواهم | میخواهم
۱۴۰۳ | 1403
فارسی | فارسي
urdu
ہندی | هندي
devanagari
१२३ | 123
क्\u200dष | क्ष
क\u093c | क़
bengali
১২৩ | 123
ক\u09c7\u09be | কো
tamil
௧௨௩ | 123
thai
๑๒๓ | 123
ก\u0e4d\u0e32 | กำ
lao
ກໍາ | ກຳ
khmer
ភាសា\u200bខ្មែរ | ភាសាខ្មែរ
mongolian
ᠮᠣᠩᠭᠣᠯ\u180b | ᠮᠣᠩᠭᠣᠯ
han
ＡＢＣ公司 | abc公司
豈 | \uf900
１０元 | 10元
kana
ｶﾞｲﾄﾞ | ガイド
か\u3099 | が
コーヒー１ | コーヒー1
hangul
\u1112\u1161\u11ab글 | 한글
ﾾ | ㅎ
emoji
❤️ love | ❤ love
☕️ near me | ☕ near me
🏳️\u200d🌈 flag | 🏳\u200d🌈 flag
1️⃣ | 1⃣
"""

NEAR = """
latin
t-shirt | t shirt
T-Shirt | tshirt
Coca-Cola | cocacola
AC/DC | ac dc
node.js | node js
U.S. | us
(500) days | 500 days
¿Qué hora? | que hora
Levi's | levis
l'Oréal | loreal
iPhone15 | iphone 15
WF-M5799 | wf m5799
1,000 | 1000
10% off | 10 off
Disney+ | disney
#1 hits | 1 hits
café | cafe
Köln | koln
Köln | koeln
München | muenchen
Größe | groesse
Fußbälle | fussbaelle
Ærø | aero
Ålborg | aalborg
Øresund | oresund
smørrebrød | smoerrebroed
œuvre | oeuvre
Łódź | lodz
Þór | thor
Điện thoại | dien thoai
niño | nino
Česká | ceska
Şişli | sisli
Əli | eli
Ərik | erik
ʻokina | okina
greek
Ελλάδα | ελλαδα
cyrillic
ёлка | елка
йод | иод
Қазақ | казак
ґанок | ганок
hebrew
שָׁלוֹם | שלום
arabic
مَدْرَسَة | مدرسه
أحمد | احمد
إسلام | اسلام
آمال | امال
ٱلكتاب | الكتاب
مؤتمر | موتمر
syriac
ܐܳ | ܐ
devanagari
हिन्दी | हिंदी
चाँद | चांद
ज़मीन | जमीन
gurmukhi
ਜ਼ਮੀਨ | ਜਮੀਨ
kana
カタカナ | かたかな
ｶﾒﾗ | かめら
ヴ | ゔ
emoji
👍🏽 up | 👍 up
"""

DIFFERENT = """
latin
c++ | c
c# | c++
0.5 mm | 5.0 mm
10² | 102
year | yeah
resume | resumes
cyrillic
кот | кит
greek
νόμος | τόμος
hebrew
שלום | שלוב
arabic
كتاب | كتب
devanagari
कि | की
किताब | कताब
bengali
কলা | কালা
tamil
கல் | கால்
telugu
కల | కాల
thai
กา | กำ
ป่า | ปา
lao
ກາ | ກີ
khmer
កា | កី
kana
か | が
は | ぱ
や | ゃ
hangul
한 | 하
han
大 | 太
emoji
🇩🇪 | 🇫🇷
🏴{England} | 🏴{Scotland}
🏴{England} | 🏴
👍 | 👎
👩\u200d🚀 | 👩🚀
"""


TAGS = {"{England}": "gbeng", "{Scotland}": "gbsct"}


def _pairs(table: str) -> list[object]:
    rows: list[object] = []
    script = ""
    for name, code in TAGS.items():
        table = table.replace(name, "".join(chr(0xE0000 + ord(letter)) for letter in code) + "\U000e007f")
    for line in filter(None, table.splitlines()):
        first, found, second = line.partition(" | ")
        if found:
            rows.append(pytest.param(first, second, id=f"{script}-{first!a}"))
        else:
            script = line
    return rows


def _readings(text: str) -> set[str]:
    """The near forms of a text, whatever words it is parted into."""
    return {"".join(forms) for forms in itertools.product(*(word.forms for word in near_words(text)))}


@pytest.mark.parametrize(("first", "second"), _pairs(SAME))
def test_the_same(first: str, second: str) -> None:
    assert normalize_query(first) == normalize_query(second)
    assert [word.forms for word in near_words(first)] == [word.forms for word in near_words(second)]


@pytest.mark.parametrize(("first", "second"), _pairs(NEAR))
def test_near_but_not_the_same(first: str, second: str) -> None:
    assert normalize_query(first) != normalize_query(second)
    assert not _readings(first).isdisjoint(_readings(second))


@pytest.mark.parametrize(("first", "second"), _pairs(DIFFERENT))
def test_different(first: str, second: str) -> None:
    assert normalize_query(first) != normalize_query(second)
    words = [[word.forms for word in near_words(text)] for text in (first, second)]
    assert words[0] != words[1]


def test_the_table_has_a_hundred_pairs_in_fifteen_scripts() -> None:
    lines = [line for table in (SAME, NEAR, DIFFERENT) for line in filter(None, table.splitlines())]
    pairs = [line for line in lines if " | " in line]
    assert len(pairs) >= 100
    assert len(set(lines).difference(pairs)) >= 15


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Coca-Cola Zero", "coca +cola zero"),
        ("iPhone15 Pro", "iphone +15 pro"),
        ("wf-m5799", "wf +m +5799"),
        ("levi's 501", "levi +s 501"),
        ("node.js", "node +js"),
        ("u.s. army", "u +s army"),
        ("(500) days", "500 days"),
        ("h&m h & m", "h +m h m"),
        ("c++ c# f#m", "c++ c# f +m"),
        ("c++11 b2b+ a+b a+ disney+ #1", "c++ +11 b +2 +b a +b a+ disney 1"),
        ("100%€5 $10", "100 +5 10"),
        ("snake_case", "snake +case"),
        ("京都タワー", "京 +都 +た +わ +ー"),
        ("iPhone手机壳", "iphone +手 +机 +壳"),
        ("กำลัง", "กำ +ลั +ง"),
        ("किताब की", "किताब की"),
        ("I❤️NY", "i +❤ +ny"),
        ("🇩🇪🇫🇷 👨\u200d👩\u200d👧", "🇩🇪 +🇫🇷 👨\u200d👩\u200d👧"),
        ("한국", "ㅎㅏㄴㄱㅜㄱ"),
        ("닭 값", "ㄷㅏㄹㄱ ㄱㅏㅂㅅ"),
        ("- … ™ \u0301", ""),
        ("\u0301" * 256, ""),
    ],
)
def test_words(text: str, words: str) -> None:
    found = " ".join("+" * word.glued + word.forms[0] for word in near_words(text))
    assert found == words


def test_both_german_forms_are_found() -> None:
    assert near_words("Köln") == [NearWord(("koln", "koeln"), 0, 4, False)]
    assert near_words("Übergröße")[0].forms == ("ubergrosse", "uebergroesse")


@pytest.mark.parametrize(
    ("display", "part", "shown"),
    [
        ("Levi's® 501®", "levi's 5", "Levi's® 5"),
        ("Levi's® 501®", "levi's 501", "Levi's® 501®"),
        ("İSTANBUL", "ist", "İST"),
        ("Straße", "strass", "Straß"),
        ("किताब", "क", "कि"),
        ("क्षमा", "क्", "क्ष"),
        ("👨\u200d👩\u200d👧 family", "👨", "👨\u200d👩\u200d👧"),
        ("❤️ love", "❤", "❤️"),
        ("👍🏽 up", "👍", "👍🏽"),
        ("1½ inch", "1 1/", "1½"),
        ("Sa\u0303o Paulo", "sã", "Sa\u0303"),
        ("เกม", "เ", "เ"),
    ],
)
def test_what_is_shown_of_a_part_ends_at_a_border_of_clusters(display: str, part: str, shown: str) -> None:
    assert normalize_query(display).startswith(part)
    assert typed_end(display, len(part)) == len(shown)
    assert display.startswith(shown)


@pytest.mark.parametrize(
    ("text", "typed", "shown"),
    [
        ("iPhone", "ip", "iP"),
        ("Köln", "ko", "Kö"),
        ("Köln", "koe", "Kö"),
        ("Köln", "koel", "Köl"),
        ("Fußball", "fuss", "Fuß"),
        ("Điện", "di", "Đi"),
        ("한국", "ㅎㅏ", ""),  # it may become 하
        ("한국", "ㅎㅏㄴ", "한"),
        ("किताब", "क", "कि"),
    ],
)
def test_what_is_typed_of_a_word(text: str, typed: str, shown: str) -> None:
    assert text[: near_end(text, near_words(text)[0], typed)] == shown
