"""What the two foldings of text share: blanks, NFKC with its exceptions, scripts without spaces, grapheme clusters.

Tables are spelled out and not asked of `unicodedata` where they can be, so that two Python releases fold alike.
"""

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

# Letters and marks of scripts without spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer, Han, Kana, Bopomofo.
UNSPACED_SCRIPTS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u0f00-\u0fbc\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00016fe0-\U00016fff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)

CLUSTERS = regex.compile(r"\X")
"""Grapheme clusters: what a reader takes for one character (Unicode Standard Annex 29, extended clusters)."""

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
