"""What counts as equal, in two strengths; `docs/how-it-matches.md` has it as one table.

*Same*: texts with one `normalize_query` are one query, however they are written. It is the key of the index and what
models see. What is shown is the text as it was written.

*Near*: words with a near form in common are found by each other, and rank after the same: see `near_words`. Texts that
are the same have the same near words.
"""

# ruff: noqa: RUF001 -- characters that look alike are what this file is about
from __future__ import annotations

import bisect
import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import regex

from lm.text.characters import CLUSTERS, CONTROL, FORMAT, TAGGED_FLAG, TAGS, UNSPACED_SCRIPTS, compose
from lm.text.hangul import COMPOUNDS, FINALS, INITIALS, VOWELS, letters

_BLANK = rf"\s{CONTROL}\u2800\u3164\uffa0"  # with the blank Braille pattern and the Hangul fillers, which look so
_BLANKS = re.compile(f"[{_BLANK}]+")
_ASCII_BLANKS = re.compile(r"[\x00-\x20\x7f]+")

# What zero is in each script (category Nd); the nine other digits follow it.
_ZEROS = (
    "\u0660\u06f0\u07c0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0de6\u0e50\u0ed0\u0f20\u1040\u1090"
    "\u17e0\u1810\u1946\u19d0\u1a80\u1a90\u1b50\u1bb0\u1c40\u1c50\ua620\ua8d0\ua900\ua9d0\ua9f0\uaa50\uabf0\uff10"
    "\U000104a0\U00010d30\U00010d40\U00011066\U000110f0\U00011136\U000111d0\U000112f0\U00011450\U000114d0\U00011650"
    "\U000116c0\U000116d0\U000116da\U00011730\U000118e0\U00011950\U00011bf0\U00011c50\U00011d50\U00011da0\U00011de0"
    "\U00011f50\U00016130\U00016a60\U00016ac0\U00016b50\U00016d70\U0001ccf0\U0001e140\U0001e2f0\U0001e4f0\U0001e5f1"
    "\U0001e950\U0001fbf0"
)
_SAME = {
    **dict.fromkeys("‐‑‒–—―⸺⸻−⁃˗֊־᐀᠆⸗⸚⹀⹝〰゠﹘﹣－\ufe31\ufe32\U00010d6e\U00010ead", "-"),
    **dict.fromkeys("`´‘’‚‛′‵‹›ʹʻʼʽˈˊˋ΄᾽᾿՚׳＇＇ꞌ", "'"),
    **dict.fromkeys("“”„‟″‶«»〝〞〟״ˮ＂⹂", '"'),
    **dict.fromkeys("×⨯✕", "x"),
    **dict.fromkeys("⁄∕", "/"),
    "〜": "~",
    "ى": "ي",  # alef maksura and Farsi yeh are written for one another
    "ی": "ي",
    "ک": "ك",
    "ہ": "ه",
    "ı": "i",
    **{chr(ord(zero) + value): str(value) for zero in _ZEROS for value in range(10)},
}
# Tatweel, grapheme joiner, invisible vowels, the non-joiner, selectors of a glyph, and signs of law.
_NOTHING = "\u0640\u034f\u17b4\u17b5\u180b-\u180d\u180f\u200c\ufe00-\ufe0f\U000e0100-\U000e01ef®©™℠℗"
_FOLDED = re.compile(f"{TAGGED_FLAG}|[{''.join(map(re.escape, _SAME))}{_NOTHING}{FORMAT}{TAGS}]")
_EMOJI_JOINER = regex.compile(r"(?<=\p{Extended_Pictographic}\p{Emoji_Modifier}?)\u200d(?=\p{Extended_Pictographic})")
# `1½` is one and a half, `10²` a power
_AFTER_DIGIT = re.compile(r"(?<=\d)(?:(?P<part>[¼-¾⅐-⅟↉])|(?=[⁰¹²³⁴-⁻]))")
_MOST_PASSES = 4
"""No text is known that needs more than three until nothing changes."""


def normalize_query(text: str) -> str:
    """The form in which queries are the same: case, width, marks of one look and what is invisible do not count.

    Case is Unicode's full case folding, and each run of blanks one space. Leading blanks go; trailing ones become a
    single space, which says that the last word is finished. A log holds `normalize_query(query).rstrip()`. What was
    typed so far is a beginning of what it will be, and folding twice is folding once.
    """
    if text.isascii():
        folded = text.lower().replace("`", "'")
        # the short way for usual queries, which are asked for at every keystroke
        if folded.isprintable() and "  " not in folded:
            return folded.removeprefix(" ")
        return _ASCII_BLANKS.sub(" ", folded).removeprefix(" ")
    for _ in range(_MOST_PASSES):
        before, text = text, _fold_once(text)
        if text == before:
            break
    return text


def _fold_once(text: str) -> str:
    text = _AFTER_DIGIT.sub(lambda match: f" {match['part']}" if match["part"] else "^", text)
    text = _FOLDED.sub(_folded, text)
    if "\u200d" in text:
        text = "\u200d".join(each.replace("\u200d", "") for each in _EMOJI_JOINER.split(text))
    # lower after folding: Cherokee folds to capitals, which models do not have
    text = compose(text.casefold().lower().replace("i\u0307", "i"))
    return _BLANKS.sub(" ", text).removeprefix(" ")


