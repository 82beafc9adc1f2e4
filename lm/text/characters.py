"""What characters are: blanks, invisible ones, those of one look, accents, scripts without spaces; and NFKC with its
exceptions.

Tables are spelled out and not asked of `unicodedata` where they can be, so that two Python releases fold alike.
"""

# ruff: noqa: RUF001 -- characters that look alike are what this file is about
from __future__ import annotations

import re
import unicodedata

import regex

from lm.text.hangul import FINALS, INITIALS, VOWELS

# Format characters (category Cf), the two joiners that shape words and the tags of flags left out.
FORMAT = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001"
)
TAGS = "\U000e0020-\U000e007f"
TAGGED_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]+\U000e007f"
"""England, Scotland, Wales: a black flag, the region's code in tags, and the tag that ends it."""
CONTROL = r"\x00-\x1f\x7f-\x9f"
DOTTED_I = re.compile("i\u0307+")
"""What lower case makes of `İ`; in Turkish `i` is its small letter."""

# With what looks blank (a Braille pattern, the Hangul fillers), and what NFKC makes a space with a mark on it.
BLANK = (
    rf"\s{CONTROL}\u2800\u3164\uffa0\u00a8\u00af\u00b8\u02d8\u02d9\u02db-\u02dd\u037a\u0385\u1fc0\u1fc1\u1fcd-\u1fcf"
    r"\u1fdd-\u1fdf\u1fed\u1fee\u2017\u203e\u309b\u309c\ufc5e-\ufc63\ufe49-\ufe4c\ufe70\ufe72\ufe74\ufe76\ufe78\ufe7a"
    r"\ufe7c\ufe7e\uffe3"
)
# Letters and marks of scripts without spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer, Han, Kana, Bopomofo.
UNSPACED_SCRIPTS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u0f00-\u0fbc\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00016fe0-\U00016fff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)

CLUSTERS = regex.compile(r" |\X")
"""Grapheme clusters: what a reader takes for one character (Unicode Standard Annex 29, extended clusters), but a space
never has a mark: it parts words."""

# NFKC turns letters that Korean text uses on their own into pieces of syllables, and takes Thai and Lao AM apart,
# which their texts write as one character.
_KEPT = re.compile("([\u3130-\u318f\u0e33\u0eb3]+)")
_SPLIT_AM = re.compile("\u0e4d\u0e32|\u0ecd\u0eb2")
# Conjoining jamo that NFKC could not compose: letters of older Korean stay together, all others stand alone.
_CONJOINING_JAMO = re.compile(
    "([\u1100-\u115f\ua960-\ua97c]+[\u1160-\u11a7\ud7b0-\ud7c6]+[\u11a8-\u11ff\ud7cb-\ud7fb]*)"
    "|[\u1100-\u1112\u1161-\u1175\u11a8-\u11c2]"
)
_ALONE = {
    **dict(zip(map(chr, range(0x1100, 0x1113)), INITIALS, strict=True)),
    **dict(zip(map(chr, range(0x1161, 0x1176)), VOWELS, strict=True)),
    **dict(zip(map(chr, range(0x11A8, 0x11C3)), FINALS[1:], strict=True)),
}


def compose(text: str) -> str:
    """NFKC, but for letters that Korean, Thai and Lao text writes otherwise; `▁`, a vocabulary's space, becomes `_`."""
    composed = "".join(
        part if position % 2 else unicodedata.normalize("NFKC", part) for position, part in enumerate(_KEPT.split(text))
    )
    composed = _CONJOINING_JAMO.sub(lambda match: match.group(1) or _ALONE[match.group()], composed)
    composed = composed.replace("▁", "_")
    return _SPLIT_AM.sub(lambda match: "\u0e33" if match.group() == "\u0e4d\u0e32" else "\u0eb3", composed)


# What zero is in each script (category Nd); the nine other digits follow it.
_ZEROS = (
    "\u0660\u06f0\u07c0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0de6\u0e50\u0ed0\u0f20\u1040\u1090"
    "\u17e0\u1810\u1946\u19d0\u1a80\u1a90\u1b50\u1bb0\u1c40\u1c50\ua620\ua8d0\ua900\ua9d0\ua9f0\uaa50\uabf0\uff10"
    "\U000104a0\U00010d30\U00010d40\U00011066\U000110f0\U00011136\U000111d0\U000112f0\U00011450\U000114d0\U00011650"
    "\U000116c0\U000116d0\U000116da\U00011730\U000118e0\U00011950\U00011bf0\U00011c50\U00011d50\U00011da0\U00011de0"
    "\U00011f50\U00016130\U00016a60\U00016ac0\U00016b50\U00016d70\U0001ccf0\U0001e140\U0001e2f0\U0001e4f0\U0001e5f1"
    "\U0001e950\U0001fbf0"
)
SAME = {
    # dashes, quotes and primes of any kind, whichever way they point
    **dict.fromkeys("‐‑‒–—―⸺⸻−⁃˗֊־᐀᠆⸗⸚⹀⹝〰゠﹘﹣－\ufe31\ufe32\U00010d6e\U00010ead", "-"),
    **dict.fromkeys("`´‘’‚‛′‵‹›ʹʻʼʽ΄᾽᾿\u1ffd\u1ffe՚׳＇ꞌ", "'"),
    **dict.fromkeys("“”„‟″‶«»〝〞〟״ˮ＂⹂", '"'),
    **dict.fromkeys("×⨯✕", "x"),
    **dict.fromkeys("⁄∕", "/"),
    "〜": "~",
    "˚": "°",
    "ى": "ي",  # alef maksura and Farsi yeh are written for one another
    "ی": "ي",
    "ک": "ك",
    "ہ": "ه",
    "ı": "i",
    **{chr(ord(zero) + value): str(value) for zero in _ZEROS for value in range(10)},
}
"""What one character is the same as; none of these stands for another in turn."""
# Tatweel, grapheme joiner, invisible vowels, the non-joiner, selectors of a glyph, and signs of law.
NOTHING = "\u0640\u034f\u17b4\u17b5\u180b-\u180d\u180f\u200c\ufe00-\ufe0f\U000e0100-\U000e01ef®©™℠℗"

# Marks that are no letters: accents, Hebrew points, Arabic vowel marks and hamza, tones of N'Ko, dots of Indic scripts.
ACCENTS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u07eb-\u07f3\u0898-\u089f\u08ca-\u08ff"
    "\u093c\u09bc\u0a3c\u0abc\u0b3c\u0c3c\u0cbc\u135d-\u135f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u2de0-\u2dff"
    "\ua66f-\ua672\ua674-\ua67d\ufb1e\ufe20-\ufe2f\U0001f3fb-\U0001f3ff"
)
# Letters that no decomposition takes apart, as they are typed on other keyboards.
PLAIN = str.maketrans(
    {
        **dict(zip("đðħłøŧŋɖɓɗƙƴəɛɔɨʉƒꞑ", ("d", "d", "h", "l", "o", "t", "n", *"dbdkyeeoiufn"), strict=True)),
        **{"æ": "ae", "œ": "oe", "þ": "th"},
        **dict(zip("ґғқҡҝңҥүұөәһҳҷҹҫҙ", "ггкккннууоахчжчсз", strict=True)),
        **{"ٱ": "ا", "ة": "ه", "ۃ": "ه", "ھ": "ه", "ە": "ه", "ے": "ي"},
        **{chr(code): chr(code - 0x60) for code in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)},  # katakana
        "\u0901": "\u0902",  # candrabindu, which many write as an anusvara
    }
)