def _folded(match: re.Match[str]) -> str:
    found = match.group()
    return found if len(found) > 1 else _SAME.get(found, "")


# Marks of direction that reach beyond the text, and the byte order mark, are no part of what was written.
_UNSHOWN = re.compile("[\ufeff\u202a-\u202e\u2066-\u2069]")
_UNEVEN_BLANKS = re.compile(rf"[{_BLANK}]{{2,}}|[{CONTROL}]")
_OUTER_BLANKS = re.compile(rf"\A[{_BLANK}]+|[{_BLANK}]+\Z")


def displayed_query(text: str) -> str | None:
    """A query exactly as it was written, but with single blanks; None where that is its normalised form."""
    shown = _UNEVEN_BLANKS.sub(" ", _OUTER_BLANKS.sub("", _UNSHOWN.sub("", text)))
    return shown if shown != normalize_query(text).rstrip(" ") else None


def typed_end(display: str, typed_length: int) -> int:
    """How much of a text that is shown the first code points of its normalised form are.

    Args:
        typed_length: code points of `normalize_query(display)`.

    Returns:
        Code points of `display`, never more than were typed, up to a border of grapheme clusters.
    """
    if display.isascii():
        return min(typed_length, len(display))
    key = normalize_query(display)
    if typed_length >= len(key):
        return len(display)
    ends, lengths = _alignment(display, key)
    place = bisect.bisect_right(lengths, typed_length) - 1
    return ends[bisect.bisect_left(lengths, lengths[place])]


def _alignment(text: str, key: str) -> tuple[list[int], list[int]]:
    """Borders of clusters in a text, from 0 on, and how long the text's key is up to each."""
    ends, lengths = [0], [0]
    for stretch in _STRETCHES.finditer(text):
        length = lengths[-1]
        if stretch["blank"]:
            ends.append(stretch.end())
            lengths.append(length + key.startswith(" ", length))
            continue
        folded = normalize_query(stretch.group())
        if not key.startswith(folded, length):
            break
        clusters = CLUSTERS.findall(stretch.group())
        parts = [normalize_query(cluster) for cluster in clusters]
        if "".join(parts) != folded:  # a character that folds in the light of its neighbour: all is one piece
            clusters, parts = [stretch.group()], [folded]
        for cluster, part in zip(clusters, parts, strict=True):
            ends.append(ends[-1] + len(cluster))
            lengths.append(lengths[-1] + len(part))
    if ends[-1] < len(text):
        ends.append(len(text))
        lengths.append(len(key))
    return ends, lengths


_STRETCHES = re.compile(rf"(?P<blank>[{_BLANK}]+)|[^{_BLANK}]+")


class NearWord(NamedTuple):
    """A word as it is found.

    Attributes:
        forms: near forms, the plain one first (`koln`, `koeln`); at least one, none of them empty.
        start, end: where it stands in the text: code points.
        glued: whether no space stands between it and the word before it, but a mark or nothing.
    """

    forms: tuple[str, ...]
    start: int
    end: int
    glued: bool


# Letters or digits in a row, and a name of one or two letters with its marks: `c++`, `c#`, but not `a+b`.
_ASCII_WORDS = re.compile(r"(?<![0-9])[a-z]{1,2}[+#]++(?![a-z])|[a-z]+|[0-9]+")


def near_words(text: str) -> list[NearWord]:
    """The words of a text with the forms in which they are found.

    Spaces and marks part words; so does a change from letters to digits or back. Marks belong to no word, but for `+`
    and `#` right after a word of one or two letters if no letter follows (`c++`, `c#`). In scripts without spaces each
    grapheme cluster is a word, and so is each emoji. A near form has no accents, Hebrew points or Arabic vowel marks,
    no skin tone, katakana as hiragana, and Hangul as the keys that write it.
    """
    if text.isascii():
        return list(_ascii_words(text.lower()))
    key = normalize_query(text)
    words = list(_ascii_words(key) if key.isascii() else _words(key))
    if key == text:
        return words
    ends, lengths = _alignment(text, key)
    return [
        word._replace(
            start=ends[bisect.bisect_right(lengths, word.start) - 1], end=ends[bisect.bisect_left(lengths, word.end)]
        )
        for word in words
    ]


def _ascii_words(text: str) -> Iterator[NearWord]:
    """Words of lower-case ASCII text. Its rules are all in `_ASCII_WORDS`; control characters are spaces."""
    last = -1
    for match in _ASCII_WORDS.finditer(text):
        start, end = match.span()
        glued = last == start or (last >= 0 and _ASCII_BLANKS.search(text, last, start) is None)
        yield NearWord((match.group(),), start, end, glued)
        last = end


_MARKED_NAME = regex.compile(r"[+#]++(?![\p{L}\p{M}])")
_LETTER, _DIGIT, _SINGLE, _SPACE, _MARK = range(5)
_PICTURE = regex.compile(r"[\p{Extended_Pictographic}\p{Regional_Indicator}]")
_UNSPACED = re.compile(f"[{UNSPACED_SCRIPTS}]")


class _Kinds(dict[str, int]):
    """What a cluster is that begins with a character."""

    def __missing__(self, character: str) -> int:
        kind = _MARK
        if character == " ":
            kind = _SPACE
        elif character.isdecimal():
            kind = _DIGIT
        elif character.isalnum():
            kind = _SINGLE if _UNSPACED.match(character) else _LETTER
        elif _PICTURE.match(character):
            kind = _SINGLE
        if len(self) < 1 << 13:
            self[character] = kind
        return kind


_KINDS = _Kinds()


def _words(key: str) -> Iterator[NearWord]:
    """Words of normalised text in any script; of ASCII text the same as `_ascii_words`."""
    glued, end, before = False, 0, _MARK
    for kind, start, run_end in _runs(key):
        if start < end:  # a mark that belongs to the name before it
            continue
        end = run_end
        if kind == _LETTER and end - start <= 2 and before != _DIGIT:
            marks = _MARKED_NAME.match(key, end)
            end = marks.end() if marks else end
        before = kind
        if kind == _SPACE:
            glued = False
        elif kind != _MARK:
            forms = _short_forms(key[start:end]) if end - start <= _SHORT else _forms(key[start:end])
            if forms:
                yield NearWord(forms, start, end, glued)
                glued = True


def _runs(key: str) -> list[tuple[int, int, int]]:
    """Kind, start and end of each run of letters, of digits, and of each other cluster."""
    runs: list[tuple[int, int, int]] = []
    last, start, end = _MARK, 0, 0
    for cluster in CLUSTERS.findall(key):
        kind = _KINDS[cluster[0]]
        if kind != last or kind > _DIGIT:
            runs.append((last, start, end))
            last, start = kind, end
        end += len(cluster)
    runs.append((last, start, end))
    return runs


# Marks that are no letters: accents, Hebrew points, Arabic vowel marks and hamza, tones of N'Ko, dots of Indic scripts.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u07eb-\u07f3\u0898-\u089f\u08ca-\u08ff"
    "\u093c\u09bc\u0a3c\u0abc\u0b3c\u0c3c\u0cbc\u135d-\u135f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u2de0-\u2dff"
    "\ua66f-\ua672\ua674-\ua67d\ufb1e\ufe20-\ufe2f\U0001f3fb-\U0001f3ff]+"
)
# Letters that no decomposition takes apart, as they are typed on other keyboards.
_PLAIN = str.maketrans(
    {
        **dict(zip("đðħłøŧŋɖɓɗƙƴəɛɔɨʉƒꞑ", ("d", "d", "h", "l", "o", "t", "n", *"dbdkyeeoiufn"), strict=True)),
        **{"æ": "ae", "œ": "oe", "þ": "th", "ĳ": "ij"},
        **dict(zip("ґғқҡҝңҥүұөәһҳҷҹҫҙ", "ггкккннууоахчжчсз", strict=True)),
        **{"ٱ": "ا", "ة": "ه", "ۃ": "ه", "ھ": "ه", "ە": "ه", "ے": "ي"},
        **{chr(code): chr(code - 0x60) for code in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)},  # katakana
        "\u0901": "\u0902",  # candrabindu, which many write as an anusvara
    }
)
_UMLAUT = re.compile("[aou]\u0308|a\u030a|ø")
# a nasal before another consonant, which many write as an anusvara: हिन्दी, हिंदी
_NASAL = re.compile("[ङञणनम]\u094d(?=[क-ह])")
_HANGUL = re.compile("[가-힣ㄱ-ㆎ]")
_SHORT = 32


def _forms(word: str) -> tuple[str, ...]:
    """The near forms of a word of normalised text; none if it is made of accents alone."""
    if word.isascii():
        return (word,)
    if _HANGUL.search(word):
        return (_HANGUL.sub(lambda match: _keys(match.group()), word),)
    decomposed = unicodedata.normalize("NFD", word)
    forms = [_plain(decomposed)]
    if _UMLAUT.search(decomposed):
        forms.append(_plain(_UMLAUT.sub(lambda match: _TWO_LETTERS[match.group()], decomposed)))
    if _NASAL.search(decomposed):
        forms.append(_plain(_NASAL.sub("\u0902", decomposed)))
    return tuple(dict.fromkeys(filter(None, forms)))


_short_forms = functools.lru_cache(1 << 13)(_forms)  # of words of `_SHORT` code points: 4 MB at most


def _plain(decomposed: str) -> str:
    return unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed).translate(_PLAIN))


_TWO_LETTERS = {"a\u0308": "ae", "o\u0308": "oe", "u\u0308": "ue", "a\u030a": "aa", "ø": "oe"}


def _keys(character: str) -> str:
    """The keys of a two-set keyboard that write a syllable or a letter, so that an unfinished one is a beginning."""
    if character < "가":
        return "".join(COMPOUNDS.get(character, character))
    initial, vowel, final = letters(character)
    return INITIALS[initial] + "".join(
        "".join(COMPOUNDS.get(letter, letter)) for letter in (VOWELS[vowel], FINALS[final])
    )
